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
import { LRUCache } from "lru-cache";
import type { AnalyticsRecord } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import { CurrentLocations } from "./current-locations.ts";
import { ensureDatabase } from "./influx-database.ts";
import { InfluxHttp } from "./influx-http.ts";
import { judge, type Verdict } from "./influx-verdict.ts";
import { encodeBatch } from "./line-protocol.ts";
import { type Removal, type RowDelete, RowRemoval } from "./row-removal.ts";
import { rowsOfDevices, rowsOfRecords, type StoredRows } from "./stored-rows.ts";

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
/** Refused lines of a batch whose time ran out while they were looked for; its next attempt starts from there. */
const MAX_REFUSED_LINES = 20_000;
const REFUSED_MS = 10 * 60_000;

export class InfluxSink {
  readonly name = "influx";
  readonly region: string;
  readonly #options: InfluxSinkOptions;
  readonly #log: Log;
  readonly #writePath: string;
  readonly #locations: CurrentLocations;
  readonly #refused = new LRUCache<string, true>({ max: MAX_REFUSED_LINES, ttl: REFUSED_MS });
  #http: InfluxHttp | undefined;
  #ability: RowDelete | undefined;

  constructor(options: InfluxSinkOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.region = options.region;
    this.#writePath = writePath(options);
    this.#locations = new CurrentLocations(options.locationRefreshMs ?? DEFAULT_LOCATION_REFRESH_MS);
  }

  /** Waits until the server answers and can take writes. Throws SINK_UNAVAILABLE, SINK_DENIED or START_CANCELLED. */
  async start(signal: AbortSignal): Promise<void> {
    const { maxSockets, startTimeoutMs } = this.#options;
    this.#http?.close();
    this.#http = new InfluxHttp({ ...this.#options, maxSockets: maxSockets ?? DEFAULT_MAX_SOCKETS });
    const untilMs = performance.now() + startTimeoutMs;
    for (;;) {
      try {
        await this.#probe(this.#http, signal);
        this.#ability = await new RowRemoval(this.#http, this.#options).ability(signal);
        break;
      } catch (error) {
        const retryable = error instanceof GatewayError && error.code === "SINK_UNAVAILABLE";
        if (signal.aborted) throw new GatewayError("START_CANCELLED", "influx");
        if (!retryable || performance.now() + START_PAUSE_MS >= untilMs) throw error;
        await pause(START_PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
    this.#log.info("sink ready", { sink: this.name, region: this.region });
    if (this.#ability === "none") this.#log.warn("the store cannot delete rows", { sink: this.name });
  }

  /** Closes the connections. A write still under way ends with SINK_UNAVAILABLE. */
  async stop(): Promise<void> {
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
    const { lines, owners } = encodeBatch(records, places);
    const rejected = new Set<number>();
    await this.#locations.inOrder(places, async () => {
      for (const line of await this.#store(lines, signal)) {
        const owner = owners[line];
        if (owner !== undefined) rejected.add(owner);
      }
      this.#locations.confirm(records, places);
    });
    return { rejected: [...rejected].sort((a, b) => a - b) };
  }

  /** The same for ready-made lines, such as `CellActivity.take()` gives. */
  async writeLines(lines: readonly string[], signal: AbortSignal): Promise<{ rejected: number[] }> {
    return { rejected: await this.#store(lines, signal) };
  }

  /** What the store can do to make rows disappear; before `start` it has told us, nothing. */
  get rowDelete(): RowDelete {
    return this.#ability ?? "none";
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
    return await this.#removeRows(rowsOfRecords(records), signal);
  }

  /** Removes everything stored under these pseudonyms. Throws like `remove`. */
  async removeDevices(devices: readonly Pseudonym[], signal: AbortSignal): Promise<Removal> {
    return await this.#removeRows(rowsOfDevices(devices), signal);
  }

  /**
   * How many rows the store holds under these pseudonyms; `undefined` when it does not let us look. Of rows
   * with different fields at least as many as the commonest field has. Throws like `remove`.
   */
  async countRows(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    return await new RowRemoval(this.#started(), this.#options).count(rowsOfDevices(devices), signal);
  }

  async #removeRows(rows: readonly StoredRows[], signal: AbortSignal): Promise<Removal> {
    const http = this.#started();
    if (this.#ability === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    if (this.#ability === "none") return "unsupported";
    try {
      return await new RowRemoval(http, this.#options).remove(rows, signal);
    } finally {
      // Else a place that is gone would be taken for stored, and not written when it may be again.
      this.#locations.forget(new Set(rows.map(({ device }) => device)));
    }
  }

  /** Indexes of the lines that the server refuses; every other line is stored when this returns. */
  async #store(lines: readonly string[], signal: AbortSignal): Promise<number[]> {
    const rejected: number[] = [];
    for (const chunk of this.#chunks(lines, rejected)) {
      const pending = [chunk];
      for (let group = pending.pop(); group !== undefined; group = pending.pop()) {
        const verdict = await this.#post(group.map((index) => lines[index]).join("\n"), group.length, signal);
        if (verdict === "stored") continue;
        if (verdict === "all-refused" || group.length === 1) {
          for (const index of group) this.#refuse(index, lines, rejected);
        } else {
          const middle = group.length >> 1;
          pending.push(group.slice(middle), group.slice(0, middle));
        }
      }
    }
    // Once the caller knows, they are no longer known here: sent again after a repair, they deserve another try.
    for (const index of rejected) this.#refused.delete(lines[index] ?? "");
    if (rejected.length > 0) this.#log.warn("lines refused by the store", { sink: this.name, count: rejected.length });
    return rejected.sort((a, b) => a - b);
  }

  /** Line indexes in groups of one request each, without the lines already known to be refused. */
  #chunks(lines: readonly string[], rejected: number[]): number[][] {
    const chunks: number[][] = [];
    let chunk: number[] = [];
    for (const [index, line] of lines.entries()) {
      if (this.#refused.size > 0 && this.#refused.has(line)) {
        rejected.push(index);
        continue;
      }
      if (chunk.length === 0) chunks.push(chunk);
      chunk.push(index);
      if (chunk.length >= this.#options.maxLinesPerRequest) chunk = [];
    }
    return chunks;
  }

  #refuse(index: number, lines: readonly string[], rejected: number[]): void {
    const line = lines[index];
    if (line !== undefined) this.#refused.set(line, true);
    rejected.push(index);
  }

  async #post(body: string, lineCount: number, signal: AbortSignal): Promise<Verdict> {
    const http = this.#started();
    if (signal.aborted) throw new GatewayError("SINK_UNAVAILABLE", "given up");
    return judge(await http.send("POST", this.#writePath, body, signal), lineCount);
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
