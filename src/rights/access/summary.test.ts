/** The summary says the same as the export lines, for a reader who has never seen such a line. */
import { expect, test } from "vitest";
import type { ExportItem, ExportLineOf } from "../../model/export.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { summaryOf } from "./summary.ts";

const AT = Date.UTC(2026, 0, 31, 12);
const HUB = "hubhubhubhubhubhubhubh" as DeviceKey;
const LAMP = "lamplamplamplamplampla" as DeviceKey;

const head = (by: "subject" | "guardian" = "subject"): ExportItem => ({
  kind: "export",
  format: 1,
  at: AT,
  controller: "Vendor Ltd",
  subject: "subjectsubjectsubjects" as SubjectTag,
  by,
});

const decision = (device: DeviceKey, more: Partial<ExportLineOf<"decision">> = {}): ExportItem => ({
  kind: "decision",
  device,
  state: "given",
  given: { analytics: ["location", "status"], scene: ["status"] },
  used: { analytics: ["location", "status"], scene: ["status"] },
  suspended: [],
  policyVersion: 2,
  expiresAt: Date.UTC(2027, 0, 1),
  minor: false,
  guardianVerified: false,
  held: false,
  ...more,
});

const reading = (device: DeviceKey, at: number): ExportItem => ({
  kind: "status",
  device,
  at,
  timeNs: `${at}000000`,
  status: { power_on: true },
});

async function words(...items: ExportItem[]): Promise<string> {
  const text = await summaryOf([head(), ...items]);
  expect(text).not.toMatch(/undefined|NaN|\[object/);
  return text;
}

test("says that the export is incomplete when a key was lost", async () => {
  expect(await words()).not.toContain("This is not all");
  expect(await summaryOf([{ ...head(), incomplete: "key-lost" } as ExportItem])).toContain(
    "This is not all: a key of yours",
  );
});

test("lists devices with the consent given, the amount stored, and the last location", async () => {
  const place = { kind: "location", device: HUB, cell: "8560145bfffffff", resolution: 5 } as const;
  const text = await words(
    { kind: "device", device: HUB, bound: true, label: "Hall", asked: 1 },
    { kind: "device", device: LAMP, bound: false },
    decision(HUB),
    { ...place, epochStart: Date.UTC(2026, 0, 29), center: { lat: 12.9, lon: 77.5 } },
    { ...place, epochStart: Date.UTC(2026, 0, 22), center: { lat: 50.1, lon: 8.6 } },
    reading(HUB, Date.UTC(2026, 0, 30, 8)),
    reading(HUB, Date.UTC(2026, 0, 3, 7, 30)),
    reading(HUB, Date.UTC(2026, 0, 15)),
  );
  expect(text).toContain("Held by Vendor Ltd, as of 2026-01-31 12:00 UTC.");
  expect(text).toContain("2 devices are or were yours.");
  expect(text).toContain("Device Hall, number 2 of those asked for\n");
  expect(text).toContain("State: consent given under policy version 2, until 2027-01-01 00:00 UTC.");
  expect(text).toContain(
    "Given: Storing what the devices report, to improve the products (rough place, status readings).",
  );
  expect(text).toContain("Status readings stored: 3, from 2026-01-03 07:30 UTC to 2026-01-30 08:00 UTC.");
  expect(text).toContain("Last place stored: cell 8560145bfffffff around 12.9, 77.5, about 20 km across");
  expect(text).toContain("Earlier periods: 1 place, one for each");
  expect(text).toContain(`Device ${LAMP} (no longer yours)\n  Nothing was said about its data`);
  expect(text).not.toContain("50.1");
});

test("says why something that was given is not used", async () => {
  const device: ExportItem = { kind: "device", device: HUB, bound: true };
  const held = await words(device, decision(HUB, { held: true, used: {}, refusal: "legal-hold" }));
  expect(held).toContain("Used now: nothing, because a legal hold freezes every use.");
  const suspended = await words(device, decision(HUB, { used: { scene: ["status"] }, suspended: ["analytics"] }));
  expect(suspended).toContain("Used now: Scenes and automation (status readings).");
  expect(suspended).toContain("On hold until you agree again: Storing what the devices report");
});

test("a device name cannot add text in the name of the gateway", async () => {
  const text = await words({
    kind: "device",
    device: HUB,
    bound: true,
    label: "Hall\nWho was given something\u2028\r  All",
  });
  expect(text).toContain("Device Hall Who was given something");
  expect(text.match(/^Who was given something$/gm)).toHaveLength(1);
});

test("sums up recipients with counts and days", async () => {
  const to = (recipient: string, day: string, count: number): ExportItem => ({
    kind: "disclosure",
    recipient,
    purpose: "scene",
    day,
    count,
    region: "IN",
  });
  const text = await words(to("lights", "2026-01-04", 5), to("lights", "2026-01-02", 7), to("blinds", "2026-01-03", 1));
  expect(text).toContain("lights (scene, IN): at least 12 messages, 2026-01-02 to 2026-01-04.");
  expect(text).toContain("blinds (scene, IN): at least 1 message, 2026-01-03.");
  expect(await words()).toContain("Who was given something\n  No one.");
});

test("lists other data, what is not stored, and what the subject can do", async () => {
  const text = await words(
    { kind: "hold", reference: "court:1", until: AT },
    { kind: "erasure", id: "7b1f0b52-4a3e-4c5e-9f0f-2d8f1f6f3c9a", state: "held", requestedAt: AT },
    { kind: "set-aside", device: HUB, at: AT, reason: "sink-rejected", message: { at: AT, ip: "203.0.113.9" } },
  );
  expect(text).toContain("Legal hold court:1 until 2026-01-31 12:00 UTC: nothing is used or deleted.");
  expect(text).toContain("Erasure 7b1f0b52-4a3e-4c5e-9f0f-2d8f1f6f3c9a of 2026-01-31 12:00 UTC: held.");
  expect(text).toContain("1 message could not be processed");
  expect(text).not.toContain("203.0.113.9");
  for (const part of ["What is not held, and why", "What you can do"]) expect(text).toContain(part);
  expect(await summaryOf([head("guardian")])).toContain("A guardian asked for this");
});

test("gives no summary when the lines are incomplete", async () => {
  const broken = async function* (): AsyncGenerator<ExportItem> {
    yield head();
    throw new Error("away");
  };
  await expect(summaryOf(broken())).rejects.toThrow("away");
});

test("what is kept of the readings that occur", async () => {
  expect(await words()).not.toContain("What is kept of a reading");
  const text = await words({
    kind: "property",
    name: "temperature",
    label: "temperature",
    stored: "rounded to 0.1 °C",
    scene: "rounded to 0.5 °C",
    weather: "rounded to 0.5 °C",
  });
  expect(text).toContain("\nWhat is kept of a reading\n  temperature: rounded to 0.1 °C.\n");
});
