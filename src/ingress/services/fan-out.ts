/**
 * Delivers processed messages to the services that subscribed to them, straight to their
 * connections. A subscriber that reads slowly misses messages; one that has not taken what it was handed by
 * the end of the lease loses its connection. It never holds up the pipeline or another subscriber. Nothing is
 * kept for one that is away.
 */
import { setMaxListeners } from "node:events";
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Entitlement } from "../../model/service.ts";
import type { ServiceConnection } from "./connection.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { Outlet } from "./subscriber.ts";
import { type ServiceFilter, serviceFilter } from "./topics.ts";

type ProcessedFilter = Extract<ServiceFilter, { kind: "processed" }>;

export interface FanOutPorts {
  /** What a service may be given for a purpose; `undefined` while that is nothing. */
  readonly entitlement: (service: string, purpose: ServicePurpose) => Entitlement | undefined;
  readonly dropped: (count: number) => void;
  /** A connection was ended because it did not take what it was handed. */
  readonly cutOff: () => void;
}

/** How deliveries to one service go, on all of its connections here. */
export interface DeliveryFigures {
  readonly listening: ReadonlySet<ServicePurpose>;
  readonly waitingBytes: number;
  /** Since the start. */
  readonly dropped: number;
  readonly cutOff: number;
}

type Missed = { dropped: number; cutOff: number };

export class FanOut {
  readonly #options: OutboxOptions;
  readonly #ports: FanOutPorts;
  readonly #outboxes = new Map<ServiceConnection, Outbox>();
  /** By the name of the service. */
  readonly #byPurpose = new Map<ServicePurpose, Map<string, Outlet>>();
  /** By the name of the service; there are only so many of them. */
  readonly #missed = new Map<string, Missed>();
  /** Since the last call of `left`. */
  readonly #touched = new Set<Outbox>();

  constructor(options: OutboxOptions, ports: FanOutPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * `undefined` when nothing was delivered since the last call. Else resolves once all of it has left the process;
   * what has not when the signal fires is thrown away with its connection. Never rejects.
   */
  left(signal: AbortSignal): Promise<void> | undefined {
    if (this.#touched.size === 0) return undefined;
    const outboxes = [...this.#touched];
    this.#touched.clear();
    // Each of them listens to it until its bytes have left.
    setMaxListeners(0, signal);
    return Promise.all(outboxes.map((outbox) => outbox.left(signal))).then(() => undefined);
  }

  /** False when the service may not be given anything for this purpose; then nothing changes. */
  subscribe(session: ServiceConnection, text: string, filter: ProcessedFilter): boolean {
    const entitlement = this.#ports.entitlement(session.name, filter.purpose);
    if (entitlement === undefined) return false;
    let outlets = this.#byPurpose.get(filter.purpose);
    if (outlets === undefined) {
      outlets = new Map();
      this.#byPurpose.set(filter.purpose, outlets);
    }
    let outlet = outlets.get(session.name);
    if (outlet === undefined) {
      outlet = new Outlet(entitlement, this.#touched, (count) => this.#dropped(session.name, count));
      outlets.set(session.name, outlet);
    }
    outlet.listen(session, this.#outbox(session), text, filter);
    return true;
  }

  unsubscribe(session: ServiceConnection, text: string): void {
    const filter = serviceFilter(text);
    if (filter?.kind !== "processed") return;
    const outlet = this.#byPurpose.get(filter.purpose)?.get(session.name);
    outlet?.stop(session, text, filter);
    this.#tidy(filter.purpose, session.name, outlet);
  }

  closed(session: ServiceConnection): void {
    this.#outboxes.get(session)?.discard();
    this.#outboxes.delete(session);
    for (const [purpose, outlets] of this.#byPurpose) {
      const outlet = outlets.get(session.name);
      outlet?.closed(session);
      this.#tidy(purpose, session.name, outlet);
    }
  }

  /**
   * Hands a packet to this connection alone, whatever it listens to, to leave with the next call of `left`. False when it misses it.
   * To be called for a connection that is still there only.
   */
  handTo(session: ServiceConnection, packet: () => Buffer): boolean {
    const outbox = this.#outbox(session);
    const bytes = session.form(packet());
    if (bytes === undefined || !outbox.add(bytes)) {
      this.#dropped(session.name, 1);
      return false;
    }
    this.#touched.add(outbox);
    return true;
  }

  /** Whether anybody entitled listens; what no one hears is not even built. */
  listening(purpose: ServicePurpose): boolean {
    for (const service of this.#byPurpose.get(purpose)?.keys() ?? []) {
      if (this.#ports.entitlement(service, purpose) !== undefined) return true;
    }
    return false;
  }

  /** The services that listen to the purpose and may be given something for it, as of now. */
  outlets(purpose: ServicePurpose): readonly Outlet[] {
    const listening: Outlet[] = [];
    for (const [service, outlet] of this.#byPurpose.get(purpose) ?? []) {
      const entitlement = this.#ports.entitlement(service, purpose);
      if (entitlement === undefined) continue;
      outlet.entitle(entitlement);
      listening.push(outlet);
    }
    return listening;
  }

  figures(service: string): DeliveryFigures {
    const listening = [...this.#byPurpose].flatMap(([purpose, outlets]) => (outlets.has(service) ? [purpose] : []));
    let waitingBytes = 0;
    for (const [session, outbox] of this.#outboxes) if (session.name === service) waitingBytes += outbox.waitingBytes;
    const { dropped, cutOff } = this.#missed.get(service) ?? { dropped: 0, cutOff: 0 };
    return { listening: new Set(listening), waitingBytes, dropped, cutOff };
  }

  #dropped(service: string, count: number): void {
    this.#missedOf(service).dropped += count;
    this.#ports.dropped(count);
  }

  #missedOf(service: string): Missed {
    const known = this.#missed.get(service) ?? { dropped: 0, cutOff: 0 };
    this.#missed.set(service, known);
    return known;
  }

  #outbox(session: ServiceConnection): Outbox {
    let outbox = this.#outboxes.get(session);
    if (outbox === undefined) {
      outbox = new Outbox(session.client, this.#options, () => {
        this.#missedOf(session.name).cutOff += 1;
        this.#ports.cutOff();
      });
      this.#outboxes.set(session, outbox);
    }
    return outbox;
  }

  #tidy(purpose: ServicePurpose, service: string, outlet: Outlet | undefined): void {
    if (outlet?.idle) this.#byPurpose.get(purpose)?.delete(service);
  }
}
