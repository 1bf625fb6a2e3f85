/**
 * What the gateway itself says to one connection: a command, a notice, a refusal, an erasure. Nothing of it is kept once it is
 * written; a client that does not read what it is sent misses what comes, and then loses its connection.
 */
import type { Client } from "aedes";
import mqttPacket from "mqtt-packet";
import { endFaulty } from "./ends.ts";
import { optionsOf } from "./packets-out.ts";
import { peer5 } from "./peers.ts";

export interface Message {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: 0 | 1;
}

const MAX_UNSENT_BYTES = 128 * 1024;
const MAX_MESSAGE_ID = 0xffff;

class Outgoing {
  readonly #client: Client;
  readonly #drainTimeoutMs: number;
  #lastId = 0;
  #waiting: NodeJS.Timeout | undefined;

  constructor(client: Client, drainTimeoutMs: number) {
    this.#client = client;
    this.#drainTimeoutMs = drainTimeoutMs;
  }

  publish({ topic, payload, qos }: Message): boolean {
    const { conn, closed } = this.#client;
    if (closed || conn.destroyed || !conn.writable || conn.writableLength > MAX_UNSENT_BYTES) return false;
    const peer = peer5(this.#client);
    const messageId = qos > 0 ? this.#nextId() : 0;
    // One that has its hands full gets it all the same, and need not say so.
    const sent = qos > 0 && peer?.mayExpect(messageId) !== false ? 1 : 0;
    const packet = { cmd: "publish", topic, payload, qos: sent, messageId, retain: false, dup: false } as const;
    const bytes = mqttPacket.generate(packet, optionsOf(this.#client));
    if (peer?.takes(bytes.length) === false) {
      if (sent === 1) peer.acknowledged(messageId);
      return false;
    }
    if (!conn.write(bytes)) this.#awaitDrain();
    return true;
  }

  #awaitDrain(): void {
    if (this.#waiting !== undefined) return;
    const { conn } = this.#client;
    const timer = setTimeout(() => endFaulty(this.#client, "unread"), this.#drainTimeoutMs);
    timer.unref();
    this.#waiting = timer;
    const over = (): void => {
      clearTimeout(timer);
      this.#waiting = undefined;
      conn.off("drain", over).off("close", over);
    };
    conn.on("drain", over).on("close", over);
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % MAX_MESSAGE_ID) + 1;
    return this.#lastId;
  }
}

const outgoing = new WeakMap<Client, Outgoing>();

/** From the beginning of a connection on. */
export function openOutgoing(client: Client, drainTimeoutMs: number): void {
  outgoing.set(client, new Outgoing(client, drainTimeoutMs));
}

/** False: the client has not taken what was sent, or takes no packet of that size. */
export function say(client: Client, message: Message): boolean {
  return outgoing.get(client)?.publish(message) === true;
}
