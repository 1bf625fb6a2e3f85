/**
 * Erasure of everything held about a subject: asked for, carried out step by step, proved by a receipt.
 * The steps are recorded in Redis, so that whatever ends a process, another goes on where it was.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ServicePurpose } from "../../model/consent.ts";
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
import { notedPurposes } from "./names-to-forget.ts";
import type { ErasureOptions, ErasurePorts, StandingHold } from "./ports.ts";
import { serviceResults, signedReceiptOf } from "./receipt-of-erasure.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";
import { deleteUnheld, STEPS, type StepParts } from "./steps.ts";
import { ErasureWaits, waitingOf } from "./waits.ts";

export type RequestedErasure =
  | { readonly refused: "unknown-subject" }
  | { readonly refused?: undefined; readonly status: ErasureStatus };

/** Whose turn an erasure is: the queue of erasures. */
export interface Turns {
  /** Makes sure that it will be carried on; harmless for one that is. */
  add(id: string): Promise<void>;
  /** Ends its waiting early. Never throws. */
  wake(id: string): Promise<void>;
}

const HELD_POLL_MS = 5_000;
/** A hold keeps an erasure from taking any of these steps; over some devices only, it may get as far as to delete the others. */
const STOPPED_BY_HOLD: ReadonlySet<ErasureStep> = new Set(ERASURE_STEPS.slice(0, ERASURE_STEPS.indexOf("notify")));
/** What a step waits for that comes to its end without a fault. */
const WAITS_FOR: Partial<Record<ErasureStep, string>> = { drain: "LEASES", backlog: "BACKLOG" };
const DELETES_NOTHING: ReadonlySet<ErasureStep> = new Set(["drain", "backlog"]);
/** Long enough for whoever registered it to begin it. */
const UNBEGUN_MS = 60_000;
const READ_AT_ONCE = 100;
/** What was mended may break again; nobody is to be kept busy by that alone. */
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
   * From here on nothing of the subject is used any more. Answers with the erasure before, under way or not,
   * when nothing was consented to since that one began. Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT: ask again.
   */
  async request(tag: SubjectTag, request: ErasureRequest): Promise<RequestedErasure> {
    const id = randomUUID();
    await this.#records.register(id, tag);
    const begun = await this.#ports.ledger.begin(tag, { ...request, id });
    if (begun.refused !== undefined || begun.id !== id) await this.#records.unregister(id);
    if (begun.refused !== undefined) return begun;
    let record = await this.#records.read(begun.id);
    if (record === undefined || record.step !== undefined) {
      // Again: whoever found it not begun for too long may have given it up meanwhile.
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

  /** All that are not at their end, oldest first: those of a state, or also those that have a receipt and wait for services. */
  async open(state?: ErasureStatus["state"]): Promise<ErasureStatus[]> {
    const ids = await this.#records.open();
    const found: ErasureStatus[] = [];
    // There may be as many as services have days to answer; one by one they would take as many round trips.
    for (let from = 0; from < ids.length; from += READ_AT_ONCE) {
      const records = await Promise.all(ids.slice(from, from + READ_AT_ONCE).map((id) => this.#records.read(id)));
      for (const record of records) if (record !== undefined) found.push(this.#show(record));
    }
    return found
      .filter((status) => state === undefined || status.state === state)
      .sort((left, right) => left.requestedAt - right.requestedAt);
  }

  /** False when this erasure does not wait for an answer. Throws REDIS_UNAVAILABLE: then nothing was noted. */
  async acknowledge(id: string, purpose: ServicePurpose, service: string): Promise<boolean> {
    const record = await this.#records.read(id);
    if (record === undefined || !this.#awaits(record, purpose, service)) return false;
    await this.#records.setOnce(record, `ack:${purpose}:${service}`, this.#ports.now(), "any");
    await this.#turns.wake(id);
    return true;
  }

  /** Not only from those noted as told: an answer can be quicker than the note. */
  #awaits({ facts, fields }: ErasureRecord, purpose: ServicePurpose, service: string): boolean {
    const noted = notedPurposes(facts.purposes).some((one) => one === purpose);
    return fields.notices !== undefined && noted && this.#ports.services(purpose).includes(service);
  }

  /** To be called when a hold ended, and when a service begins to listen. */
  async wakeAll(): Promise<void> {
    for (const id of await this.#records.open()) await this.#turns.wake(id);
  }

  /** Gives a turn to every erasure that is not finished, whoever began it and did not come to giving it one. */
  async takeUp(): Promise<void> {
    for (const id of await this.#records.open()) await this.#turns.add(id);
  }

  /**
   * Goes on as far as it can. Milliseconds to wait before the next call; `undefined` when there is nothing
   * left to do. Throws whatever keeps a step from its end: call again.
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

  /** What a damaged record told is told by the ledger as well; a key that was in it and is gone makes its rows unlinkable. */
  async #mend(record: ErasureRecord): Promise<number> {
    this.#damaged("erasure");
    const { facts, at } = await this.#ports.ledger.facts(record.tag, record.id);
    await this.#records.mend(record, at, facts);
    return MENDED_MS;
  }

  /** Whether the record is about what the ledger says it is about: a changed letter of a device would be signed as looked for. */
  async #agrees({ tag, id, facts }: ErasureRecord): Promise<boolean> {
    const known = await this.#ports.ledger.facts(tag, id);
    return !known.named || JSON.stringify(known.facts) === JSON.stringify(facts);
  }

  #damaged(kind: DamageKind): void {
    this.#ports.damaged?.(kind);
  }

  /** One step, or nothing while a hold keeps it from being taken. */
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
   * A lease on deleting from this subject. Whoever places a legal hold is answered only after it is released, so the steps
   * see every hold that was answered before.
   */
  async #claim(tag: SubjectTag): Promise<Lease> {
    const lease = await this.#ports.leases.acquire();
    // Kept, it outlasts a slow store, and delays nothing but a hold on this subject.
    await lease.keep(new Set([deletionOf(tag)]));
    return lease;
  }

  /** What cannot be verified or opened keeps nobody from being erased: the step is taken again without it. */
  async #afterBreak(record: ErasureRecord, error: unknown): Promise<number> {
    const kind = damageIn(error);
    const key = record.wrappedSubjectKey;
    if (kind === undefined) throw error;
    // While no key opens, ours is the wrong one: that passes, and a destroyed key does not come back.
    if (kind === "subject-key" && key !== undefined && (await this.#ports.keyIsWhole?.(key))) throw error;
    this.#damaged(kind);
    if (kind === "ledger") await this.#ports.ledger.beginNewChain(record.tag);
    else await this.#records.set(record, { unreadable: 1 });
    return MENDED_MS;
  }

  /** Whatever a crash may have cut short the first time; harmless when it did not. */
  async #setOut(record: ErasureRecord): Promise<void> {
    await this.#ports.journal(record.tag, record.id, "asked");
    await this.#records.entomb(record);
    await this.#hold(record);
    await this.#turns.add(record.id);
  }

  /** The hold that stands, and the record says so from here on. */
  async #hold(record: ErasureRecord): Promise<StandingHold | undefined> {
    const hold = await this.#ports.hold(record.tag);
    if (hold !== undefined) {
      if (record.fields.heldUntil !== String(hold.until))
        await this.#records.set(record, { heldUntil: hold.until }, "any");
    } else if (record.fields.heldUntil !== undefined) await this.#records.unset(record, "heldUntil");
    return hold;
  }

  /** Registered and never begun: given up once it is clear that nobody is about to begin it. */
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
    // Its time is noted a moment before the receipt is; nobody is told of the one without the other. One that cannot
    // be read any more was there once everything is done.
    const completedAt = receipt !== undefined || step === undefined ? fields.completedAt : undefined;
    return {
      id,
      state: completedAt !== undefined ? "completed" : heldUntil !== undefined ? "held" : "running",
      ...(step !== undefined && { step }),
      requestedAt,
      ...(completedAt !== undefined && { completedAt: Number(completedAt) }),
      ...(heldUntil !== undefined && { heldUntil: Number(heldUntil) }),
      ...waitingOf(record),
      services: step === undefined ? (receipt?.receipt.services ?? []) : serviceResults(record, this.#ports),
      ...(receipt !== undefined && { receipt }),
    };
  }
}
