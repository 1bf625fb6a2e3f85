import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { cellToLatLng, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { grantsOf, PURPOSE_NEEDS, PURPOSE_USES } from "../model/consent.ts";
import type { Deidentified } from "../model/deidentified.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { CATEGORIES, type Category, PURPOSES, type Purpose } from "../model/purposes.ts";
import { carriedBy, type RawMessage, type RawTelemetry } from "../model/raw.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { Deidentifier, type DeidentifierOptions } from "./deidentify.ts";
import { halfSipHash } from "./half-sip-hash.ts";
import { Keyring } from "./keyring.ts";

const WEEK_MS = 7 * 86_400_000;
const EPOCH = 2950;
const AT = EPOCH * WEEK_MS + 123_456_789;
const options: DeidentifierOptions = {
  epochMs: { analytics: WEEK_MS, place: WEEK_MS, scene: WEEK_MS, network: WEEK_MS },
  location: { finestResolution: 6, defaultResolution: 5, densities: [], stickiness: 0.15, maxDevices: 1000 },
  models: [{ match: "HB-*", as: "hub", outdoor: true }],
  ip: { v4PrefixBits: 16, v6PrefixBits: 32 },
  atStepMs: { analytics: 1, scene: 1000 },
  weatherInScenes: false,
  properties: new Vocabulary().properties,
};
const keyring = new Keyring({ masterKey: randomBytes(32), pepper: randomBytes(32) });
const wrapped = keyring.createSubjectKey();
const deviceKey = "AAAAAAAAAAAAAAAAAAAAAA" as DeviceKey;
const full: RawTelemetry = {
  model: "HB-2718-canary",
  ip: "203.0.113.7",
  location: { lat: 12.971612, lon: 77.594587 },
  status: {
    power_on: true,
    cover_state: "open",
    battery: 87,
    temperature: 21.37,
    note: "text-canary",
    humidity: "wet",
  },
  ts: 1,
  id: "message-canary",
};
const everything = grantsOf(Object.fromEntries(PURPOSES.map((purpose) => [purpose, CATEGORIES])));

function message(telemetry: RawTelemetry, at = AT, sub = 42): RawMessage {
  return { device: { deviceKey, subjectTag: "S" as SubjectTag }, at, sub, telemetry, carried: carriedBy(telemetry) };
}

describe("Deidentifier", () => {
  it("gives each purpose exactly its fields", () => {
    const result = new Deidentifier(options, keyring).deidentify(message(full), everything, wrapped);
    const cell = latLngToCell(12.971612, 77.594587, 5);
    const [centerLat, centerLon] = cellToLatLng(cell);
    expect(result).toEqual({
      analytics: {
        device: keyring.pseudonym(wrapped, deviceKey, "analytics", EPOCH),
        model: "hub",
        status: { power_on: true, cover_state: "open", battery: 85, temperature: 21.4 },
        timestampNs: `${AT}000042`,
      },
      place: { cell, at: AT },
      weather: {
        cell,
        center: { lat: Math.round(centerLat * 1e4) / 1e4, lon: Math.round(centerLon * 1e4) / 1e4 },
        status: { temperature: 21.5 },
      },
      scene: {
        device: keyring.pseudonym(wrapped, deviceKey, "scene", EPOCH),
        model: "hub",
        status: { power_on: true, cover_state: "open", battery: 85 },
        at: Math.floor(AT / 1000) * 1000,
      },
      network: {
        model: "hub",
        ipPrefix: "203.0.0.0/16",
      },
    });
  });

  it("tells scenes nothing of the weather that a device in the open measures, unless the operator has it so", () => {
    const told = options.properties.filter(({ weatherStep }) => weatherStep !== undefined);
    const ofWeather = told.map(({ name }) => name);
    const status = Object.fromEntries(told.map(({ name, min, max }) => [name, Math.max(min, Math.min(max, 10))]));
    const sceneOf = (telemetry: RawTelemetry, more: Partial<DeidentifierOptions> = {}) =>
      new Deidentifier({ ...options, ...more }, keyring).deidentify(message(telemetry), everything, wrapped).scene;
    const outdoors = { ...full, status: { ...status, battery: 87 } };
    expect(ofWeather.length).toBeGreaterThan(5);
    expect(sceneOf(outdoors)?.status).toEqual({ battery: 85 });
    expect(sceneOf({ ...full, status })).toBeUndefined();
    // Indoors it is about a room, and the scene is what it is for.
    const indoors = sceneOf({ ...outdoors, model: "TH-310" })?.status;
    expect(Object.keys(indoors ?? {}).sort()).toEqual([...ofWeather, "battery"].sort());
    expect(sceneOf(outdoors, { weatherInScenes: true })?.status).toEqual(indoors);
  });

  it("gives a purpose a category only when it was granted, carried and of use to it: every combination", () => {
    const deidentifier = new Deidentifier(options, keyring);
    for (const carried of subsets(CATEGORIES)) {
      const telemetry = Object.fromEntries(carried.map((category) => [category, full[category]])) as RawTelemetry;
      for (const granted of subsets(CATEGORIES)) {
        for (const purpose of PURPOSES) {
          const grants = grantsOf({ [purpose]: granted });
          const result = deidentifier.deidentify(message(telemetry), grants, wrapped);
          const allowed = granted.filter(
            (category) => carried.includes(category) && has(PURPOSE_USES[purpose], category),
          );
          const useful =
            purpose === "weather"
              ? allowed.length === 2 && carried.includes("model")
              : allowed.some((category) => has(PURPOSE_NEEDS[purpose], category));
          expect(Object.keys(result).filter((key) => key !== "place")).toEqual(useful ? [purpose] : []);
          if (useful) expect(categoriesIn(result, purpose).toSorted()).toEqual(allowed.toSorted());
        }
      }
    }
  });

  it("lets nothing of a raw message through, whatever was granted", () => {
    const coordinate = fc
      .double({ min: -89, max: 89, noNaN: true })
      .map((value) => Math.round(value * 1e6) / 1e6 + 1e-7);
    const deidentifier = new Deidentifier(options, keyring);
    fc.assert(
      fc.property(
        coordinate,
        coordinate,
        fc.ipV4(),
        fc.string({ minLength: 6, maxLength: 30 }),
        fc.nat(0xffff),
        (lat, lon, ip, model, grants) => {
          const raw = message({ ...full, location: { lat, lon }, ip, model, id: "message-canary" });
          const told = JSON.stringify(deidentifier.deidentify(raw, grants, wrapped));
          for (const secret of [String(lat), String(lon), deviceKey, wrapped, "message-canary", "text-canary", "21.37"])
            expect(told).not.toContain(secret);
          if (!ip.endsWith(".0.0")) expect(told).not.toContain(`"${ip}`);
          expect(told).not.toContain(JSON.stringify(model));
        },
      ),
    );
  });

  it("names a device differently for every purpose and in every epoch, by the time of the message", () => {
    const deidentifier = new Deidentifier(options, keyring);
    const names = [AT, AT - WEEK_MS].flatMap((at) => {
      const { analytics, scene } = deidentifier.deidentify(message(full, at), everything, wrapped);
      return [analytics?.device, scene?.device];
    });
    expect(new Set(names).size).toBe(4);
    expect(names[2]).toBe(keyring.pseudonym(wrapped, deviceKey, "analytics", EPOCH - 1));
  });

  it("keeps the status of a late message but not its place, and says the same when it comes again", () => {
    const deidentifier = new Deidentifier(options, keyring);
    const now = deidentifier.deidentify(message(full), everything, wrapped);
    const moved = { ...full, location: { lat: 40, lon: -3 } };
    const late = deidentifier.deidentify(message(moved, AT - 1000), everything, wrapped);
    expect(late.analytics?.status).toEqual(now.analytics?.status);
    expect(late.place).toBeUndefined();
    expect(now.place).toBeDefined();
    expect(deidentifier.deidentify(message(full), everything, wrapped)).toEqual(now);
  });

  it("takes 0, 0 for no place at all: neither for the store nor for weather", () => {
    const nowhere = message({ ...full, location: { lat: 0, lon: -0 } });
    const { analytics, place, weather } = new Deidentifier(options, keyring).deidentify(nowhere, everything, wrapped);
    expect(analytics?.status).toBeDefined();
    expect([place, weather]).toEqual([undefined, undefined]);
  });

  it("writes 19 digits of time whatever the digits below the millisecond", () => {
    const deidentifier = new Deidentifier(options, keyring);
    const time = (sub: number) =>
      deidentifier.deidentify(message(full, AT, sub), everything, wrapped).analytics?.timestampNs;
    expect(time(0)).toBe(`${AT}000000`);
    expect(time(7)).toBe(`${AT}000007`);
    expect(time(999_999)).toBe(`${AT}999999`);
  });

  it("keeps the time of a row to its step, where it says nothing, and never two rows at one time", () => {
    const stepMs = 6 * 3_600_000;
    const coarse = new Deidentifier({ ...options, atStepMs: { ...options.atStepMs, analytics: stepMs } }, keyring);
    const from = Math.floor(AT / stepMs) * stepMs;
    const timeOf = (at: number, sub: number) =>
      coarse.deidentify(message(full, at, sub), everything, wrapped).analytics?.timestampNs ?? "";
    const moved = (at: number, sub: number) => Number(timeOf(at, sub).slice(0, -6)) - from;
    const all = Array.from({ length: 2_000 }, (_, index) => [from + index * 10_000, index % 100] as const);
    const times = all.map(([at, sub]) => timeOf(at, sub));
    expect(new Set(times).size).toBe(all.length);
    for (const time of times) {
      const ms = Number(time.slice(0, -6));
      expect([time.length, ms >= from, ms < from + stepMs]).toEqual([19, true, true]);
    }
    // The same message again has the same time, and a minute before and after midnight are as far apart as any two.
    expect(all.map(([at, sub]) => timeOf(at, sub))).toEqual(times);
    const apart = Array.from({ length: 200 }, (_, sub) =>
      Math.abs(moved(from, sub) - moved(from + 60_000, sub + 1_000)),
    );
    expect(apart.toSorted((one, other) => one - other)[100]).toBeGreaterThan(stepMs / 10);
    expect(timeOf(from + stepMs, 42).slice(0, -6) >= String(from + stepMs)).toBe(true);
  });

  it("moves rows under one name by nothing that shows under the next", () => {
    const { rowKey } = keyring.named(wrapped, deviceKey, "analytics", 1);
    const other = keyring.named(wrapped, deviceKey, "analytics", 2);
    expect(other.rowKey).not.toEqual(rowKey);
    const differences = Array.from(
      { length: 100 },
      (_, sub) => halfSipHash(rowKey, sub) - halfSipHash(other.rowKey, sub),
    );
    expect(new Set(differences).size).toBe(100);
    expect(keyring.named(wrapped, deviceKey, "analytics", 1).rowKey).toEqual(rowKey);
  });

  it("makes no weather of what is none: another place than the open air, no model, no place, nothing measured", () => {
    const deidentifier = new Deidentifier(options, keyring);
    const outside: RawTelemetry = { model: "HB-1", location: { lat: 1, lon: 1 }, status: { temperature: 21.37 } };
    const weatherOf = (telemetry: RawTelemetry) =>
      deidentifier.deidentify(message(telemetry), everything, wrapped).weather;
    expect(weatherOf(outside)?.status).toEqual({ temperature: 21.5 });
    expect(weatherOf({ ...outside, model: "TH-100" })).toBeUndefined();
    expect(weatherOf({ ...outside, model: undefined })).toBeUndefined();
    expect(weatherOf({ ...outside, location: undefined })).toBeUndefined();
    expect(weatherOf({ ...outside, status: { power_on: true, humidity: "text" } })).toBeUndefined();
  });

  it("makes nothing for a scene of a status of which nothing is known, and an analytics record with nothing to write", () => {
    const deidentifier = new Deidentifier(options, keyring);
    const result = deidentifier.deidentify(message({ status: { note: "x", level: 3 } }), everything, wrapped);
    expect(Object.keys(result)).toEqual(["analytics"]);
    expect(Object.keys(result.analytics ?? {})).toEqual(["device", "timestampNs"]);
  });
});

function subsets(of: readonly Category[]): Category[][] {
  return Array.from({ length: 2 ** of.length }, (_, mask) => of.filter((_, index) => (mask >> index) & 1));
}

function has(mask: number, category: Category): boolean {
  return ((mask >> CATEGORIES.indexOf(category)) & 1) === 1;
}

function categoriesIn(result: Deidentified, purpose: Purpose): Category[] {
  const record: Record<string, unknown> = { ...result[purpose] };
  const present: Category[] = [];
  if (record.model !== undefined) present.push("model");
  if (record.ipPrefix !== undefined) present.push("ip");
  const place = purpose === "analytics" ? result.place : record.cell;
  if (place !== undefined) present.push("location");
  if (record.status !== undefined) present.push("status");
  return present;
}
