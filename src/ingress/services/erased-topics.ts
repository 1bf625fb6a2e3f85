/**
 * `privacy/erased/<purpose>`: which names a service must forget, and its answer that it has. A service
 * that is away is told when it comes back; one that listens and does not answer is told again.
 */
import type { LRUCache } from "lru-cache";
import type { ServicePurpose } from "../../model/consent.ts";
import { readJson } from "../../model/json.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import type { ServiceConnection } from "./connection.ts";
import { erasedAnswerTopic } from "./topics.ts";

export interface ErasedTopicsPorts {
  /** Rejects when the answer could not be noted. */
  readonly acknowledged: (id: string, purpose: ServicePurpose, service: string) => Promise<void>;
  /** A service begins to listen. */
  readonly listening: () => void;
  readonly denied: () => void;
}

export interface ErasedNotice {
  readonly id: string;
  readonly purpose: ServicePurpose;
  readonly payloads: readonly string[];
  /** Services that have answered. */
  readonly acknowledged: ReadonlySet<string>;
}

interface Listening {
  readonly topic: string;
  readonly purpose: ServicePurpose;
  readonly qos: 0 | 1;
  /** Erasure → when it was told. */
  readonly told: LRUCache<string, number>;
}

const MAX_ANSWER_BYTES = 256;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TELL_AGAIN_MS = 60_000;
/** Beyond it the oldest is told again before its time. */
const MAX_TOLD = 10_000;

export class ErasedTopics {
  readonly #ports: ErasedTopicsPorts;
  readonly #sessions = new Map<ServiceConnection, Map<string, Listening>>();

  constructor(ports: ErasedTopicsPorts) {
    this.#ports = ports;
  }

  subscribe(session: ServiceConnection, topic: string, purpose: ServicePurpose, qos: number): void {
    const listening = this.#sessions.get(session) ?? new Map<string, Listening>();
    listening.set(topic, { topic, purpose, qos: qos > 0 ? 1 : 0, told: boundedCache(MAX_TOLD) });
    this.#sessions.set(session, listening);
    this.#ports.listening();
  }

  unsubscribe(session: ServiceConnection, topic: string): void {
    this.#sessions.get(session)?.delete(topic);
  }

  closed(session: ServiceConnection): void {
    this.#sessions.delete(session);
  }

  /** Names of the services it was sent to just now: those that listen, have not answered, and were not told lately. */
  tell({ id, purpose, payloads, acknowledged }: ErasedNotice): string[] {
    const told = new Set<string>();
    const now = Date.now();
    for (const [session, filters] of this.#sessions) {
      if (acknowledged.has(session.name) || session.client.closed) continue;
      for (const listening of filters.values()) {
        if (listening.purpose !== purpose || now - (listening.told.get(id) ?? 0) < TELL_AGAIN_MS) continue;
        listening.told.set(id, now);
        for (const payload of payloads) session.send(listening.topic, payload, listening.qos);
        told.add(session.name);
      }
    }
    return [...told];
  }

  /** Takes over what is published on an answer topic; false for any other topic. `done` is told whether it needs no repeat. */
  submit(session: ServiceConnection, topic: string, payload: Buffer, done: (taken: boolean) => void): boolean {
    const purpose = erasedAnswerTopic(topic);
    if (purpose === undefined) return false;
    const id = answerOf(payload);
    if (id === undefined || !session.told.has(purpose) || !session.mayPublish()) {
      this.#ports.denied();
      done(true);
      return true;
    }
    this.#ports.acknowledged(id, purpose, session.name).then(
      () => done(true),
      () => done(false),
    );
    return true;
  }
}

function answerOf(payload: Buffer): string | undefined {
  if (payload.length > MAX_ANSWER_BYTES) return undefined;
  const answer = readJson(String(payload)) as { id?: unknown } | null | undefined;
  const id = answer?.id;
  return typeof id === "string" && ID.test(id) ? id : undefined;
}
