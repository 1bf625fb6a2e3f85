/** Reads an InfluxDB 1.x over `/query`: everything it holds, for the scan, and the rows of a measurement. */
import type { Chunk } from "./redis-reader.ts";

const TIMEOUT_MS = 30_000;

/** Every series of every database, the server's own included, as CSV. */
export async function* influxChunks(url: string): AsyncGenerator<Chunk> {
  for (const row of await influxRows(url, undefined, "SHOW DATABASES")) {
    const database = String(row.name);
    for (const query of ["SELECT * FROM /.*/", "SHOW SERIES", "SHOW FIELD KEYS"]) {
      const response = await request(url, database, query, "application/csv");
      yield { where: `influx database ${database}`, bytes: Buffer.from(await response.arrayBuffer()) };
    }
  }
}

export type InfluxRow = Readonly<Record<string, string | number | boolean | null>>;

/** Rows of all series of the answer, by column name; times as Unix ns. Throws with the status, never with the query. */
export async function influxRows(url: string, database: string | undefined, query: string): Promise<InfluxRow[]> {
  const response = await request(url, database, query, "application/json");
  const answer = (await response.json()) as InfluxAnswer;
  const result = answer.results[0];
  if (result?.error !== undefined) throw new Error("InfluxDB could not run a query");
  return (result?.series ?? []).flatMap(({ columns, values, tags }) =>
    values.map((row) => ({
      ...tags,
      ...Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null])),
    })),
  );
}

interface InfluxAnswer {
  readonly results: readonly {
    readonly error?: string;
    readonly series?: readonly {
      readonly columns: readonly string[];
      readonly values: readonly (readonly (string | number | boolean | null)[])[];
      readonly tags?: Readonly<Record<string, string>>;
    }[];
  }[];
}

async function request(url: string, database: string | undefined, query: string, accept: string): Promise<Response> {
  const parameters = new URLSearchParams({ q: query, epoch: "ns", ...(database !== undefined && { db: database }) });
  const response = await fetch(`${url}/query?${parameters}`, {
    headers: { accept },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`InfluxDB answered a query with ${response.status}`);
  }
  return response;
}

export async function createInfluxDatabase(url: string, database: string): Promise<void> {
  await administer(url, `CREATE DATABASE "${database}"`);
}

export async function dropInfluxDatabase(url: string, database: string): Promise<void> {
  await administer(url, `DROP DATABASE "${database}"`);
}

async function administer(url: string, query: string): Promise<void> {
  const body = new URLSearchParams({ q: query });
  const response = await fetch(`${url}/query`, { method: "POST", body, signal: AbortSignal.timeout(TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`InfluxDB answered a statement with ${response.status}`);
}
