/**
 * One HTTP request to InfluxDB, one answer: a number. The official client's transport does the talking;
 * its WriteApi is not used, because it buffers, retries on its own, lets a timed-out request run on, and
 * writes the lines of a refused batch to the console.
 */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { HttpError, InfluxDB, setLogger, type Transport } from "@influxdata/influxdb-client";

export interface InfluxHttpOptions {
  readonly url: string;
  /** A request without a complete answer by then is given up and its connection closed. Milliseconds. */
  readonly timeoutMs: number;
  readonly maxSockets: number;
  /** InfluxDB 2 and 3. */
  readonly token?: string | undefined;
  /** InfluxDB 1. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** What the server said, without a word of it: an error text repeats the lines it is about. */
export interface Answer {
  /** HTTP status; 0 when there was none: refused, reset, timed out or given up. */
  readonly status: number;
  /** With status 0: the server may have received the request, and may still carry it out. */
  readonly inDoubt: boolean;
  readonly retryAfterMs: number | undefined;
  /** How many lines of this request the server says that it refused. */
  readonly dropped: number | undefined;
  /** It says that the request is at fault, not a line of it. */
  readonly ofRequest?: boolean;
  /** Body of a good answer to a query; empty for anything else. */
  readonly body: string;
  /** With status 0: the answer was good, but longer than is kept of one. */
  readonly tooLong?: true;
}

/** Below the idle timeout of every common server, so that a request does not meet a connection just being closed. */
const IDLE_SOCKET_MS = 20_000;
const GZIP_THRESHOLD_BYTES = 4096;
const MAX_QUERY_ANSWER_BYTES = 4 * 1024 * 1024;
const LINES = "text/plain; charset=utf-8";
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

export class InfluxHttp {
  readonly #options: InfluxHttpOptions;
  readonly #agent: HttpAgent;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #gzip: { gzipThreshold?: number };

  constructor(options: InfluxHttpOptions) {
    this.#options = options;
    const { protocol, hostname } = new URL(options.url);
    const Agent = protocol === "https:" ? HttpsAgent : HttpAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.maxSockets, timeout: IDLE_SOCKET_MS });
    this.#headers = authorization(options);
    this.#gzip = LOOPBACK.test(hostname) ? {} : { gzipThreshold: GZIP_THRESHOLD_BYTES };
    // The client logs what a server answered; nothing a server answered may reach a console.
    setLogger({ error: () => {}, warn: () => {} });
    this.#transport = new InfluxDB({
      url: options.url,
      timeout: options.timeoutMs,
      transportOptions: { agent: this.#agent },
    }).transport;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Never throws. When `signal` fires or the time is up the connection is closed at once and the status is 0. */
  send(method: "GET" | "POST", path: string, body: string, signal: AbortSignal, type = LINES): Promise<Answer> {
    if (signal.aborted) return Promise.resolve(NOT_SENT);
    const headers = { ...this.#headers, "content-type": type };
    // Only writes are read compressed by every server.
    const gzip = type === LINES ? this.#gzip : {};
    return new Promise((resolve) => {
      // A controller of its own: the client never takes its listener off the signal it is given.
      const request = new AbortController();
      const giveUp = () => request.abort();
      const deadline = setTimeout(giveUp, this.#options.timeoutMs);
      signal.addEventListener("abort", giveUp, { once: true });
      const settle = (answer: Answer) => {
        clearTimeout(deadline);
        signal.removeEventListener("abort", giveUp);
        resolve(answer);
      };
      let status = 0;
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      let tooLong = false;
      this.#transport.send(
        path,
        body,
        { method, headers, signal: request.signal, ...gzip },
        {
          responseStarted: (_headers, statusCode) => {
            status = statusCode ?? 0;
          },
          next: (chunk) => {
            bytes += chunk.length;
            if (bytes <= MAX_QUERY_ANSWER_BYTES) chunks.push(chunk);
            else {
              tooLong = true;
              giveUp();
            }
          },
          error: (error) => settle({ ...answerOf(error), ...(tooLong && { tooLong }) }),
          complete: () => {
            const text = method === "GET" || status === 200 ? Buffer.concat(chunks).toString("utf8") : "";
            settle({ status, inDoubt: false, retryAfterMs: undefined, dropped: undefined, body: text });
          },
        },
      );
    });
  }
}

const NOT_SENT: Answer = { status: 0, inDoubt: false, retryAfterMs: undefined, dropped: undefined, body: "" };
const NO_ANSWER: Answer = { ...NOT_SENT, inDoubt: true };

function authorization({ token, username, password }: InfluxHttpOptions): Record<string, string> {
  if (token) return { authorization: `Token ${token}` };
  if (!username) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}` };
}

function answerOf(error: unknown): Answer {
  if (!(error instanceof HttpError)) return neverConnected(error) ? NOT_SENT : NO_ANSWER;
  return {
    status: error.statusCode,
    inDoubt: false,
    retryAfterMs: parseRetryAfter(error.headers?.["retry-after"]),
    dropped: parseDropped(error.json),
    ...(isOfRequest(error.json) && { ofRequest: true }),
    body: "",
  };
}

/** No connection came about: refused, unreachable, or the name is unknown. */
function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverConnected);
  const call = error instanceof Error && "syscall" in error ? error.syscall : undefined;
  return call === "connect" || call === "getaddrinfo";
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3). The client itself takes the seconds for milliseconds. */
function parseRetryAfter(header: string | string[] | undefined, nowMs = Date.now()): number | undefined {
  if (typeof header !== "string") return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/**
 * What InfluxDB says about lines, in `error` (1.x) or `message` (2.x). A partial write has its count at the very end, in
 * later releases with the names of database and retention policy after it; earlier in the text a device may have written
 * one. Lines that cannot be parsed are told one by one, each on a line of the answer.
 */
const DROPPED = / dropped=(\d{1,9})(?: for database: [\w.-]+)?(?: for retention policy: [\w.-]+)?$/;
const UNPARSED = "unable to parse '";
/** Of an InfluxDB 2: the body could not be read as a whole. */
const OF_REQUEST = /^(?:unable to read data|invalid precision|gzipped HTTP body)\b/;

function textsOf(json: unknown): string[] {
  if (typeof json !== "object" || json === null) return [];
  const { error, message } = json as Readonly<Record<string, unknown>>;
  return [error, message].filter((text) => typeof text === "string");
}

function parseDropped(json: unknown): number | undefined {
  for (const text of textsOf(json)) {
    const count = DROPPED.exec(text)?.[1];
    if (count !== undefined) return Number(count);
    const told = text.split("\n");
    if (told.every((line) => line.startsWith(UNPARSED))) return told.length;
  }
  return undefined;
}

function isOfRequest(json: unknown): boolean {
  return textsOf(json).some((text) => OF_REQUEST.test(text));
}
