/**
 * Reads rows of devices page by page: in InfluxQL (InfluxDB 1 and 3) a page of many names together, in Flux
 * (InfluxDB 2) the names that have rows and then each by itself. A connection of its own, so that nobody's reading holds up a
 * write. What cannot be read is an error, never a shorter answer.
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { askFlux, isUnknown } from "./flux.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./http.ts";
import { isOutage, unavailable } from "./http-status.ts";
import { askStatements, type QueryResult, statementResults } from "./influxql.ts";
import { devicesByFlux, devicesBySeries, rowsByFlux, rowsByInfluxQl, type StoredRow } from "./row-answers.ts";
import { RowFields } from "./row-fields.ts";
import { type FieldOfType, fluxNames, fluxPage, pageStatement, type RowPage, seriesStatement } from "./row-queries.ts";
import type { RowRemovalOptions } from "./row-removal.ts";
import type { StoredRows } from "./stored-rows.ts";

export type RowReadingOptions = RowRemovalOptions & Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">;
export type Measurement = StoredRows["measurement"];

const TIMEOUT_MS = 20_000;
const MAX_SOCKETS = 4;
const NAMES_PER_QUERY = 100;
const ROWS_PER_PAGE = 500;
/** With fewer a page might hold no whole moment. */
const MIN_ROWS_PER_PAGE = 2;
const MAX_ROWS_PER_PAGE = 8_000;
/** A page has fewer rows where each has more columns. */
const VALUES_PER_PAGE = 40_000;
/** Nobody's name, and no field's. */
const NOBODY = "-" as Pseudonym;
const NO_FIELD = "-";

export class RowReading {
  readonly #options: RowReadingOptions;
  readonly #rowsPerPage: number;
  #http: InfluxHttp | undefined;
  #speaksFlux = false;

  /** `rowsPerPage` is where a page begins; a page that does not fit into one answer is made smaller. */
  constructor(options: RowReadingOptions, rowsPerPage = ROWS_PER_PAGE) {
    this.#options = options;
    this.#rowsPerPage = rowsPerPage;
  }

  start(): void {
    this.#http = new InfluxHttp({ ...this.#options, timeoutMs: TIMEOUT_MS, maxSockets: MAX_SOCKETS });
  }

  stop(): void {
    this.#http?.close();
    this.#http = undefined;
  }

  /** Resolves when the store answers and lets us read. Throws SINK_UNAVAILABLE or SINK_DENIED. */
  async check(signal: AbortSignal): Promise<void> {
    if ((await this.#spoken(signal)) === "flux") {
      devicesByFlux(await this.#flux(fluxNames(this.#options.bucket, "device_status", [NOBODY]), signal));
      return;
    }
    const fields = new RowFields((statements) => this.#statements(statements, signal), this.#retentionPolicy);
    await fields.few("device_status");
    const page = { measurement: "device_status", devices: [NOBODY], fromNs: "0", untilNs: "1" } as const;
    await this.#pageInfluxQl({ ...page, limit: MIN_ROWS_PER_PAGE }, [{ field: NO_FIELD }], signal);
  }

  /**
   * Everything stored under these names up to `untilNs` (Unix ns), in pages; of each name oldest first. Throws
   * SINK_UNAVAILABLE, SINK_DENIED.
   */
  async *rows(
    measurement: Measurement,
    names: readonly Pseudonym[],
    untilNs: string,
    signal: AbortSignal,
  ): AsyncGenerator<StoredRow[]> {
    if ((await this.#spoken(signal)) === "influxql") {
      yield* this.#rowsInfluxQl(measurement, names, untilNs, signal);
      return;
    }
    for (const devices of chunks(names)) {
      const known = new Set(
        devicesByFlux(await this.#flux(fluxNames(this.#options.bucket, measurement, devices), signal)),
      );
      for (const device of devices.filter((one) => known.has(one))) {
        yield* this.#pages({ measurement, devices: [device], untilNs }, (page) => this.#pageFlux(page, signal));
      }
    }
  }

  async *#rowsInfluxQl(
    measurement: Measurement,
    names: readonly Pseudonym[],
    untilNs: string,
    signal: AbortSignal,
  ): AsyncGenerator<StoredRow[]> {
    const fields = new RowFields((statements) => this.#statements(statements, signal), this.#retentionPolicy);
    const present = await this.#present(measurement, names, signal);
    // Whoever has more fields than a statement names gets his rows in parts, each with some of them.
    for await (const own of fields.of(measurement, present)) {
      const most = Math.max(MIN_ROWS_PER_PAGE, Math.floor(VALUES_PER_PAGE / own.length));
      const read = (page: RowPage) => this.#pageInfluxQl(page, own, signal);
      for (const devices of chunks(present))
        yield* this.#pages({ measurement, devices, untilNs }, read, Math.min(most, MAX_ROWS_PER_PAGE));
    }
  }

  /** Those of whom an InfluxDB 1 has anything, by its index; an InfluxDB 3 has none, there all of them. */
  async #present(
    measurement: Measurement,
    names: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<readonly Pseudonym[]> {
    if (this.#options.api !== "v1") return names;
    const present: Pseudonym[] = [];
    for (const devices of chunks(names)) {
      const results = await this.#statements([seriesStatement([measurement], devices)], signal);
      if (results === "too-long") throw new GatewayError("SINK_DENIED", "a list of series is too long");
      const found = new Set(devicesBySeries(results[0]?.series));
      present.push(...devices.filter((device) => found.has(device)));
    }
    return present;
  }

  /** An InfluxDB 3 takes the writes of a 2 and answers the queries of a 1. */
  async #spoken(signal: AbortSignal): Promise<"influxql" | "flux"> {
    if (this.#options.api === "v1") return "influxql";
    if (!this.#speaksFlux) {
      const answer = await this.#ask(fluxNames(this.#options.bucket, "device_status", [NOBODY]), signal);
      if (isUnknown(answer)) return "influxql";
      csvOf(answer);
      this.#speaksFlux = true;
    }
    return "flux";
  }

  async *#pages(
    which: Omit<RowPage, "fromNs" | "limit">,
    read: (page: RowPage) => Promise<Page>,
    mostRows = MAX_ROWS_PER_PAGE,
  ): AsyncGenerator<StoredRow[]> {
    let fromNs = "0";
    let most = mostRows;
    let limit = Math.min(this.#rowsPerPage, most);
    for (;;) {
      const page = await read({ ...which, fromNs, limit });
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

  async #pageInfluxQl(page: RowPage, fields: readonly FieldOfType[], signal: AbortSignal): Promise<Page> {
    const results = await this.#statements([pageStatement(page, this.#retentionPolicy, fields)], signal);
    if (results === "too-long") return results;
    const { rows, partial } = rowsByInfluxQl(results[0]?.series);
    if (rows.length < page.limit && !partial) return { rows };
    // The last moment may go on in the next page; that one begins with it.
    const nextNs = rows.at(-1)?.timeNs ?? page.fromNs;
    return { rows: rows.filter(({ timeNs }) => timeNs !== nextNs), nextNs };
  }

  async #pageFlux(page: RowPage, signal: AbortSignal): Promise<Page> {
    const answer = await this.#ask(fluxPage(this.#options.bucket, page), signal);
    if (answer.tooLong) return "too-long";
    const { rows, cutAtNs } = rowsByFlux(csvOf(answer), page.limit);
    return { rows, nextNs: cutAtNs === undefined ? undefined : String(BigInt(cutAtNs) + 1n) };
  }

  get #retentionPolicy(): string {
    return this.#options.api === "v1" ? this.#options.retentionPolicy : "";
  }

  async #statements(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | "too-long"> {
    const { api, database, bucket } = this.#options;
    const answer = await askStatements(this.#started(), api === "v1" ? database : bucket, statements, signal);
    if (answer.tooLong) return "too-long";
    const results = statementResults(answer, statements.length);
    if (results === undefined) throw new GatewayError("SINK_DENIED", "query");
    return results;
  }

  async #flux(query: string, signal: AbortSignal): Promise<string> {
    return csvOf(await this.#ask(query, signal));
  }

  #ask(query: string, signal: AbortSignal): Promise<Answer> {
    return askFlux(this.#started(), this.#options.org, query, signal);
  }

  #started(): InfluxHttp {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    return this.#http;
  }
}

/** `nextNs`: where to go on; absent on the last page. */
type Page = "too-long" | { readonly rows: StoredRow[]; readonly nextNs?: string | undefined };

function csvOf(answer: Answer): string {
  if (isOutage(answer)) throw unavailable(answer);
  if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
  return answer.body;
}

function* chunks(names: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < names.length; from += NAMES_PER_QUERY) yield names.slice(from, from + NAMES_PER_QUERY);
}
