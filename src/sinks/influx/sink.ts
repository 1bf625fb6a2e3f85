/**
 * The InfluxDB sink: a batch is either stored, with the lines the server refused named one by one, or
 * the caller is told that it is not. Nothing is buffered, retried or left running behind the caller's back.
 *
 *   records ─ encode ─ POST ─┬─ 204 ──────────────────────── stored
 *                            ├─ 400 422 201 413 ─ halve ───→ POST again, down to the single line: rejected
 *                            ├─ 401 403 404 … ────────────── SINK_DENIED, an operator must act
 *                            └─ 408 425 429 5xx silence ──── SINK_UNAVAILABLE, the batch comes again
 *
 * Writing a line twice overwrites it with itself, so every retry and every half is safe.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { AnalyticsRecord, PlaceRow } from "../../model/deidentified.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { CellCount, Removal, RowDelete, Sink, SinkReading, SinkRetention } from "../../model/sink.ts";
import { Connection } from "./connection.ts";
import { type Dialect, dialectOf, type InfluxOptions } from "./dialect.ts";
import { type FieldTable, StoredFields } from "./fields.ts";
import type { Answer } from "./http.ts";
import { activityLine, encodeBatch, placeLine } from "./line-protocol.ts";
import { LineWriter } from "./line-writer.ts";
import { DeviceRemoval } from "./removal.ts";
import type { QueryResult } from "./row-answers.ts";
import { RowQueries } from "./row-queries.ts";
import { RowReading } from "./row-reading.ts";
import { RowRetention } from "./row-retention.ts";
import { type RowOfDevice, rowsOfPlaces, rowsOfRecords } from "./stored-rows.ts";

export interface InfluxSinkOptions extends InfluxOptions {
  /** What `status` may hold; anything else is not written. */
  readonly fields: FieldTable;
  /** What it once could hold: still read, counted and looked for, and not written. Throws REDIS_UNAVAILABLE. */
  readonly formerFields: () => Promise<FieldTable>;
  /** v1; whether `start` may create a missing database. */
  readonly createDatabase: boolean;
  /** Where the server keeps its data: ISO 3166 country, optionally with a subdivision. */
  readonly region: string;
  /** For each request. Milliseconds. */
  readonly timeoutMs: number;
  /** How long `start` waits for the server. Milliseconds. */
  readonly startTimeoutMs: number;
  readonly maxLinesPerRequest: number;
  /** Connections kept open; default 8. */
  readonly maxSockets?: number | undefined;
  /** Where a page of reading begins. */
  readonly rowsPerPage?: number | undefined;
}

const DEFAULT_MAX_SOCKETS = 8;
const START_PAUSE_MS = 200;
const ROWS_PER_REQUEST = 50;

export class InfluxSink implements Sink {
  readonly name = "influx";
  readonly region: string;
  readonly reading: SinkReading;
  readonly retention: SinkRetention;
  readonly #options: InfluxSinkOptions;
  readonly #log: Log;
  readonly #fields: StoredFields;
  readonly #dialect: Dialect;
  readonly #queries: RowQueries;
  readonly #store: Connection;
  readonly #writer: LineWriter;
  readonly #devices: DeviceRemoval;
  #rowDelete: RowDelete | undefined;

  constructor(options: InfluxSinkOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.region = options.region;
    this.#fields = new StoredFields(options.fields);
    this.#dialect = dialectOf(options);
    this.#queries = new RowQueries(this.#fields, this.#dialect.retentionPolicy);
    const maxSockets = options.maxSockets ?? DEFAULT_MAX_SOCKETS;
    this.#store = new Connection({ ...options, ...this.#dialect, maxSockets });
    this.#writer = new LineWriter(options, (body, signal) => this.#post(body, signal));
    const { retentionPolicy } = this.#dialect;
    const queriesNow = async () =>
      new RowQueries(this.#fields.withFormer(await options.formerFields()), retentionPolicy);
    this.#devices = new DeviceRemoval(options, this.#dialect, queriesNow);
    this.reading = new RowReading(options, this.#dialect, queriesNow, options.rowsPerPage);
    this.retention = new RowRetention(options, this.#dialect, queriesNow);
  }

  /** Throws SINK_UNAVAILABLE, SINK_DENIED or START_CANCELLED. */
  async start(signal: AbortSignal): Promise<void> {
    this.#store.open();
    this.#devices.start();
    const untilMs = performance.now() + this.#options.startTimeoutMs;
    for (;;) {
      try {
        await this.ask(signal);
        break;
      } catch (error) {
        const retryable = error instanceof GatewayError && error.code === "SINK_UNAVAILABLE";
        if (signal.aborted) throw new GatewayError("START_CANCELLED", "influx");
        if (!retryable || performance.now() + START_PAUSE_MS >= untilMs) throw error;
        await pause(START_PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
    // Writing does not have to wait for it: who needs it asks again, with more patience.
    const known = this.#known(this.#dialect.rowDelete(this.#store, signal));
    await known.catch(() => this.#log.warn("the store did not say whether it can delete rows", { sink: this.name }));
    this.#log.info("sink ready", { sink: this.name, region: this.region });
  }

  async stop(): Promise<void> {
    this.#devices.stop();
    this.#store.close();
  }

  async ask(signal: AbortSignal): Promise<void> {
    const outcome = await this.#dialect.probe(this.#store, signal);
    if (outcome === "created") this.#log.info("database created", { sink: this.name });
  }

  /** Properties were added: from the next batch on they are written, and from the next question on asked for. */
  useFields(fields: FieldTable): void {
    this.#fields.use(fields);
  }

  /** A record with nothing to write is fine. Where this throws, some lines may be stored, and the whole batch must come again. */
  async write(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    const { lines, owners } = encodeBatch(records, this.#fields);
    const refused = await this.#lines(lines, signal);
    return { rejected: refused.flatMap((line) => owners[line] ?? []) };
  }

  async writePlaces(places: readonly PlaceRow[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    return { rejected: await this.#lines(places.map(placeLine), signal) };
  }

  async writeActivity(counts: readonly CellCount[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    return { rejected: await this.#lines(counts.map(activityLine), signal) };
  }

  /** The same for ready-made lines of other measurements. */
  async writeLines(lines: readonly string[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    return { rejected: await this.#lines(lines, signal) };
  }

  /** InfluxQL; one result for each statement, `undefined` from a server that answers none. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async query(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    try {
      return await this.#store.ask(statements, signal);
    } catch (error) {
      // Servers that imitate the writes of a later InfluxDB often know no queries.
      const denied = error instanceof GatewayError && error.code === "SINK_DENIED";
      if (denied && this.#options.api !== "v1") return undefined;
      throw error;
    }
  }

  /** With the patience of a deletion, not of a write. */
  async rowDelete(signal: AbortSignal): Promise<RowDelete> {
    return this.#rowDelete ?? (await this.#known(this.#devices.rowDelete(signal)));
  }

  async remove(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<Removal> {
    return await this.#removed(signal, () => this.#removeRows(rowsOfRecords(records, this.#fields), signal));
  }

  async removePlaces(
    places: readonly Pick<PlaceRow, "device" | "epochStart">[],
    signal: AbortSignal,
  ): Promise<Removal> {
    return await this.#removed(signal, () => this.#removeRows(rowsOfPlaces(places, this.#fields), signal));
  }

  async removeDevices(devices: readonly Pseudonym[], signal: AbortSignal): Promise<Removal> {
    return await this.#removed(signal, () => this.#devices.remove(devices, signal));
  }

  async countRows(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    return await this.#devices.count(devices, signal);
  }

  async #known(asked: Promise<RowDelete>): Promise<RowDelete> {
    this.#rowDelete = await asked;
    if (this.#rowDelete === "none") this.#log.warn("the store cannot delete rows", { sink: this.name });
    return this.#rowDelete;
  }

  async #removed(signal: AbortSignal, remove: () => Promise<Removal>): Promise<Removal> {
    if ((await this.rowDelete(signal)) === "none") return "unsupported";
    try {
      return await remove();
    } finally {
      // Else a row that is gone would be taken for stored, and not written when it may be again.
      this.#writer.forget();
    }
  }

  /** Throws SINK_UNAVAILABLE also while the store still shows one of them. */
  async #removeRows(rows: readonly RowOfDevice[], signal: AbortSignal): Promise<Removal> {
    let outcome: Removal = "verified";
    for (let from = 0; from < rows.length; from += ROWS_PER_REQUEST) {
      const some = rows.slice(from, from + ROWS_PER_REQUEST);
      await this.#dialect.deletion?.rows(this.#store, some, signal);
      const look = some.map((row) => this.#queries.row(row));
      const left = await this.#store.ask(look, signal);
      if (left === undefined) outcome = "accepted";
      else if (left.some(({ series }) => series !== undefined)) {
        throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
      }
    }
    return outcome;
  }

  async #lines(lines: readonly string[], signal: AbortSignal): Promise<number[]> {
    const rejected = await this.#writer.write(lines, signal);
    if (rejected.length > 0) this.#log.warn("lines refused by the store", { sink: this.name, count: rejected.length });
    return rejected;
  }

  async #post(body: string, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) throw new GatewayError("SINK_UNAVAILABLE", "given up");
    return await this.#store.send("POST", this.#dialect.writePath, body, signal);
  }
}
