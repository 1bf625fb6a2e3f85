/**
 * Which connections of a service hear a processed message. A message costs a look-up for each connection, however
 * many names that one has subscribed to.
 */
import type { Entitlement } from "../../model/service.ts";
import type { ServiceConnection } from "./connection.ts";
import { Entitled } from "./entitled.ts";
import type { Outbox } from "./outbox.ts";
import { Share } from "./share.ts";

/** What is said of a filter beside its text. */
interface Asked {
  /** The last level; absent: any. */
  readonly name: string | undefined;
  readonly group?: string | undefined;
}

/** One service that listens to one purpose, on however many connections. */
export class Outlet extends Entitled {
  readonly #touched: Set<Outbox>;
  readonly #dropped: (count: number) => void;
  readonly #listeners = new Map<ServiceConnection, Listener>();
  /** By the whole filter: with another filter behind it, a group of the same name is another one (MQTT 5, 4.8.2). */
  readonly #shares = new Map<string, Share>();

  constructor(entitlement: Entitlement, touched: Set<Outbox>, dropped: (count: number) => void) {
    super(entitlement);
    this.#touched = touched;
    this.#dropped = dropped;
  }

  get idle(): boolean {
    return this.#listeners.size + this.#shares.size === 0;
  }

  listen(session: ServiceConnection, outbox: Outbox, text: string, { name, group }: Asked): void {
    this.changes += 1;
    if (group !== undefined) {
      const share = this.#shares.get(text) ?? new Share(name);
      this.#shares.set(text, share);
      share.join(session, outbox);
      return;
    }
    let listener = this.#listeners.get(session);
    if (listener === undefined) {
      listener = new Listener(session, outbox);
      this.#listeners.set(session, listener);
    }
    listener.listen(text, name);
  }

  stop(session: ServiceConnection, text: string, { name, group }: Asked): void {
    if (group !== undefined) {
      this.#leave(session, text, this.#shares.get(text));
      return;
    }
    const listener = this.#listeners.get(session);
    listener?.delete(text, name);
    if (listener?.idle) this.#listeners.delete(session);
  }

  closed(session: ServiceConnection): void {
    this.#listeners.delete(session);
    for (const [text, share] of this.#shares) this.#leave(session, text, share);
  }

  #leave(session: ServiceConnection, text: string, share: Share | undefined): void {
    share?.leave(session);
    if (share?.idle) this.#shares.delete(text);
  }

  /** Whether it listens to `processed/<purpose>/<name>`. */
  hears(name: string): boolean {
    for (const listener of this.#listeners.values()) if (listener.hears(name)) return true;
    for (const share of this.#shares.values()) if (share.hears(name)) return true;
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
    for (const share of this.#shares.values()) {
      if (!share.hears(name)) continue;
      const outbox = share.deliver(name, packet);
      if (outbox === undefined) this.#dropped(1);
      else {
        this.#touched.add(outbox);
        delivered = true;
      }
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
