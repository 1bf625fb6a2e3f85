/**
 * Which connections of a service hear a processed message. A message costs a look-up for each connection, however
 * many names that one has subscribed to.
 */
import type { CategoryMask } from "../../model/consent.ts";
import type { Recipient } from "../../model/disclosure.ts";
import type { Entitlement } from "../../model/service.ts";
import type { ServiceConnection } from "./connection.ts";
import type { Outbox } from "./outbox.ts";

/** One service that listens to one purpose, on however many connections. */
export class Outlet {
  /** As of the last time it was asked for. */
  entitlement: Entitlement;
  readonly #touched: Set<Outbox>;
  readonly #dropped: (count: number) => void;
  readonly #listeners = new Map<ServiceConnection, Listener>();

  constructor(entitlement: Entitlement, touched: Set<Outbox>, dropped: (count: number) => void) {
    this.entitlement = entitlement;
    this.#touched = touched;
    this.#dropped = dropped;
  }

  get recipient(): Recipient {
    return this.entitlement.recipient;
  }

  /** What of the purpose's categories it gets. */
  get categories(): CategoryMask {
    return this.entitlement.categories;
  }

  get idle(): boolean {
    return this.#listeners.size === 0;
  }

  listen(session: ServiceConnection, outbox: Outbox, text: string, name: string | undefined): void {
    let listener = this.#listeners.get(session);
    if (listener === undefined) {
      listener = new Listener(session, outbox);
      this.#listeners.set(session, listener);
    }
    listener.listen(text, name);
  }

  stop(session: ServiceConnection, text: string, name: string | undefined): void {
    const listener = this.#listeners.get(session);
    listener?.delete(text, name);
    if (listener?.idle) this.#listeners.delete(session);
  }

  closed(session: ServiceConnection): void {
    this.#listeners.delete(session);
  }

  /** Whether it listens to `processed/<purpose>/<name>`. */
  hears(name: string): boolean {
    for (const listener of this.#listeners.values()) if (listener.hears(name)) return true;
    return false;
  }

  /** Hands it over, to leave with the next call of `FanOut.left`; false when no connection of the service took it. */
  deliver(name: string, packet: () => Buffer): boolean {
    let delivered = false;
    for (const listener of this.#listeners.values()) {
      if (!listener.hears(name)) continue;
      if (listener.add(packet())) {
        this.#touched.add(listener.outbox);
        delivered = true;
      } else this.#dropped(1);
    }
    return delivered;
  }
}

/** What one connection listens to of one purpose. */
class Listener {
  readonly outbox: Outbox;
  readonly #session: ServiceConnection;
  readonly #names = new Set<string>();
  /** `+` and `#` mean the same as the last level; each is taken back for itself. */
  readonly #wildcards = new Set<string>();

  constructor(session: ServiceConnection, outbox: Outbox) {
    this.#session = session;
    this.outbox = outbox;
  }

  /** False when the connection misses it. */
  add(packet: Buffer): boolean {
    const bytes = this.#session.form(packet);
    return bytes !== undefined && this.outbox.add(bytes);
  }

  get idle(): boolean {
    return this.#names.size + this.#wildcards.size === 0;
  }

  listen(text: string, name: string | undefined): void {
    if (name === undefined) this.#wildcards.add(text);
    else this.#names.add(name);
  }

  delete(text: string, name: string | undefined): void {
    if (name === undefined) this.#wildcards.delete(text);
    else this.#names.delete(name);
  }

  hears(name: string): boolean {
    return this.#wildcards.size > 0 || this.#names.has(name);
  }
}
