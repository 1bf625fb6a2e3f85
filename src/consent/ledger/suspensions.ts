/**
 * Consent that a newer policy version suspends. The floors stop its use at once, for all subjects; this file counts it
 * and records it in each ledger afterwards. One scan of the decisions serves both.
 */
import type { Redis } from "ioredis";
import { type PolicyFloors, PURPOSE_BITS } from "../../model/consent.ts";
import { forEachUndamaged, type TellDamage } from "../../model/damage.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { type DevicesSuspended, MAX_POLICY_VERSION } from "../../model/policy-document.ts";
import { PURPOSES, type Purpose } from "../../model/purposes.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { decide } from "../decision/decide.ts";
import { suspensionOf } from "../policy/changes.ts";
import { type FloorPlan, floorsAt } from "../policy/floors.ts";
import { readFloorPlan } from "../policy/policies.ts";
import { type ChangeOptions, changeLedger } from "./change.ts";
import { LedgerStore } from "./store.ts";
import { allDecisions } from "./subject-scan.ts";
import { decisionOf, type SubjectState, statementsOf } from "./subject-state.ts";

/** Field beside the counts: the floors that are already recorded in every ledger. */
const NOTED = "noted";
/** Also the number of scans begun, and the scan that the counts come from. */
const BEGUN = "begun";
const AS_OF = "as-of";
/** How many people something of is suspended, in tens: one more or less says nothing of one. */
const PEOPLE = "people";
const COUNTED_IN = 10;
/** When that scan was, Unix ms; and of how many devices each purpose may use something. */
const COUNTED_AT = "counted-at";
const consentedField = (purpose: Purpose): string => `consented-${purpose}`;
const COUNT = /^\d{1,15}$/;

const REMEMBER_COUNTS: RedisScript = {
  name: "consentryRememberSuspended",
  lua: `--[[
  Stores what a scan of all decisions counted, unless a later scan finished first.
  KEYS[1] hash
  ARGV[1] number of the scan   ARGV[2] field of the number   ARGV[3..] alternating purpose and count
  Reply: 1 stored, 0 the result of a later scan is there
]]
if tonumber(redis.call("HGET", KEYS[1], ARGV[2]) or "0") > tonumber(ARGV[1]) then return 0 end
for index = 3, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[index], ARGV[index + 1]) end
redis.call("HSET", KEYS[1], ARGV[2], ARGV[1])
return 1`,
};

interface Look {
  readonly plan: FloorPlan;
  readonly floors: PolicyFloors;
  readonly now: number;
  readonly counts: DevicesSuspended;
  readonly consented: DevicesSuspended;
  readonly subjects: ReadonlySet<SubjectTag>;
}

export interface Coverage {
  /** Devices of which the purpose may use something, or may again once a hold has ended. */
  readonly consented: Readonly<Record<Purpose, number>>;
  /** Unix ms. */
  readonly countedAt: number;
}

export interface SuspensionOptions extends Pick<ChangeOptions, "now" | "turns"> {
  readonly damaged?: TellDamage;
}

export class Suspensions {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: SuspensionOptions;
  readonly #store: LedgerStore;

  constructor(redis: Redis, keyspace: Keyspace, options: SuspensionOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#store = new LedgerStore(redis, keyspace);
  }

  /** Counts again, for every gateway. Throws `REDIS_UNAVAILABLE`. */
  async survey(): Promise<void> {
    const number = await this.#begin();
    await this.#remember(number, await this.#look());
  }

  /** As of the last survey. Throws `REDIS_UNAVAILABLE`. */
  async counts(): Promise<DevicesSuspended> {
    const counts = await orRedisUnavailable(() => this.#redis.hmget(this.#keyspace.devicesSuspended, ...PURPOSES));
    const [analytics = 0, weather = 0, scene = 0, network = 0] = counts.map(Number);
    return { analytics, weather, scene, network };
  }

  /** Of how many people something is suspended, as of the last survey: whole tens, and 0 below ten. Throws `REDIS_UNAVAILABLE`. */
  async people(): Promise<number> {
    const text = (await orRedisUnavailable(() => this.#redis.hget(this.#keyspace.devicesSuspended, PEOPLE))) ?? "";
    return COUNT.test(text) ? Number(text) : 0;
  }

  /** As of the last survey; `undefined` before the first, and where something there is no count. Throws `REDIS_UNAVAILABLE`. */
  async coverage(): Promise<Coverage | undefined> {
    const fields = [COUNTED_AT, ...PURPOSES.map(consentedField)];
    const found = await orRedisUnavailable(() => this.#redis.hmget(this.#keyspace.devicesSuspended, ...fields));
    const [countedAt, analytics = 0, weather = 0, scene = 0, network = 0] = found.map(Number);
    if (found[0] === null || countedAt === undefined) return undefined;
    if (!found.every((text) => text === null || COUNT.test(text))) return undefined;
    return { consented: { analytics, weather, scene, network }, countedAt };
  }

  /**
   * Number of ledgers that do not record a suspension yet. Changes nothing. Throws `REDIS_UNAVAILABLE`,
   * `LEDGER_BROKEN`.
   */
  async due(): Promise<number> {
    return (await this.#due(await this.#look())).length;
  }

  /**
   * Counts again, and appends to each ledger the suspensions it does not record yet; `noted` is called for each.
   * Returns their number. Throws as every ledger change does.
   */
  async note(noted: (tag: SubjectTag) => Promise<unknown>): Promise<number> {
    const number = await this.#begin();
    const look = await this.#look();
    await this.#remember(number, look);
    const due = await this.#due(look);
    await this.#each(due, async (tag) => {
      if (await this.#append(tag, look.plan)) await noted(tag);
    });
    // Only a complete scan that found nothing to do makes the next one unnecessary.
    if (due.length === 0) {
      await orRedisUnavailable(() => this.#redis.hset(this.#keyspace.devicesSuspended, NOTED, textOf(look.floors)));
    }
    return due.length;
  }

  async #look(): Promise<Look> {
    const now = this.#options.now();
    const plan = await readFloorPlan(this.#redis, this.#keyspace);
    const floors = floorsAt(plan, now);
    const counts = { analytics: 0, weather: 0, scene: 0, network: 0 };
    const consented = { ...counts };
    const subjects = new Set<SubjectTag>();
    for await (const { tag, decision } of allDecisions(this.#redis, this.#keyspace)) {
      // As if there were no hold: a number that falls must not tell of one.
      const { grants = 0 } = decide({ ...decision, held: false }, floors, now);
      for (const purpose of PURPOSES) if ((grants & PURPOSE_BITS[purpose]) !== 0) consented[purpose] += 1;
      const suspended = suspensionOf(decision, floors, now);
      if (suspended === undefined) continue;
      for (const purpose of suspended.purposes) counts[purpose] += 1;
      subjects.add(tag);
    }
    return { plan, floors, now, counts, consented, subjects };
  }

  async #begin(): Promise<number> {
    return orRedisUnavailable(() => this.#redis.hincrby(this.#keyspace.devicesSuspended, BEGUN, 1));
  }

  /** Skipped when a later scan has already finished: its result is newer. */
  async #remember(number: number, { counts, consented, now, subjects }: Look): Promise<void> {
    const of = PURPOSES.flatMap((purpose) => [consentedField(purpose), consented[purpose]]);
    const people = Math.floor(subjects.size / COUNTED_IN) * COUNTED_IN;
    const args = [number, AS_OF, ...Object.entries(counts).flat(), ...of, COUNTED_AT, now, PEOPLE, people];
    await orRedisUnavailable(() => runScript(this.#redis, REMEMBER_COUNTS, [this.#keyspace.devicesSuspended], args));
  }

  async #due({ plan, floors, subjects }: Look): Promise<SubjectTag[]> {
    // Until the floors change again there is nothing new to record, and no ledger needs to be read.
    const noted = await orRedisUnavailable(() => this.#redis.hget(this.#keyspace.devicesSuspended, NOTED));
    if (noted === textOf(floors)) return [];
    const due: SubjectTag[] = [];
    await this.#each(subjects, async (tag) => {
      if (this.#unnoted((await this.#store.read(tag)).state, plan) !== undefined) due.push(tag);
    });
    return due;
  }

  #each(tags: Iterable<SubjectTag>, work: (tag: SubjectTag) => Promise<void>): Promise<void> {
    return forEachUndamaged(tags, this.#options.damaged ?? (() => undefined), work);
  }

  async #append(tag: SubjectTag, plan: FloorPlan): Promise<boolean> {
    let due = false;
    await changeLedger(this.#store, tag, { ...this.#options, journal: {} }, ({ state }) => {
      const unnoted = this.#unnoted(state, plan);
      due = unnoted !== undefined;
      return unnoted && { type: "invalidated", by: "controller", method: "policy", ...unnoted };
    });
    return due;
  }

  #unnoted(state: SubjectState, plan: FloorPlan): { policyVersion: number; purposes: Purpose[] } | undefined {
    const now = this.#options.now();
    const floors = floorsAt(plan, now);
    let policyVersion = 0;
    const unnoted = new Set<Purpose>();
    for (const consent of statementsOf(state)) {
      const suspended = suspensionOf(decisionOf(state, consent), floors, now);
      const fresh = suspended?.purposes.filter((purpose) => !consent.invalidated.includes(purpose)) ?? [];
      // Floors that deny everything until a lost policy is back name no version.
      if (suspended === undefined || fresh.length === 0 || suspended.version > MAX_POLICY_VERSION) continue;
      policyVersion = Math.max(policyVersion, suspended.version);
      for (const purpose of fresh) unnoted.add(purpose);
    }
    if (unnoted.size === 0) return undefined;
    return { policyVersion, purposes: PURPOSES.filter((purpose) => unnoted.has(purpose)) };
  }
}

function textOf(floors: PolicyFloors): string {
  return PURPOSES.map((purpose) => floors[purpose]).join();
}
