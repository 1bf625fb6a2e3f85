/**
 * Promise: a weather service is told of crowds and of no single device. What waits for the end of its step survives a killed gateway,
 * is told once, and is used only as far as consent covers it when it is told.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { consentCheck } from "../../src/consent/decision/check.ts";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { CurrentWeather } from "../../src/crowds/current-weather.ts";
import { DayKeys, dayAt } from "../../src/crowds/day-keys.ts";
import { LastWeather } from "../../src/crowds/last-weather.ts";
import { Readings } from "../../src/crowds/readings.ts";
import { Turn } from "../../src/crowds/turn.ts";
import { Weather, type WeatherPorts } from "../../src/crowds/weather.ts";
import { CrowdMedians } from "../../src/deidentify/crowd-medians.ts";
import type { CrowdReading, CrowdTelling } from "../../src/model/crowd.ts";
import type { Deliveries } from "../../src/model/delivery.ts";
import { DAY_MS } from "../../src/model/durations.ts";
import { GatewayError } from "../../src/model/errors.ts";
import type { CellId, DeviceRef } from "../../src/model/ids.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, subject } from "./consent-fixture.ts";

const STEP_MS = 300_000;
const CELL = "8560145bfffffff" as CellId;
const { store } = consentStore();
const { properties } = new Vocabulary();

let nowMs: number;
let start: number;
beforeEach(() => {
  start = Math.floor(Date.now() / DAY_MS) * DAY_MS + 12 * 3_600_000;
  nowMs = start + 1_000;
});
const stepOver = () => {
  nowMs += STEP_MS - (nowMs % STEP_MS) + 10_000;
};

/** One gateway; several share the Redis of the test. `announce` and `listening` in place of those of its delivery. */
function gateway({ announce, listening, ...ports }: Partial<WeatherPorts & Deliveries["weather"]> = {}) {
  const { redis, keyspace, gate, leases } = store();
  const now = () => nowMs;
  const days = new DayKeys(redis, keyspace, Buffer.alloc(32, 5), { destroyed: async () => undefined });
  const readings = new Readings(redis, keyspace, STEP_MS, { days, now });
  const medians = new CrowdMedians({ properties, coarsestResolution: 2 });
  const told: CrowdTelling[] = [];
  const counted: [number, number][] = [];
  const weather = new Weather(
    redis,
    keyspace,
    { stepMs: STEP_MS, minPeople: 5 },
    {
      days,
      readings,
      turn: new Turn(redis, keyspace.weatherTurn),
      leases,
      checkConsent: consentCheck(gate),
      areaOf: (cell) => medians.areaOf(cell),
      medians: (values, leastOf) => medians.of(values, leastOf),
      centerOf: () => ({ lat: 1, lon: 2 }),
      noteCells: async () => undefined,
      delivery: {
        announce: announce ?? (async (tellings) => () => told.push(...tellings)),
        left: () => undefined,
        listening: listening ?? (() => true),
      },
      counted: (...people) => void counted.push(people),
      now,
      ...ports,
    },
  );
  return { days, readings, weather, told, counted };
}

/** People with consent, one device each. */
async function people(count: number, purposes: object = { weather: ["location", "status"] }): Promise<string[]> {
  const { ledger } = store();
  const names = Array.from({ length: count }, (_, n) => `person-${n}`);
  for (const name of names) {
    await ledger.bind(subject(name), device(name));
    await ledger.give(subject(name), { ...CONSENT, purposes });
  }
  return names;
}

const reading = (name: string, temperature: number, more: Partial<CrowdReading> = {}): CrowdReading => ({
  device: { deviceKey: device(name), subjectTag: subject(name) },
  at: nowMs,
  cell: CELL,
  status: { temperature },
  ...more,
});
const temperatures = (told: readonly CrowdTelling[]) => told.map(({ record }) => record.status.temperature);

describe("readings of a crowd", () => {
  test("are told as a median when their step is over, once, with everyone in it", async () => {
    const { readings, weather, told, counted } = gateway();
    const names = await people(9);
    expect(await readings.add(names.map((name, n) => reading(name, 20 + n / 2)))).toEqual(names.map(() => true));
    await weather.tell();
    expect(told).toEqual([]);
    stepOver();
    await weather.tell();
    await weather.tell();
    expect(told).toMatchObject([{ record: { cell: CELL, at: start, status: { temperature: 22 } } }]);
    expect(told[0]?.members.map(({ subject: one }) => one).toSorted()).toEqual(names.map(subject).toSorted());
    expect(counted).toEqual([[9, 0]]);
    expect(await store().redis.exists(store().keyspace.weatherStep(start))).toBe(0);
  });

  test("of fewer than five people are told nowhere, however many devices they have", async () => {
    const { readings, weather, told, counted } = gateway();
    const names = await people(4);
    for (const name of names) {
      const devices = Array.from({ length: 50 }, (_, n) => ({
        deviceKey: device(`${name}-${n}`),
        subjectTag: subject(name),
      }));
      await readings.add(devices.map((one) => reading(name, 20, { device: one })));
      expect(await store().redis.hlen(store().keyspace.weatherStep(start))).toBeLessThanOrEqual(4 * names.length);
    }
    await readings.add(names.map((name) => reading(name, 21)));
    stepOver();
    await weather.tell();
    expect(told).toEqual([]);
    expect(counted).toEqual([[0, 4]]);
  });

  test("need five to eight people, another number for each cell and day", async () => {
    const { readings, weather, told } = gateway({
      checkConsent: async (devices) => devices.map(() => ({ grants: 0xffff, wrappedSubjectKey: "k" })),
    });
    const medians = new CrowdMedians({ properties, coarsestResolution: 2 });
    const cells = new Set<CellId>();
    const { cellToChildren } = await import("h3-js");
    for (const cell of cellToChildren(medians.areaOf(CELL), 5)) cells.add(cell as CellId);
    // 343 cells, so that some 68 have six people each: that all of these draw alike happens once in 10^20 days.
    const crowds = [...cells].map((cell, n) =>
      Array.from({ length: 4 + (n % 5) }, (_, i) => reading(`${cell}-${i}`, 20, { cell })),
    );
    await readings.add(crowds.flat());
    stepOver();
    await weather.tell();
    const toldCells = new Set(told.map(({ record }) => record.cell));
    const shareOf = (count: number) => {
      const those = [...cells].filter((_, index) => 4 + (index % 5) === count);
      return those.filter((cell) => toldCells.has(cell)).length / those.length;
    };
    expect([shareOf(4), shareOf(8)]).toEqual([0, 1]);
    expect(shareOf(6)).toBeGreaterThan(0);
    expect(shareOf(6)).toBeLessThan(1);
  });

  test("that are older than a quarter of an hour are no weather", async () => {
    const { readings } = gateway();
    const taken = await readings.add([reading("a", 20), reading("b", 20, { at: nowMs - 16 * 60_000 })]);
    expect(taken).toEqual([true, false]);
  });

  test("that say the same again cost nothing, and another value, place or consent does", async () => {
    const { readings } = gateway();
    const { redis, keyspace } = store();
    const waiting = () => redis.hgetall(keyspace.weatherStep(start));
    await readings.add([reading("a", 20)]);
    const first = await waiting();
    expect(await readings.add([reading("a", 20), reading("a", 20)])).toEqual([true, true]);
    expect(await waiting()).toEqual(first);
    const { device: owner } = reading("a", 20);
    const seen = new Set([Object.values(first)[0]]);
    for (const other of [
      reading("a", 21),
      reading("a", 21, { cell: "853da21bfffffff" as CellId }),
      reading("a", 21, { cell: "853da21bfffffff" as CellId, device: { ...owner, revision: 7 } }),
    ]) {
      await readings.add([other]);
      const [sealed] = Object.values(await waiting());
      expect(seen.has(sealed)).toBe(false);
      seen.add(sealed);
    }
    nowMs += STEP_MS;
    await readings.add([reading("a", 21)]);
    expect(await redis.hlen(keyspace.weatherStep(start + STEP_MS))).toBe(1);
  });

  test("that come while their step is closed are part of the next", async () => {
    const { readings, weather, told } = gateway();
    const names = await people(9);
    await readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    await weather.tell();
    nowMs = start + 2_000;
    expect(await readings.add(names.map((name) => reading(name, 30)))).toEqual(names.map(() => true));
    nowMs = start + STEP_MS + 1_000;
    stepOver();
    await weather.tell();
    expect(told.map(({ record }) => [record.at, record.status.temperature])).toEqual([
      [start, 20],
      [start + STEP_MS, 30],
    ]);
  });
});

test("steps go on after clocks that were an hour ahead", async () => {
  const { readings, weather, told } = gateway();
  const names = await people(9);
  nowMs += 3_600_000;
  await readings.add(names.map((name) => reading(name, 20)));
  stepOver();
  await weather.tell();
  nowMs = start + STEP_MS + 1_000;
  // The first step after it finds the future one closed and told.
  stepOver();
  await weather.tell();
  await readings.add(names.map((name) => reading(name, 30)));
  stepOver();
  await weather.tell();
  expect(temperatures(told)).toEqual([20, 30]);
});

describe("between a reading and its telling", () => {
  const takenBack: [string, (name: string) => Promise<unknown>][] = [
    ["a withdrawal", (name) => store().ledger.withdraw(subject(name), {})],
    ["the withdrawal of one category", (name) => store().ledger.withdraw(subject(name), { categories: ["status"] })],
    [
      "a withdrawal, and consent given again",
      async (name) => {
        await store().ledger.withdraw(subject(name), {});
        await store().ledger.give(subject(name), { ...CONSENT, purposes: { weather: ["location", "status"] } });
      },
    ],
    ["a legal hold", (name) => holds().place(subject(name), { ref: "case-1", until: Date.now() + DAY_MS })],
    ["an erasure", (name) => gateway().readings.forget(subject(name))],
  ];
  const holds = () => new LedgerHolds(store().redis, store().keyspace, { journal: NO_JOURNAL, now: Date.now });

  test.each(takenBack)("%s takes the value out", async (_what, takeBack) => {
    const { readings, weather, told } = gateway();
    const names = await people(9);
    const { decisions } = await store().gate.read([{ subjectTag: subject("person-0"), deviceKey: device("person-0") }]);
    const revision = decisions[0]?.revision;
    // Four at 10°, four at 30°, and one between whose value is the median as long as it is in it.
    const values = [20, 10, 10, 10, 10, 30, 30, 30, 30];
    const all = names.map((name, n) => reading(name, values[n] ?? 0));
    await readings.add(all.map((one) => ({ ...one, device: { ...one.device, revision } })));
    await readings.add(all.slice(1).map((one, n) => ({ ...one, status: { temperature: n < 4 ? 11 : 29 } })));
    await takeBack("person-0");
    stepOver();
    await weather.tell();
    expect(told[0]?.members).toHaveLength(8);
    expect(told[0]?.members.map(({ subject: one }) => one)).not.toContain(subject("person-0"));
  });

  test("without any of that the value is in it", async () => {
    const { readings, weather, told } = gateway();
    const names = await people(9);
    await readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    await weather.tell();
    expect(told[0]?.members).toHaveLength(9);
  });

  test("a withdrawal waits for a telling in progress, and nothing is told after its answer", async () => {
    const events: string[] = [];
    let told = () => {};
    const announced = new Promise<void>((resolve) => {
      told = resolve;
    });
    let goOn = () => {};
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { readings, weather } = gateway({
      announce: async () => {
        told();
        await waiting;
        return () => events.push("told");
      },
    });
    const names = await people(9);
    await readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    const telling = weather.tell();
    await announced;
    const { ledger, leases } = store();
    await ledger.withdraw(subject("person-0"), {});
    const answered = leases.drain().then(() => events.push("answered"));
    goOn();
    await Promise.all([telling, answered]);
    expect(events).toEqual(["told", "answered"]);
  });
});

describe("two gateways", () => {
  test("fill one crowd and tell it once", async () => {
    const [first, second] = [gateway(), gateway()];
    const names = await people(9);
    await first.readings.add(names.slice(0, 5).map((name) => reading(name, 20)));
    await second.readings.add(names.slice(4).map((name) => reading(name, 20)));
    stepOver();
    await Promise.all([first.weather.tell(), second.weather.tell()]);
    expect([...first.told, ...second.told]).toHaveLength(1);
    expect([...first.told, ...second.told][0]?.members).toHaveLength(9);
  });

  test("of which one is killed before it has taken anything out tell it all the same; afterwards, not twice", async () => {
    const names = await people(9);
    const killed = gateway({ announce: () => Promise.reject(new Error("killed")) });
    await killed.readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    await expect(killed.weather.tell()).rejects.toThrow("killed");
    const second = gateway();
    await second.weather.tell();
    expect(temperatures(second.told)).toEqual([20]);

    const again = gateway({
      announce: async () => () => {
        throw new Error("killed");
      },
    });
    await again.readings.add(names.map((name) => reading(name, 25)));
    stepOver();
    await expect(again.weather.tell()).rejects.toThrow("killed");
    const third = gateway();
    await third.weather.tell();
    expect(third.told).toEqual([]);
  });

  test("of which none has a service that listens tell nothing, and keep nothing for long", async () => {
    const { readings, weather, told } = gateway({ listening: () => false });
    const names = await people(9);
    await readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    await weather.tell();
    expect(told).toEqual([]);
    const { redis, keyspace } = store();
    expect(await redis.pttl(keyspace.weatherStep(start))).toBeGreaterThan(0);
    expect(await redis.pttl(keyspace.weatherStep(start))).toBeLessThanOrEqual(20 * 60_000);
  });

  test("that lose their lease tell the area again, under another one", async () => {
    let lost = 2;
    const { readings, weather, told } = gateway({
      announce: async (tellings) => {
        if (lost > 0) {
          lost -= 1;
          throw new GatewayError("REDIS_UNAVAILABLE", "test");
        }
        return () => told.push(...tellings);
      },
    });
    const names = await people(9);
    await readings.add(names.map((name) => reading(name, 20)));
    stepOver();
    await weather.tell();
    expect(temperatures(told)).toEqual([20]);
  });
});

test("what waits is sealed: neither a name, a cell nor a value can be read, and without the day's key it opens nowhere", async () => {
  const { readings, days } = gateway();
  await readings.add([reading("person-0", 21.5)]);
  const { redis, keyspace } = store();
  const text = JSON.stringify(await redis.hgetall(keyspace.weatherStep(start)));
  for (const secret of [CELL, subject("person-0"), device("person-0"), "temperature", "21.5"]) {
    expect(text.includes(secret), secret).toBe(false);
  }
  const pages = async () => {
    const found: unknown[] = [];
    for await (const page of readings.of(start, await days.of(dayAt(start)))) found.push(...page);
    return found;
  };
  expect(await pages()).toHaveLength(1);
  await days.destroy(dayAt(start));
  expect(await pages()).toEqual([]);
  expect(await redis.exists(keyspace.weatherStep(start))).toBe(1);
});

describe("the weather that is current", () => {
  const FOR_MS = 30 * 60_000;
  /** A gateway that keeps what it tells, and what a service that asks is told. */
  function keeping() {
    const { redis, keyspace, gate, leases } = store();
    const now = () => nowMs;
    const days = new DayKeys(redis, keyspace, Buffer.alloc(32, 5), { destroyed: async () => undefined });
    const last = new LastWeather(redis, keyspace, { forMs: FOR_MS, cellKey: Buffer.alloc(32, 7) }, { days, now });
    const told: CrowdTelling[] = [];
    const current = new CurrentWeather({
      last,
      checkConsent: consentCheck(gate),
      leases,
      delivery: {
        announce: async (tellings) => () => told.push(...tellings),
        left: () => undefined,
        listening: () => true,
      },
    });
    const currently = async () => {
      told.length = 0;
      await current.tell(new AbortController().signal);
      return [...told];
    };
    return { ...gateway({ keep: (some) => last.keep(some) }), last, currently };
  }
  /** The weather of nine people is told. */
  async function toldOfNine() {
    const kept = keeping();
    const names = await people(9);
    const refs = names.map((name) => ({ subjectTag: subject(name), deviceKey: device(name) }));
    const { decisions } = await store().gate.read(refs);
    // As it is admitted: with the state of the ledger at that time.
    const admitted = refs.map((ref, n) => ({ ...ref, revision: decisions[n]?.revision }));
    await kept.readings.add(names.map((name, n) => reading(name, 20 + n / 2, { device: admitted[n] as DeviceRef })));
    stepOver();
    await kept.weather.tell();
    return { ...kept, names };
  }

  test("is that of the last step of each cell, marked, with everyone in it to be put on the account", async () => {
    const { readings, weather, currently, names } = await toldOfNine();
    const [first] = await currently();
    expect(first?.record).toMatchObject({ cell: CELL, at: start, status: { temperature: 22 }, current: true });
    expect(first?.members.map(({ subject: one }) => one).toSorted()).toEqual(names.map(subject).toSorted());
    await readings.add(names.map((name) => reading(name, 30)));
    stepOver();
    await weather.tell();
    expect(temperatures(await currently())).toEqual([30]);
  });

  test("goes with one of them who withdraws, also after a new consent", async () => {
    const { currently, names } = await toldOfNine();
    const { ledger } = store();
    const one = subject(names[3] ?? "");
    await ledger.withdraw(one, {});
    await ledger.give(one, { ...CONSENT, purposes: { weather: ["location", "status"] } });
    expect(await currently()).toEqual([]);
    expect(await store().redis.hlen(store().keyspace.weatherLast)).toBe(0);
  });

  test("is none while one of them is under a hold", async () => {
    const { currently, names } = await toldOfNine();
    expect(await currently()).toHaveLength(1);
    const holds = new LedgerHolds(store().redis, store().keyspace, { journal: NO_JOURNAL, now: Date.now });
    await holds.place(subject(names[2] ?? ""), { ref: "case-59", until: Date.now() + DAY_MS });
    expect(await currently()).toEqual([]);
    expect(await store().redis.hlen(store().keyspace.weatherLast)).toBe(1);
  });

  test("is none once one of them is erased", async () => {
    const { currently, names, last } = await toldOfNine();
    await last.forget(subject("someone-else"));
    expect(await currently()).toHaveLength(1);
    await last.forget(subject(names[0] ?? ""));
    expect(await currently()).toEqual([]);
  });

  test("is none that is older than it may be, or of the day before", async () => {
    const { currently, last } = await toldOfNine();
    nowMs = start + FOR_MS;
    expect(await currently()).toHaveLength(1);
    nowMs = start + FOR_MS + 1;
    await last.forgetOld();
    nowMs = start + FOR_MS;
    expect(await currently()).toEqual([]);
    const next = await toldOfNine();
    nowMs = start + DAY_MS;
    expect(await next.currently()).toEqual([]);
  });

  test("stands in Redis sealed, under no name of a cell or a person", async () => {
    const { names } = await toldOfNine();
    const entries = Object.entries(await store().redis.hgetall(store().keyspace.weatherLast));
    expect(entries).toHaveLength(1);
    for (const [field, value] of entries) {
      const text = `${field} ${value} ${Buffer.from(value.split(":")[1] ?? "", "base64url").toString("latin1")}`;
      for (const canary of [CELL, "temperature", ...names.map(subject), ...names.map(device)]) {
        expect(text).not.toContain(canary);
      }
    }
  });
});
