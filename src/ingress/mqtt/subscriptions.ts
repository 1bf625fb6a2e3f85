/** Who may hear what, and how many topic filters a connection may hold and ask for. */
import type { ISubscribePacket, ISubscription } from "mqtt-packet";
import type { SecurityEvent } from "../../model/outcome.ts";
import type { Notices } from "../devices/policy-notices.ts";
import type { ErasedTopics } from "../services/erased-topics.ts";
import type { FanOut } from "../services/fan-out.ts";
import { serviceFilter } from "../services/topics.ts";
import { writeSuback } from "./puback.ts";
import type { Session } from "./session.ts";
import { deviceMayReceive, levelsOf, noticesTopic, TOO_DEEP } from "./topics.ts";

export interface SubscriptionsOptions {
  /** Filters that one connection may hold. */
  readonly maxSubscriptions: number;
  readonly maxTopicLevels: number;
}

export interface SubscriptionPorts {
  readonly fanOut: FanOut;
  readonly erased: ErasedTopics;
  readonly notices: Pick<Notices, "subscribed">;
  readonly refused: (kind: SecurityEvent) => void;
}

/** In place of a QoS, in the SUBACK [MQTT-3.9.3-2]. */
const REFUSED = 128;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #ports: SubscriptionPorts;

  constructor(options: SubscriptionsOptions, ports: SubscriptionPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /**
   * Deals with a SUBSCRIBE as with as many of one filter each, and answers once for all of them [MQTT-3.8.4-4]. Aedes
   * is handed what was granted: it would answer once for a filter that is named twice. `done` gets what ends the connection.
   */
  take(session: Session, { messageId, subscriptions }: ISubscribePacket, done: (error?: Error) => void): void {
    const { maxTopicLevels } = this.#options;
    if (subscriptions.some(({ topic }) => levelsOf(topic) > maxTopicLevels)) {
      done(new Error(TOO_DEEP));
      return;
    }
    const codes = subscriptions.map((subscription) => this.#begin(session, subscription));
    // What a firmware asks for to start stays silent: Aedes need not know of it.
    const granted = subscriptions.filter(
      ({ topic }, index) => codes[index] !== REFUSED && !isOfDialect(session, topic),
    );
    const answer = (): void => {
      writeSuback(session.client, messageId ?? 0, codes);
      // Not from within: a read of many of them would go down as many steps.
      setImmediate(done);
    };
    if (granted.length === 0) answer();
    else {
      session.client.subscribe(granted, (error) => {
        if (error) return done(error);
        answer();
        this.#heard(session, granted);
      });
    }
  }

  /** A device that listens to its notices is told what it missed. */
  #heard(session: Session, granted: readonly ISubscription[]): void {
    if (session.kind !== "device" || !granted.some(({ topic }) => topic === noticesTopic(session.id))) return;
    const { id, publisher } = session;
    if (publisher.ref !== undefined) this.#ports.notices.subscribed({ ref: publisher.ref, id });
  }

  #begin(session: Session, subscription: ISubscription): 0 | 1 | 2 | 128 {
    const refusal = this.#refusal(session, subscription);
    if (refusal === undefined) return subscription.qos;
    this.#ports.refused(refusal);
    return REFUSED;
  }

  /** Why it may not; `undefined` once it is subscribed. */
  #refusal(session: Session, { topic, qos }: ISubscription): SecurityEvent | undefined {
    const filter = session.kind === "service" ? serviceFilter(topic) : undefined;
    const allowed =
      session.kind === "device"
        ? deviceMayReceive(session.id, topic) || isOfDialect(session, topic)
        : filter !== undefined && session.purposes.has(filter.purpose);
    if (!allowed) return "acl-denied";
    // Each filter takes memory, and asking for one anew can cost a look into Redis.
    const full = session.filters.size >= this.#options.maxSubscriptions && !session.filters.has(topic);
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

/** A filter that the firmware needs granted to start, or a narrower one. */
function isOfDialect(session: Session, filter: string): boolean {
  return session.kind === "device" && session.sender?.asksFor(filter) === true;
}

/** The last look before a packet is handed to a connection, whatever it once subscribed to. */
export function mayReceive(session: Session | undefined, topic: string): boolean {
  // Of its dialect it gets commands that are handed to it alone: its filters are nobody's to deliver to.
  if (session?.kind === "device") return deviceMayReceive(session.id, topic) || isOfDialect(session, topic);
  const filter = serviceFilter(topic);
  return session?.kind === "service" && filter !== undefined && session.purposes.has(filter.purpose);
}
