/**
 * Deletes rows by age. A connection of its own with more patience than a write: the store may take its time
 * over a deletion, and nobody waits for it. Rows of devices under a legal hold stay.
 */
import { GatewayError } from "../../model/errors.ts";
import { ALL_TIME, askDeletion, askFlux, type Deletion, isUnknown } from "./flux.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./http.ts";
import { isOutage, unavailable } from "./http-status.ts";
import { askStatements, statementResults } from "./influxql.ts";
import { countedByFlux, countedByInfluxQl } from "./row-counts.ts";
import { RowFields } from "./row-fields.ts";
import { deletePredicate, fluxOldCount, type OldRows, oldCountStatement, oldDeleteStatement } from "./row-queries.ts";
import type { RowRemovalOptions } from "./row-removal.ts";
import { SparedSlices } from "./spared-slices.ts";

export type { OldRows } from "./row-queries.ts";

/** `postponed`: too much is under a hold, or too much would go at once, to spare the rows of it. `unsupported`: it cannot delete rows. */
export type Aging = "deleted" | "postponed" | "unsupported";

export type RowRetentionOptions = RowRemovalOptions & Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">;

const TIMEOUT_MS = 120_000;
/** Beyond it the condition would become unreasonable for the store. */
const MAX_EXCEPT = 20_000;
export class RowRetention {
  readonly #options: RowRetentionOptions;
  #http: InfluxHttp | undefined;

  constructor(options: RowRetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#http = new InfluxHttp({ ...this.#options, timeoutMs: TIMEOUT_MS, maxSockets: 1 });
  }

  stop(): void {
    this.#http?.close();
    this.#http = undefined;
  }

  /**
   * By their commonest field; `undefined` when the store does not let us look, or when there are so many fields that a
   * count would cost more than it tells. Throws SINK_UNAVAILABLE, SINK_DENIED.
   */
  async count(rows: OldRows, signal: AbortSignal): Promise<number | undefined> {
    const { api, retentionPolicy, bucket } = this.#options;
    if (api === "v1") {
      const ask = (statements: readonly string[]) => this.#statements(statements, signal);
      const known = new RowFields(async (statements) => (await ask(statements)) ?? [], retentionPolicy);
      const fields = await known.few(rows.measurement);
      if (fields === undefined) return undefined;
      if (fields.length === 0) return 0;
      const results = await ask([oldCountStatement(rows, fields, retentionPolicy)]);
      return results === undefined ? undefined : countedByInfluxQl(results[0]?.series);
    }
    const answer = await this.#flux(fluxOldCount(bucket, rows), signal);
    return answer.status === 200 ? countedByFlux(answer.body) : undefined;
  }

  /** Throws SINK_UNAVAILABLE or SINK_DENIED: call again, deleting twice is harmless. */
  async remove(rows: OldRows, signal: AbortSignal): Promise<Aging> {
    if (rows.except.length > MAX_EXCEPT) return "postponed";
    if (this.#options.api === "v1") {
      const results = await this.#statements([oldDeleteStatement(rows)], signal);
      if (results === undefined) throw new GatewayError("SINK_DENIED", "delete");
      return "deleted";
    }
    const { measurement, beforeMs } = rows;
    if (rows.except.length > 0) {
      const slices = new SparedSlices(this.#options.bucket, {
        flux: (query) => this.#flux(query, signal),
        delete: (deletion) => this.#delete(deletion, signal),
      });
      return await slices.remove(rows);
    }
    const stop = new Date(beforeMs).toISOString();
    return await this.#delete({ start: ALL_TIME.start, stop, predicate: deletePredicate({ measurement }) }, signal);
  }

  async #delete(deletion: Deletion, signal: AbortSignal): Promise<Aging> {
    const answer = await askDeletion(this.#started(), this.#options, deletion, signal);
    if (isUnknown(answer)) return "unsupported";
    if (isOutage(answer)) throw unavailable(answer);
    if (answer.status !== 204 && answer.status !== 200) throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    return "deleted";
  }

  /** `undefined` when our user may not. */
  async #statements(statements: readonly string[], signal: AbortSignal) {
    const answer = await askStatements(this.#started(), this.#options.database, statements, signal);
    return statementResults(answer, statements.length);
  }

  async #flux(query: string, signal: AbortSignal): Promise<Answer> {
    const answer = await askFlux(this.#started(), this.#options.org, query, signal);
    if (isOutage(answer) && !answer.tooLong && !isUnknown(answer)) throw unavailable(answer);
    return answer;
  }

  #started(): InfluxHttp {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    return this.#http;
  }
}
