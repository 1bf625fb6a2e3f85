/**
 * Delivers processed messages to the services that subscribed to them, straight to their
 * connections. A subscriber that does not read loses messages, and its connection once it has not read
 * for `mqtt.drainTimeoutMs`; it never holds up the pipeline or another subscriber. Nothing is kept for one that is away.
 */
import type { ServicePurpose } from "../model/consent.ts";
import type { ServiceSession } from "./session.ts";
import type { ServiceFilter } from "./topics.ts";

type ProcessedFilter = Extract<ServiceFilter, { kind: "processed" }>;

interface Subscriptions {
  /** Filter text → the name it is limited to, or `undefined` for all names of its purpose. */
  readonly filters: Map<string, ProcessedFilter>;
}

export interface FanOutOptions {
  /** Unsent bytes after which a subscriber misses messages. */
  readonly maxUnsentBytes: number;
}

export class FanOut {
  readonly #options: FanOutOptions;
  readonly #dropped: (count: number) => void;
  readonly #byPurpose = new Map<ServicePurpose, Map<ServiceSession, Subscriptions>>();

  constructor(options: FanOutOptions, dropped: (count: number) => void) {
    this.#options = options;
    this.#dropped = dropped;
  }

  subscribe(session: ServiceSession, text: string, filter: ProcessedFilter): void {
    let sessions = this.#byPurpose.get(filter.purpose);
    if (sessions === undefined) {
      sessions = new Map();
      this.#byPurpose.set(filter.purpose, sessions);
    }
    const known = sessions.get(session);
    if (known === undefined) sessions.set(session, { filters: new Map([[text, filter]]) });
    else known.filters.set(text, filter);
  }

  unsubscribe(session: ServiceSession, text: string): void {
    for (const [purpose, sessions] of this.#byPurpose) {
      const known = sessions.get(session);
      if (known?.filters.delete(text) && known.filters.size === 0) this.#forget(purpose, session);
    }
  }

  closed(session: ServiceSession): void {
    for (const purpose of this.#byPurpose.keys()) this.#forget(purpose, session);
  }

  /** Whether anybody entitled listens; what nobody hears is not even built. */
  listening(purpose: ServicePurpose): boolean {
    return this.#byPurpose.has(purpose);
  }

  /** Delivers `processed/<purpose>/<name>`; returns to how many subscribers it went. */
  publish(purpose: ServicePurpose, name: string, payload: string): number {
    const sessions = this.#byPurpose.get(purpose);
    if (sessions === undefined) return 0;
    let delivered = 0;
    const topic = `processed/${purpose}/${name}`;
    for (const [session, { filters }] of sessions) {
      if (matches(filters, name) && this.#deliver(session, topic, payload)) delivered += 1;
    }
    return delivered;
  }

  #deliver({ client }: ServiceSession, topic: string, payload: string): boolean {
    if (client.closed || client.conn.writableLength > this.#options.maxUnsentBytes) {
      this.#dropped(1);
      return false;
    }
    client.publish({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false }, () => undefined);
    return true;
  }

  #forget(purpose: ServicePurpose, session: ServiceSession): void {
    const sessions = this.#byPurpose.get(purpose);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byPurpose.delete(purpose);
  }
}

function matches(filters: ReadonlyMap<string, ProcessedFilter>, name: string): boolean {
  for (const filter of filters.values()) if (filter.name === undefined || filter.name === name) return true;
  return false;
}
