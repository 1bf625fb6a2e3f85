/**
 * A console that is left open: hidden, cut off, signed out elsewhere, of another version. It says so plainly, marks what it shows as
 * old, keeps nothing that was asked about one device, and one click leads back.
 */
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { BROWSER, launchBrowser, type Visit } from "../fixtures/centre-visit.ts";
import { atTheDoor, CONSOLE, confirm, goTo, live, signedIn, signIn, violations } from "../fixtures/console-visit.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

describe.skipIf(BROWSER === undefined)("a console that is left open", () => {
  let system: TestSystem;
  let browser: Browser;
  const visits: Visit[] = [];

  beforeAll(async () => {
    system = await startSystem(CONSOLE);
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await system?.stop();
  });
  afterEach(async () => {
    for (const { context } of visits.splice(0)) await context.close();
  });

  async function inside(): Promise<Visit> {
    const opened = await signedIn(browser, system);
    visits.push(opened);
    return opened;
  }

  /** As the browser tells a tab that is looked at, or is not. */
  const seen = (is: boolean) =>
    `Object.defineProperty(document, "hidden", { configurable: true, value: ${!is} });
     document.dispatchEvent(new Event("visibilitychange"))`;

  test("a hidden tab closes its connection, and opens it when it is looked at", async () => {
    const { page } = await inside();
    const streams = () => page.evaluate("performance.getEntriesByType('resource').length");
    const cut = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/live"));
    await page.evaluate(seen(false));
    await cut;
    await page.locator("#link", { hasText: /^Paused · as of/ }).waitFor();
    expect(await streams()).toBeGreaterThan(0);
    const again = page.waitForRequest(/\/api\/live$/);
    await page.evaluate(seen(true));
    await again;
    await live(page);
  });

  test("a tab has one connection, however often its view changes", async () => {
    const { page } = await inside();
    let opened = 0;
    page.on("request", (request) => {
      if (request.url().endsWith("/live")) opened += 1;
    });
    for (const view of ["gateways", "rights", "overview"]) await goTo(page, view);
    await page.locator(".tile").first().waitFor();
    expect(opened).toBe(0);
  });

  test("a session that ended in another tab: the last figures stay, marked as old, those of a device do not; one click signs in", async () => {
    const opened = await inside();
    const { page, context } = opened;
    await goTo(page, "device");
    await page.locator("#device").fill("some-device");
    await page.locator("#ask-trace").click();
    await confirm(page, "Begin the trace");
    await page.locator("#end-trace").waitFor();
    const other = await context.newPage();
    await other.goto(page.url().split("#")[0] ?? "");
    await other.locator("#leave").click();
    await page
      .locator("#note", { hasText: /Your session has ended\. What you see is as of \d\d:\d\d:\d\d\./ })
      .waitFor();
    expect(await page.locator("#end-trace").count()).toBe(0);
    expect(await page.locator("body.old").count()).toBe(1);
    await goTo(page, "overview");
    await page.locator(".tile", { hasText: "PUBACK" }).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.locator("#sign-in").click();
    await page.locator("#token:focus").waitFor();
    await signIn(page, system.stack.config.apiToken);
    await live(page);
    expect(await page.locator("body.old").count()).toBe(0);
  });

  test("a gateway that is gone: it is said, tried again, and after its restart the session is over", async () => {
    const { page } = await inside();
    await system.stack.gateway.kill("SIGKILL");
    await page.locator("#note", { hasText: /connection to the gateway .* What you see is as of/ }).waitFor();
    await page.locator(".tile", { hasText: "Backlog" }).waitFor();
    expect(await page.locator("body.old").count()).toBe(1);
    await page.locator("#try-now").waitFor();
    await system.stack.startGateway();
    await page.locator("#note", { hasText: "Your session has ended." }).waitFor();
    await page.locator("#sign-in").click();
    await signIn(page, system.stack.config.apiToken);
    await live(page);
  });

  /** What the page is told first, changed on its way. */
  async function changed({ context }: Visit, change: (overview: { frame: Record<string, unknown> }) => object) {
    await context.route("**/api/overview", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: change(await answer.json()) });
    });
  }

  test("a gateway that was replaced by another version is said, with a way to the page that it brings", async () => {
    const opened = await atTheDoor(browser, system);
    visits.push(opened);
    const { page, context } = opened;
    await changed(opened, (overview) => ({ ...overview, frame: { ...overview.frame, version: "0.0.9" } }));
    await signIn(page, system.stack.config.apiToken);
    await page.locator("#note", { hasText: "than the one this page came with (0.0.9)" }).waitFor();
    await context.unroute("**/api/overview");
    await page.locator("#reload").click();
    await live(page);
    expect(await page.locator("#note .note").count()).toBe(0);
  });

  test("an answer without what this page knows is not half shown: the page says that it is of another version", async () => {
    const opened = await inside();
    const { page } = opened;
    await changed(opened, ({ frame: { rights: _rights, ...frame }, ...rest }) => ({ ...rest, frame }));
    await goTo(page, "rights");
    await page.evaluate(seen(false));
    await page.evaluate(seen(true));
    await page.locator("#note", { hasText: "What it shows may be incomplete." }).waitFor();
  });
});
