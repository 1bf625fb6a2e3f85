/** Bad input from a weather service: whatever it sends is one typed outcome, and what no line of the format names never reaches a device. */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONDITIONS, MOST_FORECAST_BYTES } from "../model/forecast.ts";
import type { CellId } from "../model/ids.ts";
import { FORECAST_FILE } from "../projections/forecast.ts";
import { noticeOf, readForecast } from "./forecast.ts";

const CELL = "8660145b7ffffff" as CellId;
const HOUR = {
  at: 1_795_338_000_000,
  temperature: 21.5,
  humidity: 64,
  pressure: 1_013,
  windSpeed: 3.5,
  precipitation: 0,
  condition: "cloudy",
};
const WHOLE = { at: 1_795_337_000_000, until: 1_795_423_400_000, hours: [HOUR] };
const read = (value: unknown) => readForecast(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
const hour = (more: object) => ({ ...WHOLE, hours: [{ ...HOUR, ...more }] });

describe("a forecast", () => {
  it("reaches devices as it was read, with what it is and its cell in front", () => {
    const forecast = read(WHOLE);
    if (typeof forecast === "string") throw new Error(forecast);
    expect([forecast.at, forecast.until]).toEqual([WHOLE.at, WHOLE.until]);
    const notice = noticeOf(CELL, forecast.rest);
    expect(JSON.parse(notice)).toEqual({ type: "forecast", cell: CELL, ...WHOLE });
    expect(Object.keys(JSON.parse(notice))).toEqual(["type", "cell", "at", "until", "hours"]);
  });

  it("may have 1 to 48 hours, and of each the temperature alone", () => {
    const hours = (count: number) => ({
      ...WHOLE,
      hours: Array.from({ length: count }, (_, n) => ({ at: HOUR.at + n * 3_600_000, temperature: n })),
    });
    expect([read(hours(1)), read(hours(48))]).toEqual([expect.any(Object), expect.any(Object)]);
    expect([read(hours(0)), read(hours(49))]).toEqual(["invalid", "invalid"]);
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a list", [WHOLE]],
    ["null", "null"],
    ["a number that is none", JSON.stringify(WHOLE).replace("21.5", "NaN")],
    ["a number without end", JSON.stringify(WHOLE).replace("21.5", "1e999")],
    ["a number as text", hour({ temperature: "21.5" })],
    ["a value that no thermometer shows", hour({ temperature: 81 })],
    ["less than no rain", hour({ precipitation: -1 })],
    ["a word of no list", hour({ condition: "Sonne" })],
    ["null for a value", hour({ humidity: null })],
    ["one key more", { ...WHOLE, type: "forecast" }],
    ["one key more in an hour", hour({ uv: 5 })],
    ["a device in it", { ...WHOLE, device: "lamp-1" }],
    ["a key twice", JSON.stringify(WHOLE).replace("{", '{"at":5,')],
    ["an end before its begin", { ...WHOLE, until: WHOLE.at }],
    ["a time with a fraction", { ...WHOLE, at: WHOLE.at + 0.5 }],
    ["a time before 1970", { ...WHOLE, at: -1 }],
    ["a time that is no safe integer", { ...WHOLE, until: 2 ** 60 }],
    ["no hours", { at: WHOLE.at, until: WHOLE.until }],
    ["an hour without temperature", { ...WHOLE, hours: [{ at: HOUR.at }] }],
    ["a prototype", JSON.stringify(WHOLE).replace("{", '{"__proto__":{"x":1},')],
  ])("with %s is none", (_, value) => {
    expect(read(value)).toBe("invalid");
  });

  it("that is no UTF-8 is none", () => {
    expect(readForecast(Buffer.concat([Buffer.from(JSON.stringify(WHOLE)), Buffer.from([0xff])]))).toBe("invalid");
  });

  it("longer than 4 KiB is not even looked at", () => {
    const padded = (bytes: number) => JSON.stringify(WHOLE).padEnd(bytes, " ");
    expect(read(padded(MOST_FORECAST_BYTES))).toEqual(expect.any(Object));
    expect([read(padded(MOST_FORECAST_BYTES + 1)), read("x".repeat(1 << 20))]).toEqual(["too-large", "too-large"]);
  });
});

describe("the schema in the AsyncAPI document", () => {
  const fits = new Ajv2020({ strict: false }).compile(FORECAST_FILE);
  const value = fc.oneof(fc.double({ min: -100, max: 1_500 }), fc.constantFrom(null, "5", true));
  const moment = fc.oneof(fc.nat(), fc.constantFrom(-1, 0.5, "now"));
  const anyHour = fc.record(
    {
      at: moment,
      temperature: value,
      humidity: value,
      pressure: value,
      windSpeed: value,
      precipitation: value,
      condition: fc.constantFrom<string>(...CONDITIONS, "hot"),
      more: fc.constant(1),
    },
    { requiredKeys: ["at"] },
  );
  const likely = fc.record({ at: fc.nat(), temperature: fc.double({ min: -60, max: 80, noNaN: true }) });

  it("takes what the gateway takes, and nothing else", () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.oneof(likely, anyHour), { maxLength: 3 }), (at, hours) => {
        const forecast = JSON.parse(JSON.stringify({ at, until: at + 1, hours }));
        const isTaken = typeof read(forecast) !== "string";
        if (isTaken) taken += 1;
        expect([forecast, fits(forecast)]).toEqual([forecast, isTaken]);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(50);
  });
});
