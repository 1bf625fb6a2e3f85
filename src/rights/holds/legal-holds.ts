/**
 * Legal holds, from the proposal by one approver and the confirmation by another to release or expiry. A hold restricts
 * a person's rights, so two approvers are needed to place it, and one to end it.
 */
import type { Redis } from "ioredis";
import type { LedgerHolds } from "../../consent/ledger/holds.ts";
import type { LedgerChange, LedgerRefusal } from "../../model/consent-change.ts";
import { type LegalHold, legalHold } from "../../model/consent-record.ts";
import { forEachUndamaged, type TellDamage } from "../../model/damage.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import type { AuditTrail } from "../audit/trail.ts";
import { HeldSubjects } from "./held-subjects.ts";

export interface HoldOptions {
  readonly maxMs: number;
  /** An unconfirmed proposal expires after this time. */
  readonly proposalMs: number;
  /** Unix ms. */
  now(): number;
}

export interface HoldPorts {
  readonly ledger: Pick<LedgerHolds, "refusal" | "place" | "release" | "expire" | "standing">;
  readonly audit: Pick<AuditTrail, "append" | "note">;
  /** Dead letters of these devices of the subject are of no use to anyone and need no longer be kept. */
  readonly purge: (tag: SubjectTag, devices: readonly DeviceKey[]) => Promise<unknown>;
  /** The last hold on the subject has ended: an erasure that waits for this may continue. */
  readonly freed: (tag: SubjectTag) => Promise<void>;
  readonly damaged?: TellDamage;
}

export interface Proposal extends LegalHold {
  readonly approver: string;
  /** Unix ms. */
  readonly at: number;
}

export type HoldAnswer =
  | { readonly refused: LedgerRefusal | "hold-too-long" | "hold-terms-differ" }
  | { readonly refused?: undefined; readonly state: "proposed" | "standing" };

export interface Holds {
  readonly standing: readonly LegalHold[];
  readonly proposed: readonly Proposal[];
}

const PROPOSE_HOLD: RedisScript = {
  name: "consentryProposeHold",
  lua: `--[[
  Stores one approver's proposal, or finds that another approver proposed the same.
  KEYS[1] hash reference -> proposal
  ARGV[1] reference   ARGV[2] proposal   ARGV[3] approver   ARGV[4] terms   ARGV[5] lifetime of proposals in ms   ARGV[6] Unix ms
  Reply: false stored, "" another approver proposed other terms, else the name of the approver who proposed the same
]]
-- An unreadable proposal counts as none.
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
local read, known = pcall(cjson.decode, redis.call("HGET", KEYS[1], ARGV[1]) or "null")
if read and type(known) == "table" and type(known.at) == "number" and known.approver then
  if known.approver ~= ARGV[3] and known.at + ARGV[5] > tonumber(ARGV[6]) then
    if known.terms == ARGV[4] then return known.approver end
    return ""
  end
end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[5])
return false`,
};

const TAKE_BACK: RedisScript = {
  name: "consentryTakeBackHold",
  lua: `--[[
  Takes a proposal back, and leaves a mark for a concurrent confirmation.
  KEYS[1] hash reference -> proposal
  ARGV[1] reference   ARGV[2] mark
  Reply: 1 taken back, 0 there was none
]]
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then return 0 end
local text = redis.call("HGET", KEYS[1], ARGV[1])
if not text or text == ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
return 1`,
};

/** Replaces a proposal that was taken back, and expires like one. */
const TAKEN_BACK = '{"takenBack":true}';

export class LegalHolds {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: HoldOptions;
  readonly #ports: HoldPorts;
  readonly held: HeldSubjects;

  constructor(redis: Redis, keyspace: Keyspace, options: HoldOptions, ports: HoldPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#ports = ports;
    this.held = new HeldSubjects(redis, keyspace, (tag) => ports.ledger.standing(tag));
  }

  /**
   * The first approver proposes; the hold is placed when a different one requests exactly the same. Until then the
   * proposer may change the terms. Throws as every ledger change does, and when it cannot be recorded.
   */
  async place(tag: SubjectTag, hold: LegalHold, approver: string): Promise<HoldAnswer> {
    const now = this.#options.now();
    if (hold.until <= now || hold.until > now + this.#options.maxMs) return { refused: "hold-too-long" };
    const refused = await this.#ports.ledger.refusal(tag, hold);
    if (refused !== undefined) return { refused };
    const standing = await this.#ports.ledger.standing(tag);
    if (standing.some((one) => one.ref === hold.ref && termsOf(one) === termsOf(hold))) return { state: "standing" };
    const first = await this.#propose(tag, hold, approver);
    if (first === undefined) return { state: "proposed" };
    if (first === "") return { refused: "hold-terms-differ" };

    const detail = { proposedBy: first, confirmedBy: approver, reference: hold.ref, until: hold.until };
    await this.#ports.audit.append({ act: "hold-approved", by: "approver", subject: tag, detail });
    await this.held.add(tag, hold.until);
    const answer = await this.#ports.ledger.place(tag, hold);
    // Again: a sweep that read the ledger in between found no hold and removed the subject.
    await this.held.add(tag, hold.until);
    if (answer.refused === undefined && (await this.#takenBack(tag, hold.ref))) {
      await this.#endNow(tag, hold.ref);
      throw new GatewayError("CONSENT_CONFLICT", "a proposal was taken back");
    }
    await orRedisUnavailable(() => this.#redis.hdel(this.#keyspace.holdProposals(tag), hold.ref));
    return answer.refused === undefined ? { state: "standing" } : answer;
  }

  /** An approver who took the proposal back after its confirmation was told so: no hold may result from it. */
  async #takenBack(tag: SubjectTag, ref: string): Promise<boolean> {
    const text = await orRedisUnavailable(() => this.#redis.hget(this.#keyspace.holdProposals(tag), ref));
    return text === TAKEN_BACK;
  }

  async #endNow(tag: SubjectTag, ref: string): Promise<void> {
    const answer = await this.#ports.ledger.release(tag, ref);
    if (answer.refused === undefined) await this.#ended(tag, [answer]);
  }

  /** Ends a hold, or takes back a proposal. Withdrawals and erasures that were requested meanwhile then take effect. */
  async release(tag: SubjectTag, ref: string): Promise<{ readonly refused?: LedgerRefusal }> {
    const names = [this.#keyspace.holdProposals(tag)];
    const proposed = await orRedisUnavailable(() => runScript(this.#redis, TAKE_BACK, names, [ref, TAKEN_BACK]));
    const answer = await this.#ports.ledger.release(tag, ref);
    if (answer.refused !== undefined) return proposed === 1 ? {} : { refused: answer.refused };
    await this.#ended(tag, [answer]);
    return {};
  }

  async list(tag: SubjectTag): Promise<Holds> {
    const [standing, texts] = await Promise.all([this.#ports.ledger.standing(tag), this.#proposalsOf(tag)]);
    const lapsed = this.#options.now() - this.#options.proposalMs;
    const proposals = Object.entries(texts).flatMap(([ref, text]) => {
      const proposal = proposalIn(ref, text);
      if (proposal === undefined && text !== TAKEN_BACK) this.#ports.damaged?.("hold");
      return proposal ?? [];
    });
    return { standing, proposed: proposals.filter(({ at }) => at > lapsed) };
  }

  /** Ends every hold whose time is over, whatever became of one. Returns how many subjects that concerned. */
  async sweep(): Promise<number> {
    const due = await this.held.due(this.#options.now());
    await forEachUndamaged(due, this.#ports.damaged ?? (() => undefined), (tag) => this.#expire(tag));
    return due.length;
  }

  #proposalsOf(tag: SubjectTag): Promise<Record<string, string>> {
    return orRedisUnavailable(() =>
      this.#redis.hgetall(this.#keyspace.holdProposals(tag)).catch((error: unknown) => {
        if (!isMisshapen(error)) throw error;
        this.#ports.damaged?.("hold");
        return {};
      }),
    );
  }

  async #expire(tag: SubjectTag): Promise<void> {
    const changes = await this.#ports.ledger.expire(tag);
    for (const _ of changes) await this.#ports.audit.note({ act: "hold-expired", by: "gateway", subject: tag });
    await this.#ended(tag, changes);
  }

  async #ended(tag: SubjectTag, changes: readonly LedgerChange[]): Promise<void> {
    for (const { silenced } of changes) if (silenced.length > 0) await this.#ports.purge(tag, silenced);
    if (!(await this.held.renew(tag))) await this.#ports.freed(tag);
  }

  /** The approver who proposed the same; `""` when the terms differ, `undefined` when this is the first proposal. */
  async #propose(tag: SubjectTag, hold: LegalHold, approver: string): Promise<string | undefined> {
    const now = this.#options.now();
    const terms = termsOf(hold);
    const proposal = JSON.stringify({ approver, at: now, terms });
    const names = [this.#keyspace.holdProposals(tag)];
    const args = [hold.ref, proposal, approver, terms, this.#options.proposalMs, now];
    const reply = await orRedisUnavailable(() => runScript(this.#redis, PROPOSE_HOLD, names, args));
    return typeof reply === "string" ? reply : undefined;
  }
}

/** `undefined` when the text is unreadable or no proposal. */
function proposalIn(ref: string, text: string): Proposal | undefined {
  try {
    const { approver, at, terms } = JSON.parse(text) as { approver: string; at: number; terms: string };
    const hold = legalHold.parse({ ref, ...(JSON.parse(terms) as Omit<LegalHold, "ref">) });
    return typeof approver === "string" && typeof at === "number" ? { ...hold, approver, at } : undefined;
  } catch {
    return undefined;
  }
}

/** Equal for equal terms, in any order of the devices. */
function termsOf({ until, devices }: LegalHold): string {
  return JSON.stringify({ until, ...(devices && { devices: [...devices].sort() }) });
}
