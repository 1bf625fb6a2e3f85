/**
 * A ledger that cannot be verified allows nothing. But it must not prevent the erasure of its subject, nor block the
 * rights of others. So a new chain starts after its remains: the first event withdraws everything and contains the hash
 * of all that was there; what needs no proof is stated again, and legal holds continue.
 */
import type { Redis } from "ioredis";
import { NO_SUBJECT_KEY } from "../../model/consent.ts";
import { type ConsentEvent, consentEvent, deviceKey, type LegalHold, timestampMs } from "../../model/consent-record.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { canonicalJson, genesis, hashText, remainsHash } from "../hash-chain.ts";
import { fold } from "./fold.ts";
import { type Draft, planChange } from "./plan-change.ts";
import { LedgerStore, type SubjectLedger, verifiedEvents } from "./store.ts";
import { EMPTY_STATE } from "./subject-state.ts";

const BEGIN_CHAIN: RedisScript = {
  name: "consentryBeginChain",
  lua: `--[[
  Appends the first events of a new chain after a ledger that cannot be verified. Values of another type are deleted.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3] device set   KEYS[4..] decisions, all deleted
  ARGV[1] number of events present   ARGV[2] head present, "" for none
  ARGV[3] head of the new chain   ARGV[4] fence   ARGV[5] number of new events   ARGV[6..] these events, then the bound devices
  Reply: 1 begun, 0 the ledger has changed meanwhile
]]
local subject, ledger = redis.call("TYPE", KEYS[1]).ok, redis.call("TYPE", KEYS[2]).ok
if (ledger == "list" and redis.call("LLEN", KEYS[2]) or 0) ~= tonumber(ARGV[1]) then return 0 end
if (subject == "hash" and redis.call("HGET", KEYS[1], "head") or "") ~= ARGV[2] then return 0 end
if subject ~= "hash" then redis.call("DEL", KEYS[1]) end
if ledger ~= "list" then redis.call("DEL", KEYS[2]) end
local last = 5 + tonumber(ARGV[5])
for index = 6, last do redis.call("RPUSH", KEYS[2], ARGV[index]) end
redis.call("HSET", KEYS[1], "head", ARGV[3], "fence", ARGV[4])
redis.call("DEL", KEYS[3])
for index = last + 1, #ARGV do redis.call("SADD", KEYS[3], ARGV[index]) end
for index = 4, #KEYS do redis.call("DEL", KEYS[index]) end
return 1`,
};

const METHOD = "record-unverifiable";
const HOLD_REFERENCE = "record-unverifiable";
/** No counter can have reached a fence above this. */
const MAX_FENCE = 1e12;
/** End date of a hold of which only the existence is known; it stands until its release anyway. */
const NO_END = Date.UTC(9999, 0);

/** What is left of a ledger, and what other records say about the subject. */
export interface Remains {
  readonly texts: readonly string[];
  /** "" for none. */
  readonly head: string;
  readonly fence: number;
  /** `undefined` when only the events know. */
  readonly bound: readonly DeviceKey[] | undefined;
  /** When a hold is due to end; `undefined` when there is no hold. */
  readonly heldUntil: number | undefined;
  /** Head or list have another type in Redis: nothing there can be verified. */
  readonly misshapen?: boolean;
}

/** Changes nothing when the ledger verifies, or when another writer was first. Throws REDIS_UNAVAILABLE. */
export async function beginNewChain(redis: Redis, keyspace: Keyspace, tag: SubjectTag, now: number): Promise<void> {
  const remains = await readRemains(redis, keyspace, tag);
  if (verifies(tag, remains)) return;
  const { ledger, texts } = chainBehind(tag, remains, now);
  const decisions = ledger.events.flatMap((event) =>
    event.type === "bound" ? [keyspace.decision(tag, event.device)] : [],
  );
  const names = [keyspace.subject(tag), keyspace.ledger(tag), keyspace.devices(tag), ...decisions];
  const { fence, devices } = ledger.state;
  const args = [remains.texts.length, remains.head, ledger.head, fence, texts.length, ...texts, ...devices];
  await orRedisUnavailable(() => runScript(redis, BEGIN_CHAIN, names, args));
}

/**
 * The ledger, or the one a new chain would give, for work that changes nothing of the subject's. `broken` is called in
 * the second case. Throws REDIS_UNAVAILABLE.
 */
export async function ledgerOrRemains(
  redis: Redis,
  keyspace: Keyspace,
  tag: SubjectTag,
  broken: () => void,
  now = Date.now(),
): Promise<SubjectLedger> {
  try {
    return await new LedgerStore(redis, keyspace).read(tag);
  } catch (error) {
    if (!isBroken(error)) throw error;
    broken();
    const key = await lenient(() => redis.hget(keyspace.subject(tag), "key"));
    const { ledger } = chainBehind(tag, await readRemains(redis, keyspace, tag), now);
    return { ...ledger, wrappedSubjectKey: key.value ?? undefined };
  }
}

/** Runs `work` again after a new chain when it failed because of the ledger. Throws what the second run throws. */
export async function behindNewChain<T>(
  {
    redis,
    keyspace,
    now,
    broken,
  }: { redis: Redis; keyspace: Keyspace; now(): number; broken?: (() => void) | undefined },
  tag: SubjectTag,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isBroken(error)) throw error;
    broken?.();
    await beginNewChain(redis, keyspace, tag, now());
    return await work();
  }
}

/** The first events of a new chain, and the resulting ledger. Pure. */
export function chainBehind(
  tag: SubjectTag,
  remains: Remains,
  now: number,
): { readonly ledger: SubjectLedger; readonly texts: readonly string[] } {
  let ledger = emptyBehind(tag, remains);
  const texts: string[] = [];
  for (const draft of draftsAfter(remains)) {
    const { event, state } = planChange(ledger, draft, { wrappedSubjectKey: NO_SUBJECT_KEY, now });
    const text = canonicalJson(event);
    texts.push(text);
    ledger = { ...ledger, head: hashText(text), events: [...ledger.events, event], state };
  }
  return { ledger, texts };
}

export function isBroken(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "LEDGER_BROKEN";
}

async function readRemains(redis: Redis, keyspace: Keyspace, tag: SubjectTag): Promise<Remains> {
  const [texts, subject, bound, heldUntil] = await Promise.all([
    lenient(() => redis.lrange(keyspace.ledger(tag), 0, -1)),
    lenient(() => redis.hmget(keyspace.subject(tag), "head", "fence")),
    lenient(() => redis.smembers(keyspace.devices(tag)) as Promise<DeviceKey[]>),
    lenient(() => redis.zscore(keyspace.heldSubjects, tag)),
  ]);
  const [head, fence] = subject.value ?? [];
  return {
    texts: texts.value ?? [],
    head: head ?? "",
    fence: Number(fence ?? 0),
    bound: bound.value,
    heldUntil: heldUntil.value == null ? undefined : Number(heldUntil.value),
    misshapen: texts.misshapen || subject.misshapen,
  };
}

async function lenient<T>(read: () => Promise<T>): Promise<{ value: T | undefined; misshapen: boolean }> {
  return orRedisUnavailable(() =>
    read().then(
      (value) => ({ value, misshapen: false }),
      (error: unknown) => {
        if (!isMisshapen(error)) throw error;
        return { value: undefined, misshapen: true };
      },
    ),
  );
}

function verifies(tag: SubjectTag, { head, texts, misshapen }: Remains): boolean {
  if (misshapen) return false;
  try {
    verifiedEvents(tag, head === "" ? genesis(tag) : head, texts);
    return true;
  } catch (error) {
    if (isBroken(error)) return false;
    throw error;
  }
}

/** Numbers continue where they were, so nothing admitted before counts as admitted under later consent. */
function emptyBehind(tag: SubjectTag, { texts, fence }: Remains): SubjectLedger {
  const fences = [fence, ...readable(texts).map((event) => event.fence)];
  const last = Math.max(0, ...fences.filter((one) => Number.isInteger(one) && one <= MAX_FENCE));
  const state = { ...EMPTY_STATE, fence: last, revision: texts.length };
  return { tag, head: remainsHash(tag, texts), wrappedSubjectKey: undefined, events: [], state };
}

function draftsAfter({ texts, bound, heldUntil }: Remains): Draft[] {
  const events = readable(texts);
  const left = events.reduce(fold, EMPTY_STATE);
  const devices = (bound ?? [...left.devices]).filter((device) => deviceKey.safeParse(device).success);
  // Includes devices that moved away: they left rows behind.
  const former = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  for (const device of devices) former.delete(device);
  const by = { by: "controller", method: METHOD } as const;
  return [
    // A child stays a child; its guardian has to be stated again.
    { type: "withdrawn", ...by, anew: true, ...(left.minor && { minor: true }) },
    ...[...former].flatMap((device): Draft[] => [
      { type: "bound", ...by, device },
      { type: "unbound", ...by, device },
    ]),
    ...devices.map((device): Draft => ({ type: "bound", ...by, device })),
    ...holdsIn([...left.holds.values()], heldUntil).map(({ ref, until, devices: covered }): Draft => {
      return { type: "held", by: "authority", method: METHOD, ref, until, devices: covered && [...covered] };
    }),
  ];
}

/** A hold whose own event is unreadable covers everything. */
function holdsIn(standing: readonly LegalHold[], heldUntil: number | undefined): readonly LegalHold[] {
  if (standing.length > 0 || heldUntil === undefined) return standing;
  return [{ ref: HOLD_REFERENCE, until: timestampMs.safeParse(heldUntil).success ? heldUntil : NO_END }];
}

/** All events that can be parsed on their own, proved or not. */
function readable(texts: readonly string[]): ConsentEvent[] {
  return texts.flatMap((text) => {
    try {
      return [consentEvent.parse(JSON.parse(text))];
    } catch {
      return [];
    }
  });
}
