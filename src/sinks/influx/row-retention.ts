/**
 * Deletes rows by age. A connection of its own with more patience than a write: the store may take its time
 * over a deletion, and no request waits for it. Rows of devices under a legal hold stay.
 */
import type { Aging, OldRows, SinkRetention } from "../../model/sink.ts";
import { Connection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { InfluxHttpOptions } from "./http.ts";
import { countOf } from "./row-answers.ts";
import type { QueriesNow } from "./row-queries.ts";

const TIMEOUT_MS = 120_000;
/** Beyond it the condition would become unreasonable for the store. */
const MAX_EXCEPT = 20_000;

export class RowRetention implements SinkRetention {
  readonly #store: Connection;
  readonly #dialect: Dialect;
  readonly #queriesNow: QueriesNow;

  constructor(options: Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">, dialect: Dialect, queriesNow: QueriesNow) {
    this.#store = new Connection({ ...options, ...dialect, timeoutMs: TIMEOUT_MS, maxSockets: 1 });
    this.#dialect = dialect;
    this.#queriesNow = queriesNow;
  }

  start(): void {
    this.#store.open();
  }

  stop(): void {
    this.#store.close();
  }

  async count(rows: OldRows, signal: AbortSignal): Promise<number | undefined> {
    const queries = await this.#queriesNow();
    const [result] = (await this.#store.ask([queries.countOld(rows)], signal)) ?? [];
    return result && countOf(result);
  }

  async remove(rows: OldRows, signal: AbortSignal): Promise<Aging> {
    if (this.#dialect.deletion === undefined) return "unsupported";
    if (rows.except.length > MAX_EXCEPT) return "postponed";
    return await this.#dialect.deletion.older(this.#store, await this.#queriesNow(), rows, signal);
  }
}
