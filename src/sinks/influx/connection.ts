/** A connection to the store that can be opened and closed: requests, and statements of InfluxQL with a result for each. */
import { GatewayError } from "../../model/errors.ts";
import { type Answer, InfluxHttp, type InfluxHttpOptions } from "./http.ts";
import { isOutage, unavailable } from "./http-status.ts";
import type { QueryResult } from "./row-answers.ts";

export type ConnectionOptions = InfluxHttpOptions & {
  /** As `/query` names it. */
  readonly database: string;
  readonly statementsPerRequest: number;
};

const FORM = "application/x-www-form-urlencoded";
/** The database is not there, or not for us: an InfluxDB 2 hides what a token may not read. */
const HIDDEN: ReadonlySet<number> = new Set([401, 403, 404]);
const HIDDEN_BY = /\b(?:not found|not authorized|unauthorized|forbidden)\b/;

/** The answer is there, and longer than is kept of one: less must be asked for. */
export class AnswerTooLong extends GatewayError {
  constructor() {
    super("SINK_DENIED", "an answer is too long");
  }
}

export class Connection {
  readonly #options: ConnectionOptions;
  #http: InfluxHttp | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  open(): void {
    this.close();
    this.#http = new InfluxHttp(this.#options);
  }

  close(): void {
    this.#http?.close();
    this.#http = undefined;
  }

  /** Throws SINK_UNAVAILABLE only when the connection is not open. */
  async send(method: "GET" | "POST", path: string, body: string, signal: AbortSignal, type?: string): Promise<Answer> {
    if (this.#http === undefined) throw new GatewayError("SINK_UNAVAILABLE", "not started");
    return await this.#http.send(method, path, body, signal, type);
  }

  /** One result for each statement; `undefined` when the store does not let us ask. Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async ask(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    const { statementsPerRequest } = this.#options;
    const results: QueryResult[] = [];
    for (let from = 0; from < statements.length; from += statementsPerRequest) {
      const some = await this.#request(statements.slice(from, from + statementsPerRequest), signal);
      if (some === undefined) return undefined;
      results.push(...some);
    }
    return results;
  }

  /** The same of one statement; not being let ask is SINK_DENIED. */
  async one(statement: string, signal: AbortSignal): Promise<QueryResult> {
    const [result] = (await this.ask([statement], signal)) ?? [];
    if (result === undefined) throw new GatewayError("SINK_DENIED", "query");
    return result;
  }

  async #request(statements: readonly string[], signal: AbortSignal): Promise<readonly QueryResult[] | undefined> {
    const path = `/query?${new URLSearchParams({ db: this.#options.database })}`;
    const body = new URLSearchParams({ q: statements.join(";") }).toString();
    const answer = await this.send("POST", path, body, signal, FORM);
    if (answer.tooLong) throw new AnswerTooLong();
    if (isOutage(answer)) throw unavailable(answer);
    if (HIDDEN.has(answer.status)) return undefined;
    if (answer.status !== 200) throw new GatewayError("SINK_DENIED", `query: http ${answer.status}`);
    const results = resultsIn(answer.body);
    const errors = results.flatMap(({ error }) => (error === undefined ? [] : [String(error)]));
    if (errors.length > 0 && errors.every((error) => HIDDEN_BY.test(error))) return undefined;
    if (errors.length > 0 || results.length !== statements.length) throw new GatewayError("SINK_DENIED", "query");
    return results;
  }
}

function resultsIn(body: string): readonly QueryResult[] {
  try {
    const { results } = JSON.parse(body) as { results?: unknown };
    return Array.isArray(results) ? results : [];
  } catch {
    return [];
  }
}
