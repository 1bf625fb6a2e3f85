/** How each shipped dialect writes each command of the table, and what a file may not say of one. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { argumentOf, COMMAND_NAMES, type CommandName, type CommandValue } from "../model/command.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { shippedDialects } from "../wiring/dialects.ts";
import { compileDialect, type Dialect, DialectFaults } from "./compile.ts";
import { covers } from "./topic.ts";

const vocabulary = new Vocabulary();
const dialects = shippedDialects(vocabulary);
const NAMES = readdirSync(new URL("../../config/dialects/", import.meta.url)).map((file) => file.replace(".yaml", ""));

function dialectOf(name: string): Dialect {
  const dialect = dialects.get(name);
  if (dialect === undefined) throw new Error(name);
  return dialect;
}

/** `topic payload` of each way that has the value, for a device called `me`, or `kid` behind the hub `me`. */
function written(dialect: Dialect, name: CommandName, value: CommandValue, child = false): string[] {
  const alias = child ? "kid" : "me";
  return (dialect.commands.get(name) ?? []).flatMap((way) => {
    const payload = way.ofChild === child ? way.payload(value, alias) : undefined;
    return payload === undefined ? [] : [`${way.topic(alias, "me")} ${payload}`];
  });
}

/** The values at the ends of a command, or all of its words. */
function valuesOf(name: CommandName): readonly CommandValue[] {
  const argument = argumentOf(name);
  switch (argument.kind) {
    case "word":
      return argument.words;
    case "number":
      return [argument.min, argument.max];
    case "flag":
      return [true, false];
    case "color":
      return ["#00ff7f"];
  }
}

/** A lock behind Zigbee2MQTT would be toggled. */
const NOT_THERE: ReadonlySet<string> = new Set(["zigbee2mqtt toggle"]);

const CASES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = JSON.parse(
  readFileSync(new URL("../../tests/cases/commands.json", import.meta.url), "utf8"),
);

describe("every command in every shipped dialect", () => {
  const matrix = NAMES.flatMap((dialect) => COMMAND_NAMES.map((name) => ({ dialect, name })));

  it.each(matrix)("$dialect $name", ({ dialect: file, name }) => {
    const dialect = dialectOf(file);
    const ways = dialect.commands.get(name) ?? [];
    for (const value of valuesOf(name)) {
      if (NOT_THERE.has(`${file} ${value}`)) continue;
      const found = [...written(dialect, name, value), ...written(dialect, name, value, true)];
      // What a dialect takes it takes whole: of no word or end of the scale it knows nothing.
      expect(found.length > 0, `${value}`).toBe(ways.length > 0);
      for (const one of found) {
        expect(one).not.toMatch(/[{]\w+[}]|undefined|NaN|Infinity|\[object/);
        const topic = one.slice(0, one.indexOf(" "));
        expect(dialect.subscriptions.some((filter) => covers(filter, topic, (word) => word === "me"))).toBe(true);
      }
    }
  });

  it.each(matrix)("$dialect $name is in the words of the firmware", ({ dialect: file, name }) => {
    const dialect = dialectOf(file);
    const all = [false, true].flatMap((child) =>
      valuesOf(name).flatMap((value) => written(dialect, name, value, child)),
    );
    expect(all).toEqual(CASES[file]?.[name] ?? []);
  });

  it("comes only of the table", () => {
    for (const file of NAMES)
      for (const name of dialectOf(file).commands.keys()) expect(COMMAND_NAMES, file).toContain(name);
  });
});

describe("a file", () => {
  const compiled = (commands: string, more = "hub: true"): Dialect =>
    compileDialect(
      `dialect: mine
title: Mine
${more}
rules:
  - topic: "x/{self}"
    text: temperature
subscriptions: ["x/{self}/#", "y/+/set"]
commands:
${commands}
`,
      "mine.yaml",
      vocabulary,
    );
  const faults = (commands: string, more?: string): readonly string[] => {
    try {
      compiled(commands, more);
      return [];
    } catch (error) {
      if (error instanceof DialectFaults) return error.faults;
      throw error;
    }
  };

  it.each([
    ["unlock: x/{self}/lock", `"unlock" is no command; docs/topics.md lists them`],
    ["constructor: x/{self}/a", `"constructor" is no command; docs/topics.md lists them`],
    ["power: z/{self}/a", "the firmware subscribes to nothing that covers this topic"],
    ["power: x/{self}/#", "a command goes to one topic"],
    ["power: x/{self}/{leaf}", "a command goes to one topic"],
    ["power: x/{self}/+/+", "`+` stands there twice"],
    ["power: { topic: 'x/{self}/a', words: { 'on': 1, open: 2 } }", '"open" is no word of this command'],
    ["brightness: { topic: 'x/{self}/a', words: {} }", "`words` are for words and flags"],
    ["power: { topic: 'x/{self}/a', scale: 2 }", "`scale`, `offset`, `inverse` and `between` are for numbers"],
    ["brightness: { topic: 'x/{self}/a', inverse: 2, scale: 2 }", "`inverse` stands without `scale` and `offset`"],
    ["power: { topic: 'x/{self}/a', text: 'on' }", "the value stands nowhere"],
    ["power: { topic: 'x/{self}/a', json: { state: 'on' } }", "the value stands nowhere"],
    ["power: { topic: 'x/{self}/a', text: '{value}', json: { a: '{value}' } }", "needs one of `text` and `json`"],
  ])("may not say %j", (commands, fault) => {
    expect(faults(`  ${commands}`)).toEqual([`mine.yaml:9: ${fault}`]);
  });

  it("may not speak of children where there are none", () => {
    const fault = ["mine.yaml:9: only a hub has children"];
    expect(faults("  power: y/{child}/set", "about: none")).toEqual(fault);
    expect(faults("  power: { topic: 'x/{self}/a', json: { d: '{child}', v: '{value}' } }", "about: none")).toEqual(
      fault,
    );
  });

  it("may not say anything else of a command, and the fault names its line", () => {
    expect(faults("  power:\n    topic: x/{self}/a\n    qos: 1")[0]).toMatch(/^mine\.yaml:(9|10): /);
    expect(faults("  power: { topic: 'x/{self}/a', scale: 'process.exit()' }")[0]).toMatch(/^mine\.yaml:9: /);
  });

  it("writes what the alias of a child holds as a name, and nothing else", () => {
    const dialect = compiled(
      `  power: { topic: "y/{child}/set", json: { device: "{child}", say: "{value} to {child}", value: "{value}" } }`,
    );
    const [way] = dialect.commands.get("power") ?? [];
    const alias = '"{value}{self}';
    expect(way?.topic(alias, "me")).toBe(`y/${alias}/set`);
    expect(JSON.parse(way?.payload("on", alias) ?? "")).toEqual({ device: alias, say: `on to ${alias}`, value: "on" });
  });

  it("converts numbers: scale and offset, a quotient, whole and within bounds", () => {
    const number = (way: string, value: number) =>
      compiled(`  color_temperature: { topic: "x/{self}/a", ${way} }`)
        .commands.get("color_temperature")?.[0]
        ?.payload(value, "me");
    expect(number("text: 't={value}'", 2700)).toBe("t=2700");
    expect(number("scale: 1/3, offset: 10", 2000)).toBe("677");
    expect(number("inverse: 1000000", 2700)).toBe("370");
    expect(number("inverse: 1000000, between: [153, 500]", 1500)).toBe("500");
    expect(number('inverse: 1000000, json: { t: { k: "{value}" } }', 2700)).toBe('{"t":{"k":370}}');
  });
});

it("every dialect file says which commands it takes in one place only", () => {
  for (const file of NAMES) {
    const text = readFileSync(new URL(`../../config/dialects/${file}.yaml`, import.meta.url), "utf8");
    expect(text.match(/^commands:/gm)?.length ?? 0, file).toBeLessThanOrEqual(1);
  }
});
