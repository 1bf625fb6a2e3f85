/**
 * Deletes rows by age. A connection of its own with more patience than a write: the store may take its time
 * over a deletion, and nobody waits for it. Rows of devices under a legal hold stay.
 */
import { GatewayError } from "../model/errors.ts";
import type { Pseudonym } from "../model/ids.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./influx-http.ts";
import { unavailable } from "./influx-verdict.ts";
import { countedByFlux, countedByInfluxQl } from "./row-counts.ts";
import type { RowRemovalOptions } from "./row-removal.ts";

export const MEASUREMENTS = ["device_status", "device_location", "cell_activity"] as const;

/** Rows of a measurement that are older than a moment. */
export interface OldRows {
  readonly measurement: (typeof MEASUREMENTS)[number];
  /** Unix ms. */
  readonly beforeMs: number;
  /** Whose rows stay whatever their age. */
  readonly except: readonly Pseudonym[];
}

/** `postponed`: this store cannot delete by age and spare the rows of a hold. `unsupported`: it cannot delete rows. */
export type Aging = "deleted" | "postponed" | "unsupported";

export type RowRetentionOptions = RowRemovalOptions & Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">;

const TIMEOUT_MS = 120_000;
/** Beyond it the condition would become unreasonable for the store. */
const MAX_EXCEPT = 20_000;
const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
const FLUX = "application/vnd.flux";
const BEGINNING = "1970-01-01T00:00:00Z";

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
    if (this.#options.api === "v1") {
      const policy =
        this.#options.retentionPolicy === "" ? "" : `"${this.#options.retentionPolicy.replace(/["\\]/g, "\\$&")}".`;
      const [result] = await this.#query(
        `SELECT COUNT(*) FROM ${policy}"${rows.measurement}" WHERE ${condition(rows)}`,
        signal,
      );
      return countedByInfluxQl(result?.series);
    }
    const path = `/api/v2/query?${new URLSearchParams({ org: this.#options.org })}`;
    const answer = await this.#send(path, fluxCount(this.#options.bucket, rows), signal, FLUX);
    return answer.status === 200 ? countedByFlux(answer.body) : undefined;
  }

  /** Throws SINK_UNAVAILABLE or SINK_DENIED: call again, deleting twice is harmless. */
  async remove(rows: OldRows, signal: AbortSignal): Promise<Aging> {
    if (rows.except.length > MAX_EXCEPT) return "postponed";
    if (this.#options.api === "v1") {
      await this.#query(`DELETE FROM "${rows.measurement}" WHERE ${condition(rows)}`, signal);
      return "deleted";
    }
    // A predicate of v2 knows "is" and "and", not "is not".
    if (rows.except.length > 0) return "postponed";
    const { org, bucket } = this.#options;
    const body = {
      start: BEGINNING,
      stop: new Date(rows.beforeMs).toISOString(),
      predicate: `_measurement="${rows.measurement}"`,
    };
    const path = `/api/v2/delete?${new URLSearchParams({ org, bucket })}`;
    const answer = await this.#send(path, JSON.stringify(body), signal, JSON_TYPE, [404, 405, 501]);
    if ([404, 405, 501].includes(answer.status)) return "unsupported";
    if (answer.status !== 204 && answer.status !== 200) throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    return "deleted";
  }

  async #query(statement: string, signal: AbortSignal): Promise<readonly { series?: unknown; error?: unknown }[]> {
    const path = `/query?${new URLSearchParams({ db: this.#options.database, epoch: "ns" })}`;
    const answer = await this.#send(path, new URLSearchParams({ q: statement }).toString(), signal, FORM);
    const results = answer.status === 200 ? resultsOf(answer.body) : [];
    if (results.length === 0 || results.some(({ error }) => error !== undefined)) {
      throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
    }
    return results;
  }

  async #send(
    path: string,
    body: string,
    signal: AbortSignal,
    type: string,
    known: readonly number[] = [],
  ): Promise<Answer> {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    const answer = await this.#http.send("POST", path, body, signal, type);
    const outage = answer.status === 0 || answer.status === 408 || answer.status === 429 || answer.status >= 500;
    if (outage && !known.includes(answer.status)) throw unavailable(answer);
    return answer;
  }
}

/** In InfluxQL. Pseudonyms are base64url, in which nothing has a meaning for a regular expression. */
function condition({ beforeMs, except }: OldRows): string {
  const age = `time < ${beforeMs}000000`;
  return except.length === 0 ? age : `${age} AND "device" !~ /^(?:${except.join("|")})$/`;
}

/** Tells no two devices apart beyond what it needs to count. */
function fluxCount(bucket: string, { measurement, beforeMs, except }: OldRows): string {
  const name = JSON.stringify(bucket).replaceAll("${", "\\${");
  const spared = except.map((device) => ` and r.device != "${device}"`).join("");
  return [
    `from(bucket: ${name})`,
    `range(start: ${BEGINNING}, stop: ${new Date(beforeMs).toISOString()})`,
    `filter(fn: (r) => r._measurement == "${measurement}"${spared})`,
    'keep(columns: ["_measurement", "device", "cell", "_field", "_time"])',
    'group(columns: ["_measurement", "device", "cell", "_field"])',
    'count(column: "_time")',
    'group(columns: ["_measurement", "_field"])',
    'sum(column: "_time")',
  ].join(" |> ");
}

function resultsOf(body: string): readonly { series?: unknown; error?: unknown }[] {
  try {
    const { results } = JSON.parse(body) as { results?: unknown };
    return Array.isArray(results) ? results : [];
  } catch {
    return [];
  }
}
