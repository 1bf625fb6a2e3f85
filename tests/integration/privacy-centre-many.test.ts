/**
 * A person with forty devices finds each of them in the privacy centre: in the order of their names, in groups that open and close,
 * by a search; "connected" is what is connected now. And whom they can write to stands on the page, in their export and receipt.
 */
import type { MqttClient } from "mqtt";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { verifyReceipt } from "../../src/rights/receipts/signer.ts";
import { linkFor, Session } from "../fixtures/centre-client.ts";
import {
  BROWSER,
  contrast,
  launchBrowser,
  overflow,
  tabTo,
  type Visit,
  violations,
  visit,
} from "../fixtures/centre-visit.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";
import { shippedPolicy } from "./consent-fixture.ts";

const CONTACT = {
  name: "Data protection office",
  email: "privacy@example.com",
  url: "https://example.com/privacy",
  address: "12 Residency Road, Bengaluru",
};
const NARROW = { width: 390, height: 844 };

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem(
    {
      consent: { contact: CONTACT },
      sinks: { influx: { timeoutMs: 900 } },
      erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 },
    },
    { shortSteps: true },
  );
});
afterAll(() => system?.stop());

describe.skipIf(BROWSER === undefined)("forty devices", () => {
  let browser: Browser;
  let visits: Visit[] = [];
  let devices: Device[];
  let hub: Device;
  let first: MqttClient;
  let labels: { device: string; label: string }[];

  beforeAll(async () => {
    browser = await launchBrowser();
    hub = await system.device({ speech: { dialect: "zigbee2mqtt", alias: "zigbee2mqtt" } });
    // In no order of their names.
    const names = Array.from(
      { length: 39 },
      (_, index) => `${index < 14 ? "Sensor" : "Lamp"} ${((index * 7) % 39) + 1}`,
    );
    devices = [];
    for (const _ of names) devices.push(await system.device({ subject: hub.subject, consent: null }));
    const children = devices.slice(0, 14).map(({ id }, index) => ({ device: id, alias: `child ${index}` }));
    await system.stack.api.registerChildren(hub.id, children);
    labels = [
      { device: hub.id, label: "Hallway hub" },
      ...devices.map(({ id }, index) => ({ device: id, label: names[index] ?? "" })),
    ];
    first = await system.connect(devices[14] as Device);
    await first.publishAsync(`devices/${devices[14]?.id}/status`, JSON.stringify({ seq: uniqueSeq() }), { qos: 1 });
    await system.connect(hub);
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const { context, complaints } of visits.splice(0)) {
      expect(complaints).toEqual([]);
      await context.close();
    }
    visits = [];
  });

  async function opened(look: Parameters<typeof visit>[2] = NARROW): Promise<Page> {
    const one = await visit(browser, await linkFor(system, hub.subject, { devices: labels }), look);
    visits.push(one);
    await one.page.locator("#summary").waitFor();
    return one.page;
  }

  const namesIn = (page: Page, group: string) =>
    page.locator(`details:has(#group-${group}) h4:visible`).allTextContents();

  test("are in the order of their names, in groups that open and close and stay so", async () => {
    const page = await opened();
    await page.locator("#summary", { hasText: "40 devices, 2 connected now." }).waitFor();
    expect(await page.locator(".device-group summary h3").allTextContents()).toEqual(["Without a hub", "Hallway hub"]);
    await page.locator("#group-hub-1", { hasText: "connected now, with 14 devices of yours behind it" }).waitFor();
    expect(await page.locator(".device:visible").count()).toBe(0);
    await tabTo(page, "group-alone");
    await page.keyboard.press("Enter");
    const lamps = await namesIn(page, "alone");
    expect(lamps).toHaveLength(25);
    expect(lamps).toEqual([...lamps].sort((one, other) => Number(one.slice(5)) - Number(other.slice(5))));
    await page.locator("#group-hub-1").click();
    expect((await namesIn(page, "hub-1"))[0]).toBe("Hallway hub");
    expect(await namesIn(page, "hub-1")).toHaveLength(15);
    await page.locator("#group-alone").click();
    // The page is built again.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.locator("details:has(#group-hub-1)[open]").waitFor();
    await page.locator("details:has(#group-alone):not([open])").waitFor();
    expect(await page.locator("#scope option").allTextContents()).toEqual([
      "All devices",
      ...labels.map(({ label }) => label).sort(new Intl.Collator("en", { numeric: true }).compare),
    ]);
  });

  test("are found by a part of the name, wherever they are folded", async () => {
    const page = await opened();
    await page.locator("#device-search").fill("SENSOR 1");
    await page.locator("#devices-found", { hasText: /^\d+ of 40 devices\.$/ }).waitFor();
    const found = await page.locator(".device h4:visible").allTextContents();
    expect(found.length).toBeGreaterThan(0);
    for (const name of found) expect(name).toMatch(/^Sensor 1/);
    await page.locator("#device-search").fill("hallway");
    expect(await page.locator(".device h4:visible").allTextContents()).toEqual(["Hallway hub"]);
    await page.locator("#device-search").fill("no such thing");
    await page.locator("#devices-found", { hasText: "No device is called that." }).waitFor();
    await page.locator("#device-search").fill("");
    expect(await page.locator(".device:visible").count()).toBe(0);
  });

  test("are connected only while they are, and when each was heard last is said in words", async () => {
    const page = await opened({ ...NARROW, ownClock: true });
    await page.locator("#group-alone").click();
    const name = labels[15]?.label ?? "";
    const item = page.locator(".device", { has: page.getByRole("heading", { name, exact: true }) });
    await item.locator(".seen.connected", { hasText: /^Connected now\. Last heard a moment ago\.$/ }).waitFor();
    expect(
      await page.locator(".device:visible .seen", { hasText: /^Not connected now\. Not heard so far\.$/ }).count(),
    ).toBe(24);
    await first.endAsync(true);
    await until("the gateway knows", async () => {
      const { devices: now } = await (await Session.of(system, hub.subject)).overview();
      return now.filter(({ connected }) => connected).length === 1;
    });
    // It is looked at again by itself.
    await page.clock.fastForward(31_000);
    await item.locator(".seen", { hasText: /^Not connected now\. Last heard / }).waitFor();
    await page.locator("#summary", { hasText: "40 devices, 1 connected now." }).waitFor();
    const ago = await page.evaluate(
      "import('./privacy-centre/words.js').then(({ ago }) => [61e3, 7.3e6, 9e7, 5].map(ago))",
    );
    expect(ago).toEqual(["1 minute ago", "2 hours ago", "1 day ago", "a moment ago"]);
  });

  test("with everything opened axe-core finds nothing wrong, by day and by night, at 390 pixels", async () => {
    for (const dark of [false, true]) {
      const page = await opened({ ...NARROW, dark });
      for (const group of ["alone", "hub-1"]) await page.locator(`#group-${group}`).click();
      await page.locator("#policy-more").click();
      expect(await violations(page)).toEqual([]);
      expect((await contrast(page)).poor).toEqual([]);
      expect(await overflow(page)).toBe(0);
    }
  });

  test("what an owner has seen of a device, the next one is not told", async () => {
    const sold = await system.device();
    await system.say(sold, { status: { seq: uniqueSeq() } });
    const seenBy = async (subject: string) => (await (await Session.of(system, subject)).overview()).devices[0];
    expect(await seenBy(sold.subject)).toMatchObject({ connected: false, heardAt: expect.any(Number) });
    const next = await system.device({ id: sold.id });
    expect(await seenBy(next.subject)).not.toHaveProperty("heardAt");
  });

  test("the page says whom to write to", async () => {
    const page = await opened();
    const line = page.locator("#contact");
    expect(await line.textContent()).toBe(
      "Questions and complaints: Data protection office, privacy@example.com, https://example.com/privacy, 12 Residency Road, Bengaluru.",
    );
    expect(await line.locator("a").first().getAttribute("href")).toBe("mailto:privacy@example.com");
  });
});

describe("the contact of the controller", () => {
  const exported = async (subject: string, format: string): Promise<string> => {
    const { httpUrl, config } = system.stack;
    const answer = await fetch(`${httpUrl}/v1/subjects/${subject}/export?by=subject&format=${format}`, {
      headers: { authorization: `Bearer ${config.apiToken}` },
    });
    expect(answer.status).toBe(200);
    return answer.text();
  };
  const publish = (version: number, kind: string, contact: unknown, more: object = {}) =>
    system.stack.api.call("POST", "/v1/policies", [], {
      ...JSON.parse(shippedPolicy.toString("utf8")),
      version,
      change: { kind, summary: "Another contact.", ...more },
      contact,
    });

  test("stands in the export, in the receipt of an erasure, and under its signature", async () => {
    const { subject } = await system.device();
    expect(JSON.parse((await exported(subject, "ndjson")).split("\n")[0] ?? "").contact).toEqual(CONTACT);
    expect(await exported(subject, "summary")).toContain("Questions and complaints: Data protection office, privacy@");
    const { receipt } = await system.erase(subject);
    expect(receipt?.receipt.contact).toEqual(CONTACT);
    const { pem } = (await system.stack.api.call("GET", "/v1/keys/receipt", [])) as { pem: string };
    expect(verifyReceipt(receipt, pem)).toMatchObject({ valid: true });
    const other = { ...CONTACT, email: "someone@example.com" };
    const forged = { ...receipt, receipt: { ...receipt?.receipt, contact: other } };
    expect(verifyReceipt(forged, pem)).toEqual({ valid: false, reason: "altered" });
  });

  test("of the newest policy comes before that of the configuration, and is not replaced by a minor change", async () => {
    const { subject } = await system.device();
    const inPolicy = { name: "Privacy desk", email: "desk@example.com" };
    await publish(2, "minor", inPolicy);
    const shown = async () => (await (await Session.of(system, subject)).overview()).contact;
    expect(await shown()).toEqual(inPolicy);
    await expect(publish(3, "minor", { ...inPolicy, email: "other@example.com" })).rejects.toThrow("422");
    await expect(publish(3, "minor", undefined)).rejects.toThrow("422");
    await expect(publish(3, "material", { name: "Privacy desk" })).rejects.toThrow("400");
    const moved = { ...inPolicy, url: "https://example.com/desk" };
    await publish(3, "reconfirm", moved, { confirmBy: "2036-12-31" });
    expect(await shown()).toEqual(moved);
  });
});
