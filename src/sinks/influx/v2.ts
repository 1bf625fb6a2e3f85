/**
 * InfluxDB 2.x: `/api/v2` for writes and deletions; InfluxQL through the mapping that every bucket has without anybody making
 * it: what stands before a `/` in its name is the database, what follows the retention policy.
 * https://docs.influxdata.com/influxdb/v2/query-data/influxql/dbrp/
 */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { DeviceMeasurement } from "../../model/sink.ts";
import type { Connection } from "./connection.ts";
import type { Deletion, Dialect, InfluxOptions } from "./dialect.ts";
import type { Answer } from "./http.ts";
import { isOutage, judge, unavailable } from "./http-status.ts";
import { cellsOf, devicesOf, fieldNamesIn } from "./row-answers.ts";
import { anyOf, name, type RowQueries } from "./row-queries.ts";
import { SparedSlices } from "./spared-slices.ts";
import type { RowOfDevice } from "./stored-rows.ts";

/** Whatever an RFC 3339 time of the store can be. */
const ALL_TIME = { start: "1970-01-01T00:00:00Z", stop: "2262-04-11T23:47:16Z" };
/** Answers of a server that knows no deletion: it imitates another. */
const UNKNOWN: ReadonlySet<number> = new Set([404, 405, 501]);
/** Beyond it a statement that names all fields would become unreasonable for the store. */
const MOST_FIELDS = 1_000;

interface Stretch {
  /** RFC 3339; both ends included. */
  readonly start: string;
  readonly stop: string;
}

type Erasable = Stretch & { readonly predicate: string };

export function v2({ org, bucket }: InfluxOptions): Dialect {
  const [database = "", ...policy] = bucket.split("/");
  const where = new URLSearchParams({ org, bucket });
  const writePath = `/api/v2/write?precision=ns&${where}`;
  const erase = new Erasing(`/api/v2/delete?${where}`);
  return {
    writePath,
    database,
    retentionPolicy: policy.join("/"),
    statementsPerRequest: Number.POSITIVE_INFINITY,
    probe: (store, signal) => probeByWrite(store, writePath, signal),
    rowDelete: (store, signal) => erase.known(store, signal),
    present: presentByField,
    deletion: {
      rows: (store, rows, signal) => erase.all(store, rows.map(ofOneRow), signal),
      devices: (store, measurements, devices, signal) =>
        erase.all(
          store,
          devices.flatMap((device) => measurements.map((of) => ({ ...ALL_TIME, predicate: predicate(of, device) }))),
          signal,
        ),
      candidates,
      older: async (store, queries, { measurement, beforeMs, except }, signal) => {
        if ((await erase.known(store, signal)) === "none") return "unsupported";
        const take = (stretch: Stretch, device?: Pseudonym) =>
          erase.all(store, [{ ...stretch, predicate: predicate(measurement, device) }], signal);
        if (except.length === 0) await take({ start: ALL_TIME.start, stop: new Date(beforeMs).toISOString() });
        else {
          // Rows of those held must be found to be spared, also what an older version or another program wrote.
          const ask = (statement: string) => store.one(statement, signal);
          const fields = fieldNamesIn(await ask(queries.fieldKeys(measurement, MOST_FIELDS + 1)));
          if (fields.length > MOST_FIELDS) return "postponed";
          const slices = new SparedSlices(queries.alsoBy(fields), ask, (slice, device) => take(ofSlice(slice), device));
          await slices.remove({ measurement, beforeMs, except });
        }
        return "deleted";
      },
      // It does not say: the pauses between attempts have to do.
      atWork: async () => false,
    },
  };
}

/** A write of nothing: the server checks credential, organisation and bucket before it finds that nothing came. */
export async function probeByWrite(store: Connection, writePath: string, signal: AbortSignal): Promise<"found"> {
  const answer = await store.send("POST", writePath, "", signal);
  if (answer.status !== 400) judge(answer, 0);
  return "found";
}

/** By the fields that are known: of a row that has only what another program wrote, it sees nothing. */
export async function presentByField(
  store: Connection,
  queries: RowQueries,
  measurements: readonly DeviceMeasurement[],
  devices: readonly Pseudonym[],
  signal: AbortSignal,
): Promise<readonly Pseudonym[] | undefined> {
  const results = await store.ask(
    measurements.map((measurement) => queries.present(measurement, devices)),
    signal,
  );
  const found = new Set(results?.flatMap(devicesOf));
  return results && devices.filter((device) => found.has(device));
}

/** By the index, which keeps names for a while after a deletion: it tells what may have to go, not what is left. */
const candidates: Deletion["candidates"] = async (store, measurements, devices, signal) => {
  const from = measurements.map(name).join(", ");
  const statement = `SHOW TAG VALUES FROM ${from} WITH KEY = "device" WHERE ${anyOf(devices)}`;
  const [result] = (await store.ask([statement], signal)) ?? [];
  const found = result && new Set(cellsOf(result));
  return found && devices.filter((device) => found.has(device));
};

class Erasing {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** By deleting nothing: servers that imitate the writes often know no deletion. */
  async known(store: Connection, signal: AbortSignal): Promise<"async" | "none"> {
    const nothing = { start: ALL_TIME.start, stop: ALL_TIME.start, predicate: '_measurement="none"' };
    const answer = await this.#ask(store, nothing, signal);
    if (answer.status === 204 || answer.status === 200) return "async";
    if (isOutage(answer) && !UNKNOWN.has(answer.status)) throw unavailable(answer);
    if (answer.status === 401 || answer.status === 403) throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    return "none";
  }

  async all(store: Connection, some: readonly Erasable[], signal: AbortSignal): Promise<void> {
    for (const one of some) {
      const answer = await this.#ask(store, one, signal);
      if (isOutage(answer)) throw unavailable(answer);
      if (answer.status !== 204 && answer.status !== 200)
        throw new GatewayError("SINK_DENIED", `http ${answer.status}`);
    }
  }

  #ask(store: Connection, one: Erasable, signal: AbortSignal): Promise<Answer> {
    return store.send("POST", this.#path, JSON.stringify(one), signal, "application/json");
  }
}

function ofOneRow({ measurement, device, model, timeNs }: RowOfDevice): Erasable {
  const at = rfc3339(timeNs);
  return { start: at, stop: at, predicate: predicate(measurement, device, model) };
}

function ofSlice({ fromNs, toNs }: { readonly fromNs: bigint; readonly toNs: bigint }): Stretch {
  return { start: rfc3339(String(fromNs)), stop: rfc3339(String(toNs)) };
}

/**
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/delete-predicate/
 * It cannot say that a tag is missing: at the exact time of a row, the device alone is as good as exact.
 */
function predicate(measurement: string, device?: Pseudonym, model?: string): string {
  const conditions = [`_measurement=${quoted(measurement)}`];
  if (device !== undefined) conditions.push(`device=${quoted(device)}`);
  if (model) conditions.push(`model=${quoted(model)}`);
  return conditions.join(" AND ");
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function rfc3339(timeNs: string): string {
  const digits = timeNs.padStart(7, "0");
  const iso = new Date(Number(digits.slice(0, -6))).toISOString();
  return `${iso.slice(0, -1)}${digits.slice(-6)}Z`;
}
