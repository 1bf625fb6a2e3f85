/**
 * Promise: `cell_activity` counts people. A household of many devices is no crowd, a cell is told only where many people are, each
 * window once whatever the number of gateways, and when the day is over nothing of who was counted can be read or made again.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { Activity } from "../../src/crowds/activity.ts";
import { CrowdCounts } from "../../src/crowds/counts.ts";
import { DayKeys, dayAt } from "../../src/crowds/day-keys.ts";
import { toldPeople } from "../../src/crowds/told-people.ts";
import { Turn } from "../../src/crowds/turn.ts";
import type { Seen } from "../../src/model/crowd.ts";
import { DAY_MS } from "../../src/model/durations.ts";
import type { CellId, SubjectTag } from "../../src/model/ids.ts";
import type { CellCount } from "../../src/model/sink.ts";
import { KeyRemnants } from "../../src/rights/erasure/key-remnants.ts";
import { consentStore, onDisk, subject } from "./consent-fixture.ts";

const WINDOW_MS = 900_000;
const GRACE_MS = 60_000;
const CELL = "8560145bfffffff" as CellId;
const OTHER = "853da21bfffffff" as CellId;
const TODAY = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const { store } = consentStore();
const quiet = { info: () => {}, warn: () => {}, error: () => {} };
const never = new AbortController().signal;

let nowMs: number;
beforeEach(() => {
  nowMs = TODAY + DAY_MS + 1;
});

/** One gateway; several share the Redis of the test. */
function gateway({ away = (): boolean => false } = {}) {
  const { redis, keyspace } = store();
  const now = () => nowMs;
  const remnants = new KeyRemnants(redis, keyspace, quiet);
  const days = new DayKeys(redis, keyspace, Buffer.alloc(32, 5), { destroyed: () => remnants.mark() });
  const rows: CellCount[] = [];
  const activity = new Activity(
    redis,
    keyspace,
    { windowMs: WINDOW_MS, minPeople: 10 },
    {
      days,
      turn: new Turn(redis, keyspace.crowdTurn),
      write: async (counts) => {
        if (away()) throw new Error("the store is away");
        rows.push(...counts);
      },
      told: () => undefined,
      now,
    },
  );
  return { days, remnants, rows, activity, counts: new CrowdCounts(redis, keyspace, WINDOW_MS, { days, now }) };
}

const crowd = (count: number, cell = CELL, of = "person"): Seen[] =>
  Array.from({ length: count }, (_, n) => [subject(`${of}-${n}`), cell] as const);
/** Past the end of the window of `nowMs`. */
const windowOver = () => {
  nowMs += WINDOW_MS - (nowMs % WINDOW_MS) + GRACE_MS;
};
const keysOf = async () => {
  const { redis, keyspace } = store();
  const keys = await redis.keys(keyspace.crowdTurn.replace(":turn", ":*"));
  return keys.filter((key) => key !== keyspace.crowdProgress);
};

describe("a cell", () => {
  test("is told when enough people were there, by rounded counts, once", async () => {
    const { counts, activity, rows } = gateway();
    await counts.add([...crowd(15), ...crowd(9, OTHER)]);
    await activity.tell();
    expect(rows).toEqual([]);
    windowOver();
    await activity.tell();
    await activity.tell();
    expect(rows.map(({ cell, timestampNs }) => [cell, timestampNs])).toEqual([[CELL, `${TODAY + DAY_MS}000000`]]);
    for (const { devices, messages } of rows) expect([devices % 5, messages % 5]).toEqual([0, 0]);
    // For the map of operators: what the row says, in whole tens, and of no cell that has no row.
    const { redis, keyspace } = store();
    const tens = Math.floor((rows[0]?.devices ?? 0) / 10) * 10;
    expect([...(await toldPeople(redis, keyspace))]).toEqual([[CELL, tens]]);
    expect(await redis.pttl(keyspace.crowdToldPeople)).toBeGreaterThan(WINDOW_MS);
    windowOver();
    await activity.tell();
    const last = rows.at(-1)?.devices ?? 0;
    expect([...(await toldPeople(redis, keyspace))]).toEqual([[CELL, Math.floor(last / 10) * 10]]);
  });

  test("is not on the map of operators with more than the store was told", async () => {
    const { counts, activity } = gateway({ away: () => true });
    await counts.add(crowd(30));
    windowOver();
    await expect(activity.tell()).rejects.toThrow();
    const { redis, keyspace } = store();
    expect([...(await toldPeople(redis, keyspace))]).toEqual([]);
  });

  test("in which one person has two hundred devices, or nine people are, is never told", async () => {
    const { counts, activity, rows } = gateway();
    for (let device = 0; device < 200; device += 1) await counts.add([[subject("rich"), CELL]]);
    await counts.add(crowd(9, OTHER));
    for (let window = 0; window < 4; window += 1) {
      windowOver();
      await activity.tell();
    }
    expect(rows).toEqual([]);
    expect(await store().redis.hgetall(store().keyspace.crowdDayCells(dayAt(nowMs)))).toEqual({
      [CELL]: "1",
      [OTHER]: "9",
    });
  });

  test("needs from ten to fifteen people, another number for each cell and day", async () => {
    const { counts, activity, rows } = gateway();
    // So many that some 70 have twelve people each: that all of these draw alike happens once in 10^20 days.
    const cells = Array.from({ length: 490 }, (_, n) => `cell-${n}` as CellId);
    // In cell n there are 9 to 15 people.
    for (const [n, cell] of cells.entries()) await counts.add(crowd(9 + (n % 7), cell, `of ${cell}`));
    windowOver();
    await activity.tell();
    const told = new Set(rows.map(({ cell }) => cell));
    const shareOf = (people: number) => {
      const those = cells.filter((_, n) => 9 + (n % 7) === people);
      return those.filter((cell) => told.has(cell)).length / those.length;
    };
    expect([shareOf(9), shareOf(15)]).toEqual([0, 1]);
    expect(shareOf(12)).toBeGreaterThan(0);
    expect(shareOf(12)).toBeLessThan(1);
  });

  test("that was told is told for the rest of the day, also when no one is there, and on the next day by this one", async () => {
    const { counts, activity, rows } = gateway();
    nowMs = TODAY + DAY_MS + 22 * 3_600_000;
    await counts.add(crowd(15));
    for (let window = 0; window < 12; window += 1) {
      windowOver();
      await activity.tell();
    }
    // From 22:00 to the last window of the next day that is over.
    expect(rows.map(({ timestampNs }) => Number(timestampNs) / 1e6)).toEqual(
      Array.from({ length: 12 }, (_, window) => TODAY + DAY_MS + 22 * 3_600_000 + window * WINDOW_MS),
    );
    nowMs += DAY_MS;
    windowOver();
    await activity.tell();
    // On the day after that no one was there on the day before.
    expect(Math.max(...rows.map(({ timestampNs }) => Number(timestampNs) / 1e6))).toBeLessThan(TODAY + 3 * DAY_MS);
  });

  test("has noise of its own in each window, and counts what people do no more than four times", async () => {
    const { counts, activity, rows } = gateway();
    for (let window = 0; window < 40; window += 1) {
      for (let time = 0; time < 20; time += 1) await counts.add(crowd(100));
      windowOver();
      await activity.tell();
    }
    const people = rows.map(({ devices }) => devices);
    const messages = rows.map(({ messages: count }) => count);
    const mean = (of: readonly number[]) => of.reduce((sum, one) => sum + one, 0) / of.length;
    expect(rows).toHaveLength(40);
    // Two numbers alone in forty windows happen once in 10^14 runs, a mean so far away once in 10^17.
    expect(new Set(people).size).toBeGreaterThan(2);
    expect(Math.abs(mean(people) - 100)).toBeLessThan(20);
    expect(Math.abs(mean(messages) - 400)).toBeLessThan(90);
  });
});

describe("two gateways", () => {
  test("count into one crowd and tell it once", async () => {
    const [first, second] = [gateway(), gateway()];
    await first.counts.add(crowd(8));
    await second.counts.add(crowd(15).slice(7));
    windowOver();
    await Promise.all([first.activity.tell(), second.activity.tell()]);
    expect([...first.rows, ...second.rows]).toHaveLength(1);
  });

  test("of which one is killed between store and Redis tell the very same row", async () => {
    const first = gateway();
    await first.counts.add(crowd(20));
    windowOver();
    await first.activity.tell();
    // As if the process had ended before it could note what it told.
    await store().redis.hdel(store().keyspace.crowdProgress, "told");
    for (const [member] of crowd(20)) await restore(first, member);
    const second = gateway();
    await second.activity.tell();
    expect(second.rows).toEqual(first.rows);
  });

  /** Puts back what the told window held. */
  async function restore({ days }: ReturnType<typeof gateway>, member: SubjectTag): Promise<void> {
    const { redis, keyspace } = store();
    const start = TODAY + DAY_MS;
    const name = (await days.of(dayAt(start))).nameOf(member);
    await redis.hset(keyspace.crowdWindow(start), `${CELL}.${name}`, 1, name, 1);
  }

  test("with a turn that its holder has lost tell nothing twice", async () => {
    const { redis, keyspace } = store();
    const turn = new Turn(redis, keyspace.crowdTurn);
    const steps: boolean[] = [];
    await turn.take(async (mine) => {
      steps.push(await mine());
      expect(await new Turn(redis, keyspace.crowdTurn).take(async () => undefined)).toBe(false);
      await redis.set(keyspace.crowdTurn, "another");
      steps.push(await mine());
    });
    expect(steps).toEqual([true, false]);
    expect(await redis.get(keyspace.crowdTurn)).toBe("another");
  });
});

describe("what was counted", () => {
  test("survives the gateway, and a store that is away", async () => {
    let away = true;
    const first = gateway({ away: () => away });
    await first.counts.add(crowd(15));
    windowOver();
    await expect(first.activity.tell()).rejects.toThrow("the store is away");
    const second = gateway();
    away = false;
    await second.activity.tell();
    expect(second.rows).toHaveLength(1);
  });

  test("after the end of a window changes nothing of it", async () => {
    const { counts, activity, rows } = gateway();
    await counts.add(crowd(15));
    windowOver();
    await activity.tell();
    nowMs = TODAY + DAY_MS + 5;
    await counts.add(crowd(90, CELL, "late"));
    expect(await store().redis.exists(store().keyspace.crowdWindow(TODAY + DAY_MS))).toBe(0);
    expect(rows).toHaveLength(1);
  });

  test("while clocks were a day ahead is not told a second time, and telling goes on when the time has come", async () => {
    const { counts, activity, rows } = gateway();
    await counts.add(crowd(15));
    windowOver();
    await activity.tell();
    const now = nowMs;
    nowMs += DAY_MS;
    windowOver();
    await activity.tell();
    const told = rows.length;
    expect(told).toBeGreaterThan(90);
    nowMs = now;
    for (let window = 0; window < 4; window += 1) {
      windowOver();
      await activity.tell();
    }
    expect(rows).toHaveLength(told);
    nowMs = now + DAY_MS + 2 * WINDOW_MS;
    windowOver();
    await activity.tell();
    expect(rows.length).toBeGreaterThan(told);
    expect(new Set(rows.map(({ cell, timestampNs }) => `${cell} ${timestampNs}`)).size).toBe(rows.length);
  });

  test("of one person is four cells of a window at most", async () => {
    const { counts } = gateway();
    await counts.add(Array.from({ length: 30 }, (_, n) => [subject("traveller"), `cell-${n}` as CellId] as const));
    const cells = await store().redis.hgetall(store().keyspace.crowdDayCells(dayAt(nowMs)));
    expect(Object.keys(cells)).toHaveLength(4);
  });

  test("names no one, and cannot be made again once the day is told: its key is gone, from the files as well", async () => {
    const { counts, activity, remnants } = gateway();
    const { redis, keyspace } = store();
    const day = dayAt(nowMs);
    await counts.add(crowd(15));
    const sealed = (await redis.get(keyspace.dayKey(day))) ?? "";
    const members = await redis.smembers(keyspace.crowdDay(day));
    expect(members).toHaveLength(15);
    for (const [tag] of crowd(15)) expect(members.join()).not.toContain(tag.slice(0, 8));
    expect(await onDisk(store().redis, sealed)).toBe(true);
    while (nowMs < TODAY + 2 * DAY_MS + 2 * WINDOW_MS) {
      windowOver();
      await activity.tell();
    }
    expect((await keysOf()).filter((key) => key.endsWith(`:${day}`))).toEqual([keyspace.crowdDayCells(day)]);
    await remnants.clear(never);
    expect(await onDisk(store().redis, sealed)).toBe(false);
    for (const member of members) expect(await onDisk(store().redis, member.split(".")[1] ?? "")).toBe(false);
  });

  test("has an end of its own, whatever happens to the gateways", async () => {
    const { counts } = gateway();
    await counts.add(crowd(15));
    for (const key of await keysOf()) {
      const endsInMs = await store().redis.pttl(key);
      expect(endsInMs, key).toBeGreaterThan(0);
      expect(endsInMs, key).toBeLessThanOrEqual(4 * DAY_MS);
    }
  });
});

describe("the key of a day", () => {
  test("is the same for all gateways, another one for each day, and made again when it does not open", async () => {
    const [first, second] = [gateway(), gateway()];
    const day = dayAt(nowMs);
    const nameAt = async ({ days }: ReturnType<typeof gateway>, of: number) =>
      (await days.of(of)).nameOf(subject("one"));
    expect(await nameAt(first, day)).toBe(await nameAt(second, day));
    expect(await nameAt(first, day + 1)).not.toBe(await nameAt(first, day));
    await store().redis.set(store().keyspace.dayKey(day), "1.damaged");
    const [third, fourth] = [gateway(), gateway()];
    expect(await nameAt(third, day)).toBe(await nameAt(fourth, day));
    expect(await store().redis.pttl(store().keyspace.dayKey(day))).toBeGreaterThan(0);
  });
});
