/** Rows without a number are told by what they say: one too few, one too many and one under a wrong pseudonym are noticed. */
import { describe, expect, it } from "vitest";
import { compareDialectRows, dialectDevices, dialectSamples } from "./dialect-rows.ts";
import type { Expectation } from "./expectation.ts";
import { SentLog, type SentMessage } from "./sent-log.ts";

const STORED: Expectation = { kind: "stored", forwarded: [] };
const FENCED: Expectation = { kind: "either", reasons: ["consent-withdrawn"], forwarded: [] };
const DENIED: Expectation = { kind: "refused", reason: "no-consent" };

function said(device: string, row: string, change: Partial<SentMessage> = {}): Omit<SentMessage, "seq"> {
  return {
    standing: "consenting",
    part: "status",
    qos: 0,
    topic: `zigbee2mqtt/${device}`,
    payload: "{}",
    traceable: false,
    expectation: STORED,
    sentAt: 1,
    read: true,
    spoken: { dialect: "zigbee2mqtt", device, row },
    ...change,
  };
}

function logOf(...messages: Omit<SentMessage, "seq">[]): SentLog {
  const log = new SentLog();
  for (const message of messages) log.add({ ...message, seq: log.nextSeq() });
  return log;
}

const LOG = logOf(
  said("lamp", "brightness=50 power_on=true"),
  said("lamp", "power_on=false"),
  said("lamp", "power_on=false"),
  said("door", "open=true"),
  said("door", "open=false", { expectation: FENCED }),
  said("stray", "open=true", { expectation: DENIED }),
  said("lamp", "battery=5", { read: false }),
);
const on = { time: 1, device: "A", brightness: 50, power_on: true, seq: null };
const off = { time: 2, device: "A", power_on: false };
const opened = { time: 3, device: "B", open: true };
const closed = { time: 4, device: "B", open: false };
const ROWS = [on, off, off, opened];

describe("rows of devices that speak dialects", () => {
  it("add up when each is there as often as it was said, and what may be there is or is not", () => {
    expect(compareDialectRows(LOG, ROWS)).toEqual([]);
    expect(compareDialectRows(LOG, [...ROWS, closed])).toEqual([]);
    expect(compareDialectRows(LOG, [...ROWS, { device: "A", battery: 5 }])).toEqual([]);
    expect(dialectDevices(LOG, ROWS)).toEqual({ devices: 2, pseudonyms: 2 });
  });

  it.each([
    ["one is missing", [on, off, opened]],
    ["one is there twice", [...ROWS, opened]],
    ["a value is another", [{ ...on, brightness: 55 }, off, off, opened]],
    ["a value is there that nothing of is kept", [{ ...on, network: "home" }, off, off, opened]],
    ["two devices share a pseudonym", [on, off, off, { ...opened, device: "A" }]],
    ["what must be refused is there", [...ROWS, opened]],
  ])("do not when %s", (_what, rows) => {
    expect(compareDialectRows(LOG, rows)).not.toEqual([]);
  });

  it("are shown beside what was published where there is no doubt which is which", () => {
    const sample = { dialect: "zigbee2mqtt", topic: "zigbee2mqtt/lamp", published: "{}", stored: on };
    expect(dialectSamples(LOG, ROWS)).toEqual([sample]);
    expect(dialectSamples(LOG, [on, on])).toEqual([]);
  });
});
