/**
 * Places that were sent to the store and never answered for, by this gateway or by one that was killed over it. Until the store
 * has answered and had time to apply what it received, a lease is kept for those they concern; then what consent does not cover
 * (any more) is taken out again. The same as for batches, see decision 005.
 */
import type { Redis } from "ioredis";
import { type CheckConsent, LOCATION, usable, type Verdict } from "../model/consent.ts";
import type { PlaceRow } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import type { Log } from "../model/log.ts";
import { faultCode } from "../platform/fault-code.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { deviceOf, fieldOf } from "../platform/sealed-records.ts";
import type { PlaceRecords, PlaceReplacement } from "./record.ts";

export interface Sent {
  /** With the state of the ledger under which the place was admitted. */
  readonly device: DeviceRef;
  readonly epochStart: number;
}

export interface UnderWayPorts {
  readonly checkConsent: CheckConsent;
  readonly leases: LeaseSource;
  readonly placeName: (wrappedSubjectKey: string, device: DeviceKey, epochStart: number) => Pseudonym;
  readonly records: Pick<PlaceRecords, "read" | "open" | "replace">;
  /** Resolves when the store answers. Rejects with a retryable `GatewayError`. */
  readonly askStore: (signal: AbortSignal) => Promise<void>;
  /** False when the store cannot delete. Rejects like `askStore`. */
  readonly removePlaces: (
    places: readonly Pick<PlaceRow, "device" | "epochStart">[],
    signal: AbortSignal,
  ) => Promise<boolean>;
  /** At least as long as the store may take to apply a write it has received. */
  readonly inDoubtGraceMs: number;
  /** Rejects when `stop` fires. */
  readonly pause: (ms: number, stop: AbortSignal) => Promise<void>;
  readonly log: Log;
}

const ASK_AGAIN_MS = 1_000;

/** Whether the verdict lets the place of the device be stored. */
export function mayBePlaced(verdict: Verdict | undefined): verdict is Verdict & { readonly refusal?: undefined } {
  return (
    verdict !== undefined &&
    verdict.refusal === undefined &&
    (usable(verdict.grants, "analytics", LOCATION) & LOCATION) !== 0
  );
}

export class PlacesUnderWay {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #ports: UnderWayPorts;

  constructor(redis: Redis, { placesUnderWay }: Pick<Keyspace, "placesUnderWay">, ports: UnderWayPorts) {
    this.#redis = redis;
    this.#key = placesUnderWay;
    this.#ports = ports;
  }

  /** To be called before they are sent. Throws REDIS_UNAVAILABLE. */
  async begin(sent: readonly Sent[]): Promise<void> {
    const fields = sent.flatMap(({ device, epochStart }) => [fieldOf(device), `${epochStart} ${device.revision ?? 0}`]);
    await orRedisUnavailable(() => this.#redis.hset(this.#key, ...fields));
  }

  /** The store has answered for them, under a lease that was not over. Throws REDIS_UNAVAILABLE. */
  async end(sent: readonly Sent[]): Promise<void> {
    if (sent.length > 0)
      await orRedisUnavailable(() => this.#redis.hdel(this.#key, ...sent.map(({ device }) => fieldOf(device))));
  }

  /** What a writer before this one left behind. Throws REDIS_UNAVAILABLE; rejects when `stop` fires. */
  async takeUp(stop: AbortSignal): Promise<void> {
    const left = await orRedisUnavailable(() => this.#redis.hgetall(this.#key));
    const sent = Object.entries(left).flatMap(([field, text]): Sent[] => {
      const device = deviceOf(field);
      const [epochStart, revision] = text.split(" ").map(Number);
      return device === undefined ? [] : [{ device: { ...device, revision }, epochStart: epochStart ?? 0 }];
    });
    if (sent.length === 0) return;
    const lease = await this.#ports.leases.acquire();
    await this.keep(lease, sent);
    await this.settle(lease, sent, stop);
  }

  /** No withdrawal that concerns one of them is answered any more before `settle`. */
  keep(lease: Lease, sent: readonly Sent[]): Promise<void> {
    const concerned = new Set<SubjectTag | DeviceKey>();
    for (const { device } of sent) concerned.add(device.subjectTag).add(device.deviceKey);
    return lease.keep(concerned);
  }

  /** Resolves when nothing of it is stored without present consent, or can still be. Rejects when `stop` fires. */
  async settle(lease: Lease, sent: readonly Sent[], stop: AbortSignal): Promise<void> {
    try {
      for (;;) {
        try {
          await this.#ports.askStore(stop);
          await this.#ports.pause(this.#ports.inDoubtGraceMs, stop);
          await this.#removeUncovered(sent, stop);
          await this.end(sent);
          break;
        } catch (error) {
          if (stop.aborted || !(error instanceof GatewayError) || !error.retryable) throw error;
          this.#ports.log.warn("places in doubt, asked again", { code: faultCode(error), stage: "places" });
          await this.#ports.pause(ASK_AGAIN_MS, stop);
        }
      }
    } catch (error) {
      // It runs out; the writer that continues keeps another one.
      lease.abandon();
      throw error;
    }
    await lease.release();
  }

  async #removeUncovered(sent: readonly Sent[], stop: AbortSignal): Promise<void> {
    const verdicts = await this.#ports.checkConsent(sent.map(({ device }) => device));
    const rows: Pick<PlaceRow, "device" | "epochStart">[] = [];
    const removed: DeviceRef[] = [];
    for (const [index, { device, epochStart }] of sent.entries()) {
      const verdict = verdicts[index];
      // Without a key an erasure is at work, which takes out everything.
      if (mayBePlaced(verdict) || verdict?.wrappedSubjectKey === undefined) continue;
      try {
        rows.push({
          device: this.#ports.placeName(verdict.wrappedSubjectKey, device.deviceKey, epochStart),
          epochStart,
        });
        removed.push({ subjectTag: device.subjectTag, deviceKey: device.deviceKey });
      } catch (error) {
        // Under a key that does not open nothing was ever written.
        if (!(error instanceof GatewayError) || error.code !== "SUBJECT_KEY_UNREADABLE") throw error;
      }
    }
    if (rows.length === 0) return;
    const { log } = this.#ports;
    if (await this.#ports.removePlaces(rows, stop)) log.info("places in doubt removed", { count: rows.length });
    else log.error("places in doubt cannot be removed from this store", { count: rows.length });
    await this.#noteRemoved(removed);
  }

  /** What the records say of the rows no longer holds; what consent given again covers is told again. */
  async #noteRemoved(devices: readonly DeviceRef[]): Promise<void> {
    const { records, checkConsent } = this.#ports;
    for (let open = devices; open.length > 0; ) {
      const [texts, verdicts] = [await records.read(open), await checkConsent(open)];
      const replacements = open.flatMap((device, index): PlaceReplacement[] => {
        const [was, verdict] = [texts[index] ?? "", verdicts[index]];
        if (was === "" || verdict?.wrappedSubjectKey === undefined || verdict.refusal === "legal-hold") return [];
        const { wrappedSubjectKey } = verdict;
        const record = mayBePlaced(verdict) ? records.open({ device, sealed: was }, wrappedSubjectKey) : undefined;
        if (record === undefined) return [{ device, was }];
        return [{ device, was, record: { wrappedSubjectKey, content: { ...record, told: undefined } } }];
      });
      const done = await records.replace(replacements);
      open = replacements.filter((_, index) => done[index] !== true).map(({ device }) => device);
    }
  }
}
