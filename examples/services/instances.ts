/**
 * A service on several connections that share what is told: `$share/<group>/processed/<purpose>/#`. All of them stand on one state, so that
 * it does not matter which of them hears a device. More processes may share as well; each then knows only the devices that it hears.
 */
import { randomBytes } from "node:crypto";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { Forgetting } from "./forgetting.ts";
import type { Send, Service } from "./service.ts";

export interface InstancesOptions
  extends Pick<ConnectionOptions, "broker" | "name" | "tokenFile" | "caFile" | "longestPauseMs"> {
  readonly instances: number;
  readonly group: string;
}

const TICK_MS = 1_000;

export class Instances {
  readonly #service: Service;
  readonly #say: (line: string) => void;
  readonly #connections: Connection[];
  readonly #forgetting: Forgetting;
  readonly #counts = { connects: 0, losses: 0, heard: 0, unreadable: 0, sent: 0, refused: 0, notSent: 0 };
  readonly #heardBy: number[];

  constructor(options: InstancesOptions, service: Service, say: (line: string) => void) {
    const { instances, group, ...shared } = options;
    const run = randomBytes(4).toString("hex");
    this.#service = service;
    this.#say = say;
    this.#forgetting = new Forgetting(service);
    this.#heardBy = Array.from({ length: instances }, () => 0);
    const { topic } = this.#forgetting;
    this.#connections = this.#heardBy.map((_, index) => {
      const send: Send = (to, payload, expiresS) => this.#send(connection, to, payload, expiresS);
      const connection: Connection = new Connection(
        {
          ...shared,
          // The same at every reconnect: then it gets back the names that it had.
          clientId: `${options.name}-${run}-${index}`,
          filters: [`$share/${group}/processed/${service.purpose}/#`, ...(topic === undefined ? [] : [topic])],
          wishes: service.alsoHears,
        },
        {
          heard: (from, payload) => this.#heard(index, from, payload, send),
          connected: (refused) => this.#connected(index, refused),
          lost: (why) => this.#lost(index, why),
        },
      );
      return connection;
    });
  }

  /** Resolves when `signal` is aborted and all connections are closed. */
  async run(signal: AbortSignal): Promise<void> {
    const ticking = setInterval(() => this.#tick(), TICK_MS);
    try {
      await Promise.all(this.#connections.map((connection) => connection.run(signal)));
    } finally {
      clearInterval(ticking);
    }
  }

  summary(): Readonly<Record<string, unknown>> {
    const { digests } = this.#forgetting;
    return {
      instances: this.#connections.length,
      heardBy: this.#heardBy,
      ...this.#counts,
      digests,
      ...this.#service.counts(),
    };
  }

  #heard(index: number, topic: string, payload: Buffer, send: Send): void {
    const isRead =
      topic === this.#forgetting.topic
        ? this.#forgetting.heard(payload, send)
        : this.#service.heard(topic, payload, send);
    this.#counts.heard += 1;
    this.#heardBy[index] = (this.#heardBy[index] ?? 0) + 1;
    if (!isRead) this.#counts.unreadable += 1;
  }

  #tick(): void {
    const connections = this.#connections.flatMap((connection) => connection.since ?? []);
    const since = connections.length === this.#connections.length ? Math.max(...connections) : undefined;
    const some = this.#connections.find((connection) => connection.since !== undefined);
    const send: Send = async (...message) => some !== undefined && this.#send(some, ...message);
    this.#service.tick(Date.now(), { send, since });
  }

  async #send(connection: Connection, topic: string, payload: object, expiresS: number): Promise<boolean> {
    const sent = await connection.send(topic, payload, expiresS);
    this.#counts[sent === "not-sent" ? "notSent" : sent] += 1;
    return sent === "sent";
  }

  #connected(index: number, refused: readonly string[]): void {
    this.#counts.connects += 1;
    this.#say(`instance ${index}: connected${refused.length > 0 ? `, without ${refused.join(" ")}` : ""}`);
  }

  #lost(index: number, why: string): void {
    this.#counts.losses += 1;
    this.#say(`instance ${index}: ${why}`);
  }
}
