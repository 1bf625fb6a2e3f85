/**
 * A ledger that cannot be verified allows nothing, and must not keep a person from being erased, nor anybody else
 * from what is theirs. It begins anew behind its remains: the first event takes everything back and names the hash
 * of all that was there; what no chain is needed for is stated again, and a legal hold goes on.
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
  Appends the first events of a new chain behind a ledger that cannot be verified. What is of another type goes.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3] device set   KEYS[4..] decisions, none of which stands any more
  ARGV[1] events that are there   ARGV[2] head that is there, "" for none
  ARGV[3] head of the new chain   ARGV[4] fence   ARGV[5] how many events follow   ARGV[6..] they, then the devices bound
  Reply: 1 begun, 0 the ledger is another one
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
/** A fence beyond this was not counted by anybody. */
const MAX_FENCE = 1e12;
/** When a hold is due to end of which nothing but its being there is known; until its release it holds anyway. */
const NO_END = Date.UTC(9999, 0);

/** What is left of a ledger, and what other records say of the subject. */
export interface Remains {
  readonly texts: readonly string[];
  /** "" for none. */
  readonly head: string;
  readonly fence: number;
  /** `undefined` when nobody knows but the events. */
  readonly bound: readonly DeviceKey[] | undefined;
  /** When a hold is due to end; `undefined` when nothing is held. */
  readonly heldUntil: number | undefined;
  /** Hash or list are something else: then there is nothing that could verify. */
  readonly misshapen?: boolean;
}

/** Changes nothing about a ledger that verifies, nor when another writer was first. Throws REDIS_UNAVAILABLE. */
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
 * Whatever can be said of a subject, for work that changes nothing of theirs: the ledger, or the one that would begin
 * anew in its place. `broken` is told of that. Throws REDIS_UNAVAILABLE.
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

/** Once more behind a new chain, when it is the ledger that stands in the way. Throws what `work` throws the second time. */
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

/** The first events of a new chain, and the ledger they make. Pure. */
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

/** Numbers go on where they were, so that nothing admitted before reads as admitted under what is consented to later. */
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
  // Also those that have moved on: they left rows behind.
  const former = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  for (const device of devices) former.delete(device);
  const by = { by: "controller", method: METHOD } as const;
  return [
    // A child stays one; whoever spoke for it has to be stated anew.
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

/** One whose own event cannot be read any more covers everything. */
function holdsIn(standing: readonly LegalHold[], heldUntil: number | undefined): readonly LegalHold[] {
  if (standing.length > 0 || heldUntil === undefined) return standing;
  return [{ ref: HOLD_REFERENCE, until: timestampMs.safeParse(heldUntil).success ? heldUntil : NO_END }];
}

/** Whatever can be read by itself, proved or not. */
function readable(texts: readonly string[]): ConsentEvent[] {
  return texts.flatMap((text) => {
    try {
      return [consentEvent.parse(JSON.parse(text))];
    } catch {
      return [];
    }
  });
}
