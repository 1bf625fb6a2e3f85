/**
 * The simulated fleet: one MQTT connection per device, half of them with MQTT 5, publishing at a fixed overall rate. A device
 * has a window of unacknowledged messages, as real firmware has; when it is full others go first.
 */
import { latLngToCell } from "h3-js";
import type { MqttClient } from "mqtt";
import type { ServicePurpose } from "../src/model/purposes.ts";
import { connectMqtt, disconnectMqtt, wasAcknowledged } from "../tools/wire/connection.ts";
import { versionOf } from "../tools/wire/mqtt-wire.ts";
import { subscribe } from "../tools/wire/service-subscriber.ts";
import type { Canary } from "./canary-forms.ts";
import { eachLimited, eventually } from "./concurrency.ts";
import { DialectSpeaker } from "./firmware/speaker.ts";
import type { Population } from "./population.ts";
import { Random } from "./random.ts";
import type { SentLog, SentMessage } from "./sent-log.ts";
import { NativeSpeaker, type Outgoing, type Speaker } from "./speaker.ts";

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
  readonly speaker: Speaker;
  readonly client: MqttClient;
  /** Without an acknowledgement of their own. */
  readonly unanswered: SentMessage[];
  inFlight: number;
  /** Its end is meant. */
  ended: boolean;
}

const TICK_MS = 10;
const RECONNECT_MS = 200;
const ANSWER_MS = 30_000;

export class Fleet {
  readonly #speakers: readonly Speaker[];
  readonly #options: FleetOptions;
  readonly #log: SentLog;
  #connections: Connection[] = [];
  #turn = 0;
  /** Connections that went away without being asked to. */
  lostConnections = 0;
  /** Turns skipped because the device's window was full. */
  heldBack = 0;
  /** Topic filters that firmware needs to start, and was not granted. */
  denied = 0;
  #stopping = false;

  constructor({ seed, devices, dialectHomes }: Population, options: FleetOptions, log: SentLog) {
    const { listening, reconnect: timed } = options;
    const random = new Random(seed).fork("fleet");
    this.#options = options;
    this.#log = log;
    this.#speakers = [
      ...devices.map((device) => new NativeSpeaker(device, { listening, timed, random }, log)),
      ...dialectHomes.map((home) => new DialectSpeaker(home, listening, log)),
    ];
  }

  /** Who the fleet is; what it says comes into the log as it says it. */
  get canaries(): readonly Canary[] {
    return this.#speakers.flatMap(({ canaries }) => canaries);
  }

  /** Connects every device, and lets it ask for what it listens to; rejects when one is not let in. */
  async connect(): Promise<void> {
    await eachLimited([...this.#speakers.entries()], 24, async ([index, speaker]) => {
      const client = await connectMqtt(this.#options.url, {
        ...speaker.login,
        protocolVersion: versionOf(index),
        clean: true,
        reconnectPeriod: this.#options.reconnect ? RECONNECT_MS : 0,
      });
      const connection: Connection = { speaker, client, unanswered: [], inFlight: 0, ended: false };
      client.on("close", () => {
        if (!this.#stopping && !connection.ended) this.lostConnections += 1;
      });
      client.on("message", (topic, payload) => {
        for (const outgoing of speaker.told(topic, payload.toString())) this.#publish(connection, outgoing);
      });
      speaker.connected();
      const { subscriptions } = speaker;
      if (subscriptions.length > 0 && (await subscribe(client, subscriptions)) !== "granted") this.denied += 1;
      this.#connections.push(connection);
    });
    // Connections come up in any order; publishing must not depend on it.
    this.#connections.sort((a, b) => (a.speaker.id < b.speaker.id ? -1 : 1));
  }

  /** Publishes for `durationMs`, or until the signal. What is unacknowledged at the end stays so until {@link settle}. */
  async run(durationMs: number, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    for (const connection of this.#connections)
      for (const outgoing of connection.speaker.start()) this.#publish(connection, outgoing);
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

  /** Devices with a will lose their power: first what they said is known to be read, then their connections are lost. */
  async vanish(): Promise<void> {
    const leaving = this.#connections.filter(({ client, speaker }) => client.connected && speaker.leavesWithoutWord);
    await Promise.all(
      leaving.map(async (connection) => {
        const { client, speaker, unanswered } = connection;
        await answered(client);
        for (const message of unanswered) message.read = true;
        connection.ended = true;
        const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
        client.stream.destroy();
        await closed;
        speaker.vanished();
      }),
    );
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
        this.#publish(connection, connection.speaker.next());
        return true;
      }
      this.heldBack += 1;
    }
    return false;
  }

  #publish(connection: Connection, { message, retain, canaries }: Outgoing): void {
    const { topic, payload, qos } = message;
    this.#log.canaries.push(...canaries);
    const publishedAt = performance.now();
    connection.inFlight += 1;
    if (qos === 0 && connection.speaker.leavesWithoutWord) connection.unanswered.push(message);
    connection.client.publish(topic, payload, { qos, retain }, (error) => {
      connection.inFlight -= 1;
      if (wasAcknowledged(error) && qos > 0) this.#log.acknowledged(message, performance.now() - publishedAt);
    });
  }
}

/**
 * Packets are read in their order: what comes before an answered PINGREQ has been read. The first answer may be to one that was
 * sent before, to keep the connection alive.
 */
async function answered(client: MqttClient): Promise<void> {
  let answers = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no PINGRESP in time")), ANSWER_MS);
    const listen = ({ cmd }: { readonly cmd?: string }): void => {
      if (cmd !== "pingresp" || ++answers < 2) return;
      clearTimeout(timer);
      client.off("packetreceive", listen);
      resolve();
    };
    client.on("packetreceive", listen);
    client.sendPing();
    client.sendPing();
  });
}

/** Of cells that no one is told of, whatever is consented to. */
const FINER_RESOLUTIONS = [7, 8, 9, 10, 11, 12, 13, 14, 15];

/** The people of the fleet, whatever their devices speak. */
export function householdCanaries({ households }: Population): Canary[] {
  return households.flatMap((household): Canary[] => [
    { kind: "subject-id", value: household.subject },
    { kind: "account", value: household.email },
    { kind: "account", value: household.password },
    { kind: "coordinate", value: String(household.lat) },
    { kind: "coordinate", value: String(household.lon) },
    ...FINER_RESOLUTIONS.map((resolution): Canary => {
      return { kind: "cell", value: latLngToCell(household.lat, household.lon, resolution) };
    }),
  ]);
}
