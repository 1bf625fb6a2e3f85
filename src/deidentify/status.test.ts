/** Nothing of a status passes but what the vocabulary knows, and no output tells more of a number than scenes are told. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StatusFields, StatusValue } from "../model/deidentified.ts";
import type { Property } from "../model/property.ts";
import { rounded } from "../vocabulary/rounding.ts";
import { propertyRow } from "../vocabulary/row.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { StatusFilter } from "./status.ts";

const ROWS = [
  { name: "tank_level", kind: "number", range: "-10..100", step: 0.5, scene: 1, weather: 2 },
  {
    name: "glow",
    kind: "number",
    range: "-1000..1000",
    step: "3 digits",
    scene: "2 digits",
    weather: "1 digits, at least 5",
  },
  { name: "litres", kind: "counter", range: "0..1e6", step: 0.1, scene: 0.5, weather: 1, mostPerHour: 100 },
  { name: "wash_mode", kind: "word", words: ["eco", "quick"] },
].map((row) => propertyRow.parse(row));
const vocabulary = new Vocabulary(ROWS, "classes");
const filter = new StatusFilter(vocabulary.properties);
const numbers = vocabulary.properties.filter(({ step }) => step !== undefined);

/** Two values of a property that lie close to each other, so that some purposes tell them apart and some do not. */
const pair = fc
  .tuple(fc.constantFrom(...numbers), fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: -400, max: 400 }))
  .map(([property, part, off]): [Property, number, number] => {
    const { step, min, max } = property;
    const one = min + (part / 1e6) * (max - min);
    const width = step !== undefined && "step" in step ? step.step : Math.abs(one) / 100;
    return [property, one, Math.min(max, Math.max(min, one + (off / 100) * width))];
  });
/** Whatever a batch of an earlier version may hold. */
const anyStatus = fc.dictionary(
  fc.oneof(
    fc.constantFrom(...vocabulary.properties.map(({ name }) => name), "__proto__", "constructor", "note"),
    fc.string(),
  ),
  fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.constantFrom("eco", "open", "locked")),
  { noNullPrototype: true },
);

function all(status: StatusFields): (StatusFields | undefined)[] {
  return [filter.forAnalytics(status), filter.forScene(status), filter.forWeather(status)];
}

function storedStepOf({ kind, step, sceneStep, storedStep = sceneStep }: Property) {
  return kind === "counter" ? step : storedStep;
}

function only(property: Property, value: StatusValue): (StatusValue | undefined)[] {
  return all({ [property.name]: value }).map((kept) => kept?.[property.name]);
}

describe("StatusFilter", () => {
  it("rounds each purpose by its step", () => {
    const status = { temperature: 21.437, humidity: 48.6, power: 1287, co2: 644, battery: 87, tank_level: 4.76 };
    expect(all(status)).toEqual([
      { temperature: 21.5, humidity: 50, power: 1000, co2: 600, battery: 20, tank_level: 5 },
      { temperature: 21.5, humidity: 49, power: 1300, co2: 640, battery: 85, tank_level: 5 },
      { temperature: 21.5, humidity: 49, tank_level: 6 },
    ]);
  });

  it("stores to the steps of the table unless classes are asked for, and a scene is told no more than is stored", () => {
    const steps = new StatusFilter(new Vocabulary(ROWS).properties);
    const status = { temperature: 21.437, humidity: 48.6, power: 1287, co2: 644, battery: 87, tank_level: 4.76 };
    expect([steps.forAnalytics(status), steps.forScene(status)]).toEqual([
      { temperature: 21.4, humidity: 49, power: 1300, co2: 640, battery: 85, tank_level: 5 },
      { temperature: 21.5, humidity: 49, power: 1300, co2: 640, battery: 85, tank_level: 5 },
    ]);
  });

  it("passes flags and words of the list, and neither to weather", () => {
    const status = { open: false, battery_low: true, cover_state: "opening", wash_mode: "eco" };
    expect(all(status)).toEqual([status, status, undefined]);
  });

  it("passes differences of counters as they are, but where a purpose has a wider step", () => {
    const status = { energy: 0.37, rain: 0.6, litres: 1.7 };
    expect(all(status)).toEqual([status, { ...status, litres: 1.5 }, { rain: 0.6, litres: 2 }]);
  });

  it.each<[string, string]>([
    ["an unknown key", '{"note":"Anna is out","serial_no":4711}'],
    ["a free text under a known word", '{"cover_state":"Anna is out","wash_mode":"ECO"}'],
    ["a text, a number or null for a flag", '{"open":"true","online":1,"smoke":null}'],
    ["a text, a flag or null for a number", '{"temperature":"21.4","humidity":true,"pressure":null}'],
    ["a number or a flag for a word", '{"cover_state":1,"wash_mode":true}'],
    ["a number out of its range", '{"temperature":81,"humidity":-0.1,"battery":1e300,"power":1e400,"energy":-1}'],
    ["lists and objects", '{"temperature":[21],"open":{"on":true},"cover_state":["open"]}'],
    ["names that every object has", '{"__proto__":{"temperature":21},"constructor":1,"toString":true}'],
    ["nothing", "{}"],
  ])("keeps nothing of %s", (_what, json) => expect(all(JSON.parse(json))).toEqual([undefined, undefined, undefined]));

  it("keeps no NaN", () => expect(all({ temperature: Number.NaN })).toEqual([undefined, undefined, undefined]));

  it("tells nothing but steps, words of the list and flags, whatever it is given", () => {
    fc.assert(
      fc.property(anyStatus, (status) => {
        for (const [index, kept] of all(status).entries()) {
          for (const [name, value] of Object.entries(kept ?? {})) {
            const property = vocabulary.get(name);
            const step = property && [storedStepOf(property), property.sceneStep, property.weatherStep][index];
            if (typeof value === "number") expect([step === undefined, rounded(value, step)]).toEqual([false, value]);
            else if (typeof value === "boolean") expect([index < 2, property?.kind]).toEqual([true, "flag"]);
            else expect([index < 2, property?.words.has(value)]).toEqual([true, true]);
          }
        }
      }),
    );
  });

  it("tells two values apart for the store and for weather only where a scene does", () => {
    let onlyScene = 0;
    fc.assert(
      fc.property(pair, ([property, one, other]) => {
        const others = only(property, other);
        const [analytics, scene, weather] = only(property, one).map((value, index) => value === others[index]);
        // What is stored of a counter is not rounded further, so that sums stay exact; a scene gets it rounded from that.
        if (property.kind === "counter" ? analytics : scene) expect([analytics, scene]).toEqual([true, true]);
        if (scene) expect(weather).toBe(true);
        if (analytics && !scene) onlyScene += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(onlyScene).toBeGreaterThan(0);
  });

  it("stores of what would lead from one name to the next only the class that it reaches", () => {
    const stored = (status: StatusFields) => filter.forAnalytics(status);
    expect(stored({ battery: 17.4, rssi: -78, link_quality: 41 })).toEqual({
      battery: 0,
      rssi: -130,
      link_quality: 40,
    });
    // A scene is told 20 % of 17.5, and what is stored is made of that.
    expect(stored({ battery: 17.5, rssi: -77, link_quality: 12 })).toEqual({ battery: 20, rssi: -75, link_quality: 0 });
    expect(stored({ battery: 100, rssi: 0 })).toEqual({ battery: 20, rssi: -75 });
  });

  it("makes an object of its own", () => {
    const status = Object.freeze({ open: true });
    expect(filter.forAnalytics(status)).not.toBe(status);
  });
});
