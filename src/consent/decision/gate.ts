/**
 * Reads the decisions of a whole batch and the policy floors in one round trip. Nothing is cached: a withdrawal must
 * hold for the very next batch.
 */
import type { Redis } from "ioredis";
import type { Decision, PolicyFloors } from "../../model/consent.ts";
import type { DeviceRef } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { decodeFloors, type FloorPlan, floorsAt } from "../policy/floors.ts";
import { decodeDecision } from "./record.ts";

export interface GateReading {
  /** In the order requested; `undefined` where a decision is missing or unreadable. */
  readonly decisions: (Decision | undefined)[];
  readonly floors: PolicyFloors;
  /** Those floors, and the ones that take effect later. */
  readonly plan: FloorPlan;
}

export class ConsentGate {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** One MGET, floors included, so that both are read at the same moment. Throws `REDIS_UNAVAILABLE`. */
  async read(refs: readonly DeviceRef[]): Promise<GateReading> {
    const names = new Array<string>(refs.length + 1);
    names[0] = this.#keyspace.policyFloors;
    for (const [index, ref] of refs.entries())
      names[index + 1] = this.#keyspace.decision(ref.subjectTag, ref.deviceKey);

    const texts = await orRedisUnavailable(() => this.#redis.mget(names));
    const decisions = new Array<Decision | undefined>(refs.length);
    for (let index = 0; index < refs.length; index += 1) decisions[index] = decodeDecision(texts[index + 1]);
    const plan = decodeFloors(texts[0]);
    return { decisions, floors: floorsAt(plan, Date.now()), plan };
  }
}
