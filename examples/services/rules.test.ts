import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Facts, holds, looksAtSun, readRules } from "./rules.ts";

const NOTHING: Facts = { said: {}, state: {}, target: {}, sun: undefined };
const ruleOf = (when: unknown, action: unknown = { command: "power", value: "on" }) =>
  readRules(JSON.stringify({ rules: [{ name: "one", when, do: action }] }))[0] as ReturnType<typeof readRules>[number];
const met = (when: unknown, facts: Partial<Facts>) => holds(ruleOf(when), { ...NOTHING, ...facts });

describe("a rule", () => {
  it("holds when its logic says true, and only then", () => {
    const when = { "===": [{ var: "said.occupancy" }, true] };
    expect(met(when, { said: { occupancy: true } })).toBe(true);
    expect(met(when, { said: { occupancy: false } })).toBe(false);
    expect(met(when, {})).toBe(false);
    // What is merely not false is no yes.
    expect(met({ var: "said.battery" }, { said: { battery: 80 } })).toBe(false);
  });

  it("that cannot be evaluated does not hold", () => {
    expect(met({ ">": [{ "/": [1, 0] }, 0] }, {})).toBe(false);
    expect(met({ ">": [{ var: "sun.altitude" }, 0] }, {})).toBe(false);
  });

  it("says whether it looks at the sun", () => {
    expect(looksAtSun(ruleOf({ "!": [{ var: "sun.up" }] }))).toBe(true);
    expect(looksAtSun(ruleOf({ "!!": [{ var: "said.occupancy" }] }))).toBe(false);
  });
});

describe("the file of rules", () => {
  it("that is the example can be read", () => {
    const file = new URL("rules.example.json", import.meta.url);
    expect(readRules(readFileSync(file, "utf8")).map(({ do: { command } }) => command)).toEqual([
      "power",
      "power",
      "setpoint",
    ]);
  });

  it.each([
    ["an operator that is a loop", { map: [[1], true] }],
    ["an operator that there is not", { launch: [] }],
    ["an operator that prototypes have", { constructor: [] }],
    ["what objects have by themselves", { "!!": [{ var: "said.constructor" }] }],
    ["a fact that there is not", { "!!": [{ var: "process.env" }] }],
    ["all facts at once", { "!!": [{ var: "" }] }],
    ["a fact that is worked out", { "!!": [{ var: { "+": ["said", "x"] } }] }],
    ["two operators at once", { and: [true], or: [true] }],
    ["no operator", {}],
    ["logic that is too deep", Array.from({ length: 14 }).reduce((inner) => ({ "!": [inner] }), true)],
    ["logic that is too long", { and: Array.from({ length: 300 }, () => true) }],
  ])("with %s is refused", (_what, when) => {
    expect(() => ruleOf(when)).toThrow();
  });

  it.each([
    ["power", "maybe"],
    ["brightness", 101],
    ["brightness", 50.5],
    ["color_temperature", 100],
    ["cover", "up"],
    ["cover_position", -1],
    ["setpoint", 31],
    ["setpoint", 20.3],
    ["lock", "open"],
    ["power", undefined],
  ])("that commands %s %s is refused", (command, value) => {
    expect(() => ruleOf(true, { command, value })).toThrow();
  });

  it("with two rules of one name, another key, or no pause at all is refused", () => {
    const rule = { name: "one", when: true, do: { command: "power", value: "on" } };
    for (const rules of [[rule, rule], [{ ...rule, more: 1 }], [{ ...rule, coolDownS: 0 }], []])
      expect(() => readRules(JSON.stringify({ rules }))).toThrow();
    expect(() => readRules("no JSON")).toThrow();
  });
});
