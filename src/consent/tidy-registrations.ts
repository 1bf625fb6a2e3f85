/**
 * Cleans up behind a registration that ended. Nothing depends on it for silence: what the credentials do not say any more
 * is not said. It can be interrupted anywhere and begun again; the credential remembers what is left to do.
 */
import type { Redis } from "ioredis";
import type { AliasMac, DeviceKey } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { runScript } from "../platform/redis-script.ts";
import { execEach } from "../platform/redis-values.ts";
import { Children, type Entries, entriesOf } from "./children.ts";
import { CLOSE_HUB, DISOWN, LEFT_CLEAN } from "./registration.ts";

/** Throws `REDIS_UNAVAILABLE`. */
export async function tidyRegistrations(redis: Redis, keyspace: Keyspace, device: DeviceKey): Promise<void> {
  const credential = keyspace.credential(device);
  const asked = redis.pipeline().hmget(credential, "left", "tenure").hgetall(keyspace.children(device));
  const [fields, listed] = await orRedisUnavailable(() => execEach(asked));
  const [left, tenure] = (fields ?? []) as (string | null)[];
  if (left) await cleanLeft(redis, keyspace, device, left);
  const list = entriesOf(listed);
  if (list.entries.length > 0 && !tenure) await endChildren(redis, keyspace, device, list);
}

async function endChildren(redis: Redis, keyspace: Keyspace, hub: DeviceKey, list: Entries): Promise<void> {
  const { mark, entries } = list;
  const asked = redis.pipeline();
  for (const { key } of entries) asked.hget(keyspace.credential(key), "hubTenure");
  // Last: every tenure read before is over when the hub has none now.
  const replies = await orRedisUnavailable(() => execEach(asked.hget(keyspace.credential(hub), "tenure")));
  if (replies.pop()) return;
  await orRedisUnavailable(() =>
    Promise.all(
      entries.map(async ({ key }, index) => {
        const args = [hub, keyspace.childrenChanged, replies[index]];
        if (replies[index]) await runScript(redis, DISOWN, [keyspace.credential(key)], args as string[]);
      }),
    ),
  );
  // A faster writer cleans up itself.
  await new Children(redis, keyspace).write(hub, mark, { removed: entries, added: [] });
}

/** A hub whose last child went is none, and may be a child itself. Throws `REDIS_UNAVAILABLE`. */
export async function closeIfEmpty(redis: Redis, keyspace: Keyspace, hub: DeviceKey): Promise<void> {
  const name = keyspace.credential(hub);
  const asked = redis.pipeline().hget(name, "tenure").hgetall(keyspace.children(hub));
  const [tenure, listed] = await orRedisUnavailable(() => execEach(asked));
  if (typeof tenure !== "string" || entriesOf(listed).entries.length > 0) return;
  await orRedisUnavailable(() => runScript(redis, CLOSE_HUB, [name], [tenure]));
}

async function cleanLeft(redis: Redis, keyspace: Keyspace, device: DeviceKey, left: string): Promise<void> {
  const children = new Children(redis, keyspace);
  for (const place of new Set(left.split(","))) {
    const [hub, alias] = place.split("/") as [DeviceKey, AliasMac];
    await children.confirm(hub, { removed: [{ alias, key: device }], kept: [] });
    await closeIfEmpty(redis, keyspace, hub);
  }
  await orRedisUnavailable(() => runScript(redis, LEFT_CLEAN, [keyspace.credential(device)], [left]));
}
