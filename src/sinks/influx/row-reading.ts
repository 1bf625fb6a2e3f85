/**
 * Reads rows of devices, a page of many names together. A connection of its own, so that no reading holds up a
 * write. What cannot be read is an error, never a shorter answer.
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { DeviceMeasurement, SinkReading, StoredRow } from "../../model/sink.ts";
import { AnswerTooLong, Connection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { InfluxHttpOptions } from "./http.ts";
import { rowsOf } from "./row-answers.ts";
import type { QueriesNow, RowPage, RowQueries } from "./row-queries.ts";

const TIMEOUT_MS = 20_000;
const MAX_SOCKETS = 4;
const NAMES_PER_QUERY = 100;
const ROWS_PER_PAGE = 500;
/** With fewer a page might hold no whole moment. */
const MIN_ROWS_PER_PAGE = 2;
const MAX_ROWS_PER_PAGE = 8_000;
/** A page has fewer rows where each has more columns. */
const VALUES_PER_PAGE = 40_000;
/** The name of no device. */
const NOBODY = "-" as Pseudonym;

export class RowReading implements SinkReading {
  readonly #store: Connection;
  readonly #dialect: Dialect;
  readonly #queriesNow: QueriesNow;
  readonly #rowsPerPage: number;

  /** `rowsPerPage` is where a page begins; a page that does not fit into one answer is made smaller. */
  constructor(
    options: Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">,
    dialect: Dialect,
    queriesNow: QueriesNow,
    rowsPerPage = ROWS_PER_PAGE,
  ) {
    this.#store = new Connection({ ...options, ...dialect, timeoutMs: TIMEOUT_MS, maxSockets: MAX_SOCKETS });
    this.#dialect = dialect;
    this.#queriesNow = queriesNow;
    this.#rowsPerPage = rowsPerPage;
  }

  start(): void {
    this.#store.open();
  }

  stop(): void {
    this.#store.close();
  }

  async check(signal: AbortSignal): Promise<void> {
    const page = { measurement: "device_status", devices: [NOBODY], fromNs: "0", untilNs: "1" } as const;
    const queries = await this.#queriesNow();
    await this.#present(queries, "device_status", [NOBODY], signal);
    await this.#page(queries, { ...page, limit: MIN_ROWS_PER_PAGE }, signal);
  }

  async *rows(
    measurement: DeviceMeasurement,
    names: readonly Pseudonym[],
    untilNs: string,
    signal: AbortSignal,
  ): AsyncGenerator<StoredRow[]> {
    const queries = await this.#queriesNow();
    for (let from = 0; from < names.length; from += NAMES_PER_QUERY) {
      const devices = await this.#present(queries, measurement, names.slice(from, from + NAMES_PER_QUERY), signal);
      if (devices.length > 0) yield* this.#pages(queries, { measurement, devices, untilNs }, signal);
    }
  }

  async #present(
    queries: RowQueries,
    measurement: DeviceMeasurement,
    names: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<readonly Pseudonym[]> {
    const present = await this.#dialect.present(this.#store, queries, [measurement], names, signal);
    if (present === undefined) throw new GatewayError("SINK_DENIED", "query");
    return present;
  }

  async *#pages(
    queries: RowQueries,
    which: Omit<RowPage, "fromNs" | "limit">,
    signal: AbortSignal,
  ): AsyncGenerator<StoredRow[]> {
    let fromNs = "0";
    const fitting = queries.rowsWithin(VALUES_PER_PAGE, which.measurement);
    let most = Math.max(MIN_ROWS_PER_PAGE, Math.min(fitting, MAX_ROWS_PER_PAGE));
    let limit = Math.min(this.#rowsPerPage, most);
    for (;;) {
      const page = await this.#page(queries, { ...which, fromNs, limit }, signal);
      if (page === "too-long") {
        if (limit <= MIN_ROWS_PER_PAGE) throw new GatewayError("SINK_DENIED", "a row is too long");
        most = limit >> 1;
        limit = Math.max(MIN_ROWS_PER_PAGE, limit >> 2);
        continue;
      }
      if (page.rows.length > 0) yield page.rows;
      if (page.nextNs === undefined) return;
      if (page.rows.length === 0) {
        // All of one moment, and more of it may follow.
        if (limit >= most) throw new GatewayError("SINK_DENIED", "a moment has too many rows");
        limit = Math.min(most, limit * 2);
      }
      fromNs = page.nextNs;
    }
  }

  async #page(queries: RowQueries, page: RowPage, signal: AbortSignal): Promise<Page> {
    try {
      const { rows, partial } = rowsOf(await this.#store.one(queries.page(page), signal));
      if (rows.length < page.limit && !partial) return { rows };
      // The last moment may go on in the next page; that one begins with it.
      const nextNs = rows.at(-1)?.timeNs ?? page.fromNs;
      return { rows: rows.filter(({ timeNs }) => timeNs !== nextNs), nextNs };
    } catch (error) {
      if (error instanceof AnswerTooLong) return "too-long";
      throw error;
    }
  }
}

/** `nextNs`: where to go on; absent on the last page. */
type Page = "too-long" | { readonly rows: StoredRow[]; readonly nextNs?: string | undefined };
