/**
 * The page of the privacy centre in a real browser, at the width of a phone: what a person sees is what
 * holds, what they switch counts, and everyone can use it.
 */
import { randomBytes } from "node:crypto";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ReceiptSigner, verifyReceipt } from "../../src/rights/receipts/signer.ts";
import { linkFor, Session } from "../fixtures/centre-client.ts";
import {
  accessibility,
  BROWSER,
  contrast,
  downloaded,
  launchBrowser,
  overflow,
  PHONE,
  sample,
  shows,
  tabTo,
  told,
  type Visit,
  visit,
} from "../fixtures/centre-visit.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";
import { shippedPolicy } from "./consent-fixture.ts";

const MESSAGE = {
  model: "WS-5",
  ip: "203.0.113.77",
  location: { lat: 12.9715987, lon: 77.5945627 },
  status: { power_on: true, temperature: 21.37, note: "Anna is out" },
};
const MOTHER = { by: "guardian", verification: { method: "id-check", evidenceRef: "guardian:mother" } };

/** A browser is not a part of the gateway: without one on the machine there is nothing to run. */
describe.skipIf(BROWSER === undefined)("in a browser", () => {
  let system: TestSystem;
  let browser: Browser;
  let listeners: Listener[];
  const visits: Visit[] = [];

  beforeAll(async () => {
    system = await startSystem(
      { sinks: { influx: { timeoutMs: 900 } }, erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 } },
      { shortSteps: true },
    );
    listeners = [await system.listen("weather"), await system.listen("network")];
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    for (const listener of listeners ?? []) await listener.stop();
    await system?.stop();
  });
  afterEach(async () => {
    for (const { context, complaints } of visits.splice(0)) {
      expect(complaints).toEqual([]);
      await context.close();
    }
  });

  async function home(look = PHONE): Promise<Visit & { device: Device }> {
    const device = await system.device();
    const lamp = await system.device({ subject: device.subject });
    const devices = [
      { device: device.id, label: "Hallway hub" },
      { device: lamp.id, label: "Kitchen lamp" },
    ];
    return { device, ...(await open(await linkFor(system, device.subject, { devices }), look)) };
  }

  async function open(url: string, look = PHONE): Promise<Visit> {
    const opened = await visit(browser, url, look);
    visits.push(opened);
    return opened;
  }

  async function usedNow(device: Device): Promise<Record<string, unknown>> {
    return { ...(await (await Session.of(system, device.subject)).overview()).standing.used };
  }

  test("what is kept of each reading is said in plain words, and stays open while something is switched", async () => {
    const { page } = await home();
    await page.locator("#readings-more").click();
    const told = page.locator(".told-readings");
    await told.locator("dt", { hasText: "air pressure" }).waitFor();
    const text = (await told.locator("dt, dd").allTextContents()).join("\n");
    expect(text).toMatch(
      /^temperature\s+rounded to 0\.1 °C; for scenes rounded to 0\.5 °C; for weather rounded to 0\.5 °C$/m,
    );
    expect(text).toMatch(/^switched on\s+yes or no$/m);
    expect(text).toMatch(/^state of the lock\s+one of locked, unlocked, jammed, unknown$/m);
    expect(text).toMatch(/^electricity used\s+how much was added, to 0\.01 kWh$/m);
    expect(text).not.toMatch(/undefined|NaN|nothing/);
    expect(await overflow(page)).toBe(0);
    await page.locator("#switch-network-ip").click();
    await shows(page, "switch-network-ip", { on: false });
    expect(await told.locator("dt", { hasText: "air pressure" }).isVisible()).toBe(true);
  });

  test("a device behind a hub says so to both owners, and neither sees a name of the other's", async () => {
    const { page, device } = await home();
    const guest = await system.device();
    const { api } = system.stack;
    const register = (child: string, alias: string, otherSubject: boolean) =>
      api.call("PUT", "/v1/devices/{hub}/children/{device}", [device.id, child], { alias, otherSubject });
    const own = await system.device({ subject: device.subject });
    await register(own.id, "Kitchen/lamp", false);
    await register(guest.id, "Guest room", true);
    await page.reload();
    const words = page.locator(".device-words");
    await words.filter({ hasText: "Speaks for 2 other devices, 1 of them of another person." }).waitFor();
    await words.filter({ hasText: "Reports through Hallway hub." }).waitFor();
    expect(await overflow(page)).toBe(0);
    const theirs = await open(await linkFor(system, guest.subject, {}));
    await theirs.page.locator(".device-words", { hasText: "Reports through a hub of another person." }).waitFor();
    expect(await theirs.page.locator("body").textContent()).not.toMatch(/Hallway|Guest room|Kitchen/);
  });

  test("a message is seen as it was sent, beside what each purpose was given; what is switched off is gone from the next", async () => {
    const { page, device } = await home();
    await page.locator("#summary", { hasText: "2 devices, none of them connected now. 4 of 4 purposes" }).waitFor();
    expect(page.url()).toBe(`${system.stack.httpUrl}/centre/`);
    await page.locator("#watch-1").click();
    await page.locator(".live-state", { hasText: "Waiting for the next message of Hallway hub" }).waitFor();
    await system.say(device, MESSAGE);
    const { "The device sent": sent, ...first } = await sample(page, "203.0.113.77");
    expect(sent).toContain("12.9715987, 77.5945627");
    expect(first["Improving the products"]).toContain("weather-station");
    expect(first["Weather for your area"]).toMatch(/An area of about [\d,]+ km² around 12\.9\d*, 77\.5\d*/);
    expect(first["Scenes at home"]).toContain("No one was listening");
    expect(first["Keeping devices reachable"]).toContain("203.0.0.0/16");
    for (const text of Object.values(first)) expect(text).not.toMatch(/203\.0\.113|12\.9715|WS-5/);

    for (const text of Object.values(first)) expect(text).not.toMatch(/21\.37|Anna/);
    expect(sent).toMatch(/temperature 21\.37 °C/);
    expect(sent).toMatch(/switched on yes/);
    expect(first["Improving the products"]).toMatch(/temperature 21\.4 °C, rounded to 0\.1 °C/);
    expect(first["Improving the products"]).toMatch(/switched on yes/);
    expect(first["Weather for your area"]).toMatch(/temperature 21\.5 °C, rounded to 0\.5 °C/);
    for (const text of [sent, ...Object.values(first)]) expect(text).not.toMatch(/power_on|true/);

    const networkRecords = () => listeners[1]?.records.filter(({ model }) => model === "weather-station") ?? [];
    await until("the service hears of it", () => networkRecords().at(-1)?.ipPrefix === "203.0.0.0/16");
    await page.locator("#switch-network-ip").click();
    await told(page, "Network address is no longer used for: Keeping devices reachable.");
    await shows(page, "switch-network-ip", { on: false });
    expect(await usedNow(device)).toMatchObject({ network: ["model"], weather: ["location", "status"] });
    await system.say(device, { ...MESSAGE, ip: "198.51.100.5" });
    const second = await sample(page, "198.51.100.5");
    expect(second["Keeping devices reachable"]).toMatch(/weather-stationNetwork addressnothing/);
    await until("the service hears of it without", () => networkRecords().at(-1)?.ipPrefix === undefined);
    expect(await overflow(page)).toBe(0);
  });

  test("a reload keeps the session, the link is spent, and leaving ends it", async () => {
    const { subject } = await system.device();
    const url = await linkFor(system, subject);
    const { page, context } = await open(url);
    await page.locator("#summary").waitFor();
    await page.reload();
    await page.locator("#summary").waitFor();
    expect(await page.evaluate("document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })")).toBe("{}");
    await page.locator("#leave").click();
    await page.locator("h1", { hasText: "You have left" }).waitFor();
    expect(await context.cookies()).toEqual([]);

    const again = await open(url);
    await again.page.locator("h1", { hasText: "This link was used before" }).waitFor();
    const none = await open(`${system.stack.httpUrl}/centre/`);
    await none.page.locator("h1", { hasText: "This page opens with a link" }).waitFor();
    // What the browser itself says about an answer of 410 or 401.
    for (const one of [again, none]) one.complaints.splice(0, 1);
  });

  test("all of it can be downloaded, taken back and erased, down to a receipt that verifies", async () => {
    const { page, device } = await home();
    const own = uniqueSeq();
    await system.say(device, { ...MESSAGE, status: { seq: own } });
    await system.settled();
    expect((await system.rows("device_status")).filter(({ seq }) => seq === own)).toHaveLength(1);
    await page.locator("#summary").waitFor();
    const lines = (await downloaded(page, "copy-lines")).trimEnd().split("\n");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ kind: "export", by: "subject" });
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ kind: "end", counts: { devices: 2, statuses: 1 } });
    expect(lines.join("\n")).toContain('"label":"Hallway hub"');
    await told(page, "Saved as my-data.ndjson");
    expect(await downloaded(page, "copy-summary")).toContain("Hallway hub");
    await told(page, "Saved as my-data.txt");

    await page.locator("#withdraw-all").click();
    await page.getByRole("dialog").getByRole("button", { name: "Take everything back" }).click();
    await told(page, "Nothing of any device is used any more.");
    expect(await usedNow(device)).toEqual({});
    await page.locator("#summary", { hasText: "the agreement was taken back" }).waitFor();

    await page.locator("#erase-all").click();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.locator("#erase-all").click();
    await page.getByRole("dialog").getByRole("button", { name: "Erase everything" }).click();
    await page.locator("h2", { hasText: "The data was erased" }).waitFor();
    await page.locator("#receipt-check.valid", { hasText: "valid" }).waitFor();
    await page.locator(".receipt", { hasText: /1 row deleted, and a search found nothing left/ }).waitFor();
    const receipt = JSON.parse(await downloaded(page, "save-receipt"));
    const { pem } = (await system.stack.api.call("GET", "/v1/keys/receipt", [])) as { pem: string };
    expect(verifyReceipt(receipt, pem)).toMatchObject({ valid: true });
    expect((await system.rows("device_status")).filter(({ seq }) => seq === own)).toEqual([]);
    await page.reload();
    await page.locator("#receipt-check.valid").waitFor();
    expect(await page.getByRole("switch").count()).toBe(0);
    expect(await overflow(page)).toBe(0);
  });

  test("a receipt that was altered in transit is called what it is", async () => {
    const { page, context } = await home();
    await page.locator("#summary").waitFor();
    await context.route("**/centre/api/erasures/*", async (route) => {
      const answer = await route.fetch();
      const status = (await answer.json()) as { receipt?: { receipt: { keyDestroyed: boolean } } };
      if (status.receipt) status.receipt.receipt.keyDestroyed = false;
      await route.fulfill({ response: answer, json: status });
    });
    await page.locator("#erase-all").click();
    await page.getByRole("dialog").getByRole("button", { name: "Erase everything" }).click();
    await page.locator("#receipt-check.invalid", { hasText: "not valid" }).waitFor();
  });

  test("a receipt is checked with the key it names: one of before, or none that is known", async () => {
    const { page, context } = await home();
    await page.locator("#summary").waitFor();
    const stranger = new ReceiptSigner(randomBytes(32)).publicKey;
    let known = true;
    await context.route("**/centre/api/overview", async (route) => {
      const answer = await route.fetch();
      const overview = (await answer.json()) as { erasure?: { keys: unknown[] } };
      if (overview.erasure) overview.erasure.keys = [stranger, ...(known ? overview.erasure.keys : [])];
      await route.fulfill({ response: answer, json: overview });
    });
    await page.locator("#erase-all").click();
    await page.getByRole("dialog").getByRole("button", { name: "Erase everything" }).click();
    await page.locator("h2", { hasText: "The data was erased" }).waitFor();
    await page.reload();
    await page.locator("#receipt-check.valid").waitFor();
    known = false;
    await page.reload();
    await page.locator("#receipt-check.unknown").waitFor();
  });

  test("a guardian agrees, and the child's device is let in for the services alone", async () => {
    const consent = consentTo({ analytics: ["status"], weather: ["location", "status"] }, { minor: true });
    const child = await system.device({ consent });
    const before = await system.metric("messages_refused_total", '{reason="guardian-missing"}');
    await system.say(child, MESSAGE);
    await until(
      "the device is refused",
      async () => (await system.metric("messages_refused_total", '{reason="guardian-missing"}')) > before,
    );
    const { page } = await open(await linkFor(system, child.subject, MOTHER));
    await page.locator("h1", { hasText: "The child’s data" }).waitFor();
    await page.locator(".approval", { hasText: "Asked for: Weather for your area." }).waitFor();
    await page.locator(".purpose", { hasText: "Improving the products" }).getByText("Never for a minor").waitFor();
    await page.locator("#approve").click();
    await told(page, "You agreed.");
    await shows(page, "switch-weather-location", { on: true });
    const { stored, forwardedOnly } = await system.settled();
    await system.say(child, MESSAGE);
    // Taken into the weather of its cell, which is told when there is a crowd.
    await until("the message is used", async () => (await system.books()).forwardedOnly > forwardedOnly);
    expect((await system.settled()).stored).toBe(stored);
    const own = await open(await linkFor(system, child.subject));
    await own.page.getByText("a parent or guardian decides what may be used").waitFor();
    await shows(own.page, "switch-weather-location", { disabled: false });
    await shows(own.page, "switch-scene", { disabled: true });
  });

  test("what changed elsewhere in the meantime is shown, not overwritten", async () => {
    const { page, device, complaints } = await home();
    await page.locator("#switch-weather").click();
    await told(page, "Weather for your area is off.");
    await system.stack.api.withdraw(device.subject, { purposes: ["scene"] });
    await page.locator("#switch-weather").click();
    await told(page, "Something was changed elsewhere");
    expect(complaints.splice(0)).toEqual([expect.stringContaining("409")]);
    await shows(page, "switch-scene", { on: false });
    expect(await usedNow(device)).not.toHaveProperty("weather");
  });

  test("a device with settings of its own is not widened along with the others unasked", async () => {
    const { page, device } = await home();
    await page.locator("#scope").selectOption({ label: "Kitchen lamp" });
    await page.locator("#switch-network").click();
    await told(page, "Keeping devices reachable is off.");
    await page.locator("#scope").selectOption({ label: "All devices" });
    await shows(page, "switch-network", { on: true });
    await page.locator("#switch-weather-location").click();
    await told(page, "Area is no longer used");
    await page.locator("#switch-weather-location").click();
    const question = page.getByRole("dialog", { name: "For all devices?" });
    await question.waitFor();
    // Nothing has changed while it is asked, so nothing may look as if it had.
    expect(await page.locator("#switch-weather-location").isChecked()).toBe(false);
    await question.getByRole("button", { name: "Go back" }).click();
    await question.waitFor({ state: "hidden" });
    await shows(page, "switch-weather-location", { on: false });
    expect(await usedNow(device)).toMatchObject({ weather: ["status"] });
  });

  test("a switch and a question are worked with the keyboard alone, and the focus stays where it was", async () => {
    const { page, device } = await home();
    await page.locator("#summary").waitFor();
    await page.keyboard.press("Tab");
    await page.locator(".skip:focus").waitFor();
    await tabTo(page, "switch-scene-status");
    await page.keyboard.press("Space");
    await told(page, "Readings is no longer used for: Scenes at home.");
    await page.locator("#switch-scene-status:focus").waitFor();
    expect(await usedNow(device)).toMatchObject({ scene: ["model"] });
    await page.keyboard.press("Space");
    await told(page, "Readings may be used for: Scenes at home.");
    await tabTo(page, "withdraw-all");
    await page.keyboard.press("Enter");
    await page.locator("button:focus", { hasText: "Go back" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator("#withdraw-all:focus").waitFor();
    expect(await usedNow(device)).toMatchObject({ scene: ["model", "status"] });
  });

  test("everyone can read and find everything, on a phone and at a desk, by day and by night", async () => {
    const opened = await home();
    const { page, device } = opened;
    await page.locator("#watch-1").click();
    await page.locator(".live-state", { hasText: "Waiting" }).waitFor();
    await system.say(device, MESSAGE);
    await sample(page, "203.0.113.77");
    for (const closed of await page.locator("summary").all()) await closed.click();
    for (const viewport of [PHONE, { width: 1280, height: 900 }]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const { poor, looked } = await contrast(page);
        expect(looked).toBeGreaterThan(100);
        expect(poor, `${colorScheme}, ${viewport.width} px`).toEqual([]);
        expect(await overflow(page)).toBe(0);
      }
    }
    const { controls, headings, landmarks } = await accessibility(opened);
    expect(controls.length).toBeGreaterThan(20);
    expect(controls.filter(({ name }) => name.trim() === "")).toEqual([]);
    const names = controls.filter(({ role }) => role === "switch").map(({ name }) => name);
    expect(names).toHaveLength(13);
    expect(new Set(names).size).toBe(names.length);
    expect(headings.filter(({ level }) => level === 1)).toHaveLength(1);
    expect(headings[0]?.level).toBe(1);
    for (const [index, { level, name }] of headings.entries()) {
      expect(level - (headings[index - 1]?.level ?? 0), name).toBeLessThanOrEqual(1);
    }
    expect(landmarks).toEqual(expect.arrayContaining(["banner", "main", "status"]));
  });

  test("a session that has ended elsewhere closes the page when it is looked at again", async () => {
    const { page, context } = await home();
    await page.locator("#summary").waitFor();
    await context.clearCookies();
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.locator("h1", { hasText: "Your session is over" }).waitFor();
    expect(await page.locator("#page").textContent()).not.toContain("Hallway hub");
    visits.at(-1)?.complaints.splice(0, 1);
  });

  test("a page whose browser opens another link meanwhile closes, and does nothing to the other person", async () => {
    const { page, context } = await home();
    await page.locator("#summary").waitFor();
    const other = await system.device();
    const second = await context.newPage();
    await second.goto(await linkFor(system, other.subject));
    await second.locator("#summary").waitFor();
    await page.locator("#withdraw-all").click();
    await page.getByRole("dialog").getByRole("button", { name: "Take everything back" }).click();
    await page.locator("h1", { hasText: "Your session is over" }).waitFor();
    expect(await usedNow(other)).toHaveProperty("weather");
    visits.at(-1)?.complaints.splice(0, 1);
  });

  test("a newer policy asks again on the page, and agreeing again counts", async () => {
    const { page, device } = await home();
    await page.locator("#summary", { hasText: "4 of 4 purposes" }).waitFor();
    const next = {
      ...JSON.parse(shippedPolicy.toString("utf8")),
      version: 2,
      change: { kind: "material", summary: "Kept longer.", affects: ["analytics"] },
    };
    await system.stack.api.call("POST", "/v1/policies", [], next);
    await page.reload();
    await page.locator("#summary", { hasText: "3 of 4 purposes" }).waitFor();
    await page.getByText("The policy changed, so your earlier answer no longer counts.").waitFor();
    await page.locator("#again-analytics").click();
    await told(page, "Improving the products is on.");
    expect(await usedNow(device)).toMatchObject({ analytics: ["model", "location", "status"] });
    expect(await page.locator("#again-analytics").count()).toBe(0);
  });
});
