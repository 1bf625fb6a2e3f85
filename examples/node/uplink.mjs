/** Sends what is in the buffer, one message after the other, and connects again for as long as it takes. */
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import mqtt from "mqtt";

const NOT_NOW = 3;
const WRONG_TOKEN = 4;

const KEEPALIVE_S = 60;
const ANSWER_MS = 30_000;
// Far below the gateway's `mqtt.rate.perSecond` (100): what is faster is acknowledged and thrown away.
const PAUSE_BETWEEN_MESSAGES_MS = 50;

/** What waiting does not repair. */
export class Misconfigured extends Error {}

/** Twice as long after every failure, up to `longestMs`, and never the same for a whole street after a power cut. */
export class Backoff {
  #firstMs;
  #longestMs;
  #nextMs;

  constructor(longestMs, firstMs = 1_000) {
    this.#firstMs = Math.min(firstMs, longestMs);
    this.#longestMs = longestMs;
    this.#nextMs = this.#firstMs;
  }

  reset() {
    this.#nextMs = this.#firstMs;
  }

  next() {
    const chosen = (this.#nextMs / 2) * (1 + Math.random());
    this.#nextMs = Math.min(this.#nextMs * 2, this.#longestMs);
    return chosen;
  }
}

/** Read anew for every connection, so that a new token needs no restart. */
export function readToken(file) {
  if ((statSync(file).mode & 0o077) !== 0) throw new Error(`others can read ${file}: chmod 600 ${file}`);
  return readFileSync(file, "ascii").trim();
}

/** Resolves when `signal` is aborted; rejects with {@link Misconfigured}. */
export async function run(settings, buffer, signal) {
  const backoff = new Backoff(settings.longestPauseMs);
  while (!signal.aborted) {
    try {
      await attempt(settings, buffer, backoff, signal);
    } catch (error) {
      if (error instanceof Misconfigured) throw error;
      if (!signal.aborted) console.log(`not connected: ${error.message || error.code}`);
    }
    await pause(backoff.next(), undefined, { signal }).catch(() => {});
  }
}

async function attempt(settings, buffer, backoff, signal) {
  const token = readToken(settings.tokenFile);
  const over = new AbortController();
  const client = newClient(settings, token);
  // Rejects when the connection is over, never comes to be, or is not wanted any more.
  const lost = new Promise((_, reject) => {
    client.once("error", reject);
    client.once("close", () => reject(new Error("the connection was closed")));
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true, signal: over.signal });
  });
  lost.catch(() => {});
  // One that fails late must not end the program.
  client.on("error", () => {});
  try {
    await Promise.race([once(client, "connect"), lost]);
    console.log("connected");
    await send(client, settings.device, buffer, backoff, { lost, over: over.signal });
  } catch (error) {
    // CONNACK: a number. Faults of sockets and TLS have names.
    if (typeof error.code !== "number") throw error;
    if (error.code === NOT_NOW) throw new Error("the gateway cannot take anything now");
    if (error.code !== WRONG_TOKEN) {
      throw new Misconfigured(
        `refused with return code ${error.code}: is --device the id that the token was issued for?`,
      );
    }
    console.log(`the token is not valid: waiting for another one in ${settings.tokenFile}`);
    await anotherToken(token, settings.tokenFile, signal);
    backoff.reset();
  } finally {
    over.abort();
    await close(client);
  }
}

/** MQTT.js would wait for a PUBACK that may never come, and for the end of what has ended. */
async function close(client) {
  if (client.connected) await within(1_000, client.endAsync()).catch(() => {});
  else client.end(true);
  client.stream?.destroy();
}

/** A client for one connection: nothing of an earlier one is sent behind our back. */
function newClient({ gateway, port, ca, device }, token) {
  return mqtt.connect({
    protocol: "mqtts",
    host: gateway,
    port,
    // The given CA and no other; names are checked.
    ca: readFileSync(ca),
    minVersion: "TLSv1.2",
    protocolVersion: 4,
    clientId: device,
    username: device,
    password: token,
    clean: true,
    keepalive: KEEPALIVE_S,
    connectTimeout: ANSWER_MS,
    reconnectPeriod: 0,
  });
}

/** Never resolves; rejects with what `lost` rejects with. */
async function send(client, device, buffer, backoff, { lost, over }) {
  for (;;) {
    const waiting = buffer.first();
    if (waiting === undefined) {
      await Promise.race([once(buffer, "added", { signal: over }), lost]);
      continue;
    }
    const acknowledged = client.publishAsync(`devices/${device}/telemetry`, waiting.payload, { qos: 1 });
    await Promise.race([within(ANSWER_MS, acknowledged), lost]);
    buffer.remove(waiting.name);
    // Only now: a gateway that lets us in and takes nothing is no reason for haste.
    backoff.reset();
    console.log(`acknowledged ${waiting.payload}`);
    await Promise.race([pause(PAUSE_BETWEEN_MESSAGES_MS), lost]);
  }
}

/** What `promise` resolves with; rejects when that takes longer. */
async function within(ms, promise) {
  const settled = new AbortController();
  const overdue = pause(ms, undefined, { signal: settled.signal }).then(() => {
    throw new Error("no answer in time");
  });
  overdue.catch(() => {});
  try {
    return await Promise.race([promise, overdue]);
  } finally {
    settled.abort();
  }
}

/** Trying the same token again and again would only look like an attack. */
async function anotherToken(token, file, signal) {
  for (;;) {
    await pause(1_000, undefined, { signal });
    try {
      if (readToken(file) !== token) return;
    } catch {
      // It is being replaced.
    }
  }
}
