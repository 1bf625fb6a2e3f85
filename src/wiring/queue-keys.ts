/** Whether a queue key may go: nothing is sealed under it, and nothing can be on its way that is. */
import type { Redis } from "ioredis";
import { liveGateways } from "../platform/presence.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { sealsByKey } from "../queue/key-use.ts";
import { noticesByKey } from "../rights/erasure-parts.ts";

/** Batches, dead letters and notices under a key; `sealing` while a gateway seals under it, or did moments ago. */
export async function sealsUnder(redis: Redis, keys: RedisKeys, id: string): Promise<number | "sealing"> {
  const reports = await liveGateways(redis, keys);
  // A batch may still be on its way into the queue under a key its gateway has just left.
  if (reports.some(({ sealing }) => sealing.includes(id) || sealing.length === 0)) return "sealing";
  const counts = [await sealsByKey(redis, keys), await noticesByKey(redis, keys)];
  return counts.reduce((sum, found) => sum + (found.get(id) ?? 0), 0);
}
