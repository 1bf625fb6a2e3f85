/** A row says all that its kind needs and nothing that it cannot have, and the table keeps to that itself. */
import { describe, expect, it } from "vitest";
import type { Rounding } from "../model/property.ts";
import { rounded } from "./rounding.ts";
import { propertyOf, propertyRow } from "./row.ts";
import { TABLE } from "./table.ts";

const NUMBER = { name: "tank_level", kind: "number", range: "0..100", step: "1" };
const COUNTER = { name: "pages", kind: "counter", range: "0..1e9", step: "1", mostPerHour: 100 };
const WORD = { name: "wash_mode", kind: "word", words: ["eco", "quick"] };
const FLAG = { name: "lid_open", kind: "flag" };

function faultsOf(row: unknown): string[] {
  return propertyRow.safeParse(row).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];
}

describe("propertyRow", () => {
  it.each([
    ["a number", NUMBER],
    ["steps that are numbers", { ...NUMBER, step: 0.5, scene: 1, weather: 5 }],
    ["digits", { ...NUMBER, step: "3 digits", scene: "2 digits", weather: "2 digits, at least 5" }],
    ["classes for the store", { ...NUMBER, stored: "from 0, 20, 60.5" }],
    ["a wider step for the store", { ...NUMBER, scene: 2, stored: 10 }],
    ["a counter", COUNTER],
    ["words", WORD],
    ["a flag", { ...FLAG, label: "lid open" }],
    ["a range in powers of ten", { ...NUMBER, range: "-1e6..1.5e6", unit: "W" }],
  ])("takes %s", (_what, row) => expect(faultsOf(row)).toEqual([]));

  it.each<[string, object, string]>([
    ["a name of an account", { ...FLAG, name: "phone" }, "name: names-a-person"],
    ["a name with an account in it", { ...FLAG, name: "wifi_password_set" }, "name: names-a-person"],
    ["a name of a place", { ...NUMBER, name: "altitude" }, "name: names-a-person"],
    ["a name that is a key of every message", { ...NUMBER, name: "ts" }, "name: has-another-meaning"],
    ["a name that is a column of every row", { ...NUMBER, name: "time" }, "name: has-another-meaning"],
    ["a number without a range", { ...NUMBER, range: undefined }, "range: required-for-number"],
    ["a counter without a range", { ...COUNTER, range: undefined }, "range: required-for-counter"],
    ["a flag with a range", { ...FLAG, range: "0..1" }, "range: not-for-flag"],
    ["a range of nothing", { ...NUMBER, range: "5..5" }, "range: is-empty"],
    ["a range the wrong way round", { ...NUMBER, range: "100..0" }, "range: is-empty"],
    ["a range without an end", { ...NUMBER, range: "0..1e16" }, "range: too-wide"],
    ["a counter that can be negative", { ...COUNTER, range: "-1..5" }, "range: must-not-be-below-zero"],
    ["a number without a step", { ...NUMBER, step: undefined }, "step: required-for-number"],
    ["a word with a step", { ...WORD, step: "1" }, "step: not-for-word"],
    ["a step of nothing", { ...NUMBER, step: "0" }, "step: not-a-step"],
    ["a step of no digits at all", { ...NUMBER, step: "0.0" }, "step: not-a-step"],
    [
      "digits down to a width that does not divide ten",
      { ...NUMBER, step: "2 digits, at least 6" },
      "step: not-a-step",
    ],
    ["a counter of so many digits", { ...COUNTER, step: "2 digits" }, "step: must-be-a-number"],
    ["a counter without a limit", { ...COUNTER, mostPerHour: undefined }, "mostPerHour: required-for-counter"],
    ["a number with a limit", { ...NUMBER, mostPerHour: 5 }, "mostPerHour: only-for-counter"],
    ["a word without words", { ...WORD, words: undefined }, "words: required-for-word"],
    ["a flag with words", { ...FLAG, words: ["on"] }, "words: only-for-word"],
    ["a flag with a scene step", { ...FLAG, scene: "1" }, "scene: not-for-flag"],
    ["a word with a weather step", { ...WORD, weather: "1" }, "weather: not-for-word"],
    ["a finer scene step", { ...NUMBER, scene: "0.5" }, "scene: must-not-be-finer-than-step"],
    ["a finer weather step", { ...NUMBER, weather: "0.5" }, "weather: must-not-be-finer-than-step"],
    ["weather finer than scene", { ...NUMBER, scene: "5", weather: "2" }, "weather: must-not-be-finer-than-scene"],
    ["a flag that is stored in steps", { ...FLAG, stored: "1" }, "stored: not-for-flag"],
    ["a counter that is stored in other steps", { ...COUNTER, stored: "5" }, "stored: not-for-counter"],
    ["a store finer than scene", { ...NUMBER, scene: "5", stored: "2" }, "stored: must-not-be-finer-than-scene"],
    ["classes that fall", { ...NUMBER, stored: "from 20, 0" }, "stored: not-a-step"],
    ["a class twice", { ...NUMBER, stored: "from 20, 20" }, "stored: not-a-step"],
    ["digits beside a step", { ...NUMBER, scene: "1 digits" }, "scene: must-not-be-finer-than-step"],
    ["more digits", { ...NUMBER, step: "2 digits", weather: "3 digits" }, "weather: must-not-be-finer-than-step"],
    [
      "as many digits with a finer width",
      { ...NUMBER, step: "2 digits, at least 5", weather: "2 digits, at least 1" },
      "weather: must-not-be-finer-than-step",
    ],
  ])("refuses %s", (_what, row, fault) => expect(faultsOf(row)).toEqual([fault]));

  it.each<[string, object]>([
    ["a name in capitals", { ...FLAG, name: "Lid" }],
    ["a name with a dot", { ...FLAG, name: "lid.open" }],
    ["a name of 33 letters", { ...FLAG, name: "a".repeat(33) }],
    ["an unknown kind", { ...FLAG, kind: "text" }],
    ["an unknown column", { ...FLAG, secret: true }],
    ["a range of words", { ...NUMBER, range: "low..high" }],
    ["a range of a number too long to be one", { ...NUMBER, range: `0..${"9".repeat(400)}` }],
    ["a step in words", { ...NUMBER, step: "fine" }],
    ["a step without end", { ...NUMBER, step: "9".repeat(400) }],
    ["a step finer than any", { ...NUMBER, step: "0.0000000000001" }],
    ["a negative step", { ...NUMBER, step: -1 }],
    ["no digits", { ...NUMBER, step: "0 digits" }],
    ["classes for a scene", { ...NUMBER, scene: "from 0, 20" }],
    ["classes without a number", { ...NUMBER, stored: "from low, high" }],
    ["no words", { ...WORD, words: [] }],
    ["too many words", { ...WORD, words: Array.from({ length: 65 }, (_, index) => `w${index}`) }],
    ["a word that is a sentence", { ...WORD, words: ["eco mode"] }],
    ["a label of two lines", { ...FLAG, label: "lid\nopen" }],
    ["a limit without end", { ...COUNTER, mostPerHour: Number.POSITIVE_INFINITY }],
  ])("refuses %s", (_what, row) => expect(faultsOf(row)).not.toEqual([]));
});

describe("propertyOf", () => {
  const of = (row: object) => propertyOf(propertyRow.parse(row));

  it("gives scene the step of all, and weather nothing, unless the row says otherwise", () => {
    expect(of(NUMBER)).toMatchObject({ step: { step: 1 }, sceneStep: { step: 1 }, weatherStep: undefined });
    expect(of({ ...NUMBER, scene: 2, weather: 5 })).toMatchObject({ sceneStep: { step: 2 }, weatherStep: { step: 5 } });
  });

  it("reads digits and ranges as they are written", () => {
    const row = { ...NUMBER, range: "-1e3..2.5e3", step: "2 digits, at least 5" };
    expect(of(row)).toMatchObject({ min: -1000, max: 2500, step: { digits: 2, atLeast: 5 } });
  });

  it("calls a property by its key when no one named it", () => {
    expect([of(FLAG).label, of({ ...FLAG, label: "lid open" }).label]).toEqual(["lid_open", "lid open"]);
  });
});

describe("the table", () => {
  it.each(TABLE)("$name is a row as an operator may write it, with a name in plain words", (row) => {
    expect(faultsOf(row)).toEqual([]);
    expect(row.label).toMatch(/^[\p{L}\d(][^_]*$/u);
    if (row.kind === "number" || row.kind === "counter") expect(row.unit).toBeTruthy();
  });

  it("names everything once", () => {
    expect(new Set(TABLE.map(({ name }) => name)).size).toBe(TABLE.length);
    expect(new Set(TABLE.map(({ label }) => label)).size).toBe(TABLE.length);
  });

  it("has no step for a purpose that is finer than the step of the property", () => {
    const widest = (one: Rounding | undefined) =>
      one === undefined ? undefined : "step" in one ? one.step : one.atLeast;
    for (const property of TABLE.map((row) => propertyOf(row))) {
      const { step, sceneStep, weatherStep } = property;
      for (const wider of [sceneStep, weatherStep]) {
        if (wider === undefined) continue;
        expect([property.name, (widest(wider) ?? 0) >= (widest(step) ?? 0)]).toEqual([property.name, true]);
      }
    }
  });

  it("has no step that would round all of a range to one value", () => {
    for (const { name, min, max, step, storedStep } of TABLE.map((row) => propertyOf(row))) {
      for (const one of [step, storedStep]) {
        if (one !== undefined) expect([name, rounded(max, one) > rounded(min, one)]).toEqual([name, true]);
      }
    }
  });

  it("keeps both ends of a range inside of it", () => {
    for (const { name, min, max, step, storedStep } of TABLE.map((row) => propertyOf(row))) {
      for (const one of [step, storedStep]) {
        if (one === undefined) continue;
        expect([name, rounded(min, one) >= min, rounded(max, one) <= max]).toEqual([name, true, true]);
      }
    }
  });
});
