/**
 * Whether Redis still holds what it held when the erasure journal was written. A Redis that was rolled back, emptied,
 * or replaced by an incomplete replica answers as if nothing had happened; only the journal outside it shows the loss.
 * A loss limited to subjects is repaired by withdrawing their consent again; after any larger loss nothing is served.
 */
import type { Redis } from "ioredis";
import type { AuditHead } from "../model/audit.ts";
import type { LegalHold, PartyStatement } from "../model/consent-record.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { execEach } from "../platform/redis-values.ts";
import type { AuditLog } from "./audit/log.ts";
import type { JournalReading } from "./journal/reading.ts";

export interface ProofPorts {
  /** The recent part of the journal. Throws JOURNAL_INVALID. */
  readonly journal: () => Promise<JournalReading>;
  /** The latest head of the audit log that this process knows. */
  readonly head: () => AuditHead | undefined;
  readonly log: Pick<AuditLog, "verify" | "continues">;
  /** States again what a subject's ledger lacks; returns the number of events added. */
  catchUp(
    tag: SubjectTag,
    noted: {
      readonly fence: number;
      readonly party: { readonly at: number; readonly party: PartyStatement } | undefined;
      readonly holds: readonly { readonly at: number; readonly hold: LegalHold }[];
    },
  ): Promise<number>;
  /** Begins an erasure that is missing from the ledger; true when it had to. */
  eraseAgain(tag: SubjectTag, id: string): Promise<boolean>;
}

export interface Proven {
  /** Subjects for whom something had to be withdrawn or stated again. */
  readonly subjects: readonly SubjectTag[];
  /** Devices whose token in Redis is one that was replaced. */
  readonly tokens: readonly DeviceKey[];
  /** Subjects with a damaged record, which is not examined here. */
  readonly broken: number;
}

const TAKE_TOKEN: RedisScript = {
  name: "consentryTakeToken",
  lua: `--[[
  Revokes a replaced token and ends the session it opened, unless another token was issued meanwhile; and registrations as
  a hub or behind one, which may have ended since.
  KEYS[1] credential hash
  ARGV[1] stored MAC, "" for none   ARGV[2] number of the token issued last
  ARGV[3] channel for sessions to end   ARGV[4] device key   ARGV[5] channel for changes of children
  Reply: 1 revoked, 0 there is another token
]]
if (redis.call("HGET", KEYS[1], "mac") or "") ~= ARGV[1] then return 0 end
local hub = redis.call("HGET", KEYS[1], "hub")
redis.call("HDEL", KEYS[1], "mac", "dialect", "alias", "presence")
redis.call("HDEL", KEYS[1], "hub", "hubAlias", "hubTenure", "otherSubject", "tenure")
if hub then redis.call("PUBLISH", ARGV[5], hub) end
redis.call("HSET", KEYS[1], "number", ARGV[2])
redis.call("PUBLISH", ARGV[3], ARGV[4])
return 1`,
};

const AT_ONCE = 25;

/** Throws REDIS_ROLLED_BACK, REDIS_UNAVAILABLE, CONSENT_CONFLICT, JOURNAL_INVALID. */
export async function prove(redis: Redis, keyspace: Keyspace, ports: ProofPorts): Promise<Proven> {
  const reading = await ports.journal();
  await requireAudited(ports, reading);
  await requirePolicies(redis, keyspace, reading);
  const tokens = await replacedTokens(redis, keyspace, reading);
  const behind = await fencesBehind(redis, keyspace, reading);
  const subjects: SubjectTag[] = [];
  let broken = 0;
  const concerned = new Set([
    ...behind,
    ...reading.parties.keys(),
    ...reading.holds.keys(),
    ...reading.erasures.keys(),
  ]);
  for (const tag of concerned) {
    try {
      if (await restate(tag, reading, ports)) subjects.push(tag);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "LEDGER_BROKEN") throw error;
      broken += 1;
    }
  }
  return { subjects, tokens, broken };
}

async function requireAudited({ log, head }: ProofPorts, { audited }: JournalReading): Promise<void> {
  const own = head();
  const noted = own === undefined ? audited : [...audited, own];
  const last = noted.reduce<AuditHead | undefined>(
    (most, one) => (one.next >= (most?.next ?? 0) ? one : most),
    undefined,
  );
  if (last === undefined || (await log.continues(last))) return;
  // A loss reported by a restore or repair is excused; other problems of the log need a repair.
  const verdict = await log.verify(noted);
  if (!verdict.intact && verdict.problem === "rolled-back") throw new GatewayError("REDIS_ROLLED_BACK", "audit");
}

async function requirePolicies(redis: Redis, keyspace: Keyspace, { policyVersion }: JournalReading): Promise<void> {
  // Versions have no gaps.
  if ((await orRedisUnavailable(() => redis.hlen(keyspace.policies))) < policyVersion)
    throw new GatewayError("REDIS_ROLLED_BACK", "policies");
}

/** The replaced token is revoked; the device with the current one needs a new token, as after a restore. */
async function replacedTokens(redis: Redis, keyspace: Keyspace, { tokens }: JournalReading): Promise<DeviceKey[]> {
  const replaced: DeviceKey[] = [];
  for (const some of chunks([...tokens])) {
    const asked = redis.pipeline();
    for (const [device] of some)
      asked.exists(keyspace.credential(device)).hmget(keyspace.credential(device), "mac", "number");
    const replies = await orRedisUnavailable(() => execEach(asked));
    for (const [index, [device, latest]] of some.entries()) {
      const fields = replies[2 * index + 1] as (string | null)[] | undefined;
      if (replies[2 * index] === 0) throw new GatewayError("REDIS_ROLLED_BACK", "credentials");
      // A value that is no hash allows no login.
      if (fields === undefined) continue;
      const [mac, number] = [fields[0] ?? "", Number(fields[1] ?? 0) || 0];
      // A higher number was issued by a gateway with its own journal; an empty MAC means the token was revoked.
      if (number > latest.number || (number === latest.number && (mac === "" || mac === latest.mac))) continue;
      const args = [mac, latest.number, keyspace.sessionEnd, device, keyspace.childrenChanged];
      const taken = await orRedisUnavailable(() => runScript(redis, TAKE_TOKEN, [keyspace.credential(device)], args));
      if (taken === 1 && mac !== "") replaced.push(device);
    }
  }
  return replaced;
}

async function fencesBehind(redis: Redis, keyspace: Keyspace, { narrowed }: JournalReading): Promise<SubjectTag[]> {
  const behind: SubjectTag[] = [];
  for (const some of chunks([...narrowed])) {
    const asked = redis.pipeline();
    for (const [tag] of some)
      asked.hget(keyspace.subject(tag), "fence").exists(keyspace.subject(tag), keyspace.ledger(tag));
    const replies = await orRedisUnavailable(() => execEach(asked));
    for (const [index, [tag, entries]] of some.entries()) {
      if (replies[2 * index + 1] === 0) throw new GatewayError("REDIS_ROLLED_BACK", "subjects");
      // A fence that is no number, or missing, means damage and not loss; the ledger is read to decide.
      if (entries.some(({ fence }) => !(fence <= Number(replies[2 * index] ?? Number.NaN)))) behind.push(tag);
    }
  }
  return behind;
}

async function restate(tag: SubjectTag, reading: JournalReading, ports: ProofPorts): Promise<boolean> {
  const fence = Math.max(0, ...(reading.narrowed.get(tag) ?? []).map((one) => one.fence));
  const party = reading.parties.get(tag)?.at(-1);
  // A hold that ended since need not be stated again; one that should have ended does no harm by standing.
  const latest = new Map((reading.holds.get(tag) ?? []).map((one) => [one.ref, one]));
  const holds = [...latest.values()].flatMap(({ at, hold }) => (hold === undefined ? [] : [{ at, hold }]));
  let again = (await ports.catchUp(tag, { fence, party, holds })) > 0;
  for (const id of (reading.erasures.get(tag) ?? new Map()).keys()) again = (await ports.eraseAgain(tag, id)) || again;
  return again;
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += AT_ONCE) yield items.slice(from, from + AT_ONCE);
}
