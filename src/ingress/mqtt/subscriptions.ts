/** Who may hear what, and how many topic filters a connection may hold and ask for. */
import type { ISubscribePacket, ISubscription, IUnsubscribePacket } from "mqtt-packet";
import { covers } from "../../dialects/topic.ts";
import type { SecurityEvent } from "../../model/outcome.ts";
import type { Notices } from "../devices/policy-notices.ts";
import type { CommandOutcomes } from "../services/command-outcomes.ts";
import type { ErasedTopics } from "../services/erased-topics.ts";
import type { FanOut } from "../services/fan-out.ts";
import type { LateJoiners } from "../services/late-joiners.ts";
import { isShared, isWellShared, type ServiceFilter, serviceFilter } from "../services/topics.ts";
import { endForBreach } from "./ends.ts";
import { writeSuback, writeUnsuback } from "./packets-out.ts";
import { peer5 } from "./peers.ts";
import { FILTER_TOO_DEEP, levelsOf } from "./rules/strings.ts";
import type { DeviceSession, ServiceSession, Session } from "./session.ts";
import { deviceMayReceive, noticesTopic, weatherTopic } from "./topics.ts";
import { NONE, type Properties } from "./v5/properties.ts";
import { FILTER_CODES, NOT_SUBSCRIBED, SUCCESS } from "./v5/reason-codes.ts";

export interface SubscriptionsOptions {
  /** Filters that one connection may hold. */
  readonly maxSubscriptions: number;
  readonly maxTopicLevels: number;
}

export interface SubscriptionPorts {
  readonly fanOut: FanOut;
  readonly erased: ErasedTopics;
  readonly outcomes: CommandOutcomes;
  /** Absent: nothing is kept for those who subscribe later. */
  readonly joiners?: LateJoiners | undefined;
  readonly notices: Pick<Notices, "subscribed">;
  /** A device may have missed a forecast. */
  readonly forecasts: { asked(): void };
  readonly refused: (kind: SecurityEvent) => void;
}

/** In place of a QoS, in the SUBACK of MQTT 3.1.1 [MQTT-3.9.3-2]; in MQTT 5 a code says why. */
const REFUSED = 128;

type FilterRefusal = keyof typeof FILTER_CODES;

/** An attempt at what is not allowed; what is not served is asked for in good faith. */
const COUNTED: Readonly<Partial<Record<FilterRefusal, SecurityEvent>>> = {
  "acl-denied": "acl-denied",
  "too-many-subscriptions": "too-many-subscriptions",
  shared: "acl-denied",
};

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #ports: SubscriptionPorts;

  constructor(options: SubscriptionsOptions, ports: SubscriptionPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Deals with a SUBSCRIBE as with as many of one filter each, and answers once for all of them [MQTT-3.8.4-4]. */
  take(session: Session, packet: ISubscribePacket, done: () => void): void {
    const { client } = session;
    const { messageId = 0, subscriptions } = packet;
    if (this.#tooDeep(subscriptions.map(({ topic }) => topic))) {
      endForBreach(client, FILTER_TOO_DEEP);
      return;
    }
    const isV5 = peer5(client) !== undefined;
    const { subscriptionIdentifier } = (packet.properties ?? NONE) as Properties;
    const codes = subscriptions.map((subscription) => {
      const refusal = subscriptionIdentifier === undefined ? this.#begin(session, subscription) : "identifier";
      if (refusal === undefined) return subscription.qos;
      const event = COUNTED[refusal];
      if (event !== undefined) this.#ports.refused(event);
      return isV5 ? FILTER_CODES[refusal] : REFUSED;
    });
    writeSuback(client, messageId, codes);
    this.#heard(
      session,
      subscriptions.filter((_, index) => (codes[index] ?? REFUSED) < REFUSED),
    );
    // Not from within: a read of many of them would go down as many steps.
    setImmediate(done);
  }

  /** UNSUBSCRIBE, answered for each filter in its order. */
  takeBack(session: Session, { messageId = 0, unsubscriptions }: IUnsubscribePacket, done: () => void): void {
    const { client } = session;
    if (this.#tooDeep(unsubscriptions)) {
      endForBreach(client, FILTER_TOO_DEEP);
      return;
    }
    const codes = unsubscriptions.map((filter) => (this.#end(session, filter) ? SUCCESS : NOT_SUBSCRIBED));
    writeUnsuback(client, messageId, codes);
    setImmediate(done);
  }

  #tooDeep(filters: readonly string[]): boolean {
    return filters.some((filter) => levelsOf(filter) > this.#options.maxTopicLevels);
  }

  /** A device that begins to listen is told what it missed. */
  #heard(session: Session, granted: readonly ISubscription[]): void {
    if (session.kind !== "device") return;
    const { id, publisher, sender } = session;
    const isGranted = (wanted: string) => granted.some(({ topic }) => topic === wanted);
    if (isGranted(noticesTopic(id)) && publisher.ref !== undefined)
      this.#ports.notices.subscribed({ ref: publisher.ref, id });
    const ofFirmware =
      sender?.dialect.notices.weather !== undefined && granted.some(({ topic }) => isOfDialect(session, topic));
    if (!ofFirmware && !isGranted(weatherTopic(id))) return;
    for (const { place } of [publisher, ...(sender?.children ?? [])]) {
      if (place !== undefined) Object.assign(place, { told: undefined, asks: true });
    }
    this.#ports.forecasts.asked();
  }

  /** Why it may not; `undefined` once it is subscribed. */
  #begin(session: Session, { topic, qos }: ISubscription): FilterRefusal | undefined {
    // Services may share what they get of a purpose; devices share nothing.
    if (isShared(topic) && session.kind === "device") return "shared";
    if (isShared(topic) && !isWellShared(topic)) return "share-invalid";
    const filter = session.kind === "service" ? serviceFilter(topic) : undefined;
    const allowed =
      session.kind === "device"
        ? deviceMayReceive(session.id, topic) || isOfDialect(session, topic)
        : filter !== undefined && this.#mayAsk(session, filter);
    if (!allowed) return "acl-denied";
    // Each filter takes memory, and asking for one again can cost a look into Redis.
    const full = session.filters.size >= this.#options.maxSubscriptions && !session.filters.has(topic);
    if (full || !session.subscribing.take(Date.now())) return "too-many-subscriptions";
    if (session.kind === "service" && filter !== undefined) {
      // What it must forget it is told even while it may not be given anything.
      if (filter.kind === "erased") this.#ports.erased.subscribe(session, topic, filter.purpose, qos);
      else if (filter.kind === "outcome") this.#ports.outcomes.subscribe(session, topic, filter, qos);
      else if (filter.kind === "current") {
        const refusal = this.#ports.joiners?.ask(session, topic, filter.purpose);
        if (refusal !== undefined) return refusal;
      } else if (!this.#ports.fanOut.subscribe(session, topic, filter)) return "acl-denied";
    }
    session.filters.set(topic, qos);
    return undefined;
  }

  #mayAsk(session: ServiceSession, { kind, purpose }: ServiceFilter): boolean {
    if (kind === "current" && this.#ports.joiners === undefined) return false;
    return (kind === "erased" ? session.told : session.purposes).has(purpose);
  }

  /** False when it was not held. */
  #end(session: Session, filter: string): boolean {
    if (!session.filters.delete(filter)) return false;
    if (session.kind === "service") {
      this.#ports.fanOut.unsubscribe(session, filter);
      this.#ports.erased.unsubscribe(session, filter);
      this.#ports.outcomes.unsubscribe(session, filter);
      this.#ports.joiners?.unsubscribe(session, filter);
    }
    return true;
  }

  /** The connection is gone, and what it listened to with it. */
  closed(session: Session): void {
    if (session.kind !== "service") return;
    this.#ports.joiners?.closed(session);
    this.#ports.fanOut.closed(session);
    this.#ports.erased.closed(session);
    this.#ports.outcomes.closed(session);
  }
}

/** A filter that the firmware needs granted to start, or a narrower one. */
function isOfDialect(session: Session, filter: string): boolean {
  return session.kind === "device" && session.sender?.asksFor(filter) === true;
}

/** With which QoS a device hears a topic right now: the highest of its filters [MQTT-3.3.5-1]; `undefined` where it does not listen. */
export function hears({ filters }: DeviceSession, topic: string): 0 | 1 | 2 | undefined {
  let highest: 0 | 1 | 2 | undefined;
  for (const [filter, qos] of filters) {
    if (qos >= (highest ?? 0) && covers(filter, topic, () => false)) highest = qos;
  }
  return highest;
}
