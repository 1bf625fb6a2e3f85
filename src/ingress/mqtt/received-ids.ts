/**
 * QoS 2, method B of MQTT 3.1.1, 4.3.3: of a message that was taken its packet identifier is kept until the PUBREL, and
 * nothing else; a PUBLISH that repeats it is acknowledged and not taken again [MQTT-4.3.3-2]. Of a refused message
 * nothing is kept. How many may be unreleased is bounded for a connection and for the gateway. An identifier that its
 * connection left unreleased is remembered a while longer, with a digest, for a client that sends the same again.
 */
import { createHash } from "node:crypto";
import type { Client } from "aedes";
import { LRUCache } from "lru-cache";
import type { IPublishPacket } from "mqtt-packet";
import { endFaulty } from "./ends.ts";
import { ownerOf } from "./live-sessions.ts";
import type { Session } from "./session.ts";

/** One identifier from its PUBLISH to its PUBREL. */
export interface Received {
  readonly messageId: number;
  readonly digest: string;
  state: "waiting" | "taken" | "dropped";
  /** PUBLISHes that came again before it was finished: each gets a PUBREC of its own, over this connection. */
  repeats: number;
  /** None once its connection is gone: it would be held on to for as long as the identifier is remembered. */
  client: Client | undefined;
  holder: UnreleasedIds | undefined;
  /** Monotonic ms. */
  leftAt: number;
}

type UnreleasedIds = Map<number, Received>;

export interface ReceivedIdsLimits {
  readonly perConnection: number;
  readonly inAll: number;
}

/** Of repeats that come while the first waits; one would do. */
const MAX_ANSWERS = 16;
const REMEMBERED_MS = 600_000;
const REMEMBERED = 10_000;

export class ReceivedIds {
  readonly #limits: ReceivedIdsLimits;
  readonly #bySession = new Map<Session, UnreleasedIds>();
  /** Left by connections that are gone. By owner, so that no one can push out what others left with more than his share. */
  readonly #left = new LRUCache<string, UnreleasedIds>({
    maxSize: REMEMBERED,
    sizeCalculation: ({ size }) => Math.max(1, size),
    ttl: REMEMBERED_MS,
  });
  #held = 0;

  constructor(limits: ReceivedIdsLimits) {
    this.#limits = limits;
  }

  /** Unreleased on all connections. */
  get held(): number {
    return this.#held;
  }

  /** Of a new message what is to be finished; of one that came before, whether it is answered now or once that is finished. */
  receive(session: Session, packet: IPublishPacket): Received | "answer" | "waits" | "full" | "crowded" {
    const { client } = session;
    const messageId = packet.messageId ?? 0;
    const ids = this.#idsOf(session);
    let known = ids.get(messageId);
    if (known === undefined) {
      if (ids.size >= this.#limits.perConnection) return "full";
      if (!this.#hasRoom(session)) return "crowded";
      const digest = digestOf(packet);
      const resent = packet.dup === true ? this.#resent(session, messageId, digest) : undefined;
      known = resent ?? { messageId, digest, state: "waiting", repeats: 0, client, holder: ids, leftAt: 0 };
      ids.set(messageId, known);
      this.#held += 1;
      if (resent === undefined) return known;
    }
    known.client = client;
    known.holder = ids;
    if (known.state === "taken") return "answer";
    known.repeats = Math.min(known.repeats + 1, MAX_ANSWERS);
    return "waits";
  }

  /** Of a message that was not taken nothing is kept: it may come again. */
  finish(received: Received, taken: boolean): void {
    const { holder, messageId } = received;
    received.state = taken ? "taken" : "dropped";
    // Released before it was finished, its identifier may be another message's by now.
    if (!taken && holder?.get(messageId) === received) this.#forget(holder, messageId);
  }

  /** False when nothing of it has come over this connection. */
  release(session: Session, messageId: number): boolean {
    this.#left.get(ownerOf(session))?.delete(messageId);
    return this.#forget(this.#bySession.get(session), messageId);
  }

  closed(session: Session): void {
    const ids = this.#bySession.get(session);
    if (ids === undefined) return;
    this.#bySession.delete(session);
    this.#held -= ids.size;
    const owner = ownerOf(session);
    const left: UnreleasedIds = new Map(this.#left.get(owner));
    for (const received of ids.values()) {
      Object.assign(received, { client: undefined, holder: undefined, repeats: 0, leftAt: performance.now() });
      // Behind those that were left before.
      left.delete(received.messageId);
      left.set(received.messageId, received);
    }
    for (const messageId of left.keys()) {
      if (left.size <= this.#limits.perConnection) break;
      left.delete(messageId);
    }
    if (left.size > 0) this.#left.set(owner, left);
  }

  #idsOf(session: Session): UnreleasedIds {
    const ids = this.#bySession.get(session) ?? new Map<number, Received>();
    if (ids.size === 0) this.#bySession.set(session, ids);
    return ids;
  }

  /** When all of them hold too many, the one who holds most is ended: not he who has one more to send. */
  #hasRoom(session: Session): boolean {
    if (this.#held < this.#limits.inAll) return true;
    let [most, count] = [session, this.#idsOf(session).size];
    for (const [other, { size }] of this.#bySession) if (size > count) [most, count] = [other, size];
    if (most === session) return false;
    this.closed(most);
    endFaulty(most.client, "crowded");
    return true;
  }

  #resent(session: Session, messageId: number, digest: string): Received | undefined {
    const ids = this.#left.get(ownerOf(session));
    const left = ids?.get(messageId);
    if (left === undefined || left.state === "dropped" || left.digest !== digest) return undefined;
    if (performance.now() - left.leftAt > REMEMBERED_MS) return undefined;
    ids?.delete(messageId);
    return left;
  }

  #forget(ids: UnreleasedIds | undefined, messageId: number): boolean {
    const was = ids?.delete(messageId) === true;
    if (was) this.#held -= 1;
    return was;
  }
}

function digestOf({ topic, payload }: IPublishPacket): string {
  return createHash("sha256").update(topic).update("\0").update(payload).digest("base64");
}
