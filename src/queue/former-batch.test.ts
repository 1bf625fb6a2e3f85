import { describe, expect, it } from "vitest";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { carriedBy, type RawMessage, type RawTelemetry } from "../model/raw.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { asTakenToday } from "./former-batch.ts";

const device = { deviceKey: "hub" as DeviceKey, subjectTag: "anna" as SubjectTag };
const own = { name: "tides", kind: "counter", range: "0..1e6", step: "1", mostPerHour: 10 } as const;
const vocabulary = new Vocabulary([own]);

const message = (telemetry: RawTelemetry): RawMessage => ({
  device,
  at: 1,
  sub: 2,
  telemetry,
  carried: carriedBy(telemetry),
});
const taken = (telemetry: RawTelemetry) => asTakenToday([message(telemetry)], vocabulary)[0]?.telemetry;

describe("what was sealed before there was a vocabulary", () => {
  it("loses unknown keys, texts and totals, of the operator's own counters too, and keeps the rest as it came", () => {
    const status = {
      temperature: 21.53,
      note: "anna is ill",
      energy: 4711,
      tides: 9,
      power_on: true,
      hvac_mode: "anna",
    };
    expect(taken({ model: "HB-1", ip: "203.0.113.7", status, ts: 5, id: "x" })).toEqual({
      model: "HB-1",
      ip: "203.0.113.7",
      status: { temperature: 21.53, power_on: true },
      ts: 5,
      id: "x",
    });
  });

  it("is refused as a whole for account data, and without a known property has no status", () => {
    expect(taken({ model: "HB-1", status: { temperature: 20, owner_email: "x" } })).toEqual({});
    expect(taken({ model: "HB-1", status: { energy: 4711 } })).toEqual({ model: "HB-1" });
  });

  it("stays as many messages, and one of which nothing is left carries nothing", () => {
    const messages = asTakenToday([message({ status: { note: "x" } }), message({ model: "HB-1" })], vocabulary);
    expect(messages.map(({ carried }) => carried)).toEqual([0, carriedBy({ model: "HB-1" })]);
    expect(messages.map(({ at, sub }) => [at, sub])).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
