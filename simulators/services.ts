/**
 * The services that receive processed data, and the eavesdropper that tries to receive more. Every
 * packet they see is kept byte for byte, so that a scan can look for raw data in it.
 */
import type { MqttClient } from "mqtt";
import type { ServicePurpose } from "../src/model/consent.ts";
import { connectMqtt, disconnectMqtt } from "./connection.ts";

export interface ServiceCredential {
  readonly name: string;
  readonly token: string;
}

export interface RecordedPacket {
  readonly topic: string;
  readonly payload: Buffer;
}

/** A well-behaved subscriber of one purpose. With `persistent` it has a session that outlives its connection. */
export class ServiceSubscriber {
  readonly packets: RecordedPacket[] = [];
  readonly purpose: ServicePurpose;
  readonly #url: string;
  readonly #credential: ServiceCredential;
  readonly #persistent: boolean;
  #client: MqttClient | undefined;

  constructor(url: string, purpose: ServicePurpose, credential: ServiceCredential, options?: { persistent?: boolean }) {
    this.#url = url;
    this.purpose = purpose;
    this.#credential = credential;
    this.#persistent = options?.persistent ?? false;
  }

  /** Resolves once the subscription is granted; rejects when it is not. */
  async start(): Promise<void> {
    this.#client = await connectMqtt(this.#url, {
      clientId: `${this.#credential.name}-subscriber`,
      username: this.#credential.name,
      password: this.#credential.token,
      clean: !this.#persistent,
      reconnectPeriod: 200,
      resubscribe: true,
    });
    record(this.#client, this.packets);
    const granted = await subscribe(this.#client, [`processed/${this.purpose}/#`]);
    if (granted !== "granted") throw new Error(`subscription of ${this.purpose} was ${granted}`);
  }

  async stop(): Promise<void> {
    if (this.#client !== undefined) await disconnectMqtt(this.#client);
    this.#client = undefined;
  }
}

export interface EavesdropResult {
  readonly filters: readonly string[];
  readonly answer: "granted" | "denied" | "closed";
}

/**
 * Filters nobody may have, each tried on a session that persists: a broker that stores a denied
 * filter would deliver on the next connection. The first filter of the last row is a permitted one.
 */
function attempts(permitted: string): readonly (readonly string[])[] {
  return [
    ["#"],
    ["+/#"],
    ["$SYS/#"],
    ["devices/#"],
    ["devices/+/telemetry"],
    ["devices/+/location"],
    ["processed/#"],
    ["commands/#"],
    [permitted, "devices/#"],
  ];
}

/** Logs in with a valid service credential and asks for more than its purpose. */
export class Eavesdropper {
  readonly packets: RecordedPacket[] = [];
  readonly results: EavesdropResult[] = [];
  readonly #url: string;
  readonly #purpose: ServicePurpose;
  readonly #credential: ServiceCredential;
  #clients: MqttClient[] = [];

  constructor(url: string, purpose: ServicePurpose, credential: ServiceCredential) {
    this.#url = url;
    this.#purpose = purpose;
    this.#credential = credential;
  }

  /** Tries every filter on a connection of its own, and stays connected where it may. */
  async start(): Promise<void> {
    for (const [index, filters] of attempts(`processed/${this.#purpose}/#`).entries()) {
      const client = await this.#connect(index);
      this.#clients.push(client);
      this.results.push({ filters, answer: await subscribe(client, filters) });
    }
  }

  /** Leaves the persistent sessions behind, so that the broker may queue for them. */
  async leave(): Promise<void> {
    await Promise.all(this.#clients.map((client) => disconnectMqtt(client)));
    this.#clients = [];
  }

  /** Comes back to the sessions and takes whatever was queued; resolves when each has answered a round trip. */
  async collect(): Promise<void> {
    for (const index of this.results.keys()) {
      const client = await this.#connect(index);
      // What is queued precedes the answer to a later request; the second one makes sure of it.
      for (let round = 0; round < 2; round += 1) await subscribe(client, [`privacy/erased/${this.#purpose}`]);
      await disconnectMqtt(client);
    }
  }

  async #connect(index: number): Promise<MqttClient> {
    // Recording starts before CONNACK: queued packets follow it at once.
    return connectMqtt(
      this.#url,
      {
        clientId: `${this.#credential.name}-eavesdropper-${index}`,
        username: this.#credential.name,
        password: this.#credential.token,
        clean: false,
      },
      10_000,
      (client) => record(client, this.packets),
    );
  }
}

function record(client: MqttClient, packets: RecordedPacket[]): void {
  client.on("message", (topic, payload) => packets.push({ topic, payload }));
}

/** SUBACK says `granted` or `denied`; a broker may also answer by closing the connection. */
export async function subscribe(
  client: MqttClient,
  filters: readonly string[],
): Promise<"granted" | "denied" | "closed"> {
  return new Promise((resolve) => {
    if (!client.connected) return resolve("closed");
    const onClose = () => resolve("closed");
    client.once("close", onClose);
    client.subscribe([...filters], { qos: 1 }, (error, granted) => {
      client.off("close", onClose);
      if (error && !client.connected) return resolve("closed");
      const refused = error !== null || (granted ?? []).some(({ qos }) => qos === 128);
      resolve(refused ? "denied" : "granted");
    });
  });
}

/** Recorded packets as one buffer each of `topic NUL payload`, for the scan. */
export function packetBytes(packets: readonly RecordedPacket[]): Buffer {
  return Buffer.concat(
    packets.flatMap(({ topic, payload }) => [Buffer.from(`${topic}\0`), payload, Buffer.from("\n")]),
  );
}
