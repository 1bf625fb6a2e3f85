/**
 * QoS 2, method B of MQTT 3.1.1, 4.3.3: of a message that was taken its packet identifier is kept until the PUBREL, and
 * nothing else; a PUBLISH that repeats it is acknowledged and not taken again [MQTT-4.3.3-2]. Of a refused message
 * nothing is kept. How many may be unreleased is bounded for a connection and for the gateway. An identifier that its
 * connection left unreleased is remembered a while longer, with a digest, for a client that sends the same again.
 */
import { createHash } from "node:crypto";
import type { Client } from "aedes";
import type { LRUCache } from "lru-cache";
import { boundedCache } from "../platform/bounded-cache.ts";
import type { PublishPacket } from "./attempt.ts";
import { ownerOf } from "./live-sessions.ts";
import type { Session } from "./session.ts";

/** One identifier from its PUBLISH to its PUBREL. */
export interface Received {
  readonly messageId: number;
  readonly digest: string;
  state: "waiting" | "taken" | "dropped";
  /** PUBLISHes that came again before it was settled: each gets a PUBREC of its own, over this connection. */
  repeats: number;
  client: Client;
  holder: UnreleasedIds;
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
  /** Left by connections that are gone, by owner and identifier. */
  readonly #left: LRUCache<string, Received> = boundedCache(REMEMBERED, { ttl: REMEMBERED_MS });
  #held = 0;

  constructor(limits: ReceivedIdsLimits) {
    this.#limits = limits;
  }

  /** Unreleased on all connections. */
  get held(): number {
    return this.#held;
  }

  /** What is to be settled of a new message; of one that came before, whether it is answered now or once that is settled. */
  receive(session: Session, packet: PublishPacket): Received | "answer" | "waits" | "full" {
    const messageId = packet.messageId ?? 0;
    const ids = this.#idsOf(session);
    let known = ids.get(messageId);
    if (known === undefined) {
      if (ids.size >= this.#limits.perConnection || this.#held >= this.#limits.inAll) return "full";
      const digest = digestOf(packet);
      const resent = packet.dup === true ? this.#resent(session, messageId, digest) : undefined;
      known = resent ?? { messageId, digest, state: "waiting", repeats: 0, client: session.client, holder: ids };
      ids.set(messageId, known);
      this.#held += 1;
      if (resent === undefined) return known;
    }
    known.client = session.client;
    known.holder = ids;
    if (known.state === "taken") return "answer";
    known.repeats = Math.min(known.repeats + 1, MAX_ANSWERS);
    return "waits";
  }

  /** Of a message that was not taken nothing is kept: it may come again. */
  settle(received: Received, taken: boolean): void {
    received.state = taken ? "taken" : "dropped";
    if (!taken) this.#forget(received.holder, received.messageId);
  }

  release(session: Session, messageId: number): void {
    this.#left.delete(keyOf(session, messageId));
    this.#forget(this.#bySession.get(session), messageId);
  }

  closed(session: Session): void {
    const ids = this.#bySession.get(session);
    if (ids === undefined) return;
    this.#bySession.delete(session);
    for (const received of [...ids.values()]) {
      this.#forget(ids, received.messageId);
      this.#left.set(keyOf(session, received.messageId), received);
    }
  }

  #idsOf(session: Session): UnreleasedIds {
    const ids = this.#bySession.get(session) ?? new Map<number, Received>();
    if (ids.size === 0) this.#bySession.set(session, ids);
    return ids;
  }

  #resent(session: Session, messageId: number, digest: string): Received | undefined {
    const key = keyOf(session, messageId);
    const left = this.#left.get(key);
    if (left === undefined || left.state === "dropped" || left.digest !== digest) return undefined;
    this.#left.delete(key);
    return left;
  }

  #forget(ids: UnreleasedIds | undefined, messageId: number): void {
    if (ids?.delete(messageId) === true) this.#held -= 1;
  }
}

function keyOf(session: Session, messageId: number): string {
  return `${messageId}/${ownerOf(session)}`;
}

function digestOf({ topic, payload }: PublishPacket): string {
  return createHash("sha256").update(topic).update("\0").update(payload).digest("base64");
}
