/** An application before it has routes: bounds, schemas, and every error a problem without a value in it. */
import Fastify from "fastify";
import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import type { Log } from "../model/log.ts";
import type { Scope } from "./contract.ts";
import { answerClientError, answerFaults, answerFrameworkFault } from "./faults.ts";
import { takeJson } from "./json-body.ts";
import { wire } from "./wire.ts";

export interface AppBounds {
  readonly bodyLimitBytes: number;
  /** In all; at the limit, a connection on which no work is done is closed for a new one. */
  readonly maxConnections: number;
  /** The same of one IPv4 address or IPv6 /64. */
  readonly maxConnectionsPerAddress: number;
}

/** A request must have arrived by then; slower senders are cut off. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Above the longest configurable lease, for which a withdrawal waits. */
const HANDLER_TIMEOUT_MS = 45_000;
/** Between two requests; a longer time would only save handshakes. */
const KEEP_ALIVE_MS = 5_000;
/** As for the receiver of an export. */
const TAKE_WITHIN_MS = 120_000;
/** HTTP pipelining is rare: few clients send a request before the one before is answered. */
const MAX_UNANSWERED = 4;
const MAX_HEADER_BYTES = 8 * 1024;
/** Ids may arrive percent-encoded, three characters each. */
const MAX_PARAMETER_LENGTH = 3 * 128;

export function bareApp(bounds: AppBounds, log: Log): Scope {
  const app: Scope = Fastify({
    // Request lines carry ids.
    logger: false,
    bodyLimit: bounds.bodyLimitBytes,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    serverFactory: wire({
      maxConnections: bounds.maxConnections,
      maxPerAddress: bounds.maxConnectionsPerAddress,
      maxUnanswered: MAX_UNANSWERED,
      takeWithinMs: TAKE_WITHIN_MS,
      maxHeaderBytes: MAX_HEADER_BYTES,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      keepAliveMs: KEEP_ALIVE_MS,
    }),
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    frameworkErrors: answerFrameworkFault,
    clientErrorHandler: answerClientError,
  });
  app.removeContentTypeParser("text/plain");
  takeJson(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  answerFaults(app, log);
  return app;
}
