/**
 * Readings that wait for the end of their step, in Redis, so that a killed gateway has lost none and all gateways fill one crowd. Each
 * is sealed under the key of the day; its field is a hash of the subject under that key and one of four slots for the subject's
 * devices, so a subject fills four at most and its newest replace the others.
 */
import type { Redis } from "ioredis";
import type { CrowdReading } from "../model/crowd.ts";
import { MINUTE_MS } from "../model/durations.ts";
import type { CellId, DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { type DayKey, type DayKeys, dayAt } from "./day-keys.ts";

const TAKE_READINGS: RedisScript = {
  name: "consentryTakeReadings",
  lua: `--[[
  Takes readings into a step; none once it is closed. A mark from a clock that was far ahead closes nothing.
  KEYS[1] hash of the step   KEYS[2] how far steps are told
  ARGV[1] start of the step   ARGV[2] ms until it goes by itself   ARGV[3] most fields   ARGV[4] ms that a mark may be ahead
  then: field, sealed reading, and so on
  Reply: 1 taken, 0 the step is closed
]]
local ahead = tonumber(redis.call("HGET", KEYS[2], "closed") or "-1") - tonumber(ARGV[1])
if ahead >= 0 and ahead <= tonumber(ARGV[4]) then return 0 end
for at = 5, #ARGV, 2 do
  if redis.call("HLEN", KEYS[1]) < tonumber(ARGV[3]) or redis.call("HEXISTS", KEYS[1], ARGV[at]) == 1 then
    redis.call("HSET", KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return 1`,
};

/** Older readings are no weather any more; nor are those of a step that could not be told for as long. */
export const LATEST_MS = 15 * MINUTE_MS;
const SLOTS = 4;
const MOST_FIELDS = 500_000;
const READINGS_PER_CALL = 500;
const PAGE = 500;

export interface ReadingsPorts {
  readonly days: Pick<DayKeys, "of">;
  /** Unix ms, never ahead of the clock of Redis. */
  now(): number;
}

/** A reading as it is found again, with the field that holds it. */
export interface WaitingReading extends CrowdReading {
  readonly field: string;
}

export class Readings {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #stepMs: number;
  readonly #ports: ReadingsPorts;
  /** What this process has taken in the present step: a device that says the same again costs nothing. */
  #step = -1;
  readonly #taken = new Map<DeviceKey, string>();

  constructor(redis: Redis, keyspace: Keyspace, stepMs: number, ports: ReadingsPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#stepMs = stepMs;
    this.#ports = ports;
  }

  /**
   * Readings of the present step; whether each was taken, for one that is too old is not. May be repeated. Throws
   * REDIS_UNAVAILABLE.
   */
  async add(readings: readonly CrowdReading[]): Promise<boolean[]> {
    const now = this.#ports.now();
    const start = this.#stepAt(now);
    if (start !== this.#step) {
      this.#step = start;
      this.#taken.clear();
    }
    const taken = readings.map(({ at }) => Math.abs(now - at) <= LATEST_MS);
    const news = readings.filter(
      (reading, index) => taken[index] && this.#taken.get(reading.device.deviceKey) !== saidBy(reading),
    );
    if (news.length === 0) return taken;
    if (await this.#take(news, start)) this.#remember(start, news);
    // The step was closed meanwhile: they belong to the next.
    else if (!(await this.#take(news, start + this.#stepMs))) return readings.map(() => false);
    return taken;
  }

  /** All that wait in a step, page by page. What does not open is left out: its key is gone, or it was changed. */
  async *of(start: number, key: DayKey): AsyncGenerator<WaitingReading[]> {
    let cursor = "0";
    do {
      const [next, entries] = await orRedisUnavailable(() =>
        this.#redis.hscan(this.#keyspace.weatherStep(start), cursor, "COUNT", PAGE),
      );
      const page: WaitingReading[] = [];
      for (let at = 0; at + 1 < entries.length; at += 2) {
        const reading = opened(key.seal.open(entries[at + 1] ?? ""));
        if (reading !== undefined) page.push({ ...reading, field: entries[at] ?? "" });
      }
      yield page;
      cursor = next;
    } while (cursor !== "0");
  }

  /** Takes readings out of a step; whether this call did. */
  async takeOut(start: number, fields: readonly string[]): Promise<boolean> {
    let gone = 0;
    for (let from = 0; from < fields.length; from += PAGE) {
      const some = fields.slice(from, from + PAGE);
      gone += await orRedisUnavailable(() => this.#redis.hdel(this.#keyspace.weatherStep(start), ...some));
    }
    return gone > 0;
  }

  /** Deletes what waits of a subject, of this step and of those not told yet. Throws REDIS_UNAVAILABLE. */
  async forget(subject: SubjectTag): Promise<void> {
    const now = this.#ports.now();
    const steps = Math.ceil(LATEST_MS / this.#stepMs) + 1;
    for (let ago = -1; ago <= steps; ago += 1) {
      const start = this.#stepAt(now) - ago * this.#stepMs;
      if ((await orRedisUnavailable(() => this.#redis.exists(this.#keyspace.weatherStep(start)))) === 0) continue;
      const name = (await this.#ports.days.of(dayAt(start))).nameOf(subject);
      await this.takeOut(
        start,
        Array.from({ length: SLOTS }, (_, slot) => `${name}.${slot}`),
      );
    }
  }

  #remember(start: number, readings: readonly CrowdReading[]): void {
    if (start !== this.#step) return;
    for (const reading of readings) {
      if (this.#taken.size < MOST_FIELDS) this.#taken.set(reading.device.deviceKey, saidBy(reading));
    }
  }

  #stepAt(ms: number): number {
    return ms - (ms % this.#stepMs);
  }

  async #take(readings: readonly CrowdReading[], start: number): Promise<boolean> {
    const key = await this.#ports.days.of(dayAt(start));
    // The newest of each field only.
    const sealed = new Map(readings.map((reading) => [fieldOf(reading, key), reading]));
    const fields = [...sealed].map(([field, reading]) => [field, key.seal.seal(shown(reading))] as const);
    for (let from = 0; from < fields.length; from += READINGS_PER_CALL) {
      const keys = [this.#keyspace.weatherStep(start), this.#keyspace.weatherProgress];
      const some = fields.slice(from, from + READINGS_PER_CALL).flat();
      const args = [start, this.#stepMs + LATEST_MS, MOST_FIELDS, LATEST_MS, ...some];
      if ((await orRedisUnavailable(() => runScript(this.#redis, TAKE_READINGS, keys, args))) !== 1) return false;
    }
    return true;
  }
}

function fieldOf({ device }: CrowdReading, key: DayKey): string {
  return `${key.nameOf(device.subjectTag)}.${key.bytesFor("slot", device.deviceKey).readUInt8(0) % SLOTS}`;
}

/** Consent given again, or another owner, make it another reading. */
function saidBy({ device, cell, status }: CrowdReading): string {
  return `${device.subjectTag} ${device.revision} ${cell} ${JSON.stringify(status)}`;
}

type Sealed = readonly [
  deviceKey: DeviceKey,
  subjectTag: SubjectTag,
  revision: number | null,
  at: number,
  cell: CellId,
  status: Readonly<Record<string, number>>,
];

function shown({ device, at, cell, status }: CrowdReading): Sealed {
  return [device.deviceKey, device.subjectTag, device.revision ?? null, at, cell, status];
}

/** What opens was sealed here. */
function opened(value: unknown): CrowdReading | undefined {
  if (!Array.isArray(value)) return undefined;
  const [deviceKey, subjectTag, revision, at, cell, status] = value as unknown as Sealed;
  return { device: { deviceKey, subjectTag, revision: revision ?? undefined }, at, cell, status };
}
