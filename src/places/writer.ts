/**
 * The place writer: the only part that brings places into the store. One gateway, once a step, in random order, in requests
 * of their own; so neither time nor order nor neighbourhood says which status came with a place.
 *
 *   records ─ consent? ─┬─ none: forgotten
 *                       └─ crowd ─ what changed ─ shuffled ─ portions: lease → consent again → store → noted as told
 */
import { setImmediate as otherWork } from "node:timers/promises";
import type { PlaceRow } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { CellId, DeviceKey, DeviceRef, Pseudonym } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import type { PlaceRecord, ToldPlace } from "../model/place.ts";
import { type KnownRecord, type KnownRecordsPorts, knownRecords } from "../platform/known-records.ts";
import { shuffled } from "../platform/shuffled.ts";
import type { StepTurn } from "../platform/step-turns.ts";
import { type Inhabitants, inhabit, tellableCells } from "./crowd.ts";
import { laterBy, type Step, tellingOf } from "./telling.ts";
import { mayBePlaced, type PlacesUnderWay, type Sent } from "./under-way.ts";

export interface PlaceWriterOptions {
  readonly stepMs: number;
  readonly epochMs: number;
  /** Fewer people than this in a cell, and it is not told. */
  readonly leastSubjects: number;
  /** A record of an older place is forgotten. */
  readonly keepMs: number;
  /** What the steps are drawn with that another place waits. */
  readonly laterKey: Buffer;
}

export interface PlaceWriterPorts extends KnownRecordsPorts<PlaceRecord> {
  readonly underWay: Pick<PlacesUnderWay, "takeUp" | "begin" | "end" | "keep" | "settle">;
  readonly leases: LeaseSource;
  readonly placeName: (wrappedSubjectKey: string, device: DeviceKey, epochStart: number) => Pseudonym;
  readonly write: (
    places: readonly PlaceRow[],
    signal: AbortSignal,
  ) => Promise<{ readonly rejected: readonly number[] }>;
  /** False when the store cannot delete. */
  readonly removePlaces: (
    places: readonly Pick<PlaceRow, "device" | "epochStart">[],
    signal: AbortSignal,
  ) => Promise<boolean>;
  readonly metrics: {
    placesWritten(count: number): void;
    placesRemoved(count: number): void;
    /** Of this step: places that wait for a later one, or for more people. */
    placesWaiting(count: number): void;
  };
}

type Known = KnownRecord<PlaceRecord>;

/** What a step does about one of them. */
interface Due extends Known {
  /** `undefined`: the row goes. */
  readonly told: ToldPlace | undefined;
  readonly epochStart: number;
  readonly resolution: number;
}

/** A store that does not answer gets smaller ones; with the whole of them again it would never get done. */
const ROWS_PER_PORTION = { most: 500, least: 50 };
const COUNTED_PER_TURN = 2_000;

export class PlaceWriter {
  readonly #options: PlaceWriterOptions;
  readonly #ports: PlaceWriterPorts;
  readonly #abandoned = new WeakSet<Lease>();
  #rowsPerPortion = ROWS_PER_PORTION.most;

  constructor(options: PlaceWriterOptions, ports: PlaceWriterPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Resolves with true when the step was carried out. Throws REDIS_UNAVAILABLE, SINK_UNAVAILABLE, SINK_DENIED, LEASE_LOST. */
  async step(turn: StepTurn, stop: AbortSignal): Promise<boolean> {
    await this.#ports.underWay.takeUp(stop);
    const known = await this.#known(turn.now);
    const tellable = await this.#tellable(known, turn.now);
    const due = this.#due(known, tellable, { ...turn, ...this.#options });
    const rows = this.#rowsPerPortion;
    for (let from = 0; from < due.length; from += rows) {
      if (stop.aborted || !(await turn.goOn())) return false;
      await this.#portion(due.slice(from, from + rows), stop);
    }
    this.#rowsPerPortion = Math.min(ROWS_PER_PORTION.most, rows * 2);
    return true;
  }

  #known(now: number): Promise<Known[]> {
    // A clock ahead alone takes nothing away.
    const before = Math.min(now, Date.now()) - this.#options.keepMs;
    return knownRecords(this.#ports, { mayBeUsed: mayBePlaced, isKept: ({ at }) => at >= before });
  }

  async #tellable(known: readonly Known[], now: number): Promise<ReadonlyMap<CellId, CellId>> {
    const inhabitants: Inhabitants = new Map();
    for (const [index, { device, record }] of known.entries()) {
      inhabit(inhabitants, device.subjectTag, record, now);
      if (index % COUNTED_PER_TURN === 0) await otherWork();
    }
    return await tellableCells(inhabitants, this.#options.leastSubjects);
  }

  #due(known: readonly Known[], tellable: ReadonlyMap<CellId, CellId>, step: Step): Due[] {
    const { laterKey } = this.#options;
    const due: Due[] = [];
    let waiting = 0;
    for (const one of known) {
      const telling = tellingOf(one.record, tellable, step, (since) => laterBy(laterKey, one.device.deviceKey, since));
      if (telling.act === "nothing") {
        if (telling.waits) waiting += 1;
        continue;
      }
      if (telling.act === "write") {
        const { told, resolution } = telling;
        due.push({ ...one, told, epochStart: told.epochStart, resolution });
      } else due.push({ ...one, told: undefined, epochStart: telling.epochStart, resolution: 0 });
    }
    this.#ports.metrics.placesWaiting(waiting);
    return shuffled(due);
  }

  async #portion(portion: readonly Due[], stop: AbortSignal): Promise<void> {
    const lease = await this.#ports.leases.acquire();
    try {
      const covered = await this.#covered(portion);
      const told = await this.#write(
        covered.filter((one) => one.told !== undefined),
        lease,
        stop,
      );
      const removed = covered.filter((one) => one.told === undefined);
      if (removed.length > 0) {
        await this.#ports.removePlaces(
          removed.map((one) => this.#rowOf(one)),
          lease.signal,
        );
      }
      await this.#note([...told, ...removed]);
      this.#ports.metrics.placesWritten(told.length);
      this.#ports.metrics.placesRemoved(removed.length);
    } finally {
      // One that was left in doubt runs out; the next writer continues with it.
      if (!this.#abandoned.has(lease)) await lease.release();
    }
  }

  /** Those that the store has now. Definite: when it throws, none of the others is there without consent, or can be. */
  async #write(writes: readonly Due[], lease: Lease, stop: AbortSignal): Promise<readonly Due[]> {
    if (writes.length === 0) return [];
    const { underWay, write } = this.#ports;
    const sent = writes.map((one): Sent => ({ device: admittedRef(one), epochStart: one.epochStart }));
    const rows = writes.map((one): PlaceRow => {
      const { as } = one.told as ToldPlace;
      return { ...this.#rowOf(one), cell: as, resolution: one.resolution };
    });
    await underWay.begin(sent);
    try {
      const { rejected } = await write(rows, lease.signal);
      // The process was paused: a withdrawal may have been confirmed before the store applied this write.
      if (lease.over) throw new GatewayError("LEASE_LOST", "while places were written", { inDoubt: true });
      await underWay.end(sent);
      const refused = new Set(rejected);
      return writes.filter((_, index) => !refused.has(index));
    } catch (error) {
      const inDoubt = error instanceof GatewayError && error.inDoubt;
      if (inDoubt) {
        this.#rowsPerPortion = Math.max(ROWS_PER_PORTION.least, writes.length >> 1);
        this.#abandoned.add(lease);
        await underWay.keep(lease, sent);
        await underWay.settle(lease, sent, stop);
        this.#abandoned.delete(lease);
      } else await underWay.end(sent);
      throw error;
    }
  }

  /** Asked with the state of the ledger under which the place was admitted: what was withdrawn since stays withdrawn for it. */
  async #covered(portion: readonly Due[]): Promise<Due[]> {
    const asked = portion.map(admittedRef);
    const verdicts = await this.#ports.checkConsent(asked);
    return portion.filter((_, index) => mayBePlaced(verdicts[index]));
  }

  #rowOf({ wrappedSubjectKey, device, epochStart }: Due): Pick<PlaceRow, "device" | "epochStart"> {
    return { device: this.#ports.placeName(wrappedSubjectKey, device.deviceKey, epochStart), epochStart };
  }

  /** A record that changed meanwhile does not know it was told, and is told again at the next step: the same row. */
  async #note(done: readonly Due[]): Promise<void> {
    await this.#ports.records.replace(
      done.map(({ device, sealed, wrappedSubjectKey, record, told }) => ({
        device,
        was: sealed,
        record: { wrappedSubjectKey, content: { ...record, told } },
      })),
    );
  }
}

function admittedRef({ device, told, record }: Due): DeviceRef {
  return { ...device, revision: told?.revision ?? record.revision };
}
