/** InfluxQL statements in one request, and what the server says to each. */
import { GatewayError } from "../../model/errors.ts";
import type { Answer, InfluxHttp } from "./http.ts";
import { isOutage, unavailable } from "./http-status.ts";

export interface QueryResult {
  readonly error?: unknown;
  readonly series?: unknown;
}

const FORM = "application/x-www-form-urlencoded";

export function askStatements(
  http: Pick<InfluxHttp, "send">,
  database: string,
  statements: readonly string[],
  signal: AbortSignal,
): Promise<Answer> {
  const body = new URLSearchParams({ q: statements.join(";") }).toString();
  return http.send("POST", `/query?${new URLSearchParams({ db: database })}`, body, signal, FORM);
}

/**
 * One result for each of so many statements, times in RFC 3339; `undefined` when our user may not.
 * Throws SINK_UNAVAILABLE or SINK_DENIED.
 */
export function statementResults(answer: Answer, statements: number): readonly QueryResult[] | undefined {
  if (isOutage(answer)) throw unavailable(answer);
  if (answer.status === 401 || answer.status === 403) return undefined;
  if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
  const results = parsed(answer.body);
  if (results.length !== statements || results.some(({ error }) => error !== undefined)) {
    throw new GatewayError("SINK_DENIED", "query");
  }
  return results;
}

function parsed(body: string): readonly QueryResult[] {
  try {
    const { results } = JSON.parse(body) as { results?: unknown };
    return Array.isArray(results) ? results : [];
  } catch {
    return [];
  }
}
