/**
 * The operator's console in a real browser, against a real gateway: every view shows what is so, every act asks and says what came of
 * it, no device can be learnt from it, and everyone can use it.
 */
import { latLngToCell } from "h3-js";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ToldPeople } from "../../src/crowds/told-people.ts";
import type { CellId } from "../../src/model/ids.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { BROWSER, launchBrowser, overflow, tabTo, told, type Visit } from "../fixtures/centre-visit.ts";
import {
  atTheDoor,
  CONSOLE,
  confirm,
  DESK,
  forgive,
  goTo,
  live,
  SMALL,
  signedIn,
  signIn,
  VIEWS,
  violations,
} from "../fixtures/console-visit.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const REFUSED = "co2";

/** A browser is not a part of the gateway: without one on the machine there is nothing to run. */
describe.skipIf(BROWSER === undefined)("the console in a browser", () => {
  let system: TestSystem;
  let browser: Browser;
  let listener: Listener;
  let device: Device;
  const visits: Visit[] = [];

  beforeAll(async () => {
    system = await startSystem(CONSOLE);
    browser = await launchBrowser();
    listener = await system.listen("scene");
    device = await system.device();
    await system.say(device, { model: "HB-1", status: { power_on: true } });
    await system.settled();
    await refuseNumbers(system.stack.influxUrl, system.stack.database, REFUSED);
  });
  afterAll(async () => {
    await browser?.close();
    await listener?.stop();
    await system?.stop();
  });
  afterEach(async () => {
    for (const { context, complaints } of visits.splice(0)) {
      expect(complaints).toEqual([]);
      await context.close();
    }
  });

  async function inside(look = DESK): Promise<Visit> {
    const opened = await signedIn(browser, system, look);
    visits.push(opened);
    return opened;
  }

  /** A message that the store refuses, of a device that may send it. */
  async function deadLetter(): Promise<void> {
    const { deadLettered } = await system.books();
    await system.say(device, { model: "HB-1", status: { [REFUSED]: 500 } });
    await until("it is a dead letter", async () => (await system.books()).deadLettered > deadLettered);
  }

  async function auditedActs(): Promise<string[]> {
    const { records } = (await system.stack.api.call("GET", "/v1/audit?limit=500", [])) as {
      records: { act: string; phase: string }[];
    };
    return records.map(({ act, phase }) => `${act} ${phase}`);
  }

  test("opens with a token that may operate; the token is nowhere afterwards, and signing out ends the session", async () => {
    const opened = await atTheDoor(browser, system);
    visits.push(opened);
    const { page, context } = opened;
    await signIn(page, "not-a-token");
    await page.locator("#sign-in-said", { hasText: "not known here" }).waitFor();
    forgive(opened, 401);
    expect(await page.locator("#token").inputValue()).toBe("");
    await signIn(page, system.stack.config.apiToken);
    await live(page);
    await page.locator(".tile", { hasText: "PUBACK" }).waitFor();
    const left = await page.evaluate(
      "document.documentElement.outerHTML + location.href + document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })",
    );
    expect(left).not.toContain(system.stack.config.apiToken);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
    await page.reload();
    await live(page);
    await page.locator("#leave").click();
    await page.locator("#sign-in-said", { hasText: "You have signed out" }).waitFor();
    await page.reload();
    await page.locator("#token").waitFor();
    forgive(opened, 401);
  });

  test("the overview follows what happens, in figures, in charts and in a table", async () => {
    const { page } = await inside();
    const received = page.locator(".facts > div", { hasText: "Received" }).locator("dd");
    const before = Number(await received.textContent());
    await system.say(device, { model: "HB-1", status: { power_on: false } });
    await until("the books go on without a reload", async () => Number(await received.textContent()) > before);
    await page.locator(".facts > div", { hasText: "Durability" }).getByText("Every PUBACK is on disk").waitFor();
    await until("every chart is drawn", async () => (await page.locator(".plot canvas").count()) === 4);
    await page.locator("summary").first().click();
    await page.getByRole("table", { name: "Messages a second, means of 5 minutes" }).getByRole("row").nth(1).waitFor();
  });

  test("an alarm is said in words as soon as it is raised, and leads to what to do", async () => {
    const { page } = await inside();
    await page.locator(".calm", { hasText: "No alarm" }).waitFor();
    await system.say(device, { model: "HB-1", status: { power_on: true }, userEmail: "x" });
    const alarm = page.locator(".alarm", { hasText: "keys that look like those of an account" });
    await alarm.getByRole("link", { name: /^What to do/ }).click();
    await page.locator("h1", { hasText: "keys that look like those of an account" }).waitFor();
    await page.locator(".mark", { hasText: "Raised for" }).waitFor();
    await page.locator(".facts > div", { hasText: "To do" }).waitFor();
    await page.locator("#count-alarms", { hasText: "1" }).waitFor();
  });

  test("all letters are replayed after a question; what the store still refuses becomes a letter again", async () => {
    await deadLetter();
    const { page } = await inside();
    await goTo(page, "letters");
    await page.locator("#replay-all").click();
    await page
      .getByRole("dialog", { name: /^Replay all/ })
      .getByText("consent included")
      .waitFor();
    const { deadLettered } = await system.books();
    await confirm(page, "Replay all");
    await told(page, /replayed/);
    await until("it came back", async () => (await system.books()).deadLettered > deadLettered);
    await system.settled();
    await page.getByRole("table", { name: "Dead letters by reason" }).getByText("sink-rejected").waitFor();
  });

  test("a letter is replayed once: it asks first, says what came of it, and a second operator is told that it is gone", async () => {
    await deadLetter();
    const one = await inside();
    const two = await inside();
    for (const { page } of [one, two]) {
      await goTo(page, "letters");
      await page.getByRole("table", { name: "Dead letters, the oldest first" }).waitFor();
    }
    const button = one.page.locator("[id^=replay-]:not(#replay-all)").first();
    const id = (await button.getAttribute("id")) ?? "";
    await button.click();
    await one.page.keyboard.press("Escape");
    await one.page.locator(`#${id}:focus`).waitFor();
    await two.page.locator(`#${id}`).click();
    await button.click();
    await confirm(one.page, "Replay it");
    await told(one.page, "1 letter replayed.");
    await confirm(two.page, "Replay it");
    await told(two.page, "It is gone, taken by another operator, or must stay");
    forgive(two, 409);
    await until("the second list is read again", async () => (await two.page.locator(`#${id}`).count()) === 0);
    expect((await auditedActs()).filter((line) => line.includes("dead-letter"))).not.toEqual([]);
  });

  test("one device is asked about by an id that is gone at once; its trace tells steps, and is forgotten when it ends", async () => {
    const opened = await inside();
    const { page } = opened;
    await goTo(page, "device");
    await system.say(device, "no JSON at all");
    await page.locator("#device").fill(device.id);
    await page.locator("#ask-refusals").click();
    await page
      .getByRole("table", { name: /^Refusals/ })
      .getByText("invalid-payload")
      .first()
      .waitFor();
    expect(await page.locator("#device").inputValue()).toBe("");
    await page.locator("#device").fill(device.id);
    await page.locator("#ask-trace").click();
    await page.getByRole("dialog").getByText("stands in the audit log").waitFor();
    await confirm(page, "Begin the trace");
    await told(page, "The trace has begun.");
    await page.locator(".mark", { hasText: "Runs for another" }).waitFor();
    await system.say(device, { model: "HB-1", status: { power_on: true } });
    const trace = page.getByRole("table", { name: /^Trace/ });
    await trace.getByText("Admitted: durable in the queue").first().waitFor();
    await trace.getByText("Stored", { exact: true }).first().waitFor();
    const left = await page.evaluate(
      "document.documentElement.outerHTML + location.href + JSON.stringify({ ...localStorage, ...sessionStorage, ...history.state })",
    );
    expect(left).not.toContain(device.id);
    // It goes on while another view is looked at.
    await goTo(page, "overview");
    await goTo(page, "device");
    await trace.getByText("Connected", { exact: true }).first().waitFor();
    await page.locator("#end-trace").click();
    await confirm(page, "Forget it");
    await told(page, "The trace is forgotten.");
    await trace.waitFor({ state: "hidden" });
    expect(JSON.stringify(await auditedActs())).toMatch(/trace/);
  });

  test("an id that no device can have is not sent, and a device that no one knows says nothing of that", async () => {
    const { page } = await inside();
    await goTo(page, "device");
    await page.locator("#device").fill("not a device/id");
    await page.locator("#ask-refusals").click();
    expect(await page.locator("#device:invalid").count()).toBe(1);
    await page.locator("#device").fill("never-seen");
    await page.locator("#ask-refusals").click();
    await page.locator(".note", { hasText: "says nothing about which" }).waitFor();
  });

  test("the map draws the areas that are told, and lists them; it is moved with buttons, and one across 180° is whole", async () => {
    const places = [
      [12.97, 77.59],
      [66, -179.9],
    ] as const;
    const cells = places.map(([lat, lon]) => latLngToCell(lat, lon, 2));
    const today = Math.floor(Date.now() / 86_400_000);
    await system.redis.sadd(keyspaceOf(system.stack.keyPrefix).crowdToldCells(today), ...cells);
    await new ToldPeople(system.redis, keyspaceOf(system.stack.keyPrefix), 900_000).note([
      { cell: cells[0] as CellId, devices: 1_245 },
      { cell: cells[1] as CellId, devices: 5 },
    ]);
    const { page } = await inside();
    await goTo(page, "map");
    const words =
      "2 active areas on the map of the world: 1 with a thousand people or more and 1 with fewer than ten, or no count lately.";
    await page.getByRole("img", { name: words }).waitFor();
    const radii = await page
      .locator(".world .dot")
      .evaluateAll((all) => all.map((one) => Number(one.getAttribute("r"))));
    expect(new Set(radii).size).toBe(2);
    const drawn = await page
      .locator(".world .cell")
      .evaluateAll((all) => all.map((one) => one.getAttribute("d") ?? ""));
    expect(drawn.map((path) => path.split("M").length - 1).toSorted()).toEqual([1, 2]);
    await page.locator("summary").click();
    for (const cell of cells) await page.getByRole("rowheader", { name: cell }).waitFor();
    const people = await page.getByRole("table", { name: "Active areas" }).locator("tbody tr").allTextContents();
    expect(people.map((text) => /(about .*|fewer .*)$/.exec(text)?.[0])).toEqual([
      "about 1,240",
      "fewer than ten, or no count lately",
    ]);
    const seen = () => page.locator(".world").getAttribute("viewBox");
    const before = await seen();
    await page.locator("#map-nearer").click();
    expect(await seen()).not.toBe(before);
    await page.locator("#map-whole-world").click();
    expect(await seen()).toBe(before);
    expect(await violations(page)).toEqual([]);
  });

  test("the configuration is read again, and what has changed is named", async () => {
    const { page } = await inside();
    await goTo(page, "keys");
    await page.getByRole("table", { name: "Keys by name" }).getByText("wraps subject keys").first().waitFor();
    await page.locator("#reload-configuration").click();
    await page.getByRole("dialog").getByText("A faulty file is refused as a whole").waitFor();
    await confirm(page, "Read it again");
    await told(page, "Nothing has changed.");
    expect((await auditedActs()).filter((line) => line.startsWith("configuration-reloaded"))).not.toEqual([]);
  });

  test("everyone can read and find everything in every view, on a phone and at a desk, by day and by night", async () => {
    await deadLetter();
    const { page } = await inside();
    await page.emulateMedia({ reducedMotion: "reduce" });
    for (const view of [...VIEWS, "alarms/ConsentryNotReady"]) {
      await goTo(page, view);
      await page.locator("h1:visible").waitFor();
      for (const viewport of [SMALL, DESK]) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          const where = `${view}, ${colorScheme}, ${viewport.width} px`;
          expect(await violations(page), where).toEqual([]);
          expect(await overflow(page), where).toBeLessThanOrEqual(0);
        }
      }
    }
  });

  test("on a phone the menu, a view and an act are worked with the keyboard alone", async () => {
    const { page } = await inside(SMALL);
    await page.keyboard.press("Tab");
    await tabTo(page, "menu");
    await page.keyboard.press("Enter");
    await page.locator("nav.open").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#menu:focus").waitFor();
    await page.keyboard.press("Enter");
    for (let count = 0; count < 11; count += 1) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("h1:focus", { hasText: "Keys and certificates" }).waitFor();
    await tabTo(page, "reload-configuration");
    await page.keyboard.press("Enter");
    await page.locator("button:focus", { hasText: "Go back" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator("#reload-configuration:focus").waitFor();
  });

  test("whatever the console is sent names no device and no person, and nothing is asked of any other host", async () => {
    const opened = await atTheDoor(browser, system);
    visits.push(opened);
    const { page } = opened;
    const hosts = new Set<string>();
    const bodies: string[] = [];
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    page.on("response", async (response) => {
      if (/api\/(?!live)/.test(response.url())) bodies.push(await response.text().catch(() => ""));
    });
    await signIn(page, system.stack.config.apiToken);
    await live(page);
    for (const view of VIEWS) {
      await goTo(page, view);
      await page.locator("h1:visible").waitFor();
      bodies.push((await page.locator("body").textContent()) ?? "");
    }
    expect([...hosts]).toEqual([new URL(page.url()).host]);
    const all = bodies.join("\n");
    expect(all.length).toBeGreaterThan(5_000);
    for (const secret of [device.id, device.subject, device.token]) expect(all).not.toContain(secret);
  });

  test("it is painted within a second while both cores have other work", async () => {
    const busy = new AbortController();
    const { Worker } = await import("node:worker_threads");
    const workers = [0, 1].map(() => new Worker("for (;;);", { eval: true }));
    busy.signal.addEventListener("abort", () => workers.forEach((worker) => void worker.terminate()));
    try {
      const opened = await atTheDoor(browser, system);
      visits.push(opened);
      const painted = await opened.page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime",
      );
      expect(painted).toBeLessThan(1_000);
    } finally {
      busy.abort();
    }
  });
});
