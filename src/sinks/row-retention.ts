/**
 * Deletes rows by age. A connection of its own with more patience than a write: the store may take its time
 * over a deletion, and nobody waits for it. Rows of devices under a legal hold stay.
 */
import { GatewayError } from "../model/errors.ts";
import type { Pseudonym } from "../model/ids.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./influx-http.ts";
import { askStatements, statementResults } from "./influx-statements.ts";
import { ALL_TIME, askDeletion, askFlux, isUnknown } from "./influx-v2.ts";
import { isOutage, unavailable } from "./influx-verdict.ts";
import { devicesByFlux } from "./row-answers.ts";
import { countedByFlux, countedByInfluxQl } from "./row-counts.ts";
import {
  deletePredicate,
  fluxOldCount,
  fluxOldNames,
  type OldRows,
  oldCountStatement,
  oldDeleteStatement,
} from "./row-queries.ts";
import type { RowRemovalOptions } from "./row-removal.ts";

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

  /** By their commonest field; `undefined` when the store does not let us look. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async count(rows: OldRows, signal: AbortSignal): Promise<number | undefined> {
    const { api, retentionPolicy, bucket } = this.#options;
    if (api === "v1") {
      const results = await this.#statement(oldCountStatement(rows, retentionPolicy), signal);
      return results === undefined ? undefined : countedByInfluxQl(results[0]?.series);
    }
    const answer = await this.#flux(fluxOldCount(bucket, rows), signal);
    return answer.status === 200 ? countedByFlux(answer.body) : undefined;
  }

  /** Throws SINK_UNAVAILABLE or SINK_DENIED: call again, deleting twice is harmless. */
  async remove(rows: OldRows, signal: AbortSignal): Promise<Aging> {
    if (rows.except.length > MAX_EXCEPT) return "postponed";
    if (this.#options.api === "v1") {
      const results = await this.#statement(oldDeleteStatement(rows), signal);
      if (results === undefined) throw new GatewayError("SINK_DENIED", "delete");
      return "deleted";
    }
    if (rows.except.length === 0) return await this.#delete(rows, undefined, signal);
    return await this.#deleteByDevice(rows, signal);
  }

  /** A predicate knows "is" and "and", not "is not": whoever is not spared is named. */
  async #deleteByDevice(rows: OldRows, signal: AbortSignal): Promise<Aging> {
    const answer = await this.#flux(fluxOldNames(this.#options.bucket, rows), signal);
    if (answer.tooLong) return "postponed";
    if (isUnknown(answer)) return "unsupported";
    if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
    const spared = new Set(rows.except);
    for (const device of devicesByFlux(answer.body)) {
      if (spared.has(device)) continue;
      const aging = await this.#delete(rows, device, signal);
      if (aging !== "deleted") return aging;
    }
    return "deleted";
  }

  async #delete(
    { measurement, beforeMs }: OldRows,
    device: Pseudonym | undefined,
    signal: AbortSignal,
  ): Promise<Aging> {
    const predicate = deletePredicate({ measurement, ...(device !== undefined && { device }) });
    const stop = new Date(beforeMs).toISOString();
    const answer = await askDeletion(
      this.#started(),
      this.#options,
      { start: ALL_TIME.start, stop, predicate },
      signal,
    );
    if (isUnknown(answer)) return "unsupported";
    if (isOutage(answer)) throw unavailable(answer);
    if (answer.status !== 204 && answer.status !== 200) throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    return "deleted";
  }

  /** `undefined` when our user may not. */
  async #statement(statement: string, signal: AbortSignal) {
    return statementResults(await askStatements(this.#started(), this.#options.database, [statement], signal), 1);
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
