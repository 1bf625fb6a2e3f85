/**
 * The HTTP server below the routes: what holds for every request and answer, errors included. No cache on the way keeps an
 * answer, no browser guesses its type, and a header field that must be unique occurs once.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { type ConnectionBounds, Connections } from "./connections.ts";
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode, problemOf } from "./problems.ts";

/** On every answer; files of the privacy centre's page and of the documentation replace `cache-control`. */
export const ANSWER_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

export interface WireOptions extends ConnectionBounds {
  readonly maxHeaderBytes: number;
  /** A request must have arrived by then. */
  readonly requestTimeoutMs: number;
  /** For how long a connection may be silent between two requests. */
  readonly keepAliveMs: number;
}

/** Must not occur twice: Node and a proxy might use different ones of the two (request smuggling). */
const SINGULAR: ReadonlySet<string> = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  "cookie",
  "expect",
  "host",
  "idempotency-key",
  "origin",
  "proxy-authorization",
  "transfer-encoding",
  "x-consentry-console",
  "x-privacy-centre",
]);

/** One for each server of the application, which share the bounds. */
export function wire(options: WireOptions): (handler: RequestListener) => Server {
  const connections = new Connections(options);
  return (handler) => {
    const { requestTimeoutMs, keepAliveMs, maxHeaderBytes } = options;
    const server = createServer({
      maxHeaderSize: maxHeaderBytes,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: 1_000,
      // Answered below, as a problem like any other.
      requireHostHeader: false,
    });
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      for (const [name, value] of Object.entries(ANSWER_HEADERS)) response.setHeader(name, value);
      if (!connections.begun(request, response)) return;
      if (isAmbiguous(request)) refuseOnWire(response, "invalid-request");
      else handler(request, response);
    };
    server.on("connection", (socket) => connections.opened(socket));
    server.on("request", answer);
    // Anything but `100-continue`, which Node answers itself.
    server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
      if (connections.begun(request, response)) refuseOnWire(response, "expectation-failed");
    });
    return server;
  };
}

function isAmbiguous({ rawHeaders, headers, httpVersionMinor }: IncomingMessage): boolean {
  // HTTP/1.1 has one on every request (RFC 9112, 3.2).
  if (headers.host === undefined && httpVersionMinor > 0) return true;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? "";
    if (!SINGULAR.has(name)) continue;
    if (seen.has(name)) return true;
    seen.add(name);
  }
  return false;
}

/** For requests that reach no route. The body is not read, so the connection is closed after the answer. */
function refuseOnWire(response: ServerResponse, code: ProblemCode): void {
  const body = JSON.stringify(problemOf(code));
  response.writeHead(PROBLEMS[code].status, {
    ...ANSWER_HEADERS,
    "content-type": PROBLEM_TYPE,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}
