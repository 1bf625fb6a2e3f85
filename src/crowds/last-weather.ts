/**
 * The weather of each cell as it was told last, for services that ask for what is current: sealed under the key of its day, with
 * everyone whose values are in it, so that it can be told as long as all of them still consent, and goes with any of them.
 */
import { createHmac } from "node:crypto";
import type { Redis } from "ioredis";
import type { CrowdTelling } from "../model/crowd.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type DayKeys, dayAt } from "./day-keys.ts";

export interface LastWeatherOptions {
  /** For how long it is current. */
  readonly forMs: number;
  /** What the names of cells are hashed with. */
  readonly cellKey: Buffer;
}

export interface LastWeatherPorts {
  readonly days: Pick<DayKeys, "of">;
  /** Unix ms, never ahead of the clock of Redis. */
  now(): number;
}

/** What was told of a cell, and of whom: each device with the state of the ledger under which its values were admitted. */
export interface ToldWeather {
  readonly record: CrowdTelling["record"];
  readonly devices: readonly DeviceRef[];
}

/** The same with the field that holds it. */
export interface LastTold extends ToldWeather {
  readonly field: string;
}

/** Of a cell with more of them nothing is kept: the next step is never far. */
const MOST_DEVICES = 5_000;
const CELL_BYTES = 8;
const PAGE = 50;
const VALUE = /^(\d{1,15}):(.+)$/;

export class LastWeather {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #options: LastWeatherOptions;
  readonly #ports: LastWeatherPorts;

  constructor(
    redis: Redis,
    keyspace: Pick<Keyspace, "weatherLast">,
    options: LastWeatherOptions,
    ports: LastWeatherPorts,
  ) {
    this.#redis = redis;
    this.#name = keyspace.weatherLast;
    this.#options = options;
    this.#ports = ports;
  }

  /** In place of what was told of the same cells before. Throws REDIS_UNAVAILABLE. */
  async keep(told: readonly ToldWeather[]): Promise<void> {
    const [first] = told;
    if (first === undefined) return;
    const key = await this.#ports.days.of(dayAt(first.record.at));
    const kept: string[] = [];
    const gone: string[] = [];
    for (const one of told) {
      const field = this.#fieldOf(one.record.cell);
      if (one.devices.length > MOST_DEVICES) gone.push(field);
      else kept.push(field, `${one.record.at}:${key.seal.seal(shown(one))}`);
    }
    const call = this.#redis.pipeline();
    if (gone.length > 0) call.hdel(this.#name, ...gone);
    if (kept.length > 0) call.hset(this.#name, ...kept);
    // With the last of them that is told it goes by itself.
    call.pexpire(this.#name, this.#options.forMs);
    await orRedisUnavailable(async () => {
      for (const [error] of (await call.exec()) ?? []) if (error !== null) throw error;
    });
  }

  /** What is current, page by page; what is not is taken out. Throws REDIS_UNAVAILABLE. */
  async *all(): AsyncGenerator<readonly LastTold[]> {
    let cursor = "0";
    do {
      const at = cursor;
      const [next, entries] = await orRedisUnavailable(() => this.#redis.hscan(this.#name, at, "COUNT", PAGE));
      cursor = next;
      const now = this.#ports.now();
      const page: LastTold[] = [];
      const gone: string[] = [];
      for (let index = 0; index + 1 < entries.length; index += 2) {
        const field = entries[index] ?? "";
        const told = await this.#current(entries[index + 1] ?? "", now);
        if (told === undefined) gone.push(field);
        else page.push({ ...told, field });
      }
      await this.takeOut(gone);
      if (page.length > 0) yield page;
    } while (cursor !== "0");
  }

  async takeOut(fields: readonly string[]): Promise<void> {
    if (fields.length > 0) await orRedisUnavailable(() => this.#redis.hdel(this.#name, ...fields));
  }

  /** Takes out what is too old. Throws REDIS_UNAVAILABLE. */
  async forgetOld(): Promise<void> {
    const pages = this.all();
    while ((await pages.next()).done !== true);
  }

  /** Takes out every cell in which something of the subject is. Throws REDIS_UNAVAILABLE. */
  async forget(subject: SubjectTag): Promise<void> {
    for await (const page of this.all()) {
      const concerned = page.filter(({ devices }) => devices.some(({ subjectTag }) => subjectTag === subject));
      await this.takeOut(concerned.map(({ field }) => field));
    }
  }

  /** Only of this day: the key of another one may be destroyed at any moment. */
  async #current(value: string, now: number): Promise<ToldWeather | undefined> {
    const [, start, sealed] = VALUE.exec(value) ?? [];
    if (start === undefined || sealed === undefined) return undefined;
    if (now - Number(start) > this.#options.forMs || dayAt(Number(start)) !== dayAt(now)) return undefined;
    const key = await this.#ports.days.of(dayAt(now));
    return opened(key.seal.open(sealed));
  }

  #fieldOf(cell: string): string {
    return createHmac("sha256", this.#options.cellKey).update(cell).digest().toString("base64url", 0, CELL_BYTES);
  }
}

type Shown = readonly [
  record: CrowdTelling["record"],
  devices: readonly (readonly [subject: SubjectTag, device: DeviceKey, revision: number | null])[],
];

function shown({ record, devices }: ToldWeather): Shown {
  return [record, devices.map(({ subjectTag, deviceKey, revision }) => [subjectTag, deviceKey, revision ?? null])];
}

/** What opens was sealed here. */
function opened(value: unknown): ToldWeather | undefined {
  if (!Array.isArray(value)) return undefined;
  const [record, devices] = value as unknown as Shown;
  return {
    record,
    devices: devices.map(([subjectTag, deviceKey, revision]) => ({
      subjectTag,
      deviceKey,
      revision: revision ?? undefined,
    })),
  };
}
