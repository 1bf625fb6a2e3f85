/** Wires the rotation of queue keys: which of them are in use, and the folder in which they change. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import { DAY_MS } from "../model/durations.ts";
import { addQueueKey, removeKey } from "../platform/keys/changes.ts";
import { readKeys } from "../platform/keys/files.ts";
import { liveGateways } from "../platform/keys/presence.ts";
import { planRotation, type QueueKeyUse, type Rotation } from "../platform/keys/rotation.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { sealsByKey } from "../queue/key-use.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { noticesByKey } from "../rights/erasure/in-ledger.ts";
import type { RetentionItem, RetentionResult } from "../rights/retention/retention.ts";

export interface QueueKeyDeps {
  readonly config: Pick<Config, "keys" | "retention">;
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly audit: Pick<AuditTrail, "note">;
}

/** The folder is not writable for the gateway: then only the operator's command changes keys. */
const READ_ONLY = new Set(["EROFS", "EACCES", "EPERM"]);

export async function queueKeyUse(redis: Redis, keyspace: Keyspace): Promise<QueueKeyUse> {
  // In this order: a batch that a gateway reports in transit may be counted twice, but is never missed.
  const reports = await liveGateways(redis, keyspace);
  const seals = await sealsByKey(redis, keyspace);
  for (const [id, count] of await noticesByKey(redis, keyspace)) seals.set(id, (seals.get(id) ?? 0) + count);
  return { reports, seals };
}

export function queueKeyRetention(deps: QueueKeyDeps): RetentionItem {
  const { dir } = deps.config.keys;
  const audited = (act: "key-rotated" | "key-destroyed", key: string) =>
    deps.audit.note({ act, by: "gateway", detail: { key } });
  return {
    kind: "queueKeys",
    due: async () => countOf(await planOf(deps)),
    run: async (): Promise<Omit<RetentionResult, "kind">> => {
      const plan = await planOf(deps);
      try {
        // Gateway and operator may do this at the same time: the first one writes the line, the other finds it done.
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

async function planOf({ config, redis, keyspace }: QueueKeyDeps): Promise<Rotation & { readonly active: string }> {
  const { queueKeyDays } = config.retention;
  if (queueKeyDays === 0) return { rotate: false, active: "", spent: [] };
  const { queue } = readKeys(config.keys.dir, { create: false });
  const { active } = queue;
  const { mtimeMs } = statSync(join(config.keys.dir, "queue", `${active}.key`));
  const present = { active, ids: [...queue.all.keys()], activeForMs: Date.now() - mtimeMs };
  // A single key cannot be removed, so nothing has to be counted.
  const alone = async () => ({ reports: await liveGateways(redis, keyspace), seals: new Map<string, number>() });
  const use = queue.all.size === 1 ? await alone() : await queueKeyUse(redis, keyspace);
  return { ...planRotation(present, queueKeyDays * DAY_MS, use), active };
}

function countOf({ rotate, spent }: Rotation): number {
  return spent.length + Number(rotate);
}
