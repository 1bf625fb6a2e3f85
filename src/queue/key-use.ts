/** The queue keys under which something is still sealed: batches in any state, and dead letters. */
import type { Redis } from "ioredis";
import type { Keyspace } from "../platform/keyspace.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";

const PAGE = 200;

const KEY_IDS: RedisScript = {
  name: "consentryBatchKeyIds",
  lua: `--[[
  Reads only the key ids of sealed batches.
  KEYS job hashes
  Reply: one id per batch; "" where there is none
]]
local ids = {}
for index, key in ipairs(KEYS) do
  local data = redis.call("TYPE", key).ok == "hash" and redis.call("HGET", key, "data")
  ids[index] = data and string.match(data, '"k":"([a-z0-9]+)"') or ""
end
return ids`,
};

/** Number of seals by key id. */
export async function sealsByKey(redis: Redis, keyspace: Keyspace): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const batches = await countBatches(redis, keyspace);
  const letters = await countLetters(redis, keyspace);
  // A letter replayed into the queue between the reads was in neither.
  const again = await countBatches(redis, keyspace);
  for (const counts of [letters, larger(batches, again)]) {
    for (const [id, count] of counts) found.set(id, (found.get(id) ?? 0) + count);
  }
  return found;
}

function larger(left: Map<string, number>, right: Map<string, number>): Map<string, number> {
  const ids = new Set([...left.keys(), ...right.keys()]);
  return new Map([...ids].map((id) => [id, Math.max(left.get(id) ?? 0, right.get(id) ?? 0)]));
}

async function countBatches(redis: Redis, { queuePrefix, queueName }: Keyspace): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let cursor = "0";
  do {
    const [next, names] = await redis.scan(cursor, "MATCH", `${queuePrefix}:${queueName}:b*`, "COUNT", PAGE);
    if (names.length > 0) count(counts, (await runScript(redis, KEY_IDS, names, [])) as string[]);
    cursor = next;
  } while (cursor !== "0");
  return counts;
}

async function countLetters(redis: Redis, { deadLetters }: Keyspace): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let cursor = "0";
  do {
    const [next, flat] = await redis.hscan(deadLetters, cursor, "COUNT", PAGE);
    const letters = flat.filter((_, index) => index % 2 === 1);
    count(
      counts,
      // As with a batch: an unreadable letter opens under no key.
      letters.map((text) => /"k":"([a-z0-9]+)"/.exec(text)?.[1] ?? ""),
    );
    cursor = next;
  } while (cursor !== "0");
  return counts;
}

function count(counts: Map<string, number>, ids: readonly string[]): void {
  for (const id of ids) if (id !== "") counts.set(id, (counts.get(id) ?? 0) + 1);
}
