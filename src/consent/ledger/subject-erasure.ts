/**
 * The ledger's two steps of an erasure. The request withdraws everything and retires the subject's key in the same
 * call, so later consent starts under another key. When everything is deleted, the key is destroyed.
 */
import type { Redis } from "ioredis";
import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import type { ErasureFacts, ErasureRequest } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { encodeDecision } from "../decision/record.ts";
import { canonicalJson, genesis, hashText } from "../hash-chain.ts";
import type { ChangeOptions } from "./change.ts";
import { erasureFacts, widestFacts } from "./erasure-facts.ts";
import { beginNewChain } from "./new-chain.ts";
import { optimistically } from "./optimistic.ts";
import { type Draft, planChange } from "./plan-change.ts";
import { LedgerStore, type SubjectLedger } from "./store.ts";
import { SubjectTurns } from "./subject-turns.ts";

export type BegunErasure =
  | { readonly refused: "unknown-subject" }
  | {
      readonly refused?: undefined;
      /** Id of the earlier erasure when nothing was consented to since it began: there is nothing else to erase. */
      readonly id: string;
      readonly fence: number;
    };

const BEGIN_ERASURE: RedisScript = {
  name: "consentryBeginErasure",
  lua: `--[[
  Appends the request, withdraws every decision and moves the subject's key into the record of the erasure.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3] record of the erasure   KEYS[4..] one decision per device
  ARGV[1] head the event builds on   ARGV[2] head after it   ARGV[3] head of an empty ledger
  ARGV[4] fence   ARGV[5] event   ARGV[6] erasure id   ARGV[7] facts   ARGV[8] Unix ms
  ARGV[9..] decision text or "" for none, in the order of KEYS[4..]
  Reply: 1 begun, 0 the head has changed
]]
local head = redis.call("HGET", KEYS[1], "head") or ARGV[3]
if head ~= ARGV[1] then return 0 end
local key = redis.call("HGET", KEYS[1], "key")
redis.call("RPUSH", KEYS[2], ARGV[5])
redis.call("HSET", KEYS[1], "head", ARGV[2], "fence", ARGV[4], "erasure", ARGV[6])
redis.call("HDEL", KEYS[1], "key")
if key then redis.call("HSET", KEYS[3], "key", key) end
redis.call("HSET", KEYS[3], "requestedAt", ARGV[8], "facts", ARGV[7], "step", "drain")
for index = 4, #KEYS do
  local decision = ARGV[9 + index - 4]
  if decision == "" then redis.call("DEL", KEYS[index]) else redis.call("SET", KEYS[index], decision) end
end
return 1`,
};

const DESTROY_KEY: RedisScript = {
  name: "consentryDestroyKey",
  lua: `--[[
  Destroys the key that an erasure retired, and appends an event that says so.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3] record of the erasure
  ARGV[1] head the event builds on   ARGV[2] head after it   ARGV[3] event   ARGV[4] Unix ms
  Reply: 1 destroyed, 0 the head has changed
]]
if redis.call("HGET", KEYS[1], "head") ~= ARGV[1] then return 0 end
redis.call("RPUSH", KEYS[2], ARGV[3])
redis.call("HSET", KEYS[1], "head", ARGV[2])
redis.call("HDEL", KEYS[3], "key")
redis.call("HSET", KEYS[3], "destroyedAt", ARGV[4], "ledgerHead", ARGV[2])
return 1`,
};

export class SubjectErasure {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #now: () => number;
  readonly #store: LedgerStore;
  readonly #turns: SubjectTurns;

  constructor(redis: Redis, keyspace: Keyspace, options: Pick<ChangeOptions, "now" | "turns">) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#now = options.now;
    this.#turns = options.turns ?? new SubjectTurns();
    this.#store = new LedgerStore(redis, keyspace);
  }

  /**
   * Once this resolves, no later batch uses anything of the subject, and nothing admitted before is used after a new
   * consent either. Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`; `LEDGER_BROKEN` only when it broke again meanwhile.
   */
  async begin(tag: SubjectTag, request: ErasureRequest & { readonly id: string }): Promise<BegunErasure> {
    return this.#inTurn<BegunErasure>(tag, "beginning an erasure", async () => {
      const before = await this.#read(tag);
      if (before.events.length === 0) return { refused: "unknown-subject" };
      const earlier = before.wrappedSubjectKey === undefined ? await this.#latest(tag) : undefined;
      if (earlier !== undefined) return { id: earlier, fence: before.state.fence };
      const fence = await this.#begin(before, request);
      return fence === undefined ? undefined : { id: request.id, fence };
    });
  }

  /** False while a hold stands: then nothing is destroyed. Idempotent. Throws as `begin` does. */
  destroyKey(tag: SubjectTag, id: string): Promise<boolean> {
    return this.#inTurn(tag, "destroying a key", async () => {
      const record = this.#keyspace.erasure(tag, id);
      if ((await orRedisUnavailable(() => this.#redis.hexists(record, "destroyedAt"))) === 1) return true;
      const before = await this.#read(tag);
      // A hold placed from here on changes the head.
      if (before.state.holds.size > 0) return false;
      const now = this.#now();
      const { event } = planChange(before, erased(id), { wrappedSubjectKey: NO_SUBJECT_KEY, now });
      const text = canonicalJson(event);
      const names = [this.#keyspace.subject(tag), this.#keyspace.ledger(tag), record];
      const args = [before.head, hashText(text), text, now];
      return (await orRedisUnavailable(() => runScript(this.#redis, DESTROY_KEY, names, args))) === 1 || undefined;
    });
  }

  /**
   * Facts as of the request; everything, for an erasure the ledger does not name (any more). Throws as `begin` does.
   */
  async facts(
    tag: SubjectTag,
    id: string,
  ): Promise<{ readonly facts: ErasureFacts; readonly at: number; readonly named: boolean }> {
    const { events } = await this.#read(tag);
    const asked = events.findIndex((event) => event.type === "erasure-requested" && event.erasure === id);
    const event = events[asked];
    if (event !== undefined) return { facts: erasureFacts(events.slice(0, asked)), at: event.at, named: true };
    return { facts: widestFacts(events, this.#now()), at: this.#now(), named: false };
  }

  /** Starts a new chain if the ledger cannot be verified; otherwise changes nothing. Throws `REDIS_UNAVAILABLE`. */
  beginNewChain(tag: SubjectTag): Promise<void> {
    return beginNewChain(this.#redis, this.#keyspace, tag, this.#now());
  }

  #inTurn<T>(tag: SubjectTag, what: string, attempt: () => Promise<T | undefined>): Promise<T> {
    return this.#turns.take(tag, what, () => optimistically(what, attempt));
  }

  async #read(tag: SubjectTag): Promise<SubjectLedger> {
    try {
      return await this.#store.read(tag);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "LEDGER_BROKEN") throw error;
      await this.beginNewChain(tag);
      return await this.#store.read(tag);
    }
  }

  async #latest(tag: SubjectTag): Promise<string | undefined> {
    return orRedisUnavailable(async () => {
      const id = await this.#redis.hget(this.#keyspace.subject(tag), "erasure");
      return id !== null && (await this.#redis.exists(this.#keyspace.erasure(tag, id))) === 1 ? id : undefined;
    });
  }

  /** The resulting fence; `undefined` when another writer was first. */
  async #begin(
    before: SubjectLedger,
    { id, by, method, evidenceRef, guardianRef }: ErasureRequest & { readonly id: string },
  ): Promise<number | undefined> {
    const { tag } = before;
    const now = this.#now();
    const draft: Draft = { type: "erasure-requested", erasure: id, by, method, evidenceRef, guardianRef };
    const { event, state, decisions } = planChange(before, draft, { wrappedSubjectKey: NO_SUBJECT_KEY, now });
    const text = canonicalJson(event);
    const facts: ErasureFacts = erasureFacts(before.events);
    const names = [this.#keyspace.subject(tag), this.#keyspace.ledger(tag), this.#keyspace.erasure(tag, id)];
    const args = [before.head, hashText(text), genesis(tag), state.fence, text, id, JSON.stringify(facts), now];
    for (const device of state.devices) {
      const decision = decisions.get(device);
      names.push(this.#keyspace.decision(tag, device));
      args.push(decision === undefined ? "" : encodeDecision(decision));
    }
    const begun = await orRedisUnavailable(() => runScript(this.#redis, BEGIN_ERASURE, names, args));
    return begun === 1 ? state.fence : undefined;
  }
}

function erased(id: string): Draft {
  return { type: "erased", erasure: id, by: "controller", method: "erasure" };
}
