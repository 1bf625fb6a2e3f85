/**
 * Tells the weather of crowds, once a step and from one gateway: medians over people, never a value of one.
 *
 *   step over → closed → readings opened → by area: lease → consent again → medians → account → taken out → handed over
 *
 * A subject who withdrew, is under a hold or is being erased by then has no part in it; and the lease lasts until the bytes have left,
 * so a withdrawal that was answered is followed by nothing. Readings are taken out before they are told: a gateway that is killed
 * in between tells a step not at all rather than twice.
 */
import type { Redis } from "ioredis";
import { type CheckConsent, LOCATION, STATUS, usable } from "../model/consent.ts";
import type { CellMedians, CrowdMember, CrowdTelling, SubjectReading } from "../model/crowd.ts";
import type { Delivery } from "../model/delivery.ts";
import { GatewayError } from "../model/errors.ts";
import type { CellId, DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { underLease } from "../platform/under-lease.ts";
import { type DayKey, type DayKeys, dayAt } from "./day-keys.ts";
import { drawBetween } from "./draw.ts";
import type { ToldWeather } from "./last-weather.ts";
import { Progress } from "./progress.ts";
import { LATEST_MS, type Readings, type WaitingReading } from "./readings.ts";
import type { Turn } from "./turn.ts";

export interface WeatherOptions {
  readonly stepMs: number;
  /** Lowest number of subjects that k is drawn from, for each cell and day; the highest is three more. */
  readonly minPeople: number;
}

export interface WeatherPorts {
  readonly days: Pick<DayKeys, "of">;
  readonly readings: Pick<Readings, "of" | "takeOut">;
  readonly turn: Turn;
  readonly leases: LeaseSource;
  readonly checkConsent: CheckConsent;
  /** Cells within which readings can come together: no telling crosses their borders. */
  readonly areaOf: (cell: CellId) => CellId;
  readonly medians: (readings: readonly SubjectReading[], leastOf: (cell: CellId) => number) => readonly CellMedians[];
  readonly centerOf: (cell: CellId) => CrowdTelling["record"]["center"];
  /** Of which cells services are about to be told; before they are. */
  readonly noteCells: (cells: readonly CellId[]) => Promise<void>;
  readonly delivery: Delivery<CrowdTelling>;
  /** Keeps what is told for services that ask for it later. Absent: nothing is kept. */
  readonly keep?: ((told: readonly ToldWeather[]) => Promise<void>) | undefined;
  /** Of the subjects with a reading, how many found a crowd, and how many did not. */
  readonly counted: (told: number, withheld: number) => void;
  /** Unix ms, never ahead of the clock of Redis. */
  now(): number;
}

export const SPREAD_OF_K = 3;
/** For batches that were in progress at the end of the step; never more than a tenth of it. */
const GRACE_MS = 5_000;
/** A lease that was lost, or a Redis that was away: the next attempt has less to put on the account. */
const MOST_ATTEMPTS = 5;

export class Weather {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: WeatherOptions;
  readonly #ports: WeatherPorts;
  readonly #progress: Progress;

  constructor(redis: Redis, keyspace: Keyspace, options: WeatherOptions, ports: WeatherPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#ports = ports;
    const { stepMs } = options;
    this.#progress = new Progress(redis, keyspace.weatherProgress, { stepMs, mostBehindMs: LATEST_MS });
  }

  /** Tells the steps that are over, if it is this gateway's turn. Rejects when Redis is away: call again later. */
  async tell(): Promise<void> {
    if (!this.#ports.delivery.listening()) return;
    const { stepMs } = this.#options;
    const grace = this.#ports.now() - Math.min(GRACE_MS, Math.floor(stepMs / 10));
    const last = grace - (grace % stepMs) - stepMs;
    const told = await this.#progress.told(last);
    if (told >= last || !(await this.#anyWaits(told, last))) return;
    await this.#ports.turn.take(async (mine) => {
      let start = (await this.#progress.told(last)) + stepMs;
      for (; start <= last && (await mine()); start += stepMs) await this.#step(start, mine);
    });
  }

  /** Where no reading waits nothing is written, not even how far steps are told. */
  async #anyWaits(told: number, last: number): Promise<boolean> {
    const steps: string[] = [];
    for (let start = told + this.#options.stepMs; start <= last; start += this.#options.stepMs) {
      steps.push(this.#keyspace.weatherStep(start));
    }
    return (await orRedisUnavailable(() => this.#redis.exists(...steps))) > 0;
  }

  async #step(start: number, mine: () => Promise<boolean>): Promise<void> {
    await this.#progress.close(start);
    const key = await this.#ports.days.of(dayAt(start));
    const areas = new Map<CellId, Map<string, WaitingReading>>();
    for await (const page of this.#ports.readings.of(start, key)) {
      for (const reading of page) {
        const area = this.#ports.areaOf(reading.cell);
        const there = areas.get(area) ?? new Map<string, WaitingReading>();
        areas.set(area, there.set(reading.field, reading));
      }
    }
    for (const readings of areas.values()) {
      if (!(await mine())) return;
      await this.#area(start, key, [...readings.values()]);
    }
    await this.#progress.end(start, this.#keyspace.weatherStep(start));
  }

  async #area(start: number, key: DayKey, readings: readonly WaitingReading[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await underLease(this.#ports, (lease) => this.#prepared(start, key, readings, lease));
      } catch (error) {
        if (!(error instanceof GatewayError) || !error.retryable || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  async #prepared(
    start: number,
    key: DayKey,
    readings: readonly WaitingReading[],
    lease: Lease,
  ): Promise<(() => void) | undefined> {
    const { delivery, noteCells, keep } = this.#ports;
    const consented = await this.#consented(readings);
    const tellings = this.#tellings(start, key, consented);
    const deliver = await delivery.announce(tellings);
    if (tellings.length > 0) await noteCells(tellings.map(({ record }) => record.cell));
    if (lease.over) throw new GatewayError("LEASE_LOST", "before telling the weather");
    const fields = readings.map(({ field }) => field);
    // Taken out before it is told: not by another gateway as well, whatever becomes of the turn.
    if (!(await this.#ports.readings.takeOut(start, fields))) return undefined;
    await keep?.(toldOf(tellings, consented));
    // A step that is lost with its lease is lost for good; it is not told late.
    if (lease.over) return undefined;
    return () => {
      deliver();
      this.#count(consented, tellings);
    };
  }

  async #consented(readings: readonly WaitingReading[]): Promise<(WaitingReading & { readonly revision: number })[]> {
    const devices = new Map<DeviceKey, number>();
    const refs = readings
      .map(({ device }) => device)
      .filter(({ deviceKey }) => {
        if (devices.has(deviceKey)) return false;
        devices.set(deviceKey, devices.size);
        return true;
      });
    const verdicts = await this.#ports.checkConsent(refs);
    return readings.flatMap((reading) => {
      const verdict = verdicts[devices.get(reading.device.deviceKey) ?? -1];
      if (verdict === undefined || verdict.refusal !== undefined) return [];
      const both = LOCATION | STATUS;
      if (usable(verdict.grants, "weather", both) !== both) return [];
      return [{ ...reading, revision: verdict.revision ?? 0 }];
    });
  }

  #tellings(
    start: number,
    key: DayKey,
    readings: readonly (WaitingReading & { readonly revision: number })[],
  ): CrowdTelling[] {
    const { minPeople } = this.#options;
    const leastOf = (cell: CellId): number =>
      drawBetween(key.bytesFor("people of a median", cell), minPeople, minPeople + SPREAD_OF_K);
    const members = new Map<SubjectTag, CrowdMember>();
    for (const { device, revision } of readings) {
      members.set(device.subjectTag, { subject: device.subjectTag, revision });
    }
    const values = readings.map(({ device, cell, status, at }) => ({ subject: device.subjectTag, cell, status, at }));
    return this.#ports.medians(values, leastOf).map(({ cell, status, subjects }) => ({
      record: { cell, center: this.#ports.centerOf(cell), at: start, status },
      members: [...subjects].flatMap((subject) => members.get(subject) ?? []),
    }));
  }

  #count(readings: readonly WaitingReading[], tellings: readonly CrowdTelling[]): void {
    const all = new Set(readings.map(({ device }) => device.subjectTag));
    const told = new Set(tellings.flatMap(({ members }) => members.map(({ subject }) => subject)));
    this.#ports.counted(told.size, all.size - told.size);
  }
}

/** With everything that may be in it: of a member with several devices all of those that said something. */
function toldOf(tellings: readonly CrowdTelling[], readings: readonly WaitingReading[]): ToldWeather[] {
  const bySubject = new Map<SubjectTag, DeviceRef[]>();
  for (const { device } of readings) {
    const others = bySubject.get(device.subjectTag);
    if (others === undefined) bySubject.set(device.subjectTag, [device]);
    else others.push(device);
  }
  return tellings.map(({ record, members }) => ({
    record,
    devices: members.flatMap(({ subject }) => bySubject.get(subject) ?? []),
  }));
}
