/**
 * Bearer tokens (RFC 6750), compared by digest in constant time. The right token is always accepted: it cannot be guessed,
 * so a limit would only let others at the same address lock its owner out. Wrong tokens are limited for each address,
 * which is kept in memory only.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { addressGroup } from "../platform/address-group.ts";
import { perMinute, type Rates } from "../platform/rate.ts";
import { letIn } from "./connections.ts";
import type { HttpPorts } from "./ports.ts";
import { refuse } from "./problems.ts";

/** One of those who may place a legal hold; the name is a code, not a person. */
export interface Approver {
  readonly name: string;
  readonly token: string;
}

const REMEMBERED_ADDRESSES = 10_000;

export interface DoorPorts {
  readonly metrics: Pick<HttpPorts["metrics"], "httpRefused">;
}

/** Counts requests without a right token, and answers 429 to an address that sends too many. */
export class Door {
  readonly #failures: Rates;
  readonly #ports: DoorPorts;

  constructor(failedPerMinute: number, ports: DoorPorts) {
    this.#failures = perMinute(failedPerMinute, REMEMBERED_ADDRESSES);
    this.#ports = ports;
  }

  /** The answer to a request that came without a right token. */
  turnAway(request: FastifyRequest): "unauthorized" | "too-many-failures" {
    const now = Date.now();
    const withinLimit = this.#failures.bucket(addressGroup(request.ip), now).take(now);
    this.#ports.metrics.httpRefused(withinLimit ? "bad-token" : "too-many-failures");
    return withinLimit ? "unauthorized" : "too-many-failures";
  }
}

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const approvers = new WeakMap<FastifyRequest, string>();

/** Every route of this scope answers 401 without the token, before anything else of the request is read. */
export function requireToken(scope: FastifyInstance, token: string, door: Door): void {
  const expected = digest(token);
  scope.addHook("onRequest", async (request, reply) => {
    if (timingSafeEqual(given(request), expected)) return letIn(request.raw);
    return refuseToken(reply, door.turnAway(request));
  });
}

export function refuseToken(reply: FastifyReply, why: ReturnType<Door["turnAway"]>): FastifyReply {
  reply.header("www-authenticate", 'Bearer realm="consentry"');
  return refuse(reply, why);
}

/**
 * For a route that tells more to those who have one of the tokens: 401 to a wrong one, and whether there was one.
 * `required`: none is answered like a wrong one.
 */
export function readToken(
  { tokens, required }: { readonly tokens: readonly string[]; readonly required: boolean },
  door: Door,
): (request: FastifyRequest) => "right" | "none" | "unauthorized" | "too-many-failures" {
  const expected = tokens.map(digest);
  return (request) => {
    const isGiven = request.headers.authorization !== undefined && request.headers.authorization !== "";
    if (!isGiven && !required) return "none";
    const found = expected.filter((one) => timingSafeEqual(given(request), one));
    if (found.length === 0) return door.turnAway(request);
    letIn(request.raw);
    return "right";
  };
}

/** The same for approvers: each has a token of their own, so that the token says who asks. The account service's token is not accepted. */
export function requireApprover(scope: FastifyInstance, known: readonly Approver[], door: Door): void {
  const expected = known.map(({ name, token }) => ({ name, digest: digest(token) }));
  scope.addHook("onRequest", async (request, reply) => {
    const digest = given(request);
    const found = expected.filter((approver) => timingSafeEqual(approver.digest, digest))[0];
    if (found !== undefined) {
      approvers.set(request, found.name);
      letIn(request.raw);
      return;
    }
    reply.header("www-authenticate", 'Bearer realm="consentry-approver"');
    return refuse(reply, door.turnAway(request));
  });
}

/** The name of the approver whose token the request carries. */
export function approverOf(request: FastifyRequest): string | undefined {
  return approvers.get(request);
}

function given(request: FastifyRequest): Buffer {
  return digest(BEARER.exec(request.headers.authorization ?? "")?.[1] ?? "");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
