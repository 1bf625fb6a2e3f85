/** Makes sure an InfluxDB 1 has the database and retention policy that writes will name. */
import { GatewayError } from "../../model/errors.ts";
import type { InfluxHttp } from "./http.ts";
import { name } from "./row-queries.ts";

export interface DatabaseOptions {
  readonly database: string;
  /** Empty for the database's own default. */
  readonly retentionPolicy: string;
  readonly createDatabase: boolean;
}

/**
 * Throws SINK_DENIED when the database is missing and must not be created, when the retention policy is
 * missing, or when the credential may not look; SINK_UNAVAILABLE when the server does not answer.
 */
export async function ensureDatabase(
  http: InfluxHttp,
  options: DatabaseOptions,
  signal: AbortSignal,
): Promise<"found" | "created"> {
  const { database, retentionPolicy } = options;
  const known = await query(http, "GET", "SHOW DATABASES", signal);
  let outcome: "found" | "created" = "found";
  if (!known.includes(database)) {
    if (!options.createDatabase) throw new GatewayError("SINK_DENIED", "no such database");
    await query(http, "POST", `CREATE DATABASE ${name(database)}`, signal);
    outcome = "created";
  }
  if (retentionPolicy !== "") {
    const policies = await query(http, "GET", `SHOW RETENTION POLICIES ON ${name(database)}`, signal);
    // To a write that names an unknown one the server answers 500, which would be retried for ever.
    if (!policies.includes(retentionPolicy)) throw new GatewayError("SINK_DENIED", "no such retention policy");
  }
  return outcome;
}

/** First column of the first series of the answer. */
async function query(http: InfluxHttp, method: "GET" | "POST", text: string, signal: AbortSignal): Promise<string[]> {
  const answer = await http.send(method, `/query?q=${encodeURIComponent(text)}`, "", signal);
  if (answer.status === 0 || answer.status >= 500) throw new GatewayError("SINK_UNAVAILABLE", "query");
  if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
  const names = firstColumn(answer.body);
  if (names === undefined) throw new GatewayError("SINK_DENIED", "query");
  return names;
}

interface QueryAnswer {
  readonly results?: readonly {
    readonly error?: string;
    readonly series?: readonly { readonly values?: readonly unknown[][] }[];
  }[];
}

function firstColumn(body: string): string[] | undefined {
  let answer: QueryAnswer;
  try {
    answer = JSON.parse(body);
  } catch {
    return undefined;
  }
  const [result] = answer.results ?? [];
  if (result === undefined || result.error !== undefined) return undefined;
  return (result.series?.[0]?.values ?? []).map((row) => String(row[0]));
}
