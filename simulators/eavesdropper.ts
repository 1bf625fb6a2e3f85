/** A service that asks for more than its purpose, and keeps whatever it is sent, so that a scan can look for raw data in it. */
import type { MqttClient } from "mqtt";
import type { ServicePurpose } from "../src/model/purposes.ts";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import { type RecordedPacket, record, type ServiceCredential, subscribe } from "../tools/wire/service-subscriber.ts";

export interface EavesdropResult {
  readonly filters: readonly string[];
  readonly answer: "granted" | "denied" | "closed";
}

/**
 * Filters that no one may have, each tried on a session that persists: a broker that stores a denied
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
