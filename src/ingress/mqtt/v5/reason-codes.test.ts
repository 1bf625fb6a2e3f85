/** The page for makers of devices and the tables that the gateway answers from say the same. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  COMMAND_CODES,
  FILTER_CODES,
  FORECAST_CODES,
  LOGIN_CODES,
  NO_TEXT,
  NOT_SUBSCRIBED,
  REFUSAL_CODES,
} from "./reason-codes.ts";

const page = readFileSync(new URL("../../../../docs/topics.md", import.meta.url), "utf8");

function codesOf(packet: string): number[] {
  const section = page.split(/^### /m).find((part) => part.startsWith(packet)) ?? "";
  const [table = ""] = section.split(/^## /m);
  return [...table.matchAll(/^\| 0x([0-9A-F]{2}) \|/gm)].map(([, code]) => Number(`0x${code}`));
}

const sorted = (codes: Iterable<number>): number[] => [...new Set(codes)].toSorted((a, b) => a - b);

describe("the page has", () => {
  it("all that a login can be refused with", () => {
    // What is wrong with the packet itself is said by its fault.
    const ofFaults = [0x81, 0x82, 0x83, 0x84, 0x8c];
    expect(codesOf("CONNACK")).toEqual(sorted([...ofFaults, ...Object.values(LOGIN_CODES)]));
  });

  it("all that a message can be answered with", () => {
    const ofServices = [...Object.values(COMMAND_CODES), ...Object.values(FORECAST_CODES)];
    const codes = [...Object.values(REFUSAL_CODES), ...ofServices, NO_TEXT];
    expect(codesOf("PUBACK and PUBREC")).toEqual(sorted(codes));
  });

  it("all that a filter can be answered with", () => {
    expect(codesOf("SUBACK and UNSUBACK")).toEqual(sorted([0, 1, 2, NOT_SUBSCRIBED, ...Object.values(FILTER_CODES)]));
  });
});
