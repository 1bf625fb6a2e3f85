/**
 * Tells how busy cells are, one row for each told cell and finished window. A cell is told for a whole UTC day once k people were
 * there on the day before, or have been today; k is drawn for each cell and day. Every window of a told cell has a row, also
 * one in which no person was there, and each count has noise drawn from the key of the day, cell and window: no row is a witness
 * of one person, and asking again, or another gateway, gives the very same row.
 *
 *   window over → closed (nothing is counted into it any more) → cells of the day → rows → store → hashes deleted
 */
import type { Redis } from "ioredis";
import { DAY_MS } from "../model/durations.ts";
import type { CellId } from "../model/ids.ts";
import type { CellCount } from "../model/sink.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { MOST_MESSAGES } from "./counts.ts";
import { type DayKey, type DayKeys, dayAt } from "./day-keys.ts";
import { drawBetween, drawNoise, roundedCount } from "./draw.ts";
import { Progress } from "./progress.ts";
import { ToldPeople } from "./told-people.ts";
import type { Turn } from "./turn.ts";

export interface ActivityOptions {
  /** A whole number of them makes a day. */
  readonly windowMs: number;
  /** Lowest number of people that k is drawn from; the highest is `SPREAD_OF_K` more. */
  readonly minPeople: number;
}

export interface ActivityPorts {
  readonly days: Pick<DayKeys, "of" | "destroy">;
  readonly turn: Turn;
  /** Definite: rejects when the store has not got them all, and then all are written again. */
  readonly write: (counts: readonly CellCount[]) => Promise<unknown>;
  readonly told: (rows: number) => void;
  /** Unix ms, never ahead of the clock of Redis. */
  now(): number;
}

export const SPREAD_OF_K = 5;
/** One person more or less is told with an advantage of at most 1 / 16; see drawNoise. */
const PEOPLE_NOISE = 8;
/** A person's messages hide behind the noise of sixteen people's. */
const MESSAGES_NOISE = 16 * MOST_MESSAGES;
const ROUNDED_TO = 5;
/** For batches that were in progress at the end of the window; a share of it, so that short ones are not late. */
const GRACE_SHARE = 1 / 15;
/** Windows that could not be told for longer are given up: their day is over, and so is its key. */
const MOST_BEHIND_MS = 2 * DAY_MS;
const ROWS_PER_WRITE = 2_000;
const PAGE = 1_000;

interface Count {
  people: number;
  messages: number;
}

export class Activity {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: ActivityOptions;
  readonly #ports: ActivityPorts;
  readonly #progress: Progress;
  readonly #toldPeople: ToldPeople;

  constructor(redis: Redis, keyspace: Keyspace, options: ActivityOptions, ports: ActivityPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#ports = ports;
    const { windowMs: stepMs } = options;
    this.#toldPeople = new ToldPeople(redis, keyspace, stepMs);
    this.#progress = new Progress(redis, keyspace.crowdProgress, { stepMs, mostBehindMs: MOST_BEHIND_MS });
  }

  /** Tells every window that is over, if it is this gateway's turn. Rejects when Redis or the store is away: call again later. */
  async tell(): Promise<void> {
    const { windowMs } = this.#options;
    const last = this.#lastFinished();
    if ((await this.#progress.told(last)) >= last || !(await this.#everCounted(last))) return;
    await this.#ports.turn.take(async (mine) => {
      let start = (await this.#progress.told(last)) + windowMs;
      for (; start <= last && (await mine()); start += windowMs) await this.#window(start);
    });
  }

  #lastFinished(): number {
    const { windowMs } = this.#options;
    const now = this.#ports.now() - Math.floor(windowMs * GRACE_SHARE);
    return now - (now % windowMs) - windowMs;
  }

  /** Without that nothing is written, not even how far windows are told. */
  async #everCounted(last: number): Promise<boolean> {
    const { crowdProgress, dayKey } = this.#keyspace;
    return (await orRedisUnavailable(() => this.#redis.exists(crowdProgress, dayKey(dayAt(last))))) > 0;
  }

  async #window(start: number): Promise<void> {
    const day = dayAt(start);
    // Windows are told in their order, so the day before has no more to tell.
    if (dayAt(start - this.#options.windowMs) < day) await this.#endOf(day - 1);
    await this.#progress.close(start);
    const key = await this.#ports.days.of(day);
    const cells = await this.#cellsOf(day, key);
    if (cells.length > 0) {
      const rows = await this.#rows(start, key, cells);
      await this.#write(rows);
      await this.#toldPeople.note(rows);
    }
    await this.#progress.end(start, this.#keyspace.crowdWindow(start));
  }

  /** The cells that are told on this day; once told, for all of it. */
  async #cellsOf(day: number, key: DayKey): Promise<CellId[]> {
    const keyspace = this.#keyspace;
    const toldCells = keyspace.crowdToldCells(day);
    const crowded = new Set<string>();
    for (const of of [day - 1, day]) {
      const people = await orRedisUnavailable(() => this.#redis.hgetall(keyspace.crowdDayCells(of)));
      for (const [cell, count] of Object.entries(people)) if (Number(count) >= this.#k(key, cell)) crowded.add(cell);
    }
    const told = await orRedisUnavailable(() => this.#redis.smembers(toldCells));
    const added = [...crowded].filter((cell) => !told.includes(cell));
    for (let from = 0; from < added.length; from += PAGE) {
      await orRedisUnavailable(() => this.#redis.sadd(toldCells, ...added.slice(from, from + PAGE)));
    }
    if (added.length > 0) await orRedisUnavailable(() => this.#redis.pexpire(toldCells, DAY_MS + MOST_BEHIND_MS));
    return [...told, ...added] as CellId[];
  }

  #k(key: DayKey, cell: string): number {
    const { minPeople } = this.#options;
    return drawBetween(key.bytesFor("people of a told cell", cell), minPeople, minPeople + SPREAD_OF_K);
  }

  async #rows(start: number, key: DayKey, cells: readonly CellId[]): Promise<CellCount[]> {
    const counts = new Map<string, Count>(cells.map((cell) => [cell, { people: 0, messages: 0 }]));
    let cursor = "0";
    // A page may come twice; a subject counts once.
    const seen = new Set<string>();
    do {
      const [next, entries] = await orRedisUnavailable(() =>
        this.#redis.hscan(this.#keyspace.crowdWindow(start), cursor, "COUNT", PAGE),
      );
      for (let at = 0; at + 1 < entries.length; at += 2) {
        const member = entries[at] ?? "";
        const count = counts.get(member.slice(0, member.indexOf(".")));
        if (count === undefined || seen.has(member)) continue;
        seen.add(member);
        count.people += 1;
        count.messages += Number(entries[at + 1]);
      }
      cursor = next;
    } while (cursor !== "0");
    return cells.map((cell) => this.#row(start, key, cell, counts.get(cell) ?? { people: 0, messages: 0 }));
  }

  #row(start: number, key: DayKey, cell: CellId, { people, messages }: Count): CellCount {
    const noiseOf = (what: string, scale: number) =>
      drawNoise(key.bytesFor(`noise of ${what}`, `${cell}|${start}`), scale);
    return {
      cell,
      devices: roundedCount(people + noiseOf("people", PEOPLE_NOISE), ROUNDED_TO),
      messages: roundedCount(messages + noiseOf("messages", MESSAGES_NOISE), ROUNDED_TO),
      timestampNs: `${start}000000`,
    };
  }

  async #write(rows: readonly CellCount[]): Promise<void> {
    for (let from = 0; from < rows.length; from += ROWS_PER_WRITE) {
      await this.#ports.write(rows.slice(from, from + ROWS_PER_WRITE));
    }
    this.#ports.told(rows.length);
  }

  /** What the next day needs of this one is how many people were in each cell, and no hash of a person. Safe to repeat. */
  async #endOf(day: number): Promise<void> {
    const { crowdDay, crowdDayCells, crowdToldCells } = this.#keyspace;
    await orRedisUnavailable(() => this.#redis.unlink(crowdDay(day), crowdToldCells(day), crowdDayCells(day - 1)));
    await this.#ports.days.destroy(day);
  }
}
