/** Who may hear what, and how many topic filters a connection may hold and ask for. */
import type { Subscription } from "aedes";
import type { SecurityEvent } from "../model/outcome.ts";
import type { ErasedTopics } from "./erased-topics.ts";
import type { FanOut } from "./fan-out.ts";
import type { Session } from "./session.ts";
import { deviceMayReceive, deviceMaySubscribe, serviceFilter } from "./topics.ts";

export interface SubscriptionPorts {
  readonly fanOut: FanOut;
  readonly erased: ErasedTopics;
}

export class Subscriptions {
  readonly #maxPerConnection: number;
  readonly #ports: SubscriptionPorts;

  constructor(maxPerConnection: number, ports: SubscriptionPorts) {
    this.#maxPerConnection = maxPerConnection;
    this.#ports = ports;
  }

  /** Why it may not; `undefined` once it is subscribed. */
  begin(session: Session, { topic, qos }: Subscription): SecurityEvent | undefined {
    const filter = session.kind === "service" ? serviceFilter(topic) : undefined;
    const allowed =
      session.kind === "device"
        ? deviceMaySubscribe(session.id, topic)
        : filter !== undefined && session.purposes.has(filter.purpose);
    if (!allowed) return "acl-denied";
    // Each filter takes memory, and asking for one anew can cost a look into Redis.
    const full = session.filters.size >= this.#maxPerConnection && !session.filters.has(topic);
    if (full || !session.subscribing.take(Date.now())) return "too-many-subscriptions";
    if (session.kind === "service" && filter !== undefined) {
      // What it must forget it is told even while it may not be given anything.
      if (filter.kind === "erased") this.#ports.erased.subscribe(session, topic, filter.purpose, qos);
      else if (!this.#ports.fanOut.subscribe(session, topic, filter)) return "acl-denied";
    }
    session.filters.add(topic);
    return undefined;
  }

  end(session: Session, filters: readonly string[]): void {
    for (const filter of filters) {
      session.filters.delete(filter);
      if (session.kind !== "service") continue;
      this.#ports.fanOut.unsubscribe(session, filter);
      this.#ports.erased.unsubscribe(session, filter);
    }
  }

  /** The connection is gone, and what it listened to with it. */
  closed(session: Session): void {
    if (session.kind !== "service") return;
    this.#ports.fanOut.closed(session);
    this.#ports.erased.closed(session);
  }
}

/** The last look before a packet is handed to a connection, whatever it once subscribed to. */
export function mayReceive(session: Session | undefined, topic: string): boolean {
  if (session?.kind === "device") return deviceMayReceive(session.id, topic);
  const filter = serviceFilter(topic);
  return session?.kind === "service" && filter !== undefined && session.purposes.has(filter.purpose);
}
