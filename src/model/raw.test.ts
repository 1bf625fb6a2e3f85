import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { carriedBy, PARTS, type Part, validatePart } from "./raw.ts";

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

  it("refuses what is not an object", () => {
    for (const part of PARTS) {
      for (const payload of [null, 1, "x", true, [], [{}]]) {
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

  it("refuses prototype keys as own keys", () => {
    for (const text of [
      '{"__proto__":{"model":"HB-200"}}',
      '{"model":"HB-200","__proto__":1}',
      '{"power":"on","__proto__":{}}',
    ]) {
      for (const part of PARTS) expect(accepted(part, JSON.parse(text)), text).toBe(false);
    }
    expect(accepted("telemetry", JSON.parse('{"location":{"lat":1,"lon":2,"__proto__":{}}}'))).toBe(false);
    expect(accepted("location", JSON.parse('{"lat":1,"lon":2,"__proto__":{}}'))).toBe(false);
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
    for (const status of [1, "x", null, [], true]) expect(accepted("telemetry", { status })).toBe(false);
    expect(accepted("model", { model: "x".repeat(65) })).toBe(false);
    expect(accepted("ip", { ip: "999.1.1.1" })).toBe(false);
    expect(accepted("model", { model: "HB", id: "x".repeat(65) })).toBe(false);
    expect(accepted("model", { model: "HB", ts: "soon" })).toBe(false);
  });

  it("names what a message carries", () => {
    expect(carriedBy({ model: "a" })).toBe(1);
    expect(carriedBy({ ip: "a", location: { lat: 1, lon: 2 }, status: {} })).toBe(2 | 4 | 8);
  });
});
