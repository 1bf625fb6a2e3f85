/** Every fault in a dialect file is told with file, line and rule, and a file with a fault is no dialect. */
import { describe, expect, it } from "vitest";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect, DialectFaults } from "./compile.ts";

const vocabulary = new Vocabulary();
function faultsOf(text: string): readonly string[] {
  try {
    compileDialect(text, "own.yaml", vocabulary);
  } catch (error) {
    if (error instanceof DialectFaults) return error.faults;
    throw error;
  }
  return [];
}
const file = (rules: string) => `dialect: own\ntitle: Own\nrules:\n${rules}\n`;

describe("a dialect file", () => {
  it("compiles", () => {
    expect(faultsOf(file("  - topic: a/{self}\n    text: temperature"))).toEqual([]);
  });

  it("compiles with a tree that several rules call", () => {
    const { rules } = compileDialect(
      file(
        "  - { topic: a, json: = one }\n  - { topic: 'b/{leaf}', leaves: = one }\ntrees: { one: { x: temperature } }",
      ),
      "own.yaml",
      vocabulary,
    );
    expect(rules[0]?.json).toMatchObject({ is: "tree", keys: new Map([["x", { is: "leaves" }]]) });
    expect([...(rules[1]?.leaves?.keys() ?? [])]).toEqual(["x"]);
  });

  it.each([
    ["not YAML", "rules: [", /^own\.yaml:1: not YAML/],
    ["aliases in a loop", "dialect: &a [*a]", /own\.yaml:1: aliases of YAML are not allowed/],
    ["aliases", file("  - &one { topic: a, text: temperature }\n  - *one"), /own\.yaml:5: aliases/],
    ["a key twice", file("  - { topic: a, topic: b, text: temperature }"), /own\.yaml:4: not YAML/],
    [
      "no such property",
      file("  - topic: a\n    text: temprature"),
      /own\.yaml:5: rule 1: "temprature" is no property/,
    ],
    [
      "no such place",
      file("  - topic: a\n    text: [{ to: location.alt }]"),
      /own\.yaml:5: rule 1: "location\.alt" is no place/,
    ],
    ["a word of no list", file("  - topic: a\n    text: [{ to: status.hvac_mode, words: { x: hot } }]"), /never "hot"/],
    ["a text for a flag", file("  - topic: a\n    text: [{ to: status.open, words: { x: 'yes' } }]"), /true or false/],
    ["an unknown option", file("  - topic: a\n    regex: .*"), /own\.yaml:\d: rule 1: /],
    ["no reader", file("  - topic: a"), /rule 1: needs one of/],
    ["two readers", file("  - topic: a\n    text: temperature\n    json: { a: humidity }"), /rule 1: needs one of/],
    ["leaves without {leaf}", file("  - topic: a\n    leaves: { x: temperature }"), /need each other/],
    [
      "a rule that can never match",
      file("  - { topic: a, text: temperature }\n  - { topic: a, text: humidity }"),
      /own\.yaml:5: rule 2: can never match/,
    ],
    [
      "an object rule after a text rule",
      file("  - { topic: a, text: temperature }\n  - { topic: a, json: { b: humidity } }"),
      /own\.yaml:5: rule 2: can never match/,
    ],
    ["nine levels", file("  - { topic: a/b/c/d/e/f/g/h/i, text: temperature }"), /more than 8 levels/],
    [
      "a placeholder inside a level",
      file("  - { topic: 'a-{self}', text: temperature }"),
      /neither a word nor a placeholder/,
    ],
    ["# in a rule", file("  - { topic: 'a/#', text: temperature }"), /for `expected` alone/],
    [
      "a tree too deep",
      file("  - { topic: a, json: { a: { a: { a: { a: { a: { a: { a: temperature } } } } } } } }"),
      /deeper than 6/,
    ],
    [
      "65 rules",
      file(Array.from({ length: 65 }, (_, n) => `  - { topic: a${n}, text: temperature }`).join("\n")),
      /own\.yaml:4:/,
    ],
    [
      "`opposite` of a number",
      file("  - topic: a\n    text: [{ to: status.temperature, opposite: true }]"),
      /for flags/,
    ],
    [
      "a tree that is not there",
      file("  - { topic: a, json: = other }"),
      /own\.yaml:4: rule 1: there is no tree "other"/,
    ],
    [
      "a tree that calls itself",
      file("  - { topic: a, json: = one }\ntrees: { one: { x: '= one' } }"),
      /own\.yaml:4: rule 1: .*"= one" is no property/,
    ],
    [
      "a tree for names of a list that is none",
      file("  - { topic: 'a/{leaf}', leaves: = one }\ntrees: { one: { x: { y: temperature } } }"),
      /rule 1: `leaves` are flat/,
    ],
    ["a fraction that is none", file("  - topic: a\n    text: [{ to: status.temperature, scale: 1/x }]"), /rule 1/],
  ])("is refused for %s", (_, text, fault) => {
    expect(faultsOf(text).join("\n")).toMatch(fault);
  });
});
