/**
 * Which queue keys may go: those under which nothing is sealed and nothing can be on its way that is. And by
 * themselves: a key that has sealed for long enough gives way to a new one, and goes when it has opened the last.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import type { AuditAct } from "../model/audit.ts";
import { addQueueKey, removeKey } from "../platform/keys/changes.ts";
import { readKeys } from "../platform/keys/files.ts";
import { liveGateways } from "../platform/keys/presence.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { sealsByKey } from "../queue/key-use.ts";
import { noticesByKey } from "../rights/erasure/in-ledger.ts";
import type { RetentionItem, RetentionResult } from "../rights/retention/retention.ts";

export interface QueueKeyDeps {
  readonly config: Pick<Config, "keys" | "retention">;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly audit: (act: AuditAct) => Promise<unknown>;
}

interface Plan {
  readonly rotate: boolean;
  /** The newest queue key when this was planned. */
  readonly active: string;
  readonly spent: readonly string[];
}

const DAY_MS = 86_400_000;
/** The folder is not ours to write in: the operator's command changes keys then. */
const READ_ONLY = new Set(["EROFS", "EACCES", "EPERM"]);

/** Batches, dead letters and notices under a key; `sealing` while a gateway seals under it, or did moments ago. */
export async function sealsUnder(redis: Redis, keys: RedisKeys, id: string): Promise<number | "sealing"> {
  const reports = await liveGateways(redis, keys);
  // A batch may still be on its way into the queue under a key its gateway has just left.
  if (reports.some(({ sealing }) => sealing.includes(id) || sealing.length === 0)) return "sealing";
  const counts = [await sealsByKey(redis, keys), await noticesByKey(redis, keys)];
  return counts.reduce((sum, found) => sum + (found.get(id) ?? 0), 0);
}

export function queueKeyRetention(deps: QueueKeyDeps): RetentionItem {
  const { dir } = deps.config.keys;
  const audited = (act: "key-rotated" | "key-destroyed", key: string) =>
    deps.audit({ act, by: "gateway", detail: { key } });
  return {
    kind: "queueKeys",
    due: async () => countOf(await planOf(deps)),
    run: async (): Promise<Omit<RetentionResult, "kind">> => {
      const plan = await planOf(deps);
      try {
        // Whoever comes first, the gateway or the operator, says so; the other finds it done.
        for (const id of plan.spent) if (removeKey(dir, id)) await audited("key-destroyed", id);
        const made = plan.rotate ? addQueueKey(dir, plan.active) : undefined;
        if (made !== undefined) await audited("key-rotated", made);
      } catch (error) {
        if (!READ_ONLY.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
        return { state: "postponed", count: countOf(plan) };
      }
      return { state: "done", count: countOf(plan) };
    },
  };
}

async function planOf({ config, redis, keys }: QueueKeyDeps): Promise<Plan> {
  const { queueKeyDays } = config.retention;
  if (queueKeyDays === 0) return { rotate: false, active: "", spent: [] };
  const { queue } = readKeys(config.keys.dir, { create: false });
  const { mtimeMs } = statSync(join(config.keys.dir, "queue", `${queue.active}.key`));
  const reports = await liveGateways(redis, keys);
  // Where another folder holds a key that this one lacks, the next one is being handed round already.
  const shared = reports.every((report) => Object.keys(report.queue).every((id) => queue.all.has(id)));
  const spent: string[] = [];
  for (const id of queue.all.keys()) {
    if (id !== queue.active && (await sealsUnder(redis, keys, id)) === 0) spent.push(id);
  }
  return { rotate: shared && Date.now() - mtimeMs > queueKeyDays * DAY_MS, active: queue.active, spent };
}

function countOf({ rotate, spent }: Plan): number {
  return spent.length + Number(rotate);
}
