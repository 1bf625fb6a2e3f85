/**
 * From a thrown error to a problem. The one place where an error of Fastify, zod, Redis or the gateway is read; its message,
 * which may hold parts of the request, is not passed on.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { type ErrorCode, GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { redisErrorCode } from "../platform/redis.ts";
import { writeRefusal } from "../platform/write-refusal.ts";
import { fieldErrors } from "./field-errors.ts";
import { UnsupportedCoding } from "./json-body.ts";
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode, problemOf, refuse } from "./problems.ts";
import { ANSWER_HEADERS } from "./wire.ts";

const FASTIFY_CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_BAD_URL: "invalid-request",
  FST_ERR_MAX_PARAM_LENGTH: "uri-too-long",
  FST_ERR_CTP_BODY_TOO_LARGE: "payload-too-large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported-media-type",
  FST_ERR_CTP_EMPTY_JSON_BODY: "invalid-json",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid-json",
  FST_ERR_HANDLER_TIMEOUT: "timeout",
};
/** The others are `unavailable` when they are retryable, else `internal`. */
const GATEWAY_CODES: Partial<Record<ErrorCode, ProblemCode>> = {
  CONSENT_CONFLICT: "conflict",
  LEDGER_FULL: "record-full",
  NOT_WRITABLE: "not-writable",
  SINK_UNAVAILABLE: "store-unavailable",
  SINK_DENIED: "store-unreadable",
};

/** Answers every fault of a route with a problem; only what an operator must know is logged, as a code. */
export function answerFaults(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error: unknown, request, reply) => answer(error, request, reply, log));
  app.setNotFoundHandler((_request, reply) => refuse(reply, "unknown-route"));
}

/** For errors that Fastify meets before a route is found. */
export function answerFrameworkFault(error: { code?: string }, _request: FastifyRequest, reply: FastifyReply): void {
  refuse(reply, FASTIFY_CODES[error.code ?? ""] ?? "invalid-request");
}

/** For bytes that are not HTTP, or come too slowly: there is no request to answer, only a socket. */
export function answerClientError(
  error: { code?: string },
  socket: { writable: boolean; end(text: string): void; destroy(): void },
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const codes: Record<string, ProblemCode> = {
    ERR_HTTP_REQUEST_TIMEOUT: "request-timeout",
    HPE_HEADER_OVERFLOW: "headers-too-large",
  };
  const code = codes[error.code ?? ""] ?? "invalid-request";
  const body = JSON.stringify(problemOf(code));
  const fields = Object.entries({ ...ANSWER_HEADERS, "content-type": PROBLEM_TYPE });
  const head = [`HTTP/1.1 ${PROBLEMS[code].status} Refused`, ...fields.map((pair) => pair.join(": "))].join("\r\n");
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}

function answer(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  if (hasZodFastifySchemaValidationErrors(error)) return refuse(reply, "invalid-request", fieldErrors(error, request));
  const code = problemCodeOf(error);
  // Which codings are taken (RFC 9110, 15.5.16): none.
  if (code === "unsupported-coding") reply.header("accept-encoding", "identity");
  if (PROBLEMS[code].status >= 500) {
    log.error("request failed", {
      stage: "http",
      status: PROBLEMS[code].status,
      code: error instanceof GatewayError ? error.code : code,
    });
  }
  return refuse(reply, code);
}

function problemCodeOf(error: unknown): ProblemCode {
  if (error instanceof GatewayError) {
    const known = GATEWAY_CODES[error.code];
    if (known !== undefined) return known;
    return error.retryable ? "unavailable" : "internal";
  }
  if (!(error instanceof Error)) return "internal";
  const known = "code" in error && typeof error.code === "string" ? FASTIFY_CODES[error.code] : undefined;
  if (known !== undefined) return known;
  if (error instanceof UnsupportedCoding) return "unsupported-coding";
  if (error instanceof SyntaxError) return "invalid-json";
  if ("statusCode" in error && Number(error.statusCode) >= 400 && Number(error.statusCode) < 500)
    return "invalid-request";
  const refusal = writeRefusal(error);
  if (refusal !== undefined && refusal !== "ERR") return "not-writable";
  return redisErrorCode(error) === "UNKNOWN" ? "internal" : "unavailable";
}
