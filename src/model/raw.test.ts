import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heapUsed } from "../../tests/fixtures/kept.ts";
import { carriedBy, namesPerson, PARTS, type Part, validatePart } from "./raw.ts";

const accepted = (part: Part, payload: unknown): boolean => validatePart(part, payload) !== undefined;

describe("the wire schema", () => {
  it("takes the examples of the contract", () => {
    expect(
      accepted("telemetry", {
        model: "HB-200",
        ip: "203.0.113.7",
        location: { lat: 12.97, lon: 77.59 },
        status: { power: "on" },
        ts: 1,
        id: "x",
      }),
    ).toBe(true);
    expect(accepted("telemetry", { status: { battery: 87 } })).toBe(true);
    expect(accepted("model", { model: "HB-200" })).toBe(true);
    expect(accepted("ip", { ip: "2001:db8::1" })).toBe(true);
    expect(accepted("location", { lat: -90, lon: 180, ts: 5, id: "y" })).toBe(true);
    expect(validatePart("status", { power: "on", battery: 87, ts: 5, id: "z" })).toEqual({
      status: { power: "on", battery: 87 },
      ts: 5,
      id: "z",
    });
  });

  it("refuses what is not an object, and an object with none of the four", () => {
    for (const part of PARTS) {
      for (const payload of [null, 1, "x", true, [], [{}], {}, { ts: 1, id: "only" }]) {
        expect(accepted(part, payload), `${part} ${JSON.stringify(payload)}`).toBe(false);
      }
    }
  });

  it("refuses every key outside the contract", () => {
    const known = new Set(["model", "ip", "location", "status", "ts", "id"]);
    fc.assert(
      fc.property(
        fc.string().filter((key) => !known.has(key)),
        fc.jsonValue(),
        (key, value) => {
          const payload = JSON.parse(`{"model":"HB-200",${JSON.stringify(key)}:${JSON.stringify(value)}}`);
          expect(accepted("telemetry", payload)).toBe(false);
          expect(accepted("model", payload)).toBe(false);
        },
      ),
    );
  });

  it("refuses account-like, place-like and address-like keys wherever they stand", () => {
    for (const key of [
      "email",
      "password",
      "nickname",
      "user_name",
      "owner_email",
      "lat",
      "gps_lat",
      "wifi_ssid",
      "mac",
      "phone",
    ]) {
      expect(accepted("status", { [key]: "x" }), key).toBe(false);
      expect(accepted("telemetry", { status: { [key]: 1 } }), key).toBe(false);
      expect(accepted("telemetry", { model: "HB-200", [key]: "x" }), key).toBe(false);
    }
  });

  it("refuses addresses and coordinates as status values, and lets ordinary texts through", () => {
    for (const value of [
      "someone@example.org",
      "203.0.113.7",
      "fe80::1",
      "2001:db8:0:0:0:0:0:1",
      "aa:bb:cc:dd:ee:ff",
      "12.97160, 77.59460",
    ]) {
      expect(accepted("status", { note: value }), value).toBe(false);
    }
    for (const value of ["on", "12:30:45", "v1.2.3", "away mode", "-12.5", "2026-11-22"]) {
      expect(accepted("status", { note: value }), value).toBe(true);
    }
  });

  it("refuses prototype keys as own keys", () => {
    for (const text of [
      '{"__proto__":{"model":"HB-200"}}',
      '{"model":"HB-200","__proto__":1}',
      '{"power":"on","__proto__":{}}',
    ]) {
      for (const part of PARTS) expect(accepted(part, JSON.parse(text)), text).toBe(false);
    }
    expect(accepted("telemetry", JSON.parse('{"status":{"__proto__":1}}'))).toBe(false);
    expect(accepted("telemetry", JSON.parse('{"status":{"on":true,"__proto__":1}}'))).toBe(false);
    expect(accepted("telemetry", JSON.parse('{"location":{"lat":1,"lon":2,"__proto__":{}}}'))).toBe(false);
    expect(accepted("location", JSON.parse('{"lat":1,"lon":2,"__proto__":{}}'))).toBe(false);
    expect(accepted("status", { constructor: 1 })).toBe(true);
    expect(({} as Record<string, unknown>).model).toBeUndefined();
  });

  it("bounds numbers, texts and counts", () => {
    for (const location of [
      { lat: 90.1, lon: 0 },
      { lat: 0, lon: -180.5 },
      { lat: "1", lon: 2 },
      { lat: 1 },
      { lat: 1, lon: 2, alt: 3 },
      { lat: Number.NaN, lon: 0 },
      { lat: Number.POSITIVE_INFINITY, lon: 0 },
    ]) {
      expect(accepted("telemetry", { location }), JSON.stringify(location)).toBe(false);
    }
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
    expect(accepted("status", keys(32))).toBe(true);
    expect(accepted("status", keys(33))).toBe(false);
    expect(accepted("status", { text: "x".repeat(65) })).toBe(false);
    expect(accepted("status", { nested: { a: 1 } })).toBe(false);
    expect(accepted("status", { list: [1] })).toBe(false);
    expect(accepted("status", { none: null })).toBe(false);
    expect(accepted("status", { Upper: 1 })).toBe(false);
    expect(accepted("status", { huge: Number.POSITIVE_INFINITY })).toBe(false);
    expect(accepted("model", { model: "x".repeat(65) })).toBe(false);
    expect(accepted("ip", { ip: "999.1.1.1" })).toBe(false);
    expect(accepted("model", { model: "HB", id: "x".repeat(65) })).toBe(false);
    expect(accepted("model", { model: "HB", ts: "soon" })).toBe(false);
  });

  it("looks no deeper for account data than the stack reaches", () => {
    const levels = 200_000;
    const deep = JSON.parse(`${'{"status":'.repeat(levels)}1${"}".repeat(levels)}`);
    expect(accepted("telemetry", deep)).toBe(false);
    expect(namesPerson(deep)).toBe(false);
    expect(namesPerson({ status: { owner_email: 1 } })).toBe(true);
  });

  it("keeps nothing of a key that it does not allow, and goes on remembering those it does", () => {
    const before = heapUsed();
    let wrong = 0;
    for (let n = 0; n < 5_000; n += 1) {
      if (accepted("status", JSON.parse(`{"${`K${n}`.padEnd(8_000, "x")}":1}`))) wrong += 1;
      if (!accepted("status", { [`k${n}`]: 1 })) wrong += 1;
    }
    expect(wrong).toBe(0);
    expect(heapUsed() - before).toBeLessThan(8_000_000);
  });

  it("names what a message carries", () => {
    expect(carriedBy({ model: "a" })).toBe(1);
    expect(carriedBy({ ip: "a", location: { lat: 1, lon: 2 }, status: {} })).toBe(2 | 4 | 8);
  });
});
