/** A service that receives processed data. Every packet is kept byte for byte, so that a scan can look for raw data in it. */
import type { MqttClient } from "mqtt";
import type { ServicePurpose } from "../../src/model/purposes.ts";
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

/** Keeps every packet that arrives from now on. */
export function record(client: MqttClient, packets: RecordedPacket[]): void {
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
