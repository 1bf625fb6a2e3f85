/**
 * Tells services that have just asked what is current of single devices, in portions: the next one when everything of this one has
 * left the process. Consent is asked again for each record, as for a message that has just come.
 *
 *   devices with a record ─ shuffled ─ portions: lease → read → consent → cut to what is covered and current → account → handed over
 *
 * Shuffled, all of them: the order in which Redis has them is the same for every kind of record, and would join the names that one
 * device has for different purposes.
 */
import type { CheckConsent } from "../model/consent.ts";
import type { Moment, NameAt, SaidBefore } from "../model/current.ts";
import { damageIn } from "../model/damage.ts";
import type { Delivery } from "../model/delivery.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef, Pseudonym } from "../model/ids.ts";
import type { LeaseSource } from "../model/lease.ts";
import { type KnownRecord, openedRecord } from "../platform/known-records.ts";
import type { Covered, RecordCoverage } from "../platform/record-coverage.ts";
import { fieldOf, type SealedRecords } from "../platform/sealed-records.ts";
import { shuffled } from "../platform/shuffled.ts";
import { underLease } from "../platform/under-lease.ts";

/** Where the last message of each device is found, and what of it is current. */
export interface CurrentSource<Content, Part extends string> {
  readonly records: Pick<SealedRecords<Content>, "all" | "read" | "open">;
  readonly coverage: RecordCoverage<Content, Part>;
  /** `record`: as far as consent covers it. `undefined` when nothing of it is current. */
  readonly currentOf: (record: Content, name: NameAt, moment: Moment) => SaidBefore | undefined;
  /** Throws SUBJECT_KEY_UNREADABLE. */
  readonly nameOf: (wrappedSubjectKey: string, device: DeviceKey, epoch: number) => Pseudonym;
  /** A service may answer this name: with a command, with a notice. */
  readonly addressable: { remember(name: Pseudonym, device: DeviceRef): void };
}

export interface CurrentPorts {
  readonly leases: LeaseSource;
  readonly checkConsent: CheckConsent;
  /** To those who asked. */
  readonly delivery: Delivery<Outgoing>;
  /** Unix ms. */
  readonly now: () => number;
}

export type CurrentOptions = Omit<Moment, "now">;

interface Told {
  readonly device: DeviceRef;
  readonly outgoing: Outgoing;
}

const RECORDS_PER_PORTION = 500;
/** A lease that ended before the account was written: the next attempt has less to put on it. */
const MOST_ATTEMPTS = 5;

export class CurrentTeller<Content, Part extends string> {
  readonly #source: CurrentSource<Content, Part>;
  readonly #options: CurrentOptions;
  readonly #ports: CurrentPorts;

  constructor(source: CurrentSource<Content, Part>, options: CurrentOptions, ports: CurrentPorts) {
    this.#source = source;
    this.#options = options;
    this.#ports = ports;
  }

  /** Resolves when all of it was told, or when no one waits for it any more. Throws REDIS_UNAVAILABLE, LEASE_LOST. */
  async tell(stop: AbortSignal): Promise<void> {
    const devices = shuffled(await this.#devices());
    for (let from = 0; from < devices.length; from += RECORDS_PER_PORTION) {
      if (stop.aborted || !this.#ports.delivery.listening()) return;
      await this.#portion(devices.slice(from, from + RECORDS_PER_PORTION));
    }
  }

  /** Each once. */
  async #devices(): Promise<DeviceRef[]> {
    const devices = new Map<string, DeviceRef>();
    for await (const page of this.#source.records.all()) {
      for (const { device } of page) devices.set(fieldOf(device), device);
    }
    return [...devices.values()];
  }

  async #portion(devices: readonly DeviceRef[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await underLease(this.#ports, () => this.#prepared(devices));
      } catch (error) {
        const isLost = error instanceof GatewayError && error.code === "LEASE_LOST";
        if (!isLost || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  async #prepared(devices: readonly DeviceRef[]): Promise<(() => void) | undefined> {
    const portion = await this.#known(devices);
    // Asked with the state of the ledger under which each was admitted: what was withdrawn since stays withdrawn for it.
    const covered = await this.#source.coverage.of(portion, this.#ports.checkConsent);
    const moment: Moment = { ...this.#options, now: this.#ports.now() };
    const told = portion.flatMap((one, index) => this.#told(one, covered[index], moment) ?? []);
    if (told.length === 0) return undefined;
    const deliver = await this.#ports.delivery.announce(told.map(({ outgoing }) => outgoing));
    return () => {
      const { addressable } = this.#source;
      for (const { device, outgoing } of told) {
        const { scene, network } = outgoing.result;
        const name = (scene ?? network)?.device;
        if (name !== undefined) addressable.remember(name, device);
      }
      deliver();
    };
  }

  /** The records that may be used now, opened. */
  async #known(devices: readonly DeviceRef[]): Promise<KnownRecord<Content>[]> {
    const { records, coverage } = this.#source;
    const texts = await records.read(devices);
    const verdicts = await this.#ports.checkConsent(devices);
    return devices.flatMap((device, index): KnownRecord<Content>[] => {
      const [verdict, sealed] = [verdicts[index], texts[index] ?? ""];
      if (sealed === "" || !coverage.mayBeUsed(verdict)) return [];
      const { wrappedSubjectKey } = verdict;
      const record = openedRecord(records, { device, sealed }, wrappedSubjectKey);
      return record === undefined || record === "unreadable" ? [] : [{ device, sealed, wrappedSubjectKey, record }];
    });
  }

  #told(
    { device, record, wrappedSubjectKey }: KnownRecord<Content>,
    covered: Covered<Part> | undefined,
    moment: Moment,
  ): Told | undefined {
    if (covered === undefined || covered.held) return undefined;
    const left = this.#source.coverage.limitedTo(record, covered.parts);
    if (left === undefined) return undefined;
    const name: NameAt = (at) =>
      this.#source.nameOf(wrappedSubjectKey, device.deviceKey, Math.floor(at / moment.epochMs));
    try {
      const said = this.#source.currentOf(left, name, moment);
      if (said === undefined) return undefined;
      const { revision } = covered;
      return { device, outgoing: { subject: device.subjectTag, revision, wrappedSubjectKey, ...said } };
    } catch (error) {
      // One subject's damage stays there.
      if (damageIn(error) !== "subject-key") throw error;
      return undefined;
    }
  }
}
