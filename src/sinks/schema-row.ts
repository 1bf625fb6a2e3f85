/**
 * The number of what the store holds, as a row of its own, and what an upgrade takes out. A store that is asked in vain
 * (servers that only imitate writes) has no number; then Redis alone says what the installation is.
 */
import { SCHEMA, UNNUMBERED } from "../model/schema.ts";
import type { DeviceMeasurement } from "../model/sink.ts";

export interface NumberedStore {
  /** One result for each statement; `undefined` when the store answers no such question. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  query(statements: readonly string[], signal: AbortSignal): Promise<readonly { series?: unknown }[] | undefined>;
  writeLines(lines: readonly string[], signal: AbortSignal): Promise<unknown>;
}

const MEASUREMENT = "schema_number";
/** Everything that names a device. Counts of a cell have the same form in every schema. */
const OF_DEVICES = ["device_status", "device_location"] as const satisfies readonly DeviceMeasurement[];
const HOUR_MS = 3_600_000;

/** `undefined` when the store holds nothing of devices yet, or does not say. Throws SINK_UNAVAILABLE, SINK_DENIED. */
export async function storedSchema(
  store: Pick<NumberedStore, "query">,
  retentionPolicy: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const source = [retentionPolicy, MEASUREMENT].filter((part) => part !== "").map(quoted);
  const results = await store.query(
    [
      `SELECT last("number") FROM ${source.join(".")}`,
      `SHOW MEASUREMENTS WITH MEASUREMENT =~ /^(${OF_DEVICES.join("|")})$/`,
    ],
    signal,
  );
  const [number, used] = results ?? [];
  const found = firstRow(number?.series)?.[1];
  if (typeof found === "number") return found;
  return firstRow(used?.series) === undefined ? undefined : UNNUMBERED;
}

/** To be written again every hour or so, or the database's own retention would take it and leave the rows of devices. */
export async function writeStoredSchema(store: Pick<NumberedStore, "writeLines">, signal: AbortSignal): Promise<void> {
  const hourMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  await store.writeLines([`${MEASUREMENT} number=${SCHEMA} ${hourMs}000000`], signal);
}

/** Of what is stored under this number, the measurements whose rows an upgrade takes out. */
export function formerMeasurements(schema: number): readonly DeviceMeasurement[] {
  return OF_DEVICES.filter((name) => schema < (name === "device_status" ? 2 : 3));
}

/**
 * InfluxDB 1 can delete neither a field nor rows by what they hold, and names and types of fields stay in it until the
 * measurement goes as a whole. For that the server may want an administrator.
 */
export function dropAll(measurements: readonly DeviceMeasurement[]): readonly string[] {
  return measurements.map((name) => `DROP MEASUREMENT ${quoted(name)}`);
}

/** Every row of every device but these; names of fields stay. */
export function dropStatement(measurements: readonly DeviceMeasurement[], except: readonly string[]): string {
  const drop = `DROP SERIES FROM ${measurements.map(quoted).join(", ")}`;
  // Pseudonyms are base64url, in which nothing has a meaning for a regular expression.
  return except.length === 0 ? drop : `${drop} WHERE "device" !~ /^(?:${except.join("|")})$/`;
}

function firstRow(series: unknown): readonly unknown[] | undefined {
  const [first] = (series ?? []) as readonly { readonly values?: readonly (readonly unknown[])[] }[];
  return first?.values?.[0];
}

function quoted(name: string): string {
  return `"${name.replace(/["\\]/g, "\\$&")}"`;
}
