/**
 * The InfluxDB sink: a batch is either stored, with the lines the server refused named one by one, or
 * the caller is told that it is not. Nothing is buffered, retried or left running behind the caller's back.
 *
 *   records ─ encode ─ POST ─┬─ 204 ──────────────────────── stored
 *                            ├─ 400 422 201 413 ─ halve ───→ POST again, down to the single line: rejected
 *                            ├─ a field has another type ──→ POST again under a name that says its own
 *                            ├─ 401 403 404 … ────────────── SINK_DENIED, an operator must act
 *                            └─ 408 425 429 5xx silence ──── SINK_UNAVAILABLE, the batch comes again
 *
 * Writing a line twice overwrites it with itself, so every retry and every half is safe.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { AnalyticsRecord } from "../../model/deidentified.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import { CurrentLocations } from "./current-locations.ts";
import { ensureDatabase } from "./database.ts";
import { DeviceRemoval } from "./device-removal.ts";
import { FieldTypes } from "./field-types.ts";
import { type Answer, InfluxHttp } from "./http.ts";
import { isOutage, judge } from "./http-status.ts";
import { askStatements, type QueryResult, statementResults } from "./influxql.ts";
import { DEVICE_LOCATION, encodeBatch } from "./line-protocol.ts";
import { type Lines, LineWriter } from "./line-writer.ts";
import { askAbility, type Removal, type RowDelete, RowRemoval } from "./row-removal.ts";
import { fieldsOfRecords, rowsOfRecords } from "./stored-rows.ts";

export interface InfluxSinkOptions {
  /** `http` or `https`, a path prefix is kept. */
  readonly url: string;
  /** `v1` writes to /write (InfluxDB 1.x), `v2` to /api/v2/write (2.x, 3.x and what imitates them). */
  readonly api: "v1" | "v2";
  /** v1. */
  readonly database: string;
  /** v1; empty for the database's own default. */
  readonly retentionPolicy: string;
  /** v1; whether `start` may create a missing database. */
  readonly createDatabase: boolean;
  /** v1; empty when the server asks for none. */
  readonly username: string;
  readonly password?: string | undefined;
  /** v2. */
  readonly org: string;
  readonly bucket: string;
  readonly token?: string | undefined;
  /** Where the server keeps its data: ISO 3166 country, optionally with a subdivision. */
  readonly region: string;
  /** For each request. Milliseconds. */
  readonly timeoutMs: number;
  /** How long `start` waits for the server. Milliseconds. */
  readonly startTimeoutMs: number;
  readonly maxLinesPerRequest: number;
  /** Connections kept open; default 8. */
  readonly maxSockets?: number | undefined;
  /** An unchanged place is written again after this long, 0 for always; default 60,000. Milliseconds. */
  readonly locationRefreshMs?: number | undefined;
}

const DEFAULT_MAX_SOCKETS = 8;
const DEFAULT_LOCATION_REFRESH_MS = 60_000;
const START_PAUSE_MS = 200;

export class InfluxSink {
  readonly name = "influx";
  readonly region: string;
  readonly #options: InfluxSinkOptions;
  readonly #log: Log;
  readonly #writePath: string;
  readonly #locations: CurrentLocations;
  readonly #types = new FieldTypes();
  readonly #writer: LineWriter;
  readonly #devices: DeviceRemoval;
  #http: InfluxHttp | undefined;
  #ability: RowDelete | undefined;

  constructor(options: InfluxSinkOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.region = options.region;
    this.#writePath = writePath(options);
    this.#writer = new LineWriter(options, this.#types, (body, signal) => this.#post(body, signal));
    this.#devices = new DeviceRemoval(options);
    this.#locations = new CurrentLocations(options.locationRefreshMs ?? DEFAULT_LOCATION_REFRESH_MS);
  }

  /** Waits until the server answers and can take writes. Throws SINK_UNAVAILABLE, SINK_DENIED or START_CANCELLED. */
  async start(signal: AbortSignal): Promise<void> {
    const { maxSockets, startTimeoutMs } = this.#options;
    this.#http?.close();
    this.#http = new InfluxHttp({ ...this.#options, maxSockets: maxSockets ?? DEFAULT_MAX_SOCKETS });
    this.#devices.start();
    const untilMs = performance.now() + startTimeoutMs;
    for (;;) {
      try {
        await this.#probe(this.#http, signal);
        break;
      } catch (error) {
        const retryable = error instanceof GatewayError && error.code === "SINK_UNAVAILABLE";
        if (signal.aborted) throw new GatewayError("START_CANCELLED", "influx");
        if (!retryable || performance.now() + START_PAUSE_MS >= untilMs) throw error;
        await pause(START_PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
    // Writing does not have to wait for it: who needs it asks again, with more patience.
    const known = this.#known(askAbility(this.#http, this.#options, signal));
    await known.catch(() => this.#log.warn("the store did not say whether it can delete rows", { sink: this.name }));
    this.#log.info("sink ready", { sink: this.name, region: this.region });
  }

  /** Closes the connections. A write still under way ends with SINK_UNAVAILABLE. */
  async stop(): Promise<void> {
    this.#devices.stop();
    this.#http?.close();
    this.#http = undefined;
  }

  /**
   * Stores a batch. `rejected` holds the indexes of records the server refuses as malformed; all others are
   * stored. Of each device only the newest place of the batch is written; a record with nothing to write is fine.
   * Throws SINK_UNAVAILABLE or SINK_DENIED: then some lines may be stored, and the whole batch must come again.
   * An error with `inDoubt` says more: some may yet be stored, after this has thrown.
   */
  async write(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    const places = this.#locations.select(records);
    const rejected = new Set<number>();
    let owners: readonly number[] = [];
    const encode = () => {
      const batch = encodeBatch(records, places, this.#types);
      owners = batch.owners;
      return batch.lines;
    };
    const stored = (indexes: readonly number[], lines: readonly string[]) => {
      for (const index of indexes) {
        const record = records[owners[index] ?? -1];
        if (record !== undefined && lines[index]?.startsWith(DEVICE_LOCATION)) this.#locations.confirm(record);
      }
    };
    await this.#locations.inOrder(places, async () => {
      for (const line of await this.#store({ encode, ...(places.size > 0 && { stored }) }, signal)) {
        const owner = owners[line];
        if (owner !== undefined) rejected.add(owner);
      }
    });
    return { rejected: [...rejected].sort((a, b) => a - b) };
  }

  /** The same for ready-made lines, such as `CellActivity.take()` gives. */
  async writeLines(lines: readonly string[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    return { rejected: await this.#store({ encode: () => lines }, signal) };
  }

  /** InfluxQL; one result for each statement, `undefined` from a server that answers none. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async query(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    const { api, database, bucket } = this.#options;
    const answer = await askStatements(this.#started(), api === "v1" ? database : bucket, statements, signal);
    if (api === "v2" && answer.status >= 400 && answer.status < 500 && !isOutage(answer)) return undefined;
    return statementResults(answer, statements.length);
  }

  /** What the store can do to make rows disappear; before it has told us, nothing. */
  get rowDelete(): RowDelete {
    return this.#ability ?? "none";
  }

  /** The same, asked for when it is not known yet: with the patience of a deletion, not of a write. Throws SINK_UNAVAILABLE. */
  async ability(signal: AbortSignal): Promise<RowDelete> {
    return this.#ability ?? (await this.#known(this.#devices.ability(signal)));
  }

  async #known(asked: Promise<RowDelete>): Promise<RowDelete> {
    this.#ability = await asked;
    if (this.#ability === "none") this.#log.warn("the store cannot delete rows", { sink: this.name });
    return this.#ability;
  }

  /** Resolves when the server answers and knows us. Throws SINK_UNAVAILABLE or SINK_DENIED. */
  async ask(signal: AbortSignal): Promise<void> {
    await this.#probe(this.#started(), signal);
  }

  /**
   * Removes exactly the rows that writing these records would have stored, wherever they came from; of a
   * location that is the device's one place in that epoch. Throws SINK_UNAVAILABLE or SINK_DENIED: call again.
   */
  async remove(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<Removal> {
    const rows = rowsOfRecords(records);
    const http = this.#started();
    return await this.#removed(rows, signal, () =>
      new RowRemoval(http, this.#options).remove(rows, fieldsOfRecords(records), signal),
    );
  }

  /** Removes everything stored under these pseudonyms. Throws like `remove`. */
  async removeDevices(devices: readonly Pseudonym[], signal: AbortSignal): Promise<Removal> {
    const named = devices.map((device) => ({ device }));
    return await this.#removed(named, signal, () => this.#devices.remove(devices, signal));
  }

  /**
   * How many rows the store holds under these pseudonyms; `undefined` when it does not let us look. Of rows
   * with different fields at least as many as the commonest field has. Throws like `remove`.
   */
  async countRows(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    return await this.#devices.count(devices, signal);
  }

  async #removed(
    rows: readonly { readonly device: Pseudonym }[],
    signal: AbortSignal,
    remove: () => Promise<Removal>,
  ): Promise<Removal> {
    if ((await this.ability(signal)) === "none") return "unsupported";
    try {
      return await remove();
    } finally {
      // Else a place that is gone would be taken for stored, and not written when it may be again.
      this.#locations.forget(new Set(rows.map(({ device }) => device)));
      this.#writer.forget();
    }
  }

  async #store(lines: Lines, signal: AbortSignal): Promise<number[]> {
    const rejected = await this.#writer.write(lines, signal);
    if (rejected.length > 0) this.#log.warn("lines refused by the store", { sink: this.name, count: rejected.length });
    return rejected;
  }

  async #post(body: string, signal: AbortSignal): Promise<Answer> {
    const http = this.#started();
    if (signal.aborted) throw new GatewayError("SINK_UNAVAILABLE", "given up");
    return await http.send("POST", this.#writePath, body, signal);
  }

  #started(): InfluxHttp {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    return this.#http;
  }

  async #probe(http: InfluxHttp, signal: AbortSignal): Promise<void> {
    if (this.#options.api === "v1") {
      const answer = await http.send("GET", "/ping", "", signal);
      if (answer.status !== 204 && answer.status !== 200) throw new GatewayError("SINK_UNAVAILABLE", "ping");
      const outcome = await ensureDatabase(http, this.#options, signal);
      if (outcome === "created") this.#log.info("database created", { sink: this.name });
      return;
    }
    // A write of nothing: the server checks credential, organisation and bucket before it finds that nothing came.
    const answer = await http.send("POST", this.#writePath, "", signal);
    if (answer.status !== 400) judge(answer, 0);
  }
}

function writePath(options: InfluxSinkOptions): string {
  const parameters = new URLSearchParams({ precision: "ns" });
  if (options.api === "v2") {
    parameters.set("org", options.org);
    parameters.set("bucket", options.bucket);
    return `/api/v2/write?${parameters}`;
  }
  parameters.set("db", options.database);
  if (options.retentionPolicy !== "") parameters.set("rp", options.retentionPolicy);
  return `/write?${parameters}`;
}
