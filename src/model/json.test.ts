import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { threadMs } from "../../tests/fixtures/thread-time.ts";
import { bareJson, namesKeyTwice, readJson } from "./json.ts";

const twice = (text: string): boolean => namesKeyTwice(text, JSON.parse(text));

describe("namesKeyTwice", () => {
  it.each([
    '{"state":"refused","state":"given"}',
    '{"state":1,"\\u0073tate":2}',
    '{"a":{"b":1,"b":1}}',
    '{"a":{"b":1},"a":{}}',
    '{"a":[{"b":1},{"c":1,"c":2}]}',
    '[{"b":1,"b":2}]',
    '{"__proto__":1,"__proto__":2}',
    '{"__proto__":{"a":1},"a":1,"\\u005f_proto__":2}',
    '{"":1,"":2}',
    '{"1":1,"1":2}',
    '{"a:b":1,"a:b":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{ "a" : "x:y" , "a" : 1 }',
    '{"a":1,"a":"\\\\"}',
  ])("finds it in %s", (text) => expect(twice(text)).toBe(true));

  it.each([
    "1",
    "null",
    '"a:b"',
    "[]",
    '{"a":1,"A":2}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"ip":"2001:db8::1","note":"\\\\:\\":"}',
    '{"a":"\\\\","b":":"}',
    '{"__proto__":{"__proto__":1}}',
  ])("finds none in %s", (text) => expect(twice(text)).toBe(false));

  it("finds none in what JSON.stringify wrote, and every key that is written once more", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 });
    fc.assert(
      fc.property(object, fc.nat(), fc.boolean(), (value, which, escaped) => {
        const text = JSON.stringify(value);
        expect(twice(text)).toBe(false);
        const keys = Object.keys(value);
        const key = keys[which % keys.length] ?? "";
        const units = Array.from({ length: key.length }, (_, at) => key.charCodeAt(at).toString(16).padStart(4, "0"));
        const name = escaped ? `"${units.map((unit) => `\\u${unit}`).join("")}"` : JSON.stringify(key);
        expect(twice(`{${name}:0,${text.slice(1)}`)).toBe(true);
        expect(twice(`[[${text.slice(0, -1)},${name}:null}]]`)).toBe(true);
      }),
    );
  });

  it("looks as deep as JSON.parse does", () => {
    const deep = 4_000;
    expect(twice(`${"[".repeat(deep)}{"a":1,"a":1}${"]".repeat(deep)}`)).toBe(true);
    expect(twice(`${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`)).toBe(false);
  });
});

describe("bareJson", () => {
  it("takes away what surrounds it, and nothing of it", () => {
    for (const around of ["\uFEFF", "\0", "\0\0\0", " ", "\t\r\n", "\v\f", "\u00a0", "\u2028", "\uFEFF \r\n", "\n\0"]) {
      for (const json of ['{"a":1}', '"\uFEFF x\u00a0"', "1"]) {
        expect(bareJson(`${json}${around}`)).toBe(json);
        expect(bareJson(`${around}${json}${around}`)).toBe(json);
      }
    }
    for (const nothing of ["", "\0", " \uFEFF"]) expect(bareJson(nothing)).toBe("");
  });

  it("takes no longer for a long run of white space than for its length", () => {
    const from = threadMs();
    expect(bareJson(`{"a":"${" ".repeat(1_000_000)}x"}`)).toHaveLength(1_000_009);
    // Looked at again from each of its characters, it would be minutes.
    expect(threadMs() - from).toBeLessThan(5_000);
  });
});

describe("readJson", () => {
  it("gives the value, or nothing", () => {
    expect(readJson('\uFEFF{"a":1}\0')).toEqual({ a: 1 });
    for (const text of ['{"a":1,"a":1}', "{", "", '{"a":1}x']) expect(readJson(text)).toBeUndefined();
  });
});
