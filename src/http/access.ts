/**
 * Who may ask: whoever holds a bearer token, compared by digest, in constant time. The right token is always let in:
 * it cannot be guessed, so nobody gains by what others send from the same address. Wrong ones are limited by
 * address, which is kept in memory only.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
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

/** Counts who is turned away, and tells an address that is wrong too often so. */
export class Door {
  readonly #failures: Rates;
  readonly #ports: Pick<HttpPorts, "metrics">;

  constructor(failedPerMinute: number, ports: Pick<HttpPorts, "metrics">) {
    this.#failures = perMinute(failedPerMinute, REMEMBERED_ADDRESSES);
    this.#ports = ports;
  }

  /** The answer to a request that came without a right token. */
  turnAway(request: FastifyRequest): "unauthorized" | "too-many-failures" {
    const now = Date.now();
    const heard = this.#failures.bucket(addressGroup(request.ip), now).take(now);
    this.#ports.metrics.httpRefused(heard ? "bad-token" : "too-many-failures");
    return heard ? "unauthorized" : "too-many-failures";
  }
}

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const approvers = new WeakMap<FastifyRequest, string>();

/** Every route of this scope answers 401 without the token, before anything else of the request is looked at. */
export function requireToken(scope: FastifyInstance, token: string, door: Door): void {
  const expected = digest(token);
  scope.addHook("onRequest", async (request, reply) => {
    if (timingSafeEqual(given(request), expected)) return letIn(request.raw);
    reply.header("www-authenticate", 'Bearer realm="consentry"');
    return refuse(reply, door.turnAway(request));
  });
}

/** The same for the tokens of approvers, each of which tells who asks. The account service's own token is none of them. */
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

/** Whose token a request of an approver's scope carried. */
export function approverOf(request: FastifyRequest): string | undefined {
  return approvers.get(request);
}

function given(request: FastifyRequest): Buffer {
  return digest(BEARER.exec(request.headers.authorization ?? "")?.[1] ?? "");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
