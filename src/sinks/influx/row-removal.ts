/**
 * Takes single rows out of InfluxDB again and asks whether they are gone. The three generations differ in what
 * they can do: 1.x deletes at once, 2.x accepts a deletion and carries it out, others cannot delete rows.
 */
import { GatewayError } from "../../model/errors.ts";
import { ALL_TIME, askDeletion, askFlux, isUnknown } from "./flux.ts";
import type { InfluxHttp } from "./http.ts";
import { isOutage, unavailable } from "./http-status.ts";
import { askStatements, type QueryResult, statementResults } from "./influxql.ts";
import { deletePredicate, deleteStatement, fluxQuery, selectStatement, timeRange } from "./row-queries.ts";
import type { StoredRows } from "./stored-rows.ts";

/** `async`: a deletion is accepted first and carried out later. */
export type RowDelete = "sync" | "async" | "none";
/** `verified`: a query found nothing left. `accepted`: the store lets nobody look. `unsupported`: it cannot delete rows. */
export type Removal = "verified" | "accepted" | "unsupported";

export interface RowRemovalOptions {
  readonly api: "v1" | "v2";
  readonly database: string;
  readonly retentionPolicy: string;
  readonly org: string;
  readonly bucket: string;
}

const ROWS_PER_REQUEST = 50;

/** Asks a v2 server by deleting nothing: servers that imitate its writes often know no deletion. Throws SINK_UNAVAILABLE. */
export async function askAbility(
  http: InfluxHttp,
  options: Pick<RowRemovalOptions, "api" | "org" | "bucket">,
  signal: AbortSignal,
): Promise<RowDelete> {
  if (options.api === "v1") return "sync";
  const nothing = { start: ALL_TIME.start, stop: ALL_TIME.start, predicate: '_measurement="none"' };
  const answer = await askDeletion(http, options, nothing, signal);
  if (answer.status === 204 || answer.status === 200) return "async";
  if (isOutage(answer) && !isUnknown(answer)) throw unavailable(answer);
  return "none";
}

export class RowRemoval {
  readonly #http: InfluxHttp;
  readonly #options: RowRemovalOptions;

  constructor(http: InfluxHttp, options: RowRemovalOptions) {
    this.#http = http;
    this.#options = options;
  }

  /**
   * Resolves when the rows are gone as far as the store can tell; rows that were never there are fine. Throws
   * SINK_UNAVAILABLE, also while the store still shows one of them, or SINK_DENIED: call again then. `fieldsOf` names
   * every field that a row can have.
   */
  async remove(
    rows: readonly StoredRows[],
    fieldsOf: (row: StoredRows) => readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<Exclude<Removal, "unsupported">> {
    let outcome: "verified" | "accepted" = "verified";
    for (let from = 0; from < rows.length; from += ROWS_PER_REQUEST) {
      const some = rows.slice(from, from + ROWS_PER_REQUEST);
      const left =
        this.#options.api === "v1" ? await this.#removeV1(some, fieldsOf, signal) : await this.#removeV2(some, signal);
      if (left === undefined) outcome = "accepted";
      else if (left) throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
    }
    return outcome;
  }

  /** Whether any of the rows is left; `undefined` when the store does not let us look. */
  async #removeV1(
    rows: readonly StoredRows[],
    fieldsOf: (row: StoredRows) => readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    if ((await this.#query(rows.map(deleteStatement), signal)) === undefined) {
      throw new GatewayError("SINK_DENIED", "delete");
    }
    const select = (row: StoredRows) => selectStatement(row, this.#options.retentionPolicy, fieldsOf(row));
    const results = await this.#query(rows.map(select), signal);
    return results?.some(({ series }) => series !== undefined);
  }

  /** One result for each statement; `undefined` when our user may not. */
  async #query(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    const answer = await askStatements(this.#http, this.#options.database, statements, signal);
    return statementResults(answer, statements.length);
  }

  async #removeV2(rows: readonly StoredRows[], signal: AbortSignal): Promise<boolean | undefined> {
    for (const row of rows) {
      const deletion = { ...timeRange(row), predicate: deletePredicate(row) };
      const answer = await askDeletion(this.#http, this.#options, deletion, signal);
      if (isOutage(answer)) throw unavailable(answer);
      if (answer.status !== 204 && answer.status !== 200)
        throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    }
    const { org, bucket } = this.#options;
    const answer = await askFlux(this.#http, org, fluxQuery(bucket, rows), signal);
    if (isOutage(answer)) throw unavailable(answer);
    return answer.status === 200 ? answer.body.trim() !== "" : undefined;
  }
}
