/** What is asked of an InfluxDB 2 besides writing: a query in Flux, a deletion by predicate. */
import type { Answer, InfluxHttp } from "./http.ts";

/** Whatever an RFC 3339 time of the store can be. */
export const ALL_TIME = { start: "1970-01-01T00:00:00Z", stop: "2262-04-11T23:47:16Z" };

/** Answers of a server that does not know what it is asked for: it imitates another, or is an InfluxDB 3. */
const UNKNOWN: ReadonlySet<number> = new Set([404, 405, 501]);

export interface Deletion {
  /** RFC 3339; both ends included. */
  readonly start: string;
  readonly stop: string;
  readonly predicate: string;
}

const JSON_TYPE = "application/json";
/** Without annotations a number could not be told from a text. */
const DIALECT = { header: true, delimiter: ",", annotations: ["datatype", "group", "default"] };

export function askFlux(
  http: Pick<InfluxHttp, "send">,
  org: string,
  query: string,
  signal: AbortSignal,
): Promise<Answer> {
  const body = JSON.stringify({ query, type: "flux", dialect: DIALECT });
  return http.send("POST", `/api/v2/query?${new URLSearchParams({ org })}`, body, signal, JSON_TYPE);
}

export function askDeletion(
  http: Pick<InfluxHttp, "send">,
  { org, bucket }: { readonly org: string; readonly bucket: string },
  deletion: Deletion,
  signal: AbortSignal,
): Promise<Answer> {
  const path = `/api/v2/delete?${new URLSearchParams({ org, bucket })}`;
  return http.send("POST", path, JSON.stringify(deletion), signal, JSON_TYPE);
}

export function isUnknown({ status }: Answer): boolean {
  return UNKNOWN.has(status);
}
