/**
 * The ledger in Redis: read as one consistent whole, appended only if no other writer was first. Event, head, fence,
 * device set and all decisions change in one transaction, in one slot.
 */
import type { Redis } from "ioredis";
import { type Decision, NO_SUBJECT_KEY } from "../../model/consent.ts";
import { type ConsentEvent, consentEvent } from "../../model/consent-record.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { encodeDecision } from "../decision/record.ts";
import { canonicalJson, genesis, hashText, remainsHash } from "../hash-chain.ts";
import { foldAll } from "./fold.ts";
import { EMPTY_STATE, type SubjectState } from "./subject-state.ts";

/** Everything the ledger says about one subject at one time. */
export interface SubjectLedger {
  readonly tag: SubjectTag;
  /** Hash of the last event, or the subject's genesis hash. */
  readonly head: string;
  readonly wrappedSubjectKey: string | undefined;
  readonly events: readonly ConsentEvent[];
  readonly state: SubjectState;
}

export interface Append {
  readonly event: ConsentEvent;
  readonly state: SubjectState;
  readonly wrappedSubjectKey: string;
  readonly decisions: ReadonlyMap<DeviceKey, Decision>;
}

const APPEND_EVENT: RedisScript = {
  name: "consentryAppendEvent",
  lua: `--[[
  Appends one consent event and everything that follows from it, unless the ledger changed meanwhile.
  KEYS[1] subject hash   KEYS[2] ledger list   KEYS[3] device set   KEYS[4..] one decision per device in ARGV[8..]
  ARGV[1] head the event builds on   ARGV[2] head after it   ARGV[3] head of an empty ledger
  ARGV[4] fence   ARGV[5] wrapped subject key, "" for none yet   ARGV[6] event
  ARGV[7] wrapped subject key the event builds on, "" for none: it may be destroyed or rewrapped meanwhile
  ARGV[8..] triples: device key, 1 if bound else 0, decision text or "" for none
  Reply: 1 appended, 0 head or key has changed
]]
local head = redis.call("HGET", KEYS[1], "head") or ARGV[3]
if head ~= ARGV[1] then return 0 end
if (redis.call("HGET", KEYS[1], "key") or "") ~= ARGV[7] then return 0 end
redis.call("RPUSH", KEYS[2], ARGV[6])
redis.call("HSET", KEYS[1], "head", ARGV[2], "fence", ARGV[4])
-- A value of another type was not written by the gateway; the devices are added again below.
if redis.call("TYPE", KEYS[3]).ok ~= "set" then redis.call("DEL", KEYS[3]) end
if ARGV[5] ~= "" then redis.call("HSET", KEYS[1], "key", ARGV[5]) end
for index = 4, #KEYS do
  local at = 8 + (index - 4) * 3
  if ARGV[at + 1] == "1" then redis.call("SADD", KEYS[3], ARGV[at]) else redis.call("SREM", KEYS[3], ARGV[at]) end
  if ARGV[at + 2] == "" then redis.call("DEL", KEYS[index]) else redis.call("SET", KEYS[index], ARGV[at + 2]) end
end
return 1`,
};

const SCAN_PAGE = 1_000;

export class LedgerStore {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /**
   * Verifies the chain while reading. Throws `REDIS_UNAVAILABLE`, and `LEDGER_BROKEN` after deleting the decisions made
   * from it: what cannot be proved allows nothing.
   */
  async read(tag: SubjectTag): Promise<SubjectLedger> {
    try {
      return await this.#read(tag);
    } catch (error) {
      if (error instanceof GatewayError && error.code === "LEDGER_BROKEN") await this.#close(tag);
      throw error;
    }
  }

  async #close(tag: SubjectTag): Promise<void> {
    await orRedisUnavailable(async () => {
      const names = await decisionsOf(this.#redis, this.#keyspace, tag);
      if (names.length > 0) await this.#redis.del(names);
    });
  }

  async #read(tag: SubjectTag): Promise<SubjectLedger> {
    const replies = await orRedisUnavailable(() =>
      this.#redis
        .multi()
        .hmget(this.#keyspace.subject(tag), "head", "key")
        .lrange(this.#keyspace.ledger(tag), 0, -1)
        .exec(),
    );
    const subject = reply(replies, 0);
    const texts = reply(replies, 1);
    const head = typeof subject[0] === "string" ? subject[0] : genesis(tag);
    const events = verifiedEvents(tag, head, texts.map(String));
    return {
      tag,
      head,
      wrappedSubjectKey: typeof subject[1] === "string" ? subject[1] : undefined,
      events,
      state: stateAfter(events, texts.length),
    };
  }

  /** `false` when another writer was first. Throws `REDIS_UNAVAILABLE`. */
  async append(before: SubjectLedger, append: Append): Promise<boolean> {
    const { tag } = before;
    const text = canonicalJson(append.event);
    const devices = new Set([...before.state.devices, ...append.state.devices]);
    const names = [this.#keyspace.subject(tag), this.#keyspace.ledger(tag), this.#keyspace.devices(tag)];
    const fence = append.state.fence;
    const key = append.wrappedSubjectKey === NO_SUBJECT_KEY ? "" : append.wrappedSubjectKey;
    const args = [before.head, hashText(text), genesis(tag), fence, key, text, before.wrappedSubjectKey ?? ""];
    for (const device of devices) {
      const decision = append.decisions.get(device);
      names.push(this.#keyspace.decision(tag, device));
      args.push(
        device,
        append.state.devices.has(device) ? 1 : 0,
        decision === undefined ? "" : encodeDecision(decision),
      );
    }
    return (await orRedisUnavailable(() => runScript(this.#redis, APPEND_EVENT, names, args))) === 1;
  }
}

/** `length`: of the ledger, including what precedes a new chain. */
export function stateAfter(events: readonly ConsentEvent[], length: number): SubjectState {
  return foldAll(events, { ...EMPTY_STATE, revision: length - events.length });
}

/**
 * The events in order, each verified against the one before. After a new chain: its events only, verified against
 * whatever precedes it. Throws `LEDGER_BROKEN`.
 */
export function verifiedEvents(tag: SubjectTag, head: string, texts: readonly string[]): ConsentEvent[] {
  const from = texts.findLastIndex(beginsAnew);
  let previous = from < 0 ? genesis(tag) : remainsHash(tag, texts.slice(0, from));
  const events = texts.slice(Math.max(0, from)).map((text) => {
    const event = readEvent(text);
    if (event.prevHash !== previous)
      throw new GatewayError("LEDGER_BROKEN", "an event does not follow from the one before");
    previous = hashText(text);
    return event;
  });
  if (previous !== head) throw new GatewayError("LEDGER_BROKEN", "the last event is not the head");
  return events;
}

/** Whether `verifiedEvents` would accept it. */
export function ledgerVerifies(tag: SubjectTag, head: string, texts: readonly string[]): boolean {
  try {
    verifiedEvents(tag, head, texts);
    return true;
  } catch {
    return false;
  }
}

function beginsAnew(text: string): boolean {
  if (!text.includes('"anew":true')) return false;
  const event = readEvent(text);
  return event.type === "withdrawn" && event.anew === true;
}

function readEvent(text: string): ConsentEvent {
  try {
    return consentEvent.parse(JSON.parse(text));
  } catch {
    throw new GatewayError("LEDGER_BROKEN", "an event cannot be read");
  }
}

/** Names of all decisions of a subject: from its set of bound devices or, where that value is no set, by a scan. */
async function decisionsOf(redis: Redis, keyspace: Keyspace, tag: SubjectTag): Promise<string[]> {
  const devices = await redis.smembers(keyspace.devices(tag)).catch((error: unknown) => {
    if (!isMisshapen(error)) throw error;
    return undefined;
  });
  if (devices !== undefined) return devices.map((device) => keyspace.decision(tag, device as DeviceKey));
  const names: string[] = [];
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(
      cursor,
      "MATCH",
      keyspace.decision(tag, "*" as DeviceKey),
      "COUNT",
      SCAN_PAGE,
    );
    names.push(...found);
    cursor = next;
  } while (cursor !== "0");
  return names;
}

function reply(replies: [error: Error | null, result: unknown][] | null, index: number): unknown[] {
  const entry = replies?.[index];
  if (isMisshapen(entry?.[0])) throw new GatewayError("LEDGER_BROKEN", "a value has another type in Redis");
  if (entry === undefined || entry[0] !== null || !Array.isArray(entry[1])) {
    throw new GatewayError("REDIS_UNAVAILABLE", "reading a ledger");
  }
  return entry[1];
}
