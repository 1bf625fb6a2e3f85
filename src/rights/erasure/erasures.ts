/**
 * Erasure of all data about a subject (right to be forgotten): requested, carried out step by step, proved by a
 * receipt. The steps are recorded in Redis, so that after a crash another process continues where this one stopped.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type DamageKind, damageIn } from "../../model/damage.ts";
import {
  deletionOf,
  ERASURE_STEPS,
  type ErasureRequest,
  type ErasureStatus,
  type ErasureStep,
} from "../../model/erasure.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Lease } from "../../model/lease.ts";
import type { ErasureOptions, ErasurePorts, StandingHold } from "./ports.ts";
import { serviceResults, signedReceiptOf } from "./receipt-of-erasure.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";
import { deleteUnheld, STEPS, type StepParts } from "./steps.ts";
import { ErasureWaits, waitingOf } from "./waits.ts";

export type RequestedErasure =
  | { readonly refused: "unknown-subject" }
  | { readonly refused?: undefined; readonly status: ErasureStatus };

/** The queue that schedules erasures. */
export interface Turns {
  /** Makes sure that it is scheduled; harmless if it already is. */
  add(id: string): Promise<void>;
  /** Ends its wait early. Never throws. */
  wake(id: string): Promise<void>;
}

const HELD_POLL_MS = 5_000;
/** Steps that a hold prevents; a hold on some devices still allows deleting the rows of the others. */
const STOPPED_BY_HOLD: ReadonlySet<ErasureStep> = new Set(ERASURE_STEPS.slice(0, ERASURE_STEPS.indexOf("notify")));
/** What a step waits for when it ends without a fault. */
const WAITS_FOR: Partial<Record<ErasureStep, string>> = { drain: "LEASES", backlog: "BACKLOG" };
const DELETES_NOTHING: ReadonlySet<ErasureStep> = new Set(["drain", "backlog"]);
/** Long enough for the process that registered it to begin it. */
const UNBEGUN_MS = 60_000;
const READ_AT_ONCE = 100;
/** A repaired record may break again; the delay avoids a busy loop. */
const MENDED_MS = 50;

export class Erasures {
  readonly #records: ErasureRecords;
  readonly #ports: ErasurePorts;
  readonly #turns: Turns;
  readonly #parts: StepParts;
  readonly #unbegun = new Set<string>();
  readonly #waits: ErasureWaits;

  constructor(options: ErasureOptions, records: ErasureRecords, turns: Turns, ports: ErasurePorts) {
    this.#records = records;
    this.#ports = ports;
    this.#turns = turns;
    this.#parts = { options, ports, records, awaited: new Map() };
    this.#waits = new ErasureWaits(records, ports);
  }

  /**
   * From here on nothing of the subject is used any more. Returns the previous erasure, open or complete, when nothing
   * was consented to since it began. Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT: retry.
   */
  async request(tag: SubjectTag, request: ErasureRequest): Promise<RequestedErasure> {
    const id = randomUUID();
    await this.#records.register(id, tag);
    const begun = await this.#ports.ledger.begin(tag, { ...request, id });
    if (begun.refused !== undefined || begun.id !== id) await this.#records.unregister(id);
    if (begun.refused !== undefined) return begun;
    let record = await this.#records.read(begun.id);
    if (record === undefined || record.step !== undefined) {
      // Again: a process that found it not begun for too long may have removed it meanwhile.
      await this.#records.register(begun.id, tag);
      record = await this.#records.read(begun.id);
    }
    if (record === undefined) return { refused: "unknown-subject" };
    if (record.step !== undefined) await this.#setOut(record);
    return { status: this.#show((await this.#records.read(record.id)) ?? record) };
  }

  /** `undefined` when there is no such erasure. Throws REDIS_UNAVAILABLE. */
  async status(id: string): Promise<ErasureStatus | undefined> {
    const record = await this.#records.read(id);
    return record && this.#show(record);
  }

  /**
   * All incomplete erasures, oldest first: those of one state, or also those that have a receipt and wait for services.
   */
  async open(state?: ErasureStatus["state"]): Promise<ErasureStatus[]> {
    const ids = await this.#records.open();
    const found: ErasureStatus[] = [];
    // There may be very many, since services have days to answer; one by one this would cost as many round trips.
    for (let from = 0; from < ids.length; from += READ_AT_ONCE) {
      const records = await Promise.all(ids.slice(from, from + READ_AT_ONCE).map((id) => this.#records.read(id)));
      for (const record of records) if (record !== undefined) found.push(this.#show(record));
    }
    return found
      .filter((status) => state === undefined || status.state === state)
      .sort((left, right) => left.requestedAt - right.requestedAt);
  }

  /** Call when a hold ended. */
  async wakeAll(): Promise<void> {
    for (const id of await this.#records.open()) await this.#turns.wake(id);
  }

  /** Schedules every incomplete erasure, including those whose process stopped before scheduling them. */
  async takeUp(): Promise<void> {
    for (const id of await this.#records.open()) await this.#turns.add(id);
  }

  /**
   * Continues as far as possible. Returns milliseconds to wait before the next call; `undefined` when it is complete.
   * Throws whatever prevents a step from ending: call again.
   */
  async advance(id: string, stop: AbortSignal): Promise<number | undefined> {
    for (;;) {
      const record = await this.#records.read(id);
      if (record === undefined) return await this.#unknown(id);
      if (record.damaged) return await this.#mend(record);
      const { step } = record;
      if (step === undefined) {
        await this.#records.close(record);
        return undefined;
      }
      const waitMs = await this.#take(step, record, stop)
        .catch((error: unknown) => this.#afterBreak(record, error))
        .catch((error: unknown) => this.#waits.failed(record, stop, error));
      const cause = waitMs !== undefined && record.fields.heldUntil === undefined ? WAITS_FOR[step] : undefined;
      await this.#waits.note(record, cause);
      if (waitMs !== undefined) return waitMs;
      const next = ERASURE_STEPS[ERASURE_STEPS.indexOf(step) + 1];
      if (next === undefined) {
        await this.#records.close(record);
        return undefined;
      }
      await this.#records.set(record, { step: next });
      stop.throwIfAborted();
    }
  }

  /**
   * The ledger contains what a damaged record said. If the key in it is lost, its rows can no longer be linked to the
   * subject.
   */
  async #mend(record: ErasureRecord): Promise<number> {
    this.#damaged("erasure");
    const { facts, at } = await this.#ports.ledger.facts(record.tag, record.id);
    await this.#records.mend(record, at, facts);
    return MENDED_MS;
  }

  /**
   * Whether the record agrees with the ledger: otherwise one changed character of a device key would be signed as
   * searched for.
   */
  async #agrees({ tag, id, facts }: ErasureRecord): Promise<boolean> {
    const known = await this.#ports.ledger.facts(tag, id);
    return !known.named || JSON.stringify(known.facts) === JSON.stringify(facts);
  }

  #damaged(kind: DamageKind): void {
    this.#ports.damaged?.(kind);
  }

  /** One step, or nothing while a hold prevents it. */
  async #take(step: ErasureStep, record: ErasureRecord, stop: AbortSignal): Promise<number | undefined> {
    if (!STOPPED_BY_HOLD.has(step)) return STEPS[step](record, this.#parts, { stop, goOn: async () => true });
    const deletes = !DELETES_NOTHING.has(step);
    const claim = deletes ? await this.#claim(record.tag) : undefined;
    try {
      if (deletes && !(await this.#agrees(record))) return await this.#mend(record);
      const hold = await this.#hold(record);
      const goOn = async () => isDeepStrictEqual(await this.#ports.hold(record.tag), hold);
      if (hold === undefined || (hold.devices !== undefined && !deletes))
        return await STEPS[step](record, this.#parts, { stop, goOn });
      if (hold.devices !== undefined && step === "delete")
        await deleteUnheld(record, hold.devices, this.#parts, { stop, goOn });
      return HELD_POLL_MS;
    } finally {
      await claim?.release();
    }
  }

  /**
   * A lease on deleting from this subject. A request for a legal hold is answered only after it is released, so the steps
   * see every hold that was answered before.
   */
  async #claim(tag: SubjectTag): Promise<Lease> {
    const lease = await this.#ports.leases.acquire();
    // Kept, it outlasts a slow store, and delays nothing but a hold on this subject.
    await lease.keep(new Set([deletionOf(tag)]));
    return lease;
  }

  /** What cannot be verified or opened keeps no one from being erased: the step is taken again without it. */
  async #afterBreak(record: ErasureRecord, error: unknown): Promise<number> {
    const kind = damageIn(error);
    const key = record.wrappedSubjectKey;
    if (kind === undefined) throw error;
    // While no key unwraps, the master key is wrong: that can be corrected, but a destroyed key cannot be recovered.
    if (kind === "subject-key" && key !== undefined && (await this.#ports.keyIsWhole?.(key))) throw error;
    this.#damaged(kind);
    if (kind === "ledger") await this.#ports.ledger.beginNewChain(record.tag);
    else await this.#records.set(record, { unreadable: 1 });
    return MENDED_MS;
  }

  /** Repeats whatever a crash may have interrupted the first time; harmless otherwise. */
  async #setOut(record: ErasureRecord): Promise<void> {
    await this.#ports.journal(record.tag, record.id, "asked");
    await this.#records.entomb(record);
    await this.#hold(record);
    await this.#turns.add(record.id);
  }

  /** The standing hold; the record mentions it from here on. */
  async #hold(record: ErasureRecord): Promise<StandingHold | undefined> {
    const hold = await this.#ports.hold(record.tag);
    if (hold !== undefined) {
      if (record.fields.heldUntil !== String(hold.until))
        await this.#records.set(record, { heldUntil: hold.until }, "any");
    } else if (record.fields.heldUntil !== undefined) await this.#records.unset(record, "heldUntil");
    return hold;
  }

  /** Registered but never begun: removed once it is clear that no process is about to begin it. */
  async #unknown(id: string): Promise<number | undefined> {
    if (!this.#unbegun.delete(id)) {
      this.#unbegun.add(id);
      return UNBEGUN_MS;
    }
    await this.#records.unregister(id);
    return undefined;
  }

  #show(record: ErasureRecord): ErasureStatus {
    const { id, requestedAt, step, fields } = record;
    const { heldUntil } = fields;
    const receipt = signedReceiptOf(record);
    // This time is recorded just before the receipt; neither is reported without the other. An unreadable receipt
    // existed if everything is done.
    const completedAt = receipt !== undefined || step === undefined ? fields.completedAt : undefined;
    return {
      id,
      state: completedAt !== undefined ? "completed" : heldUntil !== undefined ? "held" : "running",
      ...(step !== undefined && { step }),
      requestedAt,
      ...(completedAt !== undefined && { completedAt: Number(completedAt) }),
      ...(heldUntil !== undefined && { heldUntil: Number(heldUntil) }),
      ...waitingOf(record),
      services:
        step === undefined
          ? (receipt?.receipt.services ?? [])
          : serviceResults(record, this.#ports, this.#parts.options.digestMs),
      ...(receipt !== undefined && { receipt }),
    };
  }
}
