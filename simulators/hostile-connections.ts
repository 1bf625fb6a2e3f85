/** Attacks on the connection itself: false credentials, forged wills, and bytes that are no MQTT. */
import { connect as connectSocket } from "node:net";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import type { Attack, AttackContext, AttackOutcome } from "./attack.ts";
import type { SimulatedDevice } from "./population.ts";

const ANSWER_MS = 8_000;

export const BROKEN_CONNECTIONS: readonly Attack[] = [
  {
    name: "wrong password",
    allowed: ["rejected"],
    run: ({ url, attacker }) => login(url, attacker.id, attacker.id, `${attacker.token.slice(0, -1)}~`),
  },
  {
    name: "unknown device",
    allowed: ["rejected"],
    run: ({ url, attacker }) => login(url, `${attacker.id}-2`, `${attacker.id}-2`, attacker.token),
  },
  {
    name: "__proto__ as device id",
    allowed: ["rejected"],
    run: ({ url, attacker }) => login(url, "__proto__", "__proto__", attacker.token),
  },
  {
    name: "empty client id",
    allowed: ["accepted"],
    run: ({ url, attacker }) => login(url, "", attacker.id, attacker.token),
  },
  { name: "two connections with one client id", allowed: ["closed"], run: takeover },
  { name: "will on another device's topic", allowed: ["rejected", "closed"], run: forgedWill },
  {
    name: "256 MB packet before CONNECT",
    allowed: ["closed"],
    run: ({ url }) => sendBytes(url, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x04])),
  },
  {
    name: "bytes that are no MQTT",
    allowed: ["closed"],
    run: ({ url, victim }) => sendBytes(url, Buffer.from(`GET /${victim.id} HTTP/1.1\r\n\r\n`)),
  },
];

async function login(url: string, clientId: string, username: string, password: string): Promise<AttackOutcome> {
  try {
    const client = await connectMqtt(url, { clientId, username, password, clean: true });
    await disconnectMqtt(client);
    return "accepted";
  } catch {
    return "rejected";
  }
}

function open(url: string, { id, token }: SimulatedDevice) {
  return connectMqtt(url, { clientId: id, username: id, password: token, clean: true });
}

/** The first connection must be cut when the same device comes a second time; the second must live. */
async function takeover({ url, attacker }: AttackContext): Promise<AttackOutcome> {
  const first = await open(url, attacker);
  const cut = new Promise<AttackOutcome>((resolve) => {
    const timer = setTimeout(() => resolve("silent"), ANSWER_MS);
    first.once("close", () => {
      clearTimeout(timer);
      resolve("closed");
    });
  });
  const second = await open(url, attacker);
  const outcome = await cut;
  const alive = second.connected;
  await Promise.all([disconnectMqtt(first), disconnectMqtt(second)]);
  return alive ? outcome : "failed";
}

/** Dies without DISCONNECT, so that the broker publishes its will: under another device's name. */
async function forgedWill({ url, attacker, victim, log }: AttackContext): Promise<AttackOutcome> {
  const payload = JSON.stringify({ ip: victim.ip, status: { power_on: true } });
  try {
    const client = await connectMqtt(url, {
      clientId: attacker.id,
      username: attacker.id,
      password: attacker.token,
      clean: true,
      will: { topic: `devices/${victim.id}/telemetry`, payload: Buffer.from(payload), qos: 1, retain: true },
    });
    log.uncertain += 1;
    const gone = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.stream.destroy();
    await gone;
    await disconnectMqtt(client);
    return "closed";
  } catch {
    return "rejected";
  }
}

/** Writes bytes to a bare socket and waits for the other side to hang up. */
async function sendBytes(url: string, bytes: Buffer): Promise<AttackOutcome> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connectSocket(Number(port), hostname, () => socket.write(bytes));
    const timer = setTimeout(() => {
      socket.destroy();
      resolve("silent");
    }, ANSWER_MS);
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve("closed");
    });
  });
}
