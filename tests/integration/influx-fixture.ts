/** Stores to write to for the sink's tests: a real InfluxDB 1, one with passwords, and a VictoriaMetrics. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnalyticsRecord, PlaceRow } from "../../src/model/deidentified.ts";
import type { CellId, Pseudonym } from "../../src/model/ids.ts";
import type { Log, LogFields } from "../../src/model/log.ts";
import { InfluxSink, type InfluxSinkOptions } from "../../src/sinks/influx/sink.ts";
import { launch, type PrivateServer } from "../../tools/private-servers/private-server.ts";
import { ensureBinaries, onPath } from "../../tools/private-servers/service-binaries.ts";

/** What the sink of a test may write; the words are texts of any form, so that odd ones can be tried. */
export const FIELDS: InfluxSinkOptions["fields"] = [
  ...["a", "b", "n", "index", "value", "power", "tiny", "temperature", "battery"].map(
    (name) => ({ name, kind: "number" }) as const,
  ),
  { name: "total", kind: "counter" },
  ...["on", "other"].map((name) => ({ name, kind: "flag" }) as const),
  ...["text", "note", "digits", "odd", "empty"].map((name) => ({ name, kind: "word" }) as const),
];

export const AT = Date.now();
export const never = new AbortController().signal;
export const quiet = () => {};

export async function temporaryFolder(): Promise<{ dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "consentry-influx-"));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export function sinkFor(url: string, options: Partial<InfluxSinkOptions> = {}): { sink: InfluxSink; logged: string[] } {
  const logged: string[] = [];
  const write = (event: string, fields?: LogFields) => void logged.push(`${event} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { info: write, warn: write, error: write };
  const sink = new InfluxSink(
    {
      url,
      fields: FIELDS,
      formerFields: async () => [],
      api: "v1",
      database: "consentry",
      retentionPolicy: "",
      createDatabase: true,
      username: "",
      org: "",
      bucket: "",
      region: "IN",
      timeoutMs: 5_000,
      startTimeoutMs: 2_000,
      maxLinesPerRequest: 5_000,
      ...options,
    },
    log,
  );
  return { sink, logged };
}

/** A status record; `n` sets its time apart. */
export function record(device: string, n: number, status: Record<string, number | boolean | string>): AnalyticsRecord {
  return { device: device as Pseudonym, status, timestampNs: `${AT}${String(n).padStart(6, "0")}` };
}

export function placed(device: string, cell: string, epochStart = AT): PlaceRow {
  return { device: device as Pseudonym, cell: cell as CellId, resolution: 5, epochStart };
}

export type Row = Record<string, unknown>;

/** Rows of an InfluxQL query, as objects. */
export async function query(
  url: string,
  q: string,
  options: { db?: string; authorization?: string } = {},
): Promise<Row[]> {
  const body = new URLSearchParams({ q, db: options.db ?? "consentry", epoch: "ns" });
  const headers = options.authorization === undefined ? {} : { authorization: options.authorization };
  const response = await fetch(`${url}/query`, { method: "POST", body, headers });
  // Nanoseconds do not fit a double; as text they survive.
  const text = (await response.text()).replace(/(?<=[[,])(\d{16,})(?=[,\]])/g, '"$1"');
  const { results } = JSON.parse(text) as {
    results: { error?: string; series?: { columns: string[]; values: unknown[][]; tags?: Row }[] }[];
  };
  const [result] = results;
  if (result?.error !== undefined) throw new Error(result.error);
  return (result?.series ?? []).flatMap(({ columns, values, tags }) =>
    values.map((value) => ({ ...Object.fromEntries(columns.map((column, index) => [column, value[index]])), ...tags })),
  );
}

/** Writes as someone else would. */
export async function writeBeside(url: string, ...lines: readonly string[]): Promise<void> {
  const response = await fetch(`${url}/write?db=consentry`, { method: "POST", body: lines.join("\n") });
  if (!response.ok) throw new Error(`write: ${response.status}`);
}

/** How many writes an InfluxDB 1 has been asked for since it started. */
export async function writeRequests(url: string): Promise<number> {
  const stats = (await (await fetch(`${url}/debug/vars`)).json()) as Record<
    string,
    { name: string; values: { writeReq: number } }
  >;
  const httpd = Object.values(stats).find((entry) => entry.name === "httpd");
  if (httpd === undefined) throw new Error("no statistics");
  return httpd.values.writeReq;
}

/** InfluxDB 1 that asks for a name and password; the first user is created with the database. */
export async function startInfluxWithPasswords(
  dir: string,
  user: { name: string; password: string },
): Promise<PrivateServer> {
  const { influx } = await ensureBinaries({ need: ["influx"], say: quiet });
  if (influx === undefined) throw new Error("no influxd");
  const file = join(dir, "influxdb.conf");
  const createUser = `CREATE USER "${user.name}" WITH PASSWORD '${user.password}' WITH ALL PRIVILEGES`;
  return await launch(
    {
      name: "influxdb",
      binary: influx,
      url: (port) => `http://127.0.0.1:${port}`,
      args: () => ["run", "-config", file],
      prepare: (port) =>
        writeFile(
          file,
          `reporting-disabled = true\nbind-address = "127.0.0.1:0"\n[meta]\n  dir = "${dir}/meta"\n[data]\n  dir = "${dir}/data"\n  wal-dir = "${dir}/wal"\n[http]\n  bind-address = "127.0.0.1:${port}"\n  auth-enabled = true\n[monitor]\n  store-enabled = false\n`,
        ),
      ready: (port) =>
        answers(`http://127.0.0.1:${port}/query`, { method: "POST", body: new URLSearchParams({ q: createUser }) }),
    },
    { dir, say: quiet },
  );
}

/** Where VictoriaMetrics is installed (`apt-get install victoria-metrics`). */
export const victoriaMetrics = onPath("victoria-metrics");

export async function startVictoriaMetrics(binary: string, dir: string): Promise<PrivateServer> {
  return await launch(
    {
      name: "victoria-metrics",
      binary,
      url: (port) => `http://127.0.0.1:${port}`,
      args: (port) => [`-storageDataPath=${dir}/data`, `-httpListenAddr=127.0.0.1:${port}`, "-search.latencyOffset=0s"],
      prepare: async () => {},
      ready: (port) => answers(`http://127.0.0.1:${port}/health`),
    },
    { dir, say: quiet },
  );
}

async function answers(url: string, init: RequestInit = {}): Promise<boolean> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
