/**
 * Finds, counts and takes out everything the store holds under the names of devices: what an erasure asks for. A
 * connection of its own with as much patience as the store needs, and one piece of work at a time: a deletion that was
 * given up goes on in the server, and many of them are what makes it slow.
 *
 *   names ─ whose are there? ─┬─ none ───────────────────→ seen: nothing
 *                             └─ some ─ delete ─ look again ─→ seen: nothing, or call again
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { ALL_TIME, askDeletion, askFlux } from "./flux.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./http.ts";
import { isOutage, leavesDoubt, unavailable } from "./http-status.ts";
import { askStatements, type QueryResult, statementResults } from "./influxql.ts";
import { DEVICE_LOCATION, DEVICE_STATUS } from "./line-protocol.ts";
import { devicesByFlux, devicesBySeries } from "./row-answers.ts";
import { countedByFlux, countedByInfluxQl } from "./row-counts.ts";
import { RowFields } from "./row-fields.ts";
import {
  countStatement,
  deletePredicate,
  dropStatement,
  fluxCount,
  fluxQuery,
  seriesStatement,
} from "./row-queries.ts";
import { askAbility, type RowDelete, type RowRemovalOptions } from "./row-removal.ts";
import { rowsOfDevices } from "./stored-rows.ts";

export type DeviceRemovalOptions = RowRemovalOptions & Omit<InfluxHttpOptions, "timeoutMs" | "maxSockets">;

/** The same as retention has: InfluxDB 1 takes seconds over a deletion, InfluxDB 2 up to minutes. */
const TIMEOUT_MS = 120_000;
/** A count is worth less: without it the receipt says that nobody counted. */
const COUNT_TIMEOUT_MS = 30_000;
const NAMES_PER_REQUEST = 50;
/** Of fewer names it costs as much to ask which of them are there as to delete them (InfluxDB 2). */
const MANY = 10;
const MEASUREMENTS = [DEVICE_STATUS, DEVICE_LOCATION] as const;
const DELETING = /^\s*(?:DROP SERIES|DELETE)\b/i;

export class DeviceRemoval {
  readonly #options: DeviceRemovalOptions;
  #http: InfluxHttp | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** A deletion got no answer: it may still be at work. */
  #inDoubt = false;

  constructor(options: DeviceRemovalOptions) {
    this.#options = options;
  }

  start(): void {
    this.#http?.close();
    this.#http = new InfluxHttp({ ...this.#options, timeoutMs: TIMEOUT_MS, maxSockets: 2 });
  }

  stop(): void {
    this.#http?.close();
    this.#http = undefined;
  }

  /** Throws SINK_UNAVAILABLE. */
  ability(signal: AbortSignal): Promise<RowDelete> {
    return askAbility(this.#started(), this.#options, signal);
  }

  /**
   * How many rows there are, by their commonest field; `undefined` when the store does not let us look. Throws
   * SINK_UNAVAILABLE or SINK_DENIED, and SINK_UNAVAILABLE also when counting takes too long.
   */
  count(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    return this.#inTurn(signal, async () => {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(COUNT_TIMEOUT_MS)]);
      if (this.#options.api === "v1") return await this.#countV1(devices, patience);
      let total = 0;
      for (const some of chunks(devices)) {
        const counted = await this.#countV2(some, patience);
        if (counted === undefined) return undefined;
        total += counted;
      }
      return total;
    });
  }

  /**
   * Resolves when nothing is left as far as the store can tell; what was never there is fine. Throws SINK_UNAVAILABLE,
   * also while the store still shows something, or SINK_DENIED: call again then.
   */
  remove(devices: readonly Pseudonym[], signal: AbortSignal): Promise<"verified" | "accepted"> {
    return this.#inTurn(signal, async () => {
      await this.#formerDone(signal);
      let outcome: "verified" | "accepted" = "verified";
      for (const some of chunks(devices)) if (!(await this.#removeSome(some, signal))) outcome = "accepted";
      return outcome;
    });
  }

  /** Whether it was seen that they are gone. */
  async #removeSome(devices: readonly Pseudonym[], signal: AbortSignal): Promise<boolean> {
    const v1 = this.#options.api === "v1";
    const present = v1 || devices.length > MANY ? await this.#present(devices, signal) : undefined;
    if (present?.length === 0) return true;
    if (v1) await this.#deleteV1(present ?? devices, signal);
    else await this.#deleteV2(present ?? devices, signal);
    const left = await this.#present(devices, signal);
    if (left === undefined) return false;
    if (left.length > 0) throw new GatewayError("SINK_UNAVAILABLE", "rows to be removed are still there");
    return true;
  }

  /** Of which of them there is anything; `undefined` when the store does not let us look. */
  async #present(devices: readonly Pseudonym[], signal: AbortSignal): Promise<readonly Pseudonym[] | undefined> {
    if (this.#options.api === "v1") {
      const results = await this.#statements([seriesStatement(MEASUREMENTS, devices)], signal);
      const series = results?.[0]?.series;
      return results && (series === undefined ? [] : among(devices, devicesBySeries(series)));
    }
    const { org, bucket } = this.#options;
    const answer = await askFlux(this.#started(), org, fluxQuery(bucket, rowsOfDevices(devices)), signal);
    if (isOutage(answer)) throw unavailable(answer);
    if (answer.status !== 200) return undefined;
    return answer.body.trim() === "" ? [] : among(devices, devicesByFlux(answer.body));
  }

  async #deleteV1(devices: readonly Pseudonym[], signal: AbortSignal): Promise<void> {
    const answer = this.#doubted(
      await askStatements(this.#started(), this.#options.database, [dropStatement(MEASUREMENTS, devices)], signal),
    );
    if (statementResults(answer, 1) === undefined) throw new GatewayError("SINK_DENIED", "delete");
  }

  async #deleteV2(devices: readonly Pseudonym[], signal: AbortSignal): Promise<void> {
    for (const row of rowsOfDevices(devices)) {
      const deletion = { ...ALL_TIME, predicate: deletePredicate(row) };
      const answer = this.#doubted(await askDeletion(this.#started(), this.#options, deletion, signal));
      if (isOutage(answer)) throw unavailable(answer);
      if (answer.status !== 204 && answer.status !== 200)
        throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    }
  }

  #doubted(answer: Answer): Answer {
    if (leavesDoubt(answer)) this.#inDoubt = true;
    return answer;
  }

  /** An InfluxDB 1 tells what it is working at. Where nobody tells us, the pauses between attempts have to do. */
  async #formerDone(signal: AbortSignal): Promise<void> {
    if (!this.#inDoubt) return;
    if (this.#options.api === "v1") {
      const [result] = (await this.#statements(["SHOW QUERIES"], signal).catch(() => undefined)) ?? [];
      const series = (result?.series ?? []) as readonly { readonly values?: readonly (readonly unknown[])[] }[];
      const running = series
        .flatMap(({ values }) => values ?? [])
        .some((row) => row.some((cell) => DELETING.test(String(cell))));
      if (running) throw new GatewayError("SINK_UNAVAILABLE", "an earlier deletion is still at work");
    }
    this.#inDoubt = false;
  }

  async #countV1(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    const present: Pseudonym[] = [];
    for (const some of chunks(devices)) {
      const found = await this.#present(some, signal);
      if (found === undefined) return undefined;
      present.push(...found);
    }
    if (present.length === 0) return 0;
    const { retentionPolicy } = this.#options;
    const fields = new RowFields((statements) => this.#allowed(statements, signal), retentionPolicy);
    // Of somebody with more fields than that, by the commonest of the first of them.
    const first = (await fields.of(DEVICE_STATUS, present).next()).value;
    let total = 0;
    for (const some of chunks(present)) {
      const statements = [countStatement(DEVICE_LOCATION, [{ field: "cell" }], some, retentionPolicy)];
      if (first !== undefined) statements.push(countStatement(DEVICE_STATUS, first, some, retentionPolicy));
      const results = await this.#allowed(statements, signal);
      total += results.reduce((sum, { series }) => sum + countedByInfluxQl(series), 0);
    }
    return total;
  }

  async #countV2(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined> {
    const { org, bucket } = this.#options;
    const answer = await askFlux(this.#started(), org, fluxCount(bucket, rowsOfDevices(devices)), signal);
    if (isOutage(answer)) throw unavailable(answer);
    return answer.status === 200 ? countedByFlux(answer.body) : undefined;
  }

  /** One result for each statement; `undefined` when our user may not. */
  async #statements(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    const answer = await askStatements(this.#started(), this.#options.database, statements, signal);
    return statementResults(answer, statements.length);
  }

  async #allowed(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[]> {
    const results = await this.#statements(statements, signal);
    if (results === undefined) throw new GatewayError("SINK_DENIED", "query");
    return results;
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

  #started(): InfluxHttp {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    return this.#http;
  }
}

/** An answer that is there and names none of them is one we do not understand: then it may mean any. */
function among(devices: readonly Pseudonym[], found: readonly Pseudonym[]): readonly Pseudonym[] {
  const named = new Set(found);
  const some = devices.filter((device) => named.has(device));
  return some.length === 0 ? devices : some;
}

function* chunks(devices: readonly Pseudonym[]): Generator<readonly Pseudonym[]> {
  for (let from = 0; from < devices.length; from += NAMES_PER_REQUEST)
    yield devices.slice(from, from + NAMES_PER_REQUEST);
}
