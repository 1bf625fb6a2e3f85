/**
 * A ledger that cannot be verified allows nothing, and must not keep a person from being erased. It begins
 * anew behind its remains: the first event takes everything back and names the hash of all that was there;
 * what no chain is needed for is stated again, and a legal hold goes on.
 */
import type { Redis } from "ioredis";
import { NO_SUBJECT_KEY } from "../model/consent.ts";
import { type ConsentEvent, consentEvent, type LegalHold } from "../model/consent-record.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { orConsentUnreachable } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { fold } from "./fold.ts";
import { canonicalJson, genesis, hashText, remainsHash } from "./hash-chain.ts";
import { type SubjectLedger, verifiedEvents } from "./ledger-store.ts";
import { type Draft, planChange } from "./plan-change.ts";
import { EMPTY_STATE } from "./subject-state.ts";

const BEGIN_CHAIN: RedisScript = {
  name: "consentryBeginChain",
  lua: `--[[
  Appends the first events of a new chain behind a ledger that cannot be verified.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3..] decisions, none of which stands any more
  ARGV[1] events that are there   ARGV[2] head that is there, "" for none
  ARGV[3] head of the new chain   ARGV[4] fence   ARGV[5..] its events
  Reply: 1 begun, 0 the ledger is another one
]]
if redis.call("LLEN", KEYS[2]) ~= tonumber(ARGV[1]) then return 0 end
if (redis.call("HGET", KEYS[1], "head") or "") ~= ARGV[2] then return 0 end
for index = 5, #ARGV do redis.call("RPUSH", KEYS[2], ARGV[index]) end
redis.call("HSET", KEYS[1], "head", ARGV[3], "fence", ARGV[4])
for index = 3, #KEYS do redis.call("DEL", KEYS[index]) end
return 1`,
};

const METHOD = "record-unverifiable";
const HOLD_REFERENCE = "record-unverifiable";

interface Remains {
  readonly texts: readonly string[];
  /** "" for none. */
  readonly head: string;
  readonly fence: number;
  readonly bound: readonly DeviceKey[];
  /** When a hold is due to end; `undefined` when nothing is held. */
  readonly heldUntil: number | undefined;
}

/** Changes nothing about a ledger that verifies, nor when another writer was first. Throws CONSENT_UNREACHABLE. */
export async function beginNewChain(redis: Redis, keys: RedisKeys, tag: SubjectTag, now: number): Promise<void> {
  const remains = await readRemains(redis, keys, tag);
  if (verifies(tag, remains)) return;
  let ledger = emptyBehind(tag, remains);
  const texts: string[] = [];
  for (const draft of draftsAfter(remains)) {
    const { event, state } = planChange(ledger, draft, { wrappedSubjectKey: NO_SUBJECT_KEY, now });
    const text = canonicalJson(event);
    texts.push(text);
    ledger = { ...ledger, head: hashText(text), events: [...ledger.events, event], state };
  }
  const decisions = ledger.events.flatMap((event) =>
    event.type === "bound" ? [keys.decision(tag, event.device)] : [],
  );
  const names = [keys.subject(tag), keys.ledger(tag), ...decisions];
  const args = [remains.texts.length, remains.head, ledger.head, ledger.state.fence, ...texts];
  await orConsentUnreachable(() => runScript(redis, BEGIN_CHAIN, names, args));
}

async function readRemains(redis: Redis, keys: RedisKeys, tag: SubjectTag): Promise<Remains> {
  return orConsentUnreachable(async () => {
    const [texts, head, fence, bound, heldUntil] = await Promise.all([
      redis.lrange(keys.ledger(tag), 0, -1),
      redis.hget(keys.subject(tag), "head"),
      redis.hget(keys.subject(tag), "fence"),
      redis.smembers(keys.devices(tag)) as Promise<DeviceKey[]>,
      redis.zscore(keys.heldSubjects, tag),
    ]);
    return {
      texts,
      head: head ?? "",
      fence: Math.max(Number(fence ?? 0), ...readable(texts).map((event) => event.fence)),
      bound,
      heldUntil: heldUntil === null ? undefined : Number(heldUntil),
    };
  });
}

function verifies(tag: SubjectTag, { head, texts }: Remains): boolean {
  try {
    verifiedEvents(tag, head === "" ? genesis(tag) : head, texts);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.code === "LEDGER_BROKEN") return false;
    throw error;
  }
}

/** Numbers go on where they were, so that nothing admitted before reads as admitted under what is consented to later. */
function emptyBehind(tag: SubjectTag, { texts, fence }: Remains): SubjectLedger {
  const state = { ...EMPTY_STATE, fence, revision: texts.length };
  return { tag, head: remainsHash(tag, texts), wrappedSubjectKey: undefined, events: [], state };
}

function draftsAfter({ texts, bound, heldUntil }: Remains): Draft[] {
  const events = readable(texts);
  // Also those that have moved on: they left rows behind.
  const former = new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
  for (const device of bound) former.delete(device);
  const by = { by: "controller", method: METHOD } as const;
  return [
    { type: "withdrawn", ...by, anew: true },
    ...[...former].flatMap((device): Draft[] => [
      { type: "bound", ...by, device },
      { type: "unbound", ...by, device },
    ]),
    ...bound.map((device): Draft => ({ type: "bound", ...by, device })),
    ...holdsIn(events, heldUntil).map(({ ref, until, devices }): Draft => {
      return { type: "held", by: "authority", method: METHOD, ref, until, devices: devices && [...devices] };
    }),
  ];
}

/** One whose own event cannot be read any more covers everything. */
function holdsIn(events: readonly ConsentEvent[], heldUntil: number | undefined): readonly LegalHold[] {
  const standing = [...events.reduce(fold, EMPTY_STATE).holds.values()];
  return standing.length === 0 && heldUntil !== undefined ? [{ ref: HOLD_REFERENCE, until: heldUntil }] : standing;
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
