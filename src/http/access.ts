/**
 * Who may ask: whoever holds a bearer token, compared by digest, in constant time. An address that keeps
 * sending wrong ones is refused before its token is looked at; it is kept in memory only.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Rates } from "../platform/rate.ts";
import type { HttpPorts } from "./ports.ts";
import { refuse } from "./problems.ts";

/** One of those who may place a legal hold; the name is a code, not a person. */
export interface Approver {
  readonly name: string;
  readonly token: string;
}

const REMEMBERED_ADDRESSES = 10_000;

/** Counts who is turned away, and bounds how often one address may be wrong. */
export class Door {
  readonly #failures: Rates;
  readonly #ports: Pick<HttpPorts, "turnedAway">;

  constructor(failedPerMinute: number, ports: Pick<HttpPorts, "turnedAway">) {
    this.#failures = new Rates({
      perSecond: failedPerMinute / 60,
      burst: failedPerMinute,
      remembered: REMEMBERED_ADDRESSES,
    });
    this.#ports = ports;
  }

  /** The answer to a request that may not go on; `undefined` lets it in. */
  turnAway(request: FastifyRequest, isRight: () => boolean): "unauthorized" | "too-many-failures" | undefined {
    const now = Date.now();
    const failures = this.#failures.bucket(request.ip, now);
    if (!failures.peek(now)) {
      this.#ports.turnedAway("too-many-failures");
      return "too-many-failures";
    }
    if (isRight()) return undefined;
    failures.take(now);
    this.#ports.turnedAway("bad-token");
    return "unauthorized";
  }
}

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const approvers = new WeakMap<FastifyRequest, string>();

/** Every route of this scope answers 401 without the token, before anything else of the request is looked at. */
export function requireToken(scope: FastifyInstance, token: string, door: Door): void {
  const expected = digest(token);
  scope.addHook("onRequest", async (request, reply) => {
    const refused = door.turnAway(request, () => timingSafeEqual(given(request), expected));
    if (refused === undefined) return;
    reply.header("www-authenticate", 'Bearer realm="consentry"');
    return refuse(reply, refused);
  });
}

/** The same for the tokens of approvers, each of which tells who asks. The account service's own token is none of them. */
export function requireApprover(scope: FastifyInstance, known: readonly Approver[], door: Door): void {
  const expected = known.map(({ name, token }) => ({ name, digest: digest(token) }));
  scope.addHook("onRequest", async (request, reply) => {
    const digest = given(request);
    const found = expected.filter((approver) => timingSafeEqual(approver.digest, digest))[0];
    const refused = door.turnAway(request, () => found !== undefined);
    if (refused === undefined && found !== undefined) {
      approvers.set(request, found.name);
      return;
    }
    reply.header("www-authenticate", 'Bearer realm="consentry-approver"');
    return refuse(reply, refused ?? "unauthorized");
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
