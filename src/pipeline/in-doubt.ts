/**
 * Writes in doubt: sent but never answered. The store may apply them at any time, so their batch keeps its lease, and
 * no withdrawal that concerns it is answered with "nothing can be written any more".
 *
 *   sent, no answer → lease kept → batch retried → store answers → grace → uncovered rows removed → lease released
 *
 * An answer shows that the server is alive, and within the grace a live server has applied or dropped what it received
 * before. Whatever it applied without present consent is removed again.
 */
import { allOf, type Grants, type Verdict } from "../model/consent.ts";
import type { AnalyticsRecord, Deidentified } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Lease } from "../model/lease.ts";
import type { Log } from "../model/log.ts";
import type { RawMessage } from "../model/raw.ts";
import type { CircuitBreaker } from "../platform/circuit-breaker.ts";

/** The part of a lease that outlives the attempt it was acquired for. */
export type KeepableLease = Pick<Lease, "keep" | "release" | "abandon">;

export interface InDoubtPorts {
  readonly deidentify: (
    message: RawMessage,
    grants: Grants,
    wrappedSubjectKey: string,
    homes?: boolean,
  ) => Deidentified;
  /** Resolves when the store answers. Rejects with a retryable `GatewayError`. */
  readonly askStore: (signal: AbortSignal) => Promise<void>;
  /**
   * Removes what writing these records would have stored; false when the store cannot delete. Rejects like `askStore`.
   */
  readonly removeStored: (records: readonly AnalyticsRecord[], signal: AbortSignal) => Promise<boolean>;
  /** At least as long as the store may take to apply a write it has received. */
  readonly inDoubtGraceMs: number;
  readonly breaker: Pick<CircuitBreaker, "state" | "enter" | "passed" | "failed">;
  /** Rejects when `stop` fires. */
  readonly pause: (ms: number, stop: AbortSignal) => Promise<void>;
  /** Resolves when the store may be asked again. Rejects when `stop` fires. */
  readonly mayAsk: (stop: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/** A message in one attempt: its consent verdict, and the records made from it. */
export interface Attempted {
  readonly message: RawMessage;
  readonly verdict: Verdict | undefined;
  readonly result: Deidentified | undefined;
}

const ALL_OF_ANALYTICS = allOf(["analytics"]);

/** The writes in doubt of one batch; only an empty object while every write is answered. */
export class InDoubt {
  /** An earlier run had these messages: any part of them may have been sent. */
  readonly begunBefore: boolean;
  readonly #ports: InDoubtPorts;
  readonly #sent = new Map<RawMessage, AnalyticsRecord[]>();
  #lease: KeepableLease | undefined;

  constructor(ports: InDoubtPorts, begunBefore: boolean) {
    this.#ports = ports;
    this.begunBefore = begunBefore;
  }

  get open(): boolean {
    return this.#lease !== undefined;
  }

  keeps(lease: KeepableLease): boolean {
    return this.#lease === lease;
  }

  /** One lease covers all attempts: a withdrawal that begins after any of them finds it. */
  async keep(lease: KeepableLease, messages: readonly RawMessage[]): Promise<void> {
    if (this.#lease !== undefined) return;
    this.#lease = lease;
    const concerned = new Set<SubjectTag | DeviceKey>();
    for (const { device } of messages) concerned.add(device.subjectTag).add(device.deviceKey);
    await lease.keep(concerned);
  }

  /** An attempt whose write was not answered: the store may contain these records, now or later. */
  async add(lease: KeepableLease, attempted: readonly Attempted[]): Promise<void> {
    for (const { message, result } of attempted) this.#remember(message, result?.analytics);
    await this.keep(
      lease,
      attempted.map(({ message }) => message),
    );
  }

  /**
   * Call once the store has answered, with the whole batch of that attempt. Resolves when nothing that was sent without
   * present consent is stored or can still be stored, and the lease is released. Rejects when `stop` fires.
   */
  async settle(batch: readonly Attempted[], stop: AbortSignal): Promise<void> {
    const records = batch.flatMap((attempted) => this.#uncovered(attempted));
    for (let answered = true; ; answered = false) {
      try {
        if (!answered) await this.#ports.askStore(stop);
        await this.#ports.pause(this.#ports.inDoubtGraceMs, stop);
        if (records.length > 0) await this.#remove(records, stop);
        break;
      } catch (error) {
        if (!(error instanceof GatewayError) || !error.retryable) throw error;
        this.#ports.log.warn("removal waiting, will be retried", {
          code: error.code,
          count: records.length,
          stage: "pipeline",
        });
        this.#ports.breaker.failed(error.retryAfterMs);
        await this.#ports.mayAsk(stop);
      }
    }
    this.#ports.breaker.passed();
    await this.#lease?.release();
    this.#lease = undefined;
  }

  /** Gives up on a batch that another run will process; the lease expires by itself. */
  abandon(): void {
    this.#lease?.abandon();
  }

  async #remove(records: readonly AnalyticsRecord[], stop: AbortSignal): Promise<void> {
    const { log } = this.#ports;
    if (await this.#ports.removeStored(records, stop)) log.info("writes in doubt removed", { count: records.length });
    else log.error("writes in doubt cannot be removed from this store", { count: records.length });
  }

  #remember(message: RawMessage, record: AnalyticsRecord | undefined): void {
    if (record === undefined) return;
    const before = this.#sent.get(message);
    if (before === undefined) this.#sent.set(message, [record]);
    else if (!before.some((other) => sameRows(other, record))) before.push(record);
  }

  #uncovered({ message, verdict, result }: Attempted): AnalyticsRecord[] {
    if (this.begunBefore && verdict?.wrappedSubjectKey) this.#assume(message, verdict.wrappedSubjectKey);
    const sent = this.#sent.get(message) ?? [];
    return sent.map((one) => uncovered(one, result?.analytics)).filter((one) => one !== undefined);
  }

  /** The most that an earlier run can have sent: everything analytics can make of the message. */
  #assume(message: RawMessage, wrappedSubjectKey: string): void {
    try {
      this.#remember(message, this.#ports.deidentify(message, ALL_OF_ANALYTICS, wrappedSubjectKey).analytics);
    } catch {
      // Nothing was ever made of a message that cannot be de-identified.
    }
  }
}

/** What was sent, when it is not written again and must not be stored; `undefined` otherwise. */
function uncovered(sent: AnalyticsRecord, now: AnalyticsRecord | undefined): AnalyticsRecord | undefined {
  if (sent.status === undefined) return undefined;
  // A row with a model is a different row from the same one without it.
  const again = now?.device === sent.device && now.status !== undefined;
  return again && (sent.model === undefined || now.model === sent.model) ? undefined : sent;
}

function sameRows(a: AnalyticsRecord, b: AnalyticsRecord): boolean {
  return a.device === b.device && a.model === b.model && (a.status === undefined) === (b.status === undefined);
}
