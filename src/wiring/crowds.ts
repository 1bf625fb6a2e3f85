/** Wires what is told of crowds alone: the key of the day, the counts of people in cells, and the rows made of them. */
import { Activity } from "../crowds/activity.ts";
import { CrowdCounts } from "../crowds/counts.ts";
import { DayKeys } from "../crowds/day-keys.ts";
import { Turn } from "../crowds/turn.ts";
import type { Seen } from "../model/crowd.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { Base } from "./base.ts";
import type { Store } from "./store.ts";

/** Steps that tests and demonstrations may shorten, by composition alone; sizes of crowds they may not. */
export interface CrowdOverrides {
  readonly steps?: { readonly cellActivityMs?: number };
}

export interface Crowds {
  count(seen: readonly Seen[]): Promise<void>;
  readonly part: Part;
}

export interface CrowdsDeps {
  readonly store: Pick<Store, "available" | "reached" | "sink">;
  /** A key was deleted from Redis. */
  readonly keyDestroyed: () => Promise<void>;
}

const TICKS_PER_WINDOW = 30;
const MOST_TICK_MS = 10_000;

export function createCrowds(base: Base, deps: CrowdsDeps, { steps }: CrowdOverrides): Crowds {
  const { config, keys, keyspace, metrics, log } = base;
  const redis = base.redis.store;
  const { influx, cellActivity } = config.sinks;
  const windowMs = steps?.cellActivityMs ?? cellActivity.windowMs;
  const clock = new AgreedClock(redis);
  const now = () => clock.earliest();
  const days = new DayKeys(redis, keyspace, keys.pepper, { destroyed: deps.keyDestroyed });
  const counts = new CrowdCounts(redis, keyspace, windowMs, { days, now });
  const activity = new Activity(
    redis,
    keyspace,
    { ...cellActivity, windowMs },
    {
      days,
      turn: new Turn(redis, keyspace.crowdTurn),
      write: (rows) => deps.store.sink.writeActivity(rows, AbortSignal.timeout(influx.timeoutMs)),
      told: (rows) => metrics.cellActivityTold(rows),
      now,
    },
  );
  const tell = async (): Promise<void> => {
    await clock.compare();
    if (deps.store.available) await activity.tell();
  };
  const everyMs = Math.min(MOST_TICK_MS, Math.ceil(windowMs / TICKS_PER_WINDOW));
  const periodic = new Periodic([{ name: "cell activity", everyMs, run: tell }], log);
  return {
    count: (seen) => counts.add(seen),
    part: partOf("cell activity", {
      start: async () => {
        await clock.compare();
        periodic.start();
      },
      stop: () => periodic.stop(),
    }),
  };
}
