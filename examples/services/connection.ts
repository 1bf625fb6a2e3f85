/**
 * One connection of a service, made again for as long as it takes: with back-off and jitter, its token read each time, its subscriptions
 * asked for each time. Nothing is kept to be sent later, and no more waits for its acknowledgement than a bound.
 */
import { readFileSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import mqtt, { ErrorWithReasonCode, type MqttClient } from "mqtt";
import { Backoff } from "./backoff.ts";

export interface ConnectionOptions {
  /** `mqtt://` or `mqtts://`. */
  readonly broker: string;
  readonly name: string;
  /** Each connection of a service has its own. */
  readonly clientId: string;
  readonly tokenFile: string;
  /** PEM: this CA and no other. */
  readonly caFile: string | undefined;
  readonly longestPauseMs: number;
  /** Without these the connection is of no use. */
  readonly filters: readonly string[];
  /** These may be refused. */
  readonly wishes: readonly string[];
}

export interface ConnectionPorts {
  heard(topic: string, payload: Buffer): void;
  connected(refused: readonly string[]): void;
  lost(why: string): void;
}

export type Sent = "sent" | "refused" | "not-sent";

const ANSWER_MS = 30_000;
const MAX_IN_FLIGHT = 128;
/** CONNACK of MQTT 5: wrong name or token, or no longer a service here. Trying fast would look like an attack. */
const NOT_LET_IN = new Set([0x86, 0x87, 0x8a]);

/** Read for every connection, so that a new token needs no restart. */
export function readToken(file: string): string {
  if ((statSync(file).mode & 0o077) !== 0) throw new Error(`others can read ${file}: chmod 600 ${file}`);
  return readFileSync(file, "ascii").trim();
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #ports: ConnectionPorts;
  #client: MqttClient | undefined;
  #inFlight = 0;
  /** Since when it hears everything, Unix ms. */
  since: number | undefined;

  constructor(options: ConnectionOptions, ports: ConnectionPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Resolves when `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#options.longestPauseMs);
    while (!signal.aborted) {
      try {
        await this.#attempt(signal, () => backoff.reset());
      } catch (error) {
        if (signal.aborted) return;
        const { code } = error as { code?: unknown };
        if (typeof code === "number" && NOT_LET_IN.has(code)) backoff.slow();
        this.#ports.lost(error instanceof Error ? error.message || String(code) : String(error));
      }
      await pause(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Resolves with what became of it once the gateway has said so. Never rejects. */
  async send(topic: string, payload: object, expiresS: number): Promise<Sent> {
    const client = this.#client;
    if (client === undefined || this.#inFlight >= MAX_IN_FLIGHT) return "not-sent";
    this.#inFlight += 1;
    try {
      const properties = { messageExpiryInterval: expiresS };
      await client.publishAsync(topic, JSON.stringify(payload), { qos: 1, properties });
      return "sent";
    } catch (error) {
      return error instanceof ErrorWithReasonCode ? "refused" : "not-sent";
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #attempt(signal: AbortSignal, succeeded: () => void): Promise<void> {
    const client = this.#open();
    const over = new AbortController();
    // Rejects when the connection is over, never comes to be, or is not wanted any more.
    const lost = new Promise<never>((_, reject) => {
      client.once("error", reject);
      client.once("close", () => reject(new Error("the connection was closed")));
      client.once("disconnect", ({ reasonCode = 0 }) =>
        reject(new Error(`ended by the gateway, reason ${reasonCode}`)),
      );
      signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true, signal: over.signal });
    });
    lost.catch(() => undefined);
    // One that fails late must not end the program.
    client.on("error", () => undefined);
    const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
    client.on("message", (topic, payload) => this.#ports.heard(topic, payload));
    try {
      await Promise.race([connected, lost]);
      this.#client = client;
      const refused = await Promise.race([this.#subscribe(client), lost]);
      succeeded();
      this.since = Date.now();
      this.#ports.connected(refused);
      await lost;
    } finally {
      this.#client = undefined;
      this.since = undefined;
      over.abort();
      await close(client);
    }
  }

  #open(): MqttClient {
    const { broker, name, clientId, tokenFile, caFile } = this.#options;
    const tls = { minVersion: "TLSv1.2", ...(caFile !== undefined && { ca: readFileSync(caFile) }) };
    return mqtt.connect(broker, {
      protocolVersion: 5,
      clientId,
      username: name,
      password: readToken(tokenFile),
      clean: true,
      keepalive: 30,
      connectTimeout: ANSWER_MS,
      // A new client for each connection: nothing of an earlier one is sent behind our back.
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      ...tls,
    });
  }

  /** Resolves with the wishes that were refused; rejects when one of the others was. */
  async #subscribe(client: MqttClient): Promise<readonly string[]> {
    const { filters, wishes } = this.#options;
    const refused: string[] = [];
    for (const filter of [...filters, ...wishes]) {
      try {
        await client.subscribeAsync(filter, { qos: 1 });
      } catch (error) {
        if (!client.connected || filters.includes(filter))
          throw new Error(`no subscription to ${filter}`, { cause: error });
        refused.push(filter);
      }
    }
    return refused;
  }
}

/** MQTT.js would wait for an acknowledgement that may never come, and for the end of what has ended. */
async function close(client: MqttClient): Promise<void> {
  if (client.connected)
    await Promise.race([client.endAsync(), pause(1_000, undefined, { ref: false })]).catch(() => undefined);
  client.end(true);
  client.stream?.destroy();
}
