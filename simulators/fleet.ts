/**
 * The simulated fleet: one MQTT connection per device, publishing at a fixed overall rate. A device
 * has a window of unacknowledged messages, as real firmware has; when it is full others go first.
 */
import type { MqttClient } from "mqtt";
import type { ServicePurpose } from "../src/model/consent.ts";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import type { Canary } from "./canary-forms.ts";
import { eachLimited, eventually } from "./concurrency.ts";
import { expectationOf } from "./expectation.ts";
import { type ComposedMessage, composeMessage } from "./messages.ts";
import type { Population, SimulatedDevice } from "./population.ts";
import { Random } from "./random.ts";
import type { SentLog, SentMessage } from "./sent-log.ts";

export interface FleetOptions {
  readonly url: string;
  /** Messages per second, over all devices. */
  readonly rate: number;
  /** Unacknowledged QoS 1 and 2 messages per device. */
  readonly window: number;
  readonly listening: ReadonlySet<ServicePurpose>;
  /** Reconnect and resend after a lost connection. Off, a lost connection is an error. */
  readonly reconnect: boolean;
}

interface Connection {
  readonly device: SimulatedDevice;
  readonly client: MqttClient;
  inFlight: number;
}

const TICK_MS = 10;
const RECONNECT_MS = 200;

export class Fleet {
  readonly #population: Population;
  readonly #options: FleetOptions;
  readonly #log: SentLog;
  readonly #random: Random;
  #connections: Connection[] = [];
  #turn = 0;
  /** Connections that went away though nobody asked them to. */
  lostConnections = 0;
  /** Turns skipped because the device's window was full. */
  heldBack = 0;
  #stopping = false;

  constructor(population: Population, options: FleetOptions, log: SentLog) {
    this.#population = population;
    this.#options = options;
    this.#log = log;
    this.#random = new Random(population.seed).fork("fleet");
  }

  /** Connects every device; rejects when one is not let in. */
  async connect(): Promise<void> {
    await eachLimited(this.#population.devices, 24, async (device) => {
      const client = await connectMqtt(this.#options.url, {
        clientId: device.id,
        username: device.id,
        password: device.token,
        clean: true,
        reconnectPeriod: this.#options.reconnect ? RECONNECT_MS : 0,
      });
      client.on("close", () => {
        if (!this.#stopping) this.lostConnections += 1;
      });
      this.#connections.push({ device, client, inFlight: 0 });
    });
    // Connections come up in any order; publishing must not depend on it.
    this.#connections.sort((a, b) => (a.device.id < b.device.id ? -1 : 1));
  }

  /** Publishes for `durationMs`, or until the signal. What is unacknowledged at the end stays so until {@link settle}. */
  async run(durationMs: number, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let published = 0;
    while (!signal.aborted) {
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= durationMs) return;
      const due = Math.floor((elapsedMs / 1000) * this.#options.rate);
      while (published < due && this.#publishNext()) published += 1;
      // What a full window kept back is not made up for: a real fleet would not either.
      published = Math.max(published, due - this.#options.rate);
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  /** Waits until everything sent is acknowledged; false when that did not happen in time. */
  async settle(timeoutMs: number): Promise<boolean> {
    return eventually(() => this.#connections.every(({ inFlight }) => inFlight === 0), timeoutMs);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#connections.map(({ client }) => disconnectMqtt(client)));
    this.#connections = [];
  }

  /** One message from the next device in turn that has room; false when none has. */
  #publishNext(): boolean {
    for (let tried = 0; tried < this.#connections.length; tried += 1) {
      const connection = this.#connections[this.#turn++ % this.#connections.length];
      if (connection?.client.connected && connection.inFlight < this.#options.window) {
        this.#publish(connection);
        return true;
      }
      this.heldBack += 1;
    }
    return false;
  }

  #publish(connection: Connection): void {
    const { device, client } = connection;
    const now = Date.now();
    const seq = this.#log.nextSeq();
    const composed = composeMessage(device, seq, now, this.#options.reconnect);
    const qos = this.#random.weighted<0 | 1 | 2>(QOS_SHARES);
    const message: SentMessage = {
      seq,
      standing: device.household.standing,
      part: composed.part,
      qos,
      topic: composed.topic,
      payload: composed.payload,
      traceable: composed.traceable,
      expectation: expectationOf(device.household, composed.part, this.#options.listening),
      sentAt: now,
    };
    this.#log.add(message);
    this.#collectCanaries(composed.raw);
    const publishedAt = performance.now();
    connection.inFlight += 1;
    client.publish(composed.topic, composed.payload, { qos }, (error) => {
      connection.inFlight -= 1;
      if (!error && qos > 0) this.#log.acknowledged(message, performance.now() - publishedAt);
    });
  }

  #collectCanaries(raw: ComposedMessage["raw"]): void {
    const { canaries } = this.#log;
    if (raw.id !== undefined) canaries.push({ kind: "message-id", value: raw.id });
    if (raw.ip !== undefined) canaries.push({ kind: "ip", value: raw.ip });
    if (raw.lat !== undefined) canaries.push({ kind: "coordinate", value: String(raw.lat) });
    if (raw.total !== undefined) canaries.push({ kind: "total", value: String(raw.total) });
    if (raw.lon !== undefined) canaries.push({ kind: "coordinate", value: String(raw.lon) });
  }
}

const QOS_SHARES = [
  [1, 92],
  [0, 4],
  [2, 4],
] as const;

/** The canaries that exist before anything is sent: who the fleet is. */
export function populationCanaries(population: Population): Canary[] {
  return [
    ...population.devices.flatMap((device): Canary[] => [
      { kind: "device-id", value: device.id },
      { kind: "token", value: device.token },
      { kind: "ip", value: device.ip },
    ]),
    ...population.households.flatMap((household): Canary[] => [
      { kind: "subject-id", value: household.subject },
      { kind: "account", value: household.email },
      { kind: "account", value: household.password },
      { kind: "coordinate", value: String(household.lat) },
      { kind: "coordinate", value: String(household.lon) },
    ]),
  ];
}
