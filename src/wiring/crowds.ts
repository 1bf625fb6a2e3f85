/**
 * Wires what is told of crowds alone: the key of the day, the counts of people in cells with the rows made of them, and the weather
 * of a cell.
 */
import { createHmac } from "node:crypto";
import { Activity } from "../crowds/activity.ts";
import { CrowdCounts } from "../crowds/counts.ts";
import { CurrentWeather } from "../crowds/current-weather.ts";
import { DayKeys } from "../crowds/day-keys.ts";
import { LastWeather } from "../crowds/last-weather.ts";
import { Readings } from "../crowds/readings.ts";
import { Turn } from "../crowds/turn.ts";
import { Weather } from "../crowds/weather.ts";
import { CrowdMedians } from "../deidentify/crowd-medians.ts";
import { centerOf } from "../deidentify/location.ts";
import type { ToldCells } from "../forecasts/told-cells.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { CrowdReading, Seen } from "../model/crowd.ts";
import { MINUTE_MS } from "../model/durations.ts";
import type { CellId, SubjectTag } from "../model/ids.ts";
import type { LeaseSource } from "../model/lease.ts";
import type { Property } from "../model/property.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { Base } from "./base.ts";
import type { Outlets } from "./outlets.ts";
import type { Store } from "./store.ts";

/** Steps that tests and demonstrations may shorten, by composition alone; sizes of crowds they may not. */
export interface CrowdOverrides {
  readonly steps?: { readonly cellActivityMs?: number; readonly weatherMs?: number };
}

export interface Crowds {
  /** Tells these from the next step on. */
  useProperties(properties: readonly Property[]): void;
  count(seen: readonly Seen[]): Promise<void>;
  gather(readings: readonly CrowdReading[]): Promise<readonly boolean[]>;
  /** Deletes what waits of a subject, and what was told last of cells in which something of the subject is. */
  forget(subject: SubjectTag): Promise<void>;
  /** Tells the weather that is current to services that have asked for it. */
  readonly currentWeather: Pick<CurrentWeather, "tell">;
  readonly parts: readonly Part[];
}

export interface CrowdsDeps {
  readonly store: Pick<Store, "available" | "sink">;
  readonly outlets: Pick<Outlets, "live" | "current">;
  readonly leases: LeaseSource;
  readonly checkConsent: CheckConsent;
  readonly toldCells: Pick<ToldCells, "note">;
  /** A key was deleted from Redis. */
  readonly keyDestroyed: () => Promise<void>;
}

const TICKS_PER_STEP = 30;
const MOST_TICK_MS = 10_000;
const NOWHERE = { lat: 0, lon: 0 };

export function createCrowds(base: Base, deps: CrowdsDeps, { steps }: CrowdOverrides): Crowds {
  const { config, keys, keyspace, metrics, log, vocabulary } = base;
  const redis = base.redis.store;
  const { influx, cellActivity } = config.sinks;
  const { coarsestResolution, minPeople, stepMs: configuredMs } = config.weather;
  const { leases, checkConsent, outlets } = deps;
  const windowMs = steps?.cellActivityMs ?? cellActivity.windowMs;
  const stepMs = steps?.weatherMs ?? configuredMs;
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
  const readings = new Readings(redis, keyspace, stepMs, { days, now });
  const medians = new CrowdMedians({ properties: vocabulary.properties, coarsestResolution });
  const forMs = config.current.forMinutes * MINUTE_MS;
  const cellKey = createHmac("sha256", keys.pepper).update("consentry cells of the last weather 1").digest();
  const last = new LastWeather(redis, keyspace, { forMs, cellKey }, { days, now });
  const currentWeather = new CurrentWeather({ leases, last, checkConsent, delivery: outlets.current.weather });
  const weather = new Weather(
    redis,
    keyspace,
    { stepMs, minPeople },
    {
      days,
      readings,
      turn: new Turn(redis, keyspace.weatherTurn),
      leases,
      checkConsent,
      delivery: outlets.live.weather,
      areaOf: (cell) => medians.areaOf(cell),
      medians: (values, leastOf) => medians.of(values, leastOf),
      centerOf: (cell: CellId) => centerOf(cell) ?? NOWHERE,
      noteCells: (cells) => deps.toldCells.note(cells),
      keep: forMs === 0 ? undefined : (told) => last.keep(told),
      counted: (told, withheld) => metrics.weatherPeople(told, withheld),
      now,
    },
  );
  const tellActivity = async (): Promise<void> => {
    await clock.compare();
    if (deps.store.available) await activity.tell();
  };
  const periodic = new Periodic([{ name: "cell activity", everyMs: tickOf(windowMs), run: tellActivity }], log);
  const weatherPeriodic = new Periodic(
    [
      { name: "weather", everyMs: tickOf(stepMs), run: () => weather.tell() },
      { name: "last weather", everyMs: stepMs, run: () => last.forgetOld() },
    ],
    log,
  );
  return {
    useProperties: (properties) => medians.useProperties(properties),
    count: (seen) => counts.add(seen),
    gather: (some) => readings.add(some),
    forget: async (subject) => {
      await readings.forget(subject);
      await last.forget(subject);
    },
    currentWeather,
    parts: [
      partOf("cell activity", {
        start: async () => {
          await clock.compare();
          periodic.start();
        },
        stop: () => periodic.stop(),
      }),
      partOf("weather", weatherPeriodic),
    ],
  };
}

function tickOf(stepMs: number): number {
  return Math.min(MOST_TICK_MS, Math.ceil(stepMs / TICKS_PER_STEP));
}
