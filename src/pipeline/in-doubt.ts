/**
 * Writes that were sent and never answered. The store may carry them out at any time, so the batch they
 * belong to keeps its lease, and no withdrawal that concerns it is told that nothing can be written any more.
 *
 *   sent, no answer → lease kept → batch tried again → the store answers → grace → uncovered rows removed → released
 *
 * An answer says that the server is alive, and a living server has within the grace either carried out or
 * dropped what it received before. What it carried out and consent no longer covers is taken out again.
 */
import { allOf, type Grants, LOCATION, usable, type Verdict } from "../model/consent.ts";
import type { AnalyticsRecord, Deidentified } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Lease } from "../model/lease.ts";
import type { Log } from "../model/log.ts";
import type { RawMessage } from "../model/raw.ts";
import type { CircuitBreaker } from "../platform/circuit-breaker.ts";

/** The part of a lease that outlives the attempt it was taken for. */
export type KeepableLease = Pick<Lease, "keep" | "release" | "abandon">;

export interface InDoubtPorts {
  readonly deidentify: (message: RawMessage, grants: Grants, wrappedSubjectKey: string) => Deidentified;
  /** Resolves when the store answers. Rejects with a retryable `GatewayError`. */
  readonly askStore: (signal: AbortSignal) => Promise<void>;
  /** Removes what writing these records would have stored; false when the store cannot. Rejects like `askStore`. */
  readonly removeStored: (records: readonly AnalyticsRecord[], signal: AbortSignal) => Promise<boolean>;
  /** At least as long as the store may take over a write it has received. */
  readonly inDoubtGraceMs: number;
  readonly breaker: Pick<CircuitBreaker, "state" | "enter" | "passed" | "failed">;
  /** Rejects when `stop` fires. */
  readonly pause: (ms: number, stop: AbortSignal) => Promise<void>;
  /** Resolves when the store may be asked again. Rejects when `stop` fires. */
  readonly mayAsk: (stop: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/** A message in one attempt: what consent said, and what was made of it. */
export interface Attempted {
  readonly message: RawMessage;
  readonly verdict: Verdict | undefined;
  readonly result: Deidentified | undefined;
}

const ALL_OF_ANALYTICS = allOf(["analytics"]);

/** The doubt about one batch; nothing but an empty object for a batch whose writes are all answered. */
export class InDoubt {
  /** An earlier run had these messages: anything may have been sent of them. */
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

  /** One lease stands for all attempts: a withdrawal that begins after any of them finds it. */
  async keep(lease: KeepableLease, messages: readonly RawMessage[]): Promise<void> {
    if (this.#lease !== undefined) return;
    this.#lease = lease;
    const concerned = new Set<SubjectTag | DeviceKey>();
    for (const { device } of messages) concerned.add(device.subjectTag).add(device.deviceKey);
    await lease.keep(concerned);
  }

  /** An attempt whose write was not answered: the store may hold these records, or come to hold them. */
  async add(lease: KeepableLease, attempted: readonly Attempted[]): Promise<void> {
    for (const { message, result } of attempted) this.#remember(message, result?.analytics);
    await this.keep(
      lease,
      attempted.map(({ message }) => message),
    );
  }

  /**
   * To be called once the store has answered, with the whole batch of that attempt. Resolves when nothing that
   * was sent is stored or can be stored any more without being covered, and the lease is released. Rejects when
   * `stop` fires.
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
        this.#ports.log.warn("removal waits and will be tried again", {
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

  /** Gives up on a batch that somebody will begin anew; the lease runs out by itself. */
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
    const grants = verdict === undefined || verdict.refusal !== undefined ? 0 : verdict.grants;
    const mayBePlaced = (usable(grants, "analytics", message.carried) & LOCATION) !== 0;
    const sent = this.#sent.get(message) ?? [];
    return sent.map((one) => uncovered(one, result?.analytics, mayBePlaced)).filter((one) => one !== undefined);
  }

  /** What an earlier run sent at most: everything that analytics can make of the message. */
  #assume(message: RawMessage, wrappedSubjectKey: string): void {
    try {
      this.#remember(message, this.#ports.deidentify(message, ALL_OF_ANALYTICS, wrappedSubjectKey).analytics);
    } catch {
      // Nothing was ever made of a message that cannot be de-identified.
    }
  }
}

/** The part of what was sent that is not stored anew and may not be; `undefined` when there is none. */
function uncovered(
  sent: AnalyticsRecord,
  now: AnalyticsRecord | undefined,
  mayBePlaced: boolean,
): AnalyticsRecord | undefined {
  const { device, timestampNs, model, status, location } = sent;
  const again = now?.device === device ? now : undefined;
  // A row with a model is another row than the same one without it.
  const statusCovered = again?.status !== undefined && (model === undefined || again.model === model);
  // A place that a newer message has overtaken is not written again, and covered all the same.
  const locationCovered = again !== undefined && mayBePlaced;
  const rest = {
    ...(status !== undefined && !statusCovered && { status, ...(model !== undefined && { model }) }),
    ...(location !== undefined && !locationCovered && { location }),
  };
  return Object.keys(rest).length === 0 ? undefined : { device, timestampNs, ...rest };
}

function sameRows(a: AnalyticsRecord, b: AnalyticsRecord): boolean {
  return (
    a.device === b.device &&
    a.model === b.model &&
    (a.status === undefined) === (b.status === undefined) &&
    a.location?.epochStart === b.location?.epochStart
  );
}
