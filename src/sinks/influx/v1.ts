/** InfluxDB 1.x: InfluxQL for everything but writes, deletions included. https://docs.influxdata.com/influxdb/v1/tools/api/ */
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { DeviceMeasurement } from "../../model/sink.ts";
import type { Connection } from "./connection.ts";
import type { Deletion, Dialect, InfluxOptions } from "./dialect.ts";
import { cellsOf, type QueryResult } from "./row-answers.ts";
import { anyOf, name, ofAge, ofRow } from "./row-queries.ts";

const DELETING = /^\s*(?:DROP SERIES|DELETE)\b/i;

export function v1(options: InfluxOptions & { readonly createDatabase?: boolean }): Dialect {
  const { database, retentionPolicy } = options;
  const parameters = new URLSearchParams({ precision: "ns", db: database });
  if (retentionPolicy !== "") parameters.set("rp", retentionPolicy);
  return {
    writePath: `/write?${parameters}`,
    database,
    retentionPolicy,
    statementsPerRequest: Number.POSITIVE_INFINITY,
    probe: async (store, signal) => {
      const answer = await store.send("GET", "/ping", "", signal);
      if (answer.status !== 204 && answer.status !== 200) throw new GatewayError("SINK_UNAVAILABLE", "ping");
      return await ensureDatabase(store, options, signal);
    },
    rowDelete: async () => "sync",
    present: (store, _queries, measurements, devices, signal) => inIndex(store, measurements, devices, signal),
    deletion,
  };
}

const deletion: Deletion = {
  rows: (store, rows, signal) =>
    carryOut(
      store,
      rows.map((row) => `DELETE FROM ${name(row.measurement)} WHERE ${ofRow(row)}`),
      signal,
    ),
  // DELETE would leave the name of the series in the index, and the pseudonym is part of it.
  devices: (store, measurements, devices, signal) =>
    carryOut(store, [`DROP SERIES FROM ${measurements.map(name).join(", ")} WHERE ${anyOf(devices)}`], signal),
  candidates: (store, measurements, devices, signal) => inIndex(store, measurements, devices, signal),
  older: async (store, _queries, rows, signal) => {
    await carryOut(store, [`DELETE FROM ${name(rows.measurement)} WHERE ${ofAge(rows)}`], signal);
    return "deleted";
  },
  atWork: async (store, signal) => {
    const [queries] = (await store.ask(["SHOW QUERIES"], signal).catch(() => undefined)) ?? [];
    return queries !== undefined && cellsOf(queries).some((cell) => DELETING.test(String(cell)));
  },
};

async function carryOut(store: Connection, statements: readonly string[], signal: AbortSignal): Promise<void> {
  if ((await store.ask(statements, signal)) === undefined) throw new GatewayError("SINK_DENIED", "delete");
}

/** By the index, which knows no fields: neither how many there are nor who wrote them matters. */
async function inIndex(
  store: Connection,
  measurements: readonly DeviceMeasurement[],
  devices: readonly Pseudonym[],
  signal: AbortSignal,
): Promise<readonly Pseudonym[] | undefined> {
  const statement = `SHOW SERIES FROM ${measurements.map(name).join(", ")} WHERE ${anyOf(devices)}`;
  const [result] = (await store.ask([statement], signal)) ?? [];
  if (result === undefined) return undefined;
  if (result.series === undefined) return [];
  const found = new Set(devicesBySeries(result));
  const some = devices.filter((device) => found.has(device));
  // An answer that names none of them is one that we do not understand: then it may mean any.
  return some.length === 0 ? devices : some;
}

/** Keys of series are `measurement,tag=value,…` with escapes. */
function devicesBySeries(result: QueryResult): string[] {
  if (result.series?.some(({ columns }) => columns?.[0] !== "key")) {
    throw new GatewayError("SINK_DENIED", "series without a key");
  }
  return cellsOf(result).flatMap((key) => {
    const device = /(?:^|[^\\]),device=((?:\\.|[^,\\])*)/.exec(String(key))?.[1];
    return device === undefined ? [] : [device.replace(/\\([,= ])/g, "$1")];
  });
}

/** Throws SINK_DENIED when the database or its retention policy is missing and must not be created, or when we may not look. */
async function ensureDatabase(
  store: Connection,
  { database, retentionPolicy, createDatabase }: InfluxOptions & { readonly createDatabase?: boolean },
  signal: AbortSignal,
): Promise<"found" | "created"> {
  const names = async (statement: string) => cellsOf(await store.one(statement, signal));
  const known = (await names("SHOW DATABASES")).includes(database);
  if (!known) {
    if (!createDatabase) throw new GatewayError("SINK_DENIED", "no such database");
    await store.one(`CREATE DATABASE ${name(database)}`, signal);
  }
  // To a write that names an unknown one the server answers 500, which would be retried without limit.
  if (
    retentionPolicy !== "" &&
    !(await names(`SHOW RETENTION POLICIES ON ${name(database)}`)).includes(retentionPolicy)
  )
    throw new GatewayError("SINK_DENIED", "no such retention policy");
  return known ? "found" : "created";
}
