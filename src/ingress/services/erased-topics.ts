/**
 * `privacy/erased/<purpose>`: which names a service must forget, and its answer that it has. What is in a notice, and when
 * it leaves, is for the digests to say (rights/erasure/digests.ts).
 */
import type { LRUCache } from "lru-cache";
import { readJson } from "../../model/json.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
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
  readonly service: string;
  readonly payloads: readonly string[];
}

interface Listening {
  readonly topic: string;
  readonly purpose: ServicePurpose;
  readonly qos: 0 | 1;
  /** Notice → when it was sent; Unix ms. */
  readonly told: LRUCache<string, number>;
}

const MAX_ANSWER_BYTES = 256;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
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

  /** Whether a connection of the service listens that was not sent this notice for so long. */
  wants({ id, purpose, service }: Omit<ErasedNotice, "payloads">, againAfterMs: number): boolean {
    const now = Date.now();
    return this.#listening(purpose, service).some(([, { told }]) => {
      const last = told.get(id);
      // One in the future was noted by a clock that was ahead.
      return last === undefined || last > now || now - last >= againAfterMs;
    });
  }

  /** To every connection of the service that listens. False when there is none. */
  tell({ id, purpose, service, payloads }: ErasedNotice): boolean {
    const listening = this.#listening(purpose, service);
    for (const [session, { topic, qos, told }] of listening) {
      told.set(id, Date.now());
      for (const payload of payloads) session.send(topic, payload, qos);
    }
    return listening.length > 0;
  }

  #listening(purpose: ServicePurpose, service: string): [ServiceConnection, Listening][] {
    return [...this.#sessions].flatMap(([session, filters]) => {
      if (session.name !== service || session.client.closed) return [];
      return [...filters.values()]
        .filter((one) => one.purpose === purpose)
        .map((one): [ServiceConnection, Listening] => [session, one]);
    });
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
