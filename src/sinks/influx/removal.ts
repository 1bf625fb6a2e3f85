/**
 * Finds, counts and takes out everything the store holds under the names of devices: what an erasure asks for. A
 * connection of its own with as much patience as the store needs, and one piece of work at a time: a deletion that was
 * given up goes on in the server, and many of them are what makes it slow.
 *
 *   names ─ which may be there? ─┬─ none ───────────────────→ seen: nothing
 *                                └─ some ─ delete ─ look ───→ seen: nothing, or call again
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { Removal, RowDelete } from "../../model/sink.ts";
import { Connection } from "./connection.ts";
import type { Deletion, Dialect } from "./dialect.ts";
import type { InfluxHttpOptions } from "./http.ts";
import { DEVICE_LOCATION, DEVICE_STATUS } from "./line-protocol.ts";
import { countOf } from "./row-answers.ts";
import type { QueriesNow, RowQueries } from "./row-queries.ts";

/** The same as retention has: InfluxDB 1 takes seconds over a deletion, InfluxDB 2 up to minutes. */
const TIMEOUT_MS = 120_000;
/** A count is worth less: without it the receipt says that nothing was counted. */
const COUNT_TIMEOUT_MS = 30_000;
const NAMES_PER_REQUEST = 50;
const MEASUREMENTS = [DEVICE_STATUS, DEVICE_LOCATION] as const;

export class DeviceRemoval {
  readonly #store: Connection;
  readonly #dialect: Dialect;
  readonly #queriesNow: QueriesNow;
  #turn: Promise<unknown> = Promise.resolve();
  /** A deletion got no answer: it may still be at work. */
  #inDoubt = false;

  constructor(options: Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">, dialect: Dialect, queriesNow: QueriesNow) {
    this.#store = new Connection({ ...options, ...dialect, timeoutMs: TIMEOUT_MS, maxSockets: 2 });
    this.#dialect = dialect;
    this.#queriesNow = queriesNow;
  }

  start(): void {
    this.#store.open();
  }

  stop(): void {
    this.#store.close();
  }

  /** Throws SINK_UNAVAILABLE. */
  rowDelete(signal: AbortSignal): Promise<RowDelete> {
    return this.#dialect.rowDelete(this.#store, signal);
  }

  /**
   * How many rows there are, by their commonest field; `undefined` when the store does not let us look. Throws
   * SINK_UNAVAILABLE or SINK_DENIED, and SINK_UNAVAILABLE also when counting takes too long.
   */
  count(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    return this.#inTurn(signal, async () => {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(COUNT_TIMEOUT_MS)]);
      const queries = await this.#queriesNow();
      let total = 0;
      for (const some of chunks(devices)) {
        const statements = MEASUREMENTS.map((measurement) => queries.count(measurement, some));
        const results = await this.#store.ask(statements, patience);
        if (results === undefined) return undefined;
        for (const result of results) total += countOf(result);
      }
      return total;
    });
  }

  /**
   * Resolves when nothing is left as far as the store can tell; what was never there is fine. Throws SINK_UNAVAILABLE,
   * also while the store still shows something, or SINK_DENIED: call again then.
   */
  remove(devices: readonly Pseudonym[], signal: AbortSignal): Promise<Removal> {
    return this.#inTurn(signal, async () => {
      const { deletion } = this.#dialect;
      if (deletion === undefined) return "unsupported";
      await this.#formerDone(deletion, signal);
      const queries = await this.#queriesNow();
      let outcome: Removal = "verified";
      for (const some of chunks(devices))
        if (!(await this.#removeSome(deletion, queries, some, signal))) outcome = "accepted";
      return outcome;
    });
  }

  /** Whether it was seen that they are gone. */
  async #removeSome(
    deletion: Deletion,
    queries: RowQueries,
    devices: readonly Pseudonym[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const candidates = await deletion.candidates(this.#store, MEASUREMENTS, devices, signal);
    if (candidates?.length !== 0) {
      await this.#doubting(() => deletion.devices(this.#store, MEASUREMENTS, candidates ?? devices, signal));
    }
    const left = await this.#dialect.present(this.#store, queries, MEASUREMENTS, devices, signal);
    if (left !== undefined && left.length > 0) {
      throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
    }
    return left !== undefined;
  }

  async #doubting(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#inDoubt ||= error instanceof GatewayError && error.inDoubt;
      throw error;
    }
  }

  async #formerDone(deletion: Deletion, signal: AbortSignal): Promise<void> {
    if (!this.#inDoubt) return;
    if (await deletion.atWork(this.#store, signal)) {
      throw new GatewayError("SINK_UNAVAILABLE", "an earlier deletion is still at work");
    }
    this.#inDoubt = false;
  }

  /** The time of a request begins with it, not with the wait for those before. */
  #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (signal.aborted) throw new GatewayError("SINK_UNAVAILABLE", "given up");
      return work();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function* chunks(devices: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < devices.length; from += NAMES_PER_REQUEST)
    yield devices.slice(from, from + NAMES_PER_REQUEST);
}
