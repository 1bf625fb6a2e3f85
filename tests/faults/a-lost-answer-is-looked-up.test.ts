/**
 * Whatever is lost between the privacy centre and the person's browser, the page says what holds and no more:
 * "nothing was changed" only when that was seen, and that a change counts when it does.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Browser, Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { linkFor, Session } from "../fixtures/centre-client.ts";
import { BROWSER, downloaded, launchBrowser, shows, told, type Visit, visit } from "../fixtures/centre-visit.ts";
import { consentTo, type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

type Loss = (route: Route) => Promise<unknown>;

/** What a proxy says when it has given up on the server behind it. */
const GAVE_UP = "<html><body><h1>Gateway Time-out</h1>Nothing was changed by nginx</body></html>";
const html =
  (status: number): Loss =>
  (route) =>
    route.fulfill({ status, contentType: "text/html", body: GAVE_UP });
const json =
  (status: number, contentType: string, body: string): Loss =>
  (route) =>
    route.fulfill({ status, contentType, body });
const CUT_OFF = json(200, "application/json", '{"now":17672256');

const LOSSES: readonly [how: string, loss: Loss][] = [
  ["the connection broke", (route) => route.abort("connectionreset")],
  ["it took too long", (route) => route.abort("timedout")],
  ["the browser was offline", (route) => route.abort("internetdisconnected")],
  ["a proxy answered 502", html(502)],
  ["a proxy answered 504", html(504)],
  ["a page to log in came instead", html(200)],
  ["the answer was cut off", CUT_OFF],
  ["another answer came instead", json(200, "application/json", '{"ok":true}')],
  ["the server could not say", json(503, "application/problem+json", '{"code":"unavailable"}')],
];

const MOTHER = { by: "guardian", verification: { method: "id-check", evidenceRef: "guardian:mother" } };
const NOTHING = /nothing was changed/i;

test("no word of what serves it stands anywhere on the page", () => {
  for (const part of ["privacy-centre", "shared"]) {
    const folder = new URL(`../../web/${part}/`, import.meta.url);
    for (const file of readdirSync(folder)) {
      const text = readFileSync(new URL(file, folder), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
      expect(text, file).not.toMatch(/gateway/i);
    }
  }
});

describe.skipIf(BROWSER === undefined)("in a browser", () => {
  let system: TestSystem;
  let browser: Browser;
  const visits: Visit[] = [];

  beforeAll(async () => {
    system = await startSystem();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await system?.stop();
  });
  afterEach(async () => {
    for (const { context } of visits.splice(0)) await context.close();
  });

  async function open(subject: string, link: object = {}): Promise<Visit> {
    const opened = await visit(browser, await linkFor(system, subject, link));
    visits.push(opened);
    await opened.page.locator("#summary").waitFor();
    return opened;
  }

  async function home(): Promise<Visit & { device: Device }> {
    const device = await system.device();
    return { device, ...(await open(device.subject)) };
  }

  /** Requests to `path` are lost from now on; with `done` after the server did what was asked. */
  async function lose({ context }: Visit, path: string, loss: Loss, done: boolean): Promise<void> {
    await context.route(`**/centre/${path}`, async (route) => {
      if (done) await route.fetch();
      await loss(route);
    });
  }

  async function confirm({ page }: Visit, button: string): Promise<void> {
    await page.getByRole("dialog").getByRole("button", { name: button }).click();
  }

  const now = async (subject: string) => (await Session.of(system, subject)).overview();

  test("what was done counts and is said to, however the answer was lost", async () => {
    const opened = await home();
    const { page, context, device } = opened;
    for (const [how, loss] of LOSSES) {
      const unsaid = async () => expect(await page.locator("body").textContent(), how).not.toMatch(NOTHING);
      await lose(opened, "api/{withdrawals,consents}", loss, true);
      await page.locator("#switch-weather").click();
      await told(page, /Looked again at .*: your choice counts\. Weather for your area is off/);
      await shows(page, "switch-weather", { on: false });
      await unsaid();
      expect((await now(device.subject)).standing.used, how).not.toHaveProperty("weather");
      await page.locator("#switch-weather").click();
      await told(page, /Looked again at .*: your choice counts\. Weather for your area is on/);
      await shows(page, "switch-weather", { on: true });
      await unsaid();
      await context.unrouteAll();
    }
  });

  test("what did not arrive is said to have changed nothing, once that was seen", async () => {
    const opened = await home();
    const { page, context, device } = opened;
    for (const [how, loss] of LOSSES) {
      let looked = false;
      await lose(opened, "api/withdrawals", loss, false);
      await context.route("**/centre/api/overview", (route) => {
        looked = true;
        return route.continue();
      });
      await page.locator("#switch-weather").click();
      await told(page, /Looked again at .*: nothing was changed/);
      expect(looked, how).toBe(true);
      await shows(page, "switch-weather", { on: true });
      await context.unrouteAll();
      await page.locator("#switch-network").click();
      await told(page, /^Done at/);
    }
    expect((await now(device.subject)).standing.used).toHaveProperty("weather");
  });

  test("what was switched on, taken back altogether and erased counts as well", async () => {
    const opened = await home();
    const { page, device } = opened;
    await page.locator("#switch-scene-model").click();
    await told(page, "no longer used");
    for (const path of ["consents", "withdrawals", "erasures"]) await lose(opened, `api/${path}`, html(504), true);
    await page.locator("#switch-scene-model").click();
    await told(page, /your choice counts\. Kind of device may be used for: Scenes at home/);
    await page.locator("#withdraw-all").click();
    await confirm(opened, "Take everything back");
    await told(page, /your choice counts\. Nothing of any device is used any more/);
    await page.locator("#erase-all").click();
    await confirm(opened, "Erase everything");
    await told(page, /your choice counts\. The erasure has begun/);
    await page.locator("h2", { hasText: /The data (was|is being) erased/ }).waitFor();
    expect((await now(device.subject)).erasure).toBeDefined();
  });

  test("a guardian's agreement counts", async () => {
    const { subject } = await system.device({ consent: consentTo({ weather: ["location"] }, { minor: true }) });
    const opened = await open(subject, MOTHER);
    await lose(opened, "api/consents", CUT_OFF, true);
    await opened.page.locator("#approve").click();
    await told(opened.page, /your choice counts\. You agreed/);
    await shows(opened.page, "switch-weather-location", { on: true });
  });

  test("while nothing can be read the page claims nothing, and tells as soon as it can", async () => {
    const opened = await home();
    const { page, context } = opened;
    await lose(opened, "api/withdrawals", html(502), true);
    await lose(opened, "api/overview", html(502), false);
    await page.locator("#switch-weather").click();
    await page.locator("#unsettled", { hasText: "not known whether your last choice counts" }).waitFor();
    expect(await page.locator("body").textContent()).not.toMatch(NOTHING);
    await context.unroute("**/centre/api/overview");
    await page.locator("#look-again").click();
    await told(page, /your choice counts\. Weather for your area is off/);
    expect(await page.locator("#unsettled").count()).toBe(0);
  });

  test("a session that ends meanwhile is not said to have kept a choice no one saw", async () => {
    const opened = await home();
    const { page, context } = opened;
    await lose(opened, "api/withdrawals", html(502), true);
    await lose(opened, "api/overview", html(502), false);
    await page.locator("#switch-weather").click();
    await page.locator("#unsettled").waitFor();
    await context.clearCookies();
    await context.unroute("**/centre/api/overview");
    await page.locator("#look-again").click();
    await page.locator("#screen-over-unknown").waitFor();
  });

  test("a change that comes to count after it was looked for is told of", async () => {
    const opened = await home();
    const { page, device } = opened;
    await lose(opened, "api/withdrawals", html(504), false);
    await page.locator("#switch-weather").click();
    await told(page, NOTHING);
    await system.stack.api.withdraw(device.subject, { purposes: ["weather"] });
    await told(page, /your choice counts\. Weather for your area is off/);
    await shows(page, "switch-weather", { on: false });
  });

  test("what another page changed meanwhile is neither called nothing nor one's own", async () => {
    const { page, context, device } = await home();
    await context.route("**/centre/api/withdrawals", async (route) => {
      await system.stack.api.withdraw(device.subject, { purposes: ["scene"] });
      await route.abort("connectionreset");
    });
    await page.locator("#switch-weather").click();
    await told(page, /something was changed since/);
    await shows(page, "switch-scene", { on: false });
    await shows(page, "switch-weather", { on: true });
    expect(await page.locator("#told").textContent()).not.toMatch(NOTHING);
  });

  test("a download that was cut off, or is another's page, is not saved; one that arrived is, whatever follows", async () => {
    const opened = await home();
    const { page, context } = opened;
    for (const [contentType, body] of [
      ["text/html", GAVE_UP],
      ["application/x-ndjson", '{"kind":"export"}\n'],
    ] as const) {
      await context.route("**/centre/api/export?*", (route) => route.fulfill({ status: 200, contentType, body }));
      await page.locator("#copy-lines").click();
      await told(page, "nothing was saved");
      await page.locator("#page:not([aria-busy])").waitFor();
      await context.unroute("**/centre/api/export?*");
    }
    await lose(opened, "api/overview", html(504), false);
    expect(await downloaded(page, "copy-lines")).toContain('"kind":"end"');
    await told(page, "Saved as my-data.ndjson");
  });

  test("a link whose answer was lost opens all the same", async () => {
    const { subject } = await system.device();
    const context = await browser.newContext();
    let lost = 0;
    await context.route("**/centre/session", async (route) => {
      lost += 1;
      return lost > 1 ? route.continue() : route.fulfill({ response: await route.fetch(), body: "" });
    });
    const page = await context.newPage();
    await page.goto(await linkFor(system, subject));
    await page.locator("#summary").waitFor();
    await context.close();
  });

  test("a link that could not be tried is tried again from the page", async () => {
    const { subject } = await system.device();
    const context = await browser.newContext();
    await context.route("**/centre/session", html(502));
    const page = await context.newPage();
    await page.goto(await linkFor(system, subject));
    await page.locator("h1", { hasText: "No answer came" }).waitFor();
    await context.unroute("**/centre/session");
    await page.locator("#again").click();
    await page.locator("#summary").waitFor();
    await context.close();
  });

  test.each([
    ["left", true, "You have left"],
    ["not left", false, "Leaving did not work"],
  ] as const)("who has %s is told so when the answer is lost", async (_, done, title) => {
    const opened = await home();
    await lose(opened, "session", html(504), done);
    await opened.page.locator("#leave").click();
    await opened.page.locator("h1", { hasText: title }).waitFor();
    if (done) return;
    await opened.context.unroute("**/centre/session");
    await opened.page.locator("#again").click();
    await opened.page.locator("h1", { hasText: "You have left" }).waitFor();
  });

  test("who cannot know whether they left is told that", async () => {
    const { page, context } = await home();
    await context.route("**/centre/**", (route) => route.abort("internetdisconnected"));
    await page.locator("#leave").click();
    await page.locator("h1", { hasText: "not known whether you have left" }).waitFor();
  });
});
