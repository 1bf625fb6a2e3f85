/** Options of the MQTT side and of the durable queue behind it: every bound a sender can run into. */
import { z } from "zod";
import { bytes, choice, count, days, flag, milliseconds, optionalPath, port, text } from "./leaves.ts";

const LOOPBACK = "127.0.0.1";
const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

const tcp = z.strictObject({
  enabled: flag(true, "Listen for MQTT over plain TCP."),
  host: text(LOOPBACK, "Address to listen on; anything but loopback sends device tokens in the clear."),
  port: port(1883, "Port of MQTT over TCP; 0 takes a free one."),
});

const tls = z.strictObject({
  enabled: flag(false, "Listen for MQTT over TLS."),
  host: text(LOOPBACK, "Address to listen on."),
  port: port(8883, "Port of MQTT over TLS; 0 takes a free one."),
  certFile: optionalPath("Certificate chain in PEM; needed when TLS is enabled."),
  keyFile: optionalPath("Private key in PEM; needed when TLS is enabled."),
});

const ws = z.strictObject({
  enabled: flag(false, "Listen for MQTT over WebSocket."),
  host: text(LOOPBACK, "Address to listen on."),
  port: port(8083, "Port of MQTT over WebSocket; 0 takes a free one."),
  path: text("/mqtt", "Request path of the WebSocket upgrade.", /^\/[A-Za-z0-9_./-]{0,128}$/),
});

const rate = z.strictObject({
  perSecond: count(1, 100, 1_000_000, "Messages a device may publish per second, on average.", "messages/s"),
  burst: count(1, 200, 1_000_000, "Messages a device may publish at once after a quiet time.", "messages"),
});

export const mqttOptions = z.strictObject({
  tcp: tcp.prefault({}),
  tls: tls.prefault({}),
  ws: ws.prefault({}),
  connectTimeoutMs: milliseconds(100, 5_000, 60_000, "A connection must have sent its CONNECT by then."),
  maxKeepaliveS: count(
    5,
    1_200,
    65_535,
    "Longest silence allowed; a client that asks for a longer keepalive, or for none, is held to this one.",
    "s",
  ),
  maxConnections: count(
    1,
    20_000,
    1_000_000,
    "Open connections of all listeners together, handshakes included; above it the oldest that has not logged in is closed, and a new one is turned away when all have.",
    "connections",
  ),
  maxPayloadBytes: bytes(64, 8_192, MIB, "Largest payload of a device message; a larger one is refused `too-large`."),
  maxPacketBytes: bytes(256, 65_536, 4 * MIB, "Largest MQTT packet; a larger one ends the connection."),
  maxHubPacketBytes: bytes(
    256,
    MIB,
    16 * MIB,
    "Largest MQTT packet of a hub, or of a device whose dialect is `large`. Of a publication above `maxPacketBytes` nothing is kept or taken, and the connection goes on.",
  ),
  maxConnectPacketBytes: bytes(128, 4_096, 65_536, "Largest packet before the client is authenticated."),
  maxTopicLevels: count(3, 8, 64, "Deepest topic.", "levels"),
  maxTopicBytes: bytes(
    256,
    256,
    4_096,
    "Longest topic or topic filter; a message to a longer one is refused `invalid-topic`, a longer filter in the SUBACK.",
  ),
  maxSubscriptions: count(
    1,
    100,
    10_000,
    "Topic filters of one connection; one more is refused in the SUBACK.",
    "filters",
  ),
  inFlightPerConnection: count(
    1,
    256,
    65_535,
    "Unacknowledged messages of one connection before its reading pauses; also the most QoS 2 messages it may have without PUBREL, one more ends it.",
    "messages",
  ),
  inFlightMessages: count(
    1,
    50_000,
    10_000_000,
    "Messages held in memory by the whole gateway before reading pauses; also the most QoS 2 messages without PUBREL, of all connections.",
    "messages",
  ),
  inFlightBytes: bytes(
    65_536,
    64 * MIB,
    4_096 * MIB,
    "Payload held in memory by the whole gateway before reading pauses; as much again of packets whose rest has not come, then the connection that holds most of it is ended.",
  ),
  enqueueDeadlineMs: milliseconds(
    100,
    5_000,
    60_000,
    "A message not durable by then is not acknowledged; the device sends it again.",
  ),
  tellConsent: flag(
    true,
    "Tell a device that speaks MQTT 5, in the acknowledgement of a message and once a minute at most, that there is no consent to use it.",
  ),
  rate: rate.prefault({}),
  commandsPerMinute: count(
    1,
    10,
    120,
    "Commands that one device is handed a minute, from all scene services together; beyond it they are refused. Rules that switch each other end here.",
    "commands/min",
  ),
  takeoversPerMinute: count(
    1,
    6,
    100_000,
    "How often a new connection may end an older one of the same device; then the newcomer is refused.",
    "logins/min",
  ),
  failedLoginsPerMinute: count(
    1,
    60,
    100_000,
    "Failed logins under one user name from one remote address (IPv4, or IPv6 /64) before the next wrong ones are counted and answered as too many. The right token is always let in.",
    "logins/min",
  ),
  failedLoginsPerAddressPerMinute: count(
    1,
    3_000,
    1_000_000,
    "Failed logins from one remote address, under whatever names, before the next wrong ones are counted and answered as too many.",
    "logins/min",
  ),
  clockWindowPastMs: milliseconds(
    0,
    24 * HOUR_MS,
    366 * 24 * HOUR_MS,
    "How far in the past a device's `ts` may lie; beyond it the time of receipt is taken.",
  ),
  clockWindowFutureMs: milliseconds(
    0,
    300_000,
    24 * HOUR_MS,
    "How far in the future a device's `ts` may lie; beyond it the time of receipt is taken.",
  ),
  drainTimeoutMs: milliseconds(
    100,
    10_000,
    600_000,
    "A client that does not read what it is sent for this long is disconnected.",
  ),
});

export const queueOptions = z.strictObject({
  maxBatchMessages: count(1, 1_000, 100_000, "Messages sealed into one batch.", "messages"),
  maxBatchBytes: bytes(1_024, 524_288, 64 * MIB, "Payload sealed into one batch."),
  flushesInFlight: count(1, 1, 64, "Batches sent to Redis at the same time.", "batches"),
  commitEveryMs: milliseconds(
    0,
    4,
    20,
    "Few messages wait for each other for at most so long before they become a batch; with 64 of them none waits. 0: none waits, and each costs nearly as much as a batch.",
  ),
  passEveryMs: milliseconds(
    0,
    25,
    1_000,
    "Time between passes through the pipeline while few batches wait; after a rest the first one passes at once. 0: none waits.",
  ),
  workerConcurrency: count(
    1,
    1,
    256,
    "Passes through the pipeline at the same time; each takes the batches that wait, up to 4,000 messages.",
    "passes",
  ),
  backlogBytes: bytes(
    MIB,
    1_024 * MIB,
    1_024 * 1_024 * MIB,
    "Budget of the queue in Redis; over it nothing is acknowledged and reading pauses.",
  ),
  requireDurability: choice(
    ["fsync", "everysec", "none"],
    "fsync",
    "What Redis must really do before the gateway starts: `appendfsync always`, `everysec`, or whatever it does.",
  ),
  maxAttemptsBeforeIsolation: count(
    1,
    5,
    1_000,
    "Attempts that ended the process, or failed, before a batch is halved, again and again, until the culprit is alone.",
    "attempts",
  ),
  watchdogMs: milliseconds(
    1_000,
    60_000,
    3_600_000,
    "With work waiting and nothing completing for this long the process exits so that its supervisor restarts it.",
  ),
  stopDeadlineMs: milliseconds(
    0,
    10_000,
    600_000,
    "On stop, how long batches in progress may take; the rest stays in the queue.",
  ),
  deadLetterBytes: bytes(
    MIB,
    256 * MIB,
    1_024 * 1_024 * MIB,
    "Budget of the dead letters in Redis; over it there are no more of them and what should become one waits.",
  ),
  deadLetterRetentionDays: days(1, 7, 365, "How long a dead letter is kept, sealed, for an operator to look at."),
});
