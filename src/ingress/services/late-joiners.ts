/**
 * Services that have subscribed to `processed/<purpose>/$current`: each is told once what is current, on the connection that asked.
 * Those of one purpose that wait at the same time are told together, one run after the other.
 */
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Entitlement } from "../../model/service.ts";
import { Rates, TokenBucket } from "../../platform/rate.ts";
import type { ServiceConnection } from "./connection.ts";
import { Entitled } from "./entitled.ts";
import type { FanOut, FanOutPorts } from "./fan-out.ts";

export interface LateJoinersPorts extends Pick<FanOutPorts, "entitlement"> {
  readonly fanOut: Pick<FanOut, "handTo" | "left">;
  /** Tells the purpose to those that `outlets` names, from begin to end. Never rejects. */
  readonly tell: (purpose: ServicePurpose) => Promise<void>;
  /** How many connections were not told to the end. */
  readonly waiting: (count: number) => void;
  /** Unix ms. */
  readonly now: () => number;
}

/** As for any other filter. */
export type JoinRefusal = "acl-denied" | "too-many-subscriptions";

/** A connection may ask once in so long. */
const AGAIN_MS = 10_000;
/** A service may on all its connections to this gateway: at once, and again in so long for each. */
const OF_SERVICE = { burst: 8, perSecond: 1 / 5, remembered: 10_000 } as const;

export class LateJoiners {
  readonly #ports: LateJoinersPorts;
  readonly #ofService = new Rates(OF_SERVICE);
  readonly #ofConnection = new WeakMap<ServiceConnection, Map<ServicePurpose, TokenBucket>>();
  /** Those whose run has not begun. */
  readonly #waiting = new Map<ServicePurpose, Joiner[]>();
  /** Those who are being told. */
  readonly #present = new Map<ServicePurpose, Joiner[]>();

  constructor(ports: LateJoinersPorts) {
    this.#ports = ports;
  }

  /** Why it may not; `undefined` when it will be told, after the SUBACK. */
  ask(session: ServiceConnection, text: string, purpose: ServicePurpose): JoinRefusal | undefined {
    const entitlement = this.#ports.entitlement(session.name, purpose);
    if (entitlement === undefined) return "acl-denied";
    const now = this.#ports.now();
    if (!this.#bucketOf(session, purpose, now).take(now)) return "too-many-subscriptions";
    if (!this.#ofService.bucket(`${session.name} ${purpose}`, now).take(now)) return "too-many-subscriptions";
    const joiner = new Joiner(session, text, entitlement, this.#ports.fanOut);
    this.#waiting.set(purpose, [...(this.#waiting.get(purpose) ?? []), joiner]);
    this.#count();
    if (!this.#present.has(purpose)) void this.#run(purpose);
    return undefined;
  }

  unsubscribe(session: ServiceConnection, text: string): void {
    this.#without((joiner) => joiner.session === session && joiner.text === text);
  }

  closed(session: ServiceConnection): void {
    this.#without((joiner) => joiner.session === session);
  }

  /** Those who are being told and may be given something for the purpose, as of now. */
  outlets(purpose: ServicePurpose): readonly Joiner[] {
    return (this.#present.get(purpose) ?? []).filter((joiner) => {
      const entitlement = this.#ports.entitlement(joiner.session.name, purpose);
      if (entitlement !== undefined) joiner.entitle(entitlement);
      return entitlement !== undefined;
    });
  }

  /** Whether anyone is. */
  listening(purpose: ServicePurpose): boolean {
    return this.outlets(purpose).length > 0;
  }

  /** As that of the fan-out, which has what these were handed. */
  left(signal: AbortSignal): Promise<void> | undefined {
    return this.#ports.fanOut.left(signal);
  }

  async #run(purpose: ServicePurpose): Promise<void> {
    for (;;) {
      const waiting = this.#waiting.get(purpose) ?? [];
      this.#waiting.delete(purpose);
      if (waiting.length === 0) break;
      this.#present.set(purpose, waiting);
      await this.#ports.tell(purpose);
      this.#present.set(purpose, []);
      this.#count();
    }
    this.#present.delete(purpose);
  }

  #count(): void {
    const all = [...this.#waiting.values(), ...this.#present.values()];
    this.#ports.waiting(all.reduce((count, some) => count + some.length, 0));
  }

  #bucketOf(session: ServiceConnection, purpose: ServicePurpose, now: number): TokenBucket {
    const buckets = this.#ofConnection.get(session) ?? new Map<ServicePurpose, TokenBucket>();
    this.#ofConnection.set(session, buckets);
    const bucket = buckets.get(purpose) ?? new TokenBucket(1_000 / AGAIN_MS, 1, now);
    buckets.set(purpose, bucket);
    return bucket;
  }

  #without(gone: (joiner: Joiner) => boolean): void {
    for (const joiners of [this.#waiting, this.#present]) {
      for (const [purpose, some] of joiners) {
        if (some.some(gone)) {
          joiners.set(
            purpose,
            some.filter((joiner) => !gone(joiner)),
          );
        }
      }
    }
    this.#count();
  }
}

/** One connection that is told, as an outlet of its service. */
class Joiner extends Entitled {
  readonly session: ServiceConnection;
  /** The filter by which it asked. */
  readonly text: string;
  readonly #fanOut: Pick<FanOut, "handTo">;

  constructor(session: ServiceConnection, text: string, entitlement: Entitlement, fanOut: Pick<FanOut, "handTo">) {
    super(entitlement);
    this.session = session;
    this.text = text;
    this.#fanOut = fanOut;
  }

  hears(): boolean {
    return true;
  }

  deliver(_name: string, packet: () => Buffer): boolean {
    return this.#fanOut.handTo(this.session, packet);
  }
}
