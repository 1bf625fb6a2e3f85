/**
 * Delivers processed messages to the services that subscribed to them, straight to their
 * connections. A subscriber that reads slowly misses messages; one that has not taken what it was handed by
 * the end of the lease loses its connection. It never holds up the pipeline or another subscriber. Nothing is
 * kept for one that is away.
 */
import type { ServicePurpose } from "../model/consent.ts";
import type { Recipient } from "../model/disclosure.ts";
import type { ServiceSession } from "./session.ts";
import type { ServiceFilter } from "./topics.ts";
import { Unsent } from "./unsent.ts";

type ProcessedFilter = Extract<ServiceFilter, { kind: "processed" }>;
/** By their text. */
type Filters = Map<string, ProcessedFilter>;

export interface FanOutOptions {
  /** Unsent bytes after which a subscriber misses messages. */
  readonly maxUnsentBytes: number;
  /** After this long without taking what it was handed a subscriber misses messages, so that it can catch up. */
  readonly maxUnsentMs: number;
}

export interface FanOutPorts {
  /** What a service is for a purpose; `undefined` while it may not be given anything for it. */
  readonly recipient: (service: string, purpose: ServicePurpose) => Recipient | undefined;
  readonly dropped: (count: number) => void;
  /** A connection was ended because it did not take what it was handed. */
  readonly cutOff: () => void;
}

/** One service that listens to one purpose, on however many connections. */
export interface FanOutlet {
  readonly recipient: Recipient;
  /** Whether it listens to `processed/<purpose>/<name>`. */
  hears(name: string): boolean;
  /** Hands it over; false when no connection of the service took it. */
  deliver(name: string, payload: string): boolean;
}

export class FanOut {
  readonly #options: FanOutOptions;
  readonly #ports: FanOutPorts;
  readonly #unsent: Unsent;
  readonly #byPurpose = new Map<ServicePurpose, Map<ServiceSession, Filters>>();

  constructor(options: FanOutOptions, ports: FanOutPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#unsent = new Unsent(() => ports.cutOff());
  }

  /**
   * `undefined` when nothing was delivered since the last call. Else resolves once all of it has left the process;
   * what has not when the signal fires is thrown away with its connection. Never rejects.
   */
  left(signal: AbortSignal): Promise<void> | undefined {
    return this.#unsent.left(signal);
  }

  /** False when the service may not be given anything for this purpose; then nothing changes. */
  subscribe(session: ServiceSession, text: string, filter: ProcessedFilter): boolean {
    if (this.#ports.recipient(session.name, filter.purpose) === undefined) return false;
    let sessions = this.#byPurpose.get(filter.purpose);
    if (sessions === undefined) {
      sessions = new Map();
      this.#byPurpose.set(filter.purpose, sessions);
    }
    const known = sessions.get(session);
    if (known === undefined) sessions.set(session, new Map([[text, filter]]));
    else known.set(text, filter);
    return true;
  }

  unsubscribe(session: ServiceSession, text: string): void {
    for (const [purpose, sessions] of this.#byPurpose) {
      const known = sessions.get(session);
      if (known?.delete(text) && known.size === 0) this.#forget(purpose, session);
    }
  }

  closed(session: ServiceSession): void {
    for (const purpose of this.#byPurpose.keys()) this.#forget(purpose, session);
  }

  /** Whether anybody entitled listens; what nobody hears is not even built. */
  listening(purpose: ServicePurpose): boolean {
    return this.#byPurpose.has(purpose) && this.outlets(purpose).length > 0;
  }

  /** The services that listen to the purpose and may be given something for it, as of now. */
  outlets(purpose: ServicePurpose): readonly FanOutlet[] {
    const byService = new Map<string, [ServiceSession, Filters][]>();
    for (const one of this.#byPurpose.get(purpose) ?? []) {
      const known = byService.get(one[0].name);
      if (known === undefined) byService.set(one[0].name, [one]);
      else known.push(one);
    }
    return [...byService].flatMap(([service, sessions]) => {
      const recipient = this.#ports.recipient(service, purpose);
      return recipient === undefined ? [] : [this.#outlet(recipient, sessions)];
    });
  }

  #outlet(recipient: Recipient, sessions: readonly (readonly [ServiceSession, Filters])[]): FanOutlet {
    const prefix = `processed/${recipient.purpose}/`;
    const slow = new Set(
      sessions.flatMap(([session]) => (this.#unsent.waitingMs(session) > this.#options.maxUnsentMs ? [session] : [])),
    );
    return {
      recipient,
      hears: (name) => sessions.some(([, filters]) => matches(filters, name)),
      deliver: (name, payload) => {
        let delivered = false;
        for (const [session, filters] of sessions) {
          if (!matches(filters, name)) continue;
          if (slow.has(session)) this.#ports.dropped(1);
          else if (this.#deliver(session, prefix + name, payload)) delivered = true;
        }
        return delivered;
      },
    };
  }

  #deliver(session: ServiceSession, topic: string, payload: string): boolean {
    const { client } = session;
    if (client.closed || client.conn.writableLength > this.#options.maxUnsentBytes) {
      this.#ports.dropped(1);
      return false;
    }
    client.publish({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false }, () => undefined);
    this.#unsent.written(session);
    return true;
  }

  #forget(purpose: ServicePurpose, session: ServiceSession): void {
    const sessions = this.#byPurpose.get(purpose);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byPurpose.delete(purpose);
  }
}

function matches(filters: Filters, name: string): boolean {
  for (const filter of filters.values()) if (filter.name === undefined || filter.name === name) return true;
  return false;
}
