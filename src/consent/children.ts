/**
 * The list of a hub's children: which device an alias stands for. It only leads to a child: what the child's own credential
 * does not repeat is not said. Every change leaves another mark, so that a writer notices a faster one.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { AliasMac, DeviceKey } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { execEach } from "../platform/redis-values.ts";

export const MAX_CHILDREN = 512;
const MARK = "mark";

export interface Entry {
  readonly alias: AliasMac;
  readonly key: DeviceKey;
}

export interface Entries {
  /** "" when there is no list. */
  readonly mark: string;
  readonly entries: readonly Entry[];
}

const WRITE_CHILDREN: RedisScript = {
  name: "consentryWriteChildren",
  lua: `--[[
  Changes a list of children, unless another writer was first.
  KEYS[1] the list
  ARGV[1] mark it was read with   ARGV[2] mark after it   ARGV[3] number of aliases to remove
  ARGV[4..] those aliases, then alternating alias and device key
  Reply: 1 written, 0 there was another writer
]]
if redis.call("TYPE", KEYS[1]).ok ~= "hash" then redis.call("DEL", KEYS[1]) end
if (redis.call("HGET", KEYS[1], "mark") or "") ~= ARGV[1] then return 0 end
local last = 3 + tonumber(ARGV[3])
for index = 4, last do redis.call("HDEL", KEYS[1], ARGV[index]) end
for index = last + 1, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[index], ARGV[index + 1]) end
redis.call("HSET", KEYS[1], "mark", ARGV[2])
if redis.call("HLEN", KEYS[1]) == 1 then redis.call("DEL", KEYS[1]) end
return 1`,
};

const CONFIRM_CHILDREN: RedisScript = {
  name: "consentryConfirmChildren",
  lua: `--[[
  Removes what a device no longer answers to, and says which of the others are still listed.
  KEYS[1] the list
  ARGV[1] mark after it   ARGV[2] channel for changes of children   ARGV[3] hub   ARGV[4] number of entries to remove
  ARGV[5..] alternating alias and device key: first those, then the ones to confirm
  Reply: 1 or 0 for each of the ones to confirm
]]
local last = 4 + 2 * tonumber(ARGV[4])
local confirmed = {}
for index = 5, #ARGV, 2 do
  local same = redis.call("HGET", KEYS[1], ARGV[index]) == ARGV[index + 1]
  if index > last then
    confirmed[#confirmed + 1] = same and 1 or 0
  elseif same then
    redis.call("HDEL", KEYS[1], ARGV[index])
  end
end
if redis.call("EXISTS", KEYS[1]) == 1 then redis.call("HSET", KEYS[1], "mark", ARGV[1]) end
if redis.call("HLEN", KEYS[1]) == 1 then redis.call("DEL", KEYS[1]) end
redis.call("PUBLISH", ARGV[2], ARGV[3])
return confirmed`,
};

export class Children {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** A value of another type was not written by the gateway: no children. */
  async read(hub: DeviceKey): Promise<Entries> {
    const asked = this.#redis.pipeline().hgetall(this.#keyspace.children(hub));
    const [fields] = await orRedisUnavailable(() => execEach(asked));
    return entriesOf(fields);
  }

  /** `false` when another writer was first. */
  async write(hub: DeviceKey, mark: string, change: { removed: readonly Entry[]; added: readonly Entry[] }) {
    const args = [mark, newMark(), change.removed.length, ...change.removed.map(({ alias }) => alias)];
    for (const { alias, key } of change.added) args.push(alias, key);
    return (await this.#run(WRITE_CHILDREN, hub, args)) === 1;
  }

  /** Which of `kept` are still listed; gateways that have a session of the hub are told. */
  async confirm(hub: DeviceKey, change: { removed: readonly Entry[]; kept: readonly Entry[] }): Promise<boolean[]> {
    const args = [newMark(), this.#keyspace.childrenChanged, hub, change.removed.length];
    for (const { alias, key } of [...change.removed, ...change.kept]) args.push(alias, key);
    const confirmed = (await this.#run(CONFIRM_CHILDREN, hub, args)) as number[];
    return confirmed.map((one) => one === 1);
  }

  #run(script: RedisScript, hub: DeviceKey, args: readonly (string | number)[]): Promise<unknown> {
    return orRedisUnavailable(() => runScript(this.#redis, script, [this.#keyspace.children(hub)], args));
  }
}

/** Of the reply of HGETALL. */
export function entriesOf(fields: unknown): Entries {
  const { [MARK]: mark = "", ...rest } = (fields ?? {}) as Record<string, string>;
  const pairs = Object.entries(rest) as [AliasMac, DeviceKey][];
  return { mark, entries: pairs.slice(0, MAX_CHILDREN).map(([alias, key]) => ({ alias, key })) };
}

/** The first 96 bits suffice: two writers of the same list at the same time must differ. */
function newMark(): string {
  return randomBytes(12).toString("base64url");
}
