/** Whatever a device writes into `status`: what is known comes out as its kind, in its range, and the rest is counted or refuses. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DROP_REASONS, type DropReason } from "../model/outcome.ts";
import { propertyRow } from "./row.ts";
import { Vocabulary } from "./vocabulary.ts";

const vocabulary = new Vocabulary([propertyRow.parse({ name: "tank_level", kind: "number", range: "0..10", step: 1 })]);

function take(json: string) {
  const dropped: DropReason[] = [];
  const taken = vocabulary.take(JSON.parse(json), (why) => dropped.push(why));
  return typeof taken === "string" ? { fault: taken, dropped } : { ...taken, dropped };
}

/** What a single property becomes: the value, why it was left out, or `nothing` for neither. */
function one(name: string, value: string): unknown {
  const { status, dropped, fault } = { fault: undefined, status: undefined, ...take(`{"${name}":${value}}`) };
  return fault ?? status?.[name] ?? dropped[0] ?? "nothing";
}

const keys = (count: number, prefix = "k") =>
  Array.from({ length: count }, (_, index) => `"${prefix}${index}":1`).join();
const nested = (depth: number, inner: string) => `${'{"a":'.repeat(depth)}${inner}${"}".repeat(depth)}`;

describe("what is taken", () => {
  it("is what the table and the operator know, unchanged", () => {
    const json = '{"temperature":21.37,"open":false,"cover_state":"opening","energy":12.5,"tank_level":4}';
    const { dropped, ...taken } = take(json);
    expect(taken).toEqual({ status: JSON.parse(json), changed: false, hasCounters: true });
    expect(dropped).toEqual([]);
  });

  it.each<[string, string, unknown]>([
    ["temperature", "-60", -60],
    ["temperature", "80", 80],
    ["temperature", "80.0001", "out-of-range"],
    ["temperature", "-60.0001", "out-of-range"],
    ["temperature", "1e400", "out-of-range"],
    ["temperature", "-1e400", "out-of-range"],
    ["energy", "-0.01", "out-of-range"],
    ["energy", "9007199254740993", "out-of-range"],
    ["outages", '"9007199254740993"', "out-of-range"],
    ["temperature", "-0.0", -0],
    ["temperature", "null", "nothing"],
    ["open", "null", "nothing"],
    ["cover_state", "null", "nothing"],
    ["temperature", '"21.4"', 21.4],
    ["temperature", '" 21.40\\r\\n"', 21.4],
    ["temperature", '"+2.14e1"', 21.4],
    ["temperature", '"-.5"', -0.5],
    ["temperature", '"5."', 5],
    ["temperature", '"0021"', 21],
    ["temperature", '"1e400"', "out-of-range"],
    ["temperature", '"21,4"', "not-a-number"],
    ["temperature", '"1.234,5"', "not-a-number"],
    ["temperature", '"21.4 °C"', "not-a-number"],
    ["temperature", '"nan"', "not-a-number"],
    ["temperature", '"NaN"', "not-a-number"],
    ["temperature", '"Infinity"', "not-a-number"],
    ["temperature", '"0x15"', "not-a-number"],
    ["temperature", '"1_0"', "not-a-number"],
    ["temperature", '"٢١"', "not-a-number"],
    ["temperature", '""', "not-a-number"],
    ["temperature", '" "', "not-a-number"],
    ["temperature", '"."', "not-a-number"],
    ["temperature", '"e5"', "not-a-number"],
    ["temperature", `"${"0".repeat(41)}"`, "not-a-number"],
    ["temperature", "true", "not-a-number"],
    ["temperature", "[21.4]", "not-a-number"],
    ["temperature", '{"value":21.4}', "not-a-number"],
    ["open", '"true"', "not-a-word"],
    ["open", "1", "not-a-word"],
    ["open", '"ON"', "not-a-word"],
    ["open", "[true]", "not-a-word"],
    ["cover_state", '"OPEN"', "not-a-word"],
    ["cover_state", '"open "', "not-a-word"],
    ["cover_state", "true", "not-a-word"],
    ["cover_state", '{"open":true}', "not-a-word"],
    ["Temperature", "21", "unknown"],
    ["temperature ", "21", "unknown"],
    ["ｔemperature", "21", "unknown"],
    ["note", '"Anna is out"', "unknown"],
    ["", "1", "unknown"],
    ["constructor", "1", "unknown"],
    ["toString", "1", "unknown"],
    ["hasOwnProperty", "1", "unknown"],
    ["contact", "true", "personal"],
    ["position", "40", "personal"],
    ["homeLat", "12.97", "personal"],
    ["IPv4", '"203.0.113.7"', "personal"],
    ["device_name", '"x"', "personal"],
  ])("%s: %s is %s", (name, value, result) => expect(one(name, value)).toEqual(result));

  it("is nothing where nothing is known, and says so", () => {
    expect(take('{"note":"x","contact":true,"temperature":"warm"}')).toEqual({
      status: undefined,
      changed: true,
      hasCounters: false,
      dropped: ["unknown", "personal", "not-a-number"],
    });
    expect(take("{}")).toMatchObject({ status: undefined, changed: false, dropped: [] });
    expect(take('{"temperature":null}')).toMatchObject({ status: undefined, changed: true, dropped: [] });
  });

  it("is changed as soon as the text that came holds more, or writes it otherwise", () => {
    const changed = (json: string) => (take(json) as { changed?: boolean }).changed;
    expect(changed('{"temperature":21}')).toBe(false);
    expect(changed('{"temperature":"21"}')).toBe(true);
    expect(changed('{"temperature":21,"open":null}')).toBe(true);
    expect(changed('{"temperature":21,"note":1}')).toBe(true);
    expect(changed('{"temperature":21,"humidity":101}')).toBe(true);
  });

  it("obeys no __proto__", () => {
    const taken = take('{"__proto__":{"open":true,"temperature":1},"temperature":21}');
    expect(taken).toMatchObject({ status: { temperature: 21 }, changed: true, dropped: ["unknown"] });
    expect(Object.getPrototypeOf((taken as { status: object }).status)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).open).toBeUndefined();
  });

  it("is only what it may be, whatever comes", () => {
    const name = fc.oneof(fc.constantFrom(...vocabulary.properties.map((property) => property.name)), fc.string());
    const value = fc.oneof(fc.jsonValue(), fc.double(), fc.boolean(), fc.double().map(String), fc.constant("open"));
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 40 }), (fields) => {
        const dropped: DropReason[] = [];
        const taken = vocabulary.take(fields, (why) => dropped.push(why));
        for (const why of dropped) expect(DROP_REASONS).toContain(why);
        if (typeof taken === "string") return;
        for (const [key, kept] of Object.entries(taken.status ?? {})) {
          const property = vocabulary.get(key);
          if (typeof kept === "number")
            expect([kept >= (property?.min ?? 1), kept <= (property?.max ?? 0)]).toEqual([true, true]);
          else if (typeof kept === "string") expect(property?.words.has(kept)).toBe(true);
          else expect(property?.kind).toBe("flag");
        }
        expect(taken.changed).toBe(JSON.stringify(taken.status ?? {}) !== JSON.stringify(fields));
      }),
    );
  });
});

describe("what refuses all of it", () => {
  it.each([
    "password",
    "PASSWORD",
    "passWord",
    "wifi_password",
    "wifiPassword",
    "first_name",
    "firstName",
    "E-Mail",
    "ｐａｓｓｗｏｒｄ",
    "pass\\u0077ord",
    "user.id",
  ])("a key %s, also where something is known, below a known and below an unknown key", (key) => {
    const carrying = [
      `{"${key}":1}`,
      `{"temperature":21,"${key}":null}`,
      `{"temperature":{"${key}":1}}`,
      `{"wifi":{"list":[1,{"deep":[{"${key}":"x"}]}]}}`,
      `{"x":${nested(2_000, "1").replace('"a"', `"${key}"`)}}`,
    ];
    for (const json of carrying)
      expect([json.slice(0, 40), take(json)]).toMatchObject([json.slice(0, 40), { fault: "account-key" }]);
  });

  it("no account word in a value, which is left out anyway", () => {
    expect(take('{"temperature":21,"note":"password: 1234"}')).toMatchObject({ status: { temperature: 21 } });
  });

  it("more than 512 keys, at any depth", () => {
    expect(take(`{${keys(511)},"temperature":21}`)).toMatchObject({ status: { temperature: 21 } });
    expect(take(`{${keys(512)},"temperature":21}`)).toMatchObject({ fault: "too-many-keys" });
    expect(take(`{"temperature":21,"x":{${keys(510)}}}`)).toMatchObject({ status: { temperature: 21 } });
    expect(take(`{"temperature":21,"x":{${keys(511)}}}`)).toMatchObject({ fault: "too-many-keys" });
    expect(take(`{"x":${nested(513, "1")}}`)).toMatchObject({ fault: "too-many-keys" });
    expect(take(`{"x":[${"0,".repeat(512)}0]}`)).toMatchObject({ fault: "too-many-keys" });
  });

  it("more than 32 known properties", () => {
    const known = vocabulary.properties.filter(({ kind }) => kind === "flag" || kind === "number");
    const json = (count: number) =>
      `{${known
        .slice(0, count)
        .map(({ name, kind, max }) => `"${name}":${kind === "flag" ? true : max}`)
        .join()}}`;
    expect(known.length).toBeGreaterThan(33);
    expect(take(json(32))).toMatchObject({ changed: false });
    expect(take(json(33))).toMatchObject({ fault: "too-many-keys" });
  });
});

describe("the list", () => {
  it("has the operator's properties last, and every one under its name", () => {
    expect(vocabulary.properties.at(-1)?.name).toBe("tank_level");
    for (const property of vocabulary.properties) expect(vocabulary.get(property.name)).toBe(property);
    expect(new Vocabulary().get("tank_level")).toBeUndefined();
  });
});
