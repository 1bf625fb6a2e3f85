/**
 * Bearer tokens (RFC 6750), compared by digest in constant time: that of the configuration, named ones, those of approvers. The right token is always accepted: it cannot be guessed,
 * so a limit would only let others at the same address lock its owner out. Wrong tokens are limited for each address,
 * which is kept in memory only.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { TokenScope, TokenUse } from "../model/named-token.ts";
import { addressGroup } from "../platform/address-group.ts";
import { perMinute, type Rates } from "../platform/rate.ts";
import { letIn } from "./connections.ts";
import type { HttpPorts } from "./ports.ts";
import { refuse } from "./problems.ts";
import { EVERY_SCOPE, mayAsk, type Needs } from "./scopes.ts";

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

  refuseToken(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    reply.header("www-authenticate", 'Bearer realm="consentry"');
    return refuse(reply, this.turnAway(request));
  }

  /** The answer to a right token that is for something else. It is no guess, and counts as none. */
  refuseScope(reply: FastifyReply, needs: Needs): FastifyReply {
    this.#ports.metrics.httpRefused("no-scope");
    const scope = needs[0]?.join(" ");
    reply.header("www-authenticate", `Bearer realm="consentry", error="insufficient_scope", scope="${scope}"`);
    return refuse(reply, "forbidden");
  }
}

/** Whose token a request carries. */
export interface Caller {
  /** The named token; absent: that of the configuration, which opens everything. */
  readonly use?: TokenUse;
  readonly scopes: ReadonlySet<TokenScope>;
}

/** Who may read the metrics, beside tokens with the scope for it. */
export interface MetricsAccess {
  /** The scraper's own: it opens nothing else. */
  readonly token?: string | undefined;
  /** Without a token nothing is told; else what anybody may read. */
  readonly required: boolean;
}

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;
const approvers = new WeakMap<FastifyRequest, string>();
const callers = new WeakMap<FastifyRequest, Caller>();

/** Tells whose token a request carries. */
export class Callers {
  readonly #token: Buffer;
  readonly #tokens: HttpPorts["tokens"];
  readonly #answering = new Map<IncomingMessage, TokenUse>();

  /** `token`: that of the configuration; without it only named ones open anything. */
  constructor(token: string | undefined, tokens: HttpPorts["tokens"]) {
    this.#token = token === undefined ? randomBytes(32) : digest(token);
    this.#tokens = tokens;
    tokens.onLook(() => this.#endThoseWithout());
  }

  /**
   * `undefined`: no right token. A right one is let in. Throws REDIS_UNAVAILABLE, see tokens/directory.ts; not when the token
   * `isKnown` otherwise.
   */
  enter(request: FastifyRequest, reply: FastifyReply, isKnown = false): Caller | undefined {
    const caller = this.whose(givenText(request), isKnown);
    if (caller === undefined) return undefined;
    letIn(request.raw);
    asks(request, caller);
    if (caller.use !== undefined) this.endWith(caller.use, request, reply);
    return caller;
  }

  /** The same for a token that did not come as a bearer's. */
  whose(text: string, isKnown = false): Caller | undefined {
    // Both are asked each time, so that an answer takes as long for one as for the other.
    const isConfigured = timingSafeEqual(digest(text), this.#token);
    const found = this.#found(text, isConfigured || isKnown || text === "");
    if (!isConfigured && found === undefined) return undefined;
    return found === undefined ? { scopes: EVERY_SCOPE } : { scopes: found.scopes, use: found };
  }

  /** `isSure`: what it is does not depend on named tokens, of which possibly nothing can be said. */
  #found(text: string, isSure: boolean): ReturnType<HttpPorts["tokens"]["find"]> {
    try {
      return this.#tokens.find(text);
    } catch (error) {
      if (isSure) return undefined;
      throw error;
    }
  }

  /** Cuts the request off when this token is none any more before it is answered. */
  endWith(use: TokenUse, request: FastifyRequest, reply: FastifyReply): void {
    // Who has gone meanwhile says so no more.
    if (reply.raw.destroyed) return;
    this.#answering.set(request.raw, use);
    reply.raw.once("close", () => this.#answering.delete(request.raw));
  }

  /** What is being answered for a token that is none any more, or of which that can't be said, is cut off. */
  #endThoseWithout(): void {
    for (const [request, use] of this.#answering) {
      if (this.#isGood(use)) continue;
      this.#answering.delete(request);
      request.socket.destroy();
    }
  }

  #isGood(use: TokenUse): boolean {
    try {
      return this.#tokens.stands(use);
    } catch {
      return false;
    }
  }
}

/**
 * Every route of this scope answers 401 without a token, and 403 to one that has not what the route needs, before anything
 * else of the request is read.
 */
export function requireToken(scope: FastifyInstance, from: Callers, door: Door): void {
  scope.addHook("onRequest", async (request, reply) => {
    const caller = from.enter(request, reply);
    if (caller === undefined) return door.refuseToken(request, reply);
    const { needs } = request.routeOptions.config;
    if (needs !== undefined && !mayAsk(caller.scopes, needs)) return door.refuseScope(reply, needs);
  });
}

/**
 * For a route that tells more to those who have a token for it, or to the scraper of the metrics; it answers to a wrong one itself, and says
 * nothing of none, unless one is required.
 */
export function readToken(
  from: Callers,
  door: Door,
  needs: Needs,
  { token, required }: MetricsAccess,
): (request: FastifyRequest, reply: FastifyReply) => "right" | "none" | "answered" {
  const scraper = token === undefined ? randomBytes(32) : digest(token);
  return (request, reply) => {
    const isGiven = request.headers.authorization !== undefined && request.headers.authorization !== "";
    if (!isGiven && !required) return "none";
    const isScraper = timingSafeEqual(digest(givenText(request)), scraper);
    const caller = from.enter(request, reply, isScraper);
    if (isScraper) letIn(request.raw);
    if (isScraper || (caller !== undefined && mayAsk(caller.scopes, needs))) return "right";
    if (caller === undefined) door.refuseToken(request, reply);
    else door.refuseScope(reply, needs);
    return "answered";
  };
}

/** Acts of this request stand in the audit log under the name of the token. */
export function asks(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller);
}

/** The named token that the request carries, or that its session was made with; `undefined` for that of the configuration, and for none. */
export function tokenOf(request: FastifyRequest): TokenUse | undefined {
  return callers.get(request)?.use;
}

/** The same for approvers: each has a token of their own, so that the token says who asks. No other token is accepted. */
export function requireApprover(scope: FastifyInstance, known: readonly Approver[], door: Door): void {
  const expected = known.map(({ name, token }) => ({ name, digest: digest(token) }));
  scope.addHook("onRequest", async (request, reply) => {
    const given = digest(givenText(request));
    const found = expected.filter((approver) => timingSafeEqual(approver.digest, given))[0];
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

function givenText(request: FastifyRequest): string {
  return BEARER.exec(request.headers.authorization ?? "")?.[1] ?? "";
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
