/** Bad input to the walk: whatever a peer sends is one typed outcome, and what no rule names never comes out. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect } from "./compile.ts";
import { readPublication, type Sender } from "./read.ts";

const FOLDER = new URL("../../config/dialects/", import.meta.url);
const vocabulary = new Vocabulary();
const shipped = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => compileDialect(readFileSync(new URL(file, FOLDER), "utf8"), file, vocabulary));

const dialect = (rules: string) =>
  compileDialect(`dialect: test\ntitle: Test\nrules:\n${rules}`, "test.yaml", vocabulary);
const sender = (...children: string[]): Sender => ({
  isSelf: (word) => word === "me",
  hasChild: (alias) => children.includes(alias),
});
const outcome = (rules: string, topic: string, payload: string, ...children: string[]) => {
  const result = readPublication(dialect(rules), sender(...children), topic, payload);
  return "refused" in result ? result.refused : result;
};
const JSON_RULE = "  - { topic: 't/{self}', json: { a: temperature, b: { c: humidity }, gone: '-' } }";

describe("a payload", () => {
  it.each([
    ["not JSON", "{", "invalid-payload"],
    ["nothing, by which a retained message is taken back", "", "not-taken"],
    ["a number", "5", "invalid-payload"],
    ["an array", "[1,2]", "not-taken"],
    ["nothing named", '{"x":1}', "not-taken"],
    ["only what is thrown away", '{"gone":{"password":"x"}}', "not-taken"],
    ["null", '{"a":null}', "not-taken"],
    ["a value of another kind", '{"a":{"deep":1}}', "invalid-payload"],
    ["a word for a number", '{"a":"nan"}', "invalid-payload"],
    ["out of range", '{"a":5000}', "invalid-payload"],
    ["account data where nothing is named", '{"a":1,"x":[{"userId":5}]}', "invalid-payload"],
    ["513 parts", JSON.stringify({ a: 1, x: Array(513).fill(0) }), "invalid-payload"],
    ["seven levels", '{"a":1,"x":{"x":{"x":{"x":{"x":{"x":1}}}}}}', "invalid-payload"],
    ["a prototype", '{"__proto__":{"a":1}}', "not-taken"],
  ])("%s", (_, payload, expected) => {
    expect(outcome(JSON_RULE, "t/me", payload)).toBe(expected);
  });

  it("that cannot be read is told of by its place in the table, a text by its rule alone", () => {
    const told: unknown[] = [];
    const read = (rules: string, payload: string) =>
      readPublication(dialect(rules), sender(), "t/me", payload, (...what) => void told.push(what));
    read(JSON_RULE, '{"b":{"c":"Anna"}}');
    read("  - { topic: 't/{self}', text: [{ to: status.online, words: { up: true } }] }", "Anna");
    expect(told).toEqual([
      ["not-a-number", 1, "b.c"],
      ["not-a-word", 1, undefined],
    ]);
  });

  it("keeps what is good of it", () => {
    expect(outcome(JSON_RULE, "t/me", '{"a":"21.5","b":{"c":"x","d":1},"note":"Anna","gone":1}')).toEqual([
      { child: undefined, telemetry: { status: { temperature: 21.5 } }, hasCounters: false, dropped: 3, thrownAway: 1 },
    ]);
  });

  it("converts by a unit it names, and not without one", () => {
    const rule =
      "  - { topic: t, json: { a: [{ to: status.temperature, unit: { path: u, words: { C: {}, F: { scale: 5/9, offset: -160/9 } } } }] } }";
    const read = (payload: string) => {
      const [only] = outcome(rule, "t", payload) as readonly { telemetry: { status?: unknown } }[];
      return only?.telemetry?.status;
    };
    expect(read('{"a":70,"u":"F"}')).toEqual({ temperature: 21.1111 });
    expect(read('{"a":70,"u":"C"}')).toEqual({ temperature: 70 });
    for (const payload of ['{"a":70}', '{"a":70,"u":"K"}', '{"a":70,"u":"constructor"}'])
      expect(outcome(rule, "t", payload)).toBe("invalid-payload");
  });

  it("converts a large total as exactly as a small one", () => {
    const rule = "  - { topic: t, json: { total: [{ to: status.energy, scale: 1/1000 }] } }";
    const totals = [12_345_671, 12_345_681].map((total) => outcome(rule, "t", JSON.stringify({ total })));
    expect(totals).toMatchObject([
      [{ telemetry: { status: { energy: 12345.671 } } }],
      [{ telemetry: { status: { energy: 12345.681 } } }],
    ]);
  });

  it("takes a time only with its zone", () => {
    const rule = "  - { topic: t, json: { a: temperature, t: [{ to: ts, time: iso }] } }";
    const [only] = outcome(rule, "t", '{"a":1,"t":"2026-11-28T19:05:00.775+00:00"}') as readonly {
      telemetry: unknown;
    }[];
    expect(only?.telemetry).toEqual({ status: { temperature: 1 }, ts: 1795892700775 });
    const [none] = outcome(rule, "t", '{"a":1,"t":"2026-11-28T19:05:00"}') as readonly { telemetry: unknown }[];
    expect(none?.telemetry).toEqual({ status: { temperature: 1 } });
  });

  it.each(['{"m":"UP","s":"OPEN"}', '{"s":"OPEN","m":"UP"}'])(
    "lets a part prevail over others of its property: %s",
    (payload) => {
      const rules = `  - topic: t
    json:
      m: [{ to: status.cover_state, prevails: true, words: { UP: opening } }]
      s: [{ words: { OPEN: { cover_state: open } } }]`;
      expect(outcome(rules, "t", payload)).toMatchObject([{ telemetry: { status: { cover_state: "opening" } } }]);
    },
  );

  it("reads bare values of a topic whose objects another rule reads", () => {
    const rules = "  - { topic: t, json: { value: temperature } }\n  - { topic: t, text: temperature }";
    for (const payload of ["21.5", '{"value":21.5,"time":1}'])
      expect(outcome(rules, "t", payload)).toMatchObject([{ telemetry: { status: { temperature: 21.5 } } }]);
    expect(outcome(rules, "t", "nan")).toBe("invalid-payload");
    expect(outcome(rules, "t", '{"value":')).toBe("invalid-payload");
  });

  it("tells devices behind a hub apart, and is lost for those no one registered", () => {
    const rule = "  - { topic: t, json: { each: { '{child}': { T: temperature } } } }";
    const payload = '{"each":{"one":{"T":1},"two":{"T":2},"other":{"T":3}}}';
    expect(outcome(rule, "t", payload, "one", "two")).toMatchObject([{ child: "one" }, { child: "two" }]);
    expect(outcome(rule, "t", payload)).toBe("unknown-device");
    const names = Array.from({ length: 17 }, (_, n) => `c${n}`);
    const many = JSON.stringify({ each: Object.fromEntries(names.map((name) => [name, { T: 1 }])) });
    expect(outcome(rule, "t", many, ...names)).toBe("invalid-payload");
    // Strangers take the place of no registered device.
    expect(outcome(rule, "t", many, "c0", "c16")).toMatchObject([{ child: "c0" }, { child: "c16" }]);
  });
});

describe("a topic", () => {
  const rules = `  - { topic: z/bridge/state, text: [{ to: status.online, words: { on: true } }] }
  - { topic: 'z/{child}/availability', text: [{ to: status.online, words: { on: true } }] }
  - { topic: 'z/{child}', text: temperature }`;
  it.each([
    ["z/bridge/state", "on", undefined],
    ["z/room/lamp", "5", "room/lamp"],
    ["z/room/lamp/availability", "on", "room/lamp"],
    ["z/room/other", "5", "unknown-device"],
    ["z/bridge/devices", "5", "invalid-topic"],
    ["z", "5", "invalid-topic"],
    ["z/", "5", "invalid-topic"],
    ["Z/room/lamp", "5", "invalid-topic"],
    [`z/${"a/".repeat(64)}b`, "5", "invalid-topic"],
  ])("%s", (topic, payload, expected) => {
    const result = outcome(rules, topic, payload, "room/lamp");
    if (typeof result === "string") expect(result).toBe(expected);
    else expect(result[0]?.child).toBe(expected);
  });
});

/** Keys and values that must come out of no dialect, whatever they stand in. */
const CANARIES = ["canary-anna", "__proto__", "constructor", "Anna Example", "00:00:5E:00:53:01", "0A1B2C3D"];

describe("dialects that come with the gateway", () => {
  it.each(shipped.map((one) => [one.name, one] as const))(
    "%s takes no canary and throws nothing at mutated payloads",
    (_, one) => {
      const { publications } = JSON.parse(
        readFileSync(new URL("../../tests/cases/publications.json", import.meta.url), "utf8"),
      ) as {
        publications: { topic: string; payload: string | object }[];
      };
      const own = JSON.parse(
        readFileSync(new URL("../../tests/cases/dialects.json", import.meta.url), "utf8"),
      ) as typeof publications;
      const families = JSON.parse(
        readFileSync(new URL("../../tests/cases/families.json", import.meta.url), "utf8"),
      ) as typeof publications;
      const samples = [...own, ...publications, ...families].filter(({ payload }) => typeof payload === "string");
      const all: Sender = { isSelf: (word) => word === "me", hasChild: () => true };
      const topics = one.rules.map(({ topic }) =>
        topic.text.replace("{self}", "me").replace("{child}", "kid").replaceAll("+", "x"),
      );
      const texts = (value: unknown): string[] =>
        typeof value === "string"
          ? [value]
          : typeof value === "object" && value !== null
            ? Object.entries(value).flatMap(([key, inner]) => [key, ...texts(inner)])
            : [];
      fc.assert(
        fc.property(
          fc.constantFrom(...samples.map(({ payload }) => payload as string)),
          fc.constantFrom(...topics),
          fc.constantFrom(...CANARIES),
          fc.nat(400),
          fc.nat(3),
          (payload, topic, canary, at, how) => {
            const cut = at % (payload.length + 1);
            const mutated = [
              `${payload.slice(0, cut)}${canary}${payload.slice(cut)}`,
              payload.replace(/"[^"]*"(?!:)/g, `"${canary}"`),
              payload.replace(/"[^"]*":/g, `"${canary}":`),
              payload.slice(0, cut),
            ][how] as string;
            const leafy = topic.replace(
              "{leaf}",
              [...(one.rules.find(({ leaves }) => leaves)?.leaves?.keys() ?? ["x"])][at % 5] ?? "x",
            );
            const result = readPublication(one, all, leafy, mutated);
            if ("refused" in result) return;
            for (const { telemetry } of result) {
              // A model is free text by contract: it becomes a kind of device further on.
              const { model, ...rest } = telemetry;
              expect(texts(rest).filter((text) => CANARIES.some((one_) => text.includes(one_)))).toEqual([]);
            }
          },
        ),
        { numRuns: 5_000 },
      );
    },
  );
});
