/**
 * No one loses the privacy centre without notice: two minutes before its end a session says so, aloud and to be
 * worked with the keyboard; the person can stay, up to a bound that no cookie of theirs can pass; and the end is told.
 * WCAG 2.2.1.
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { linkFor, Session } from "../fixtures/centre-client.ts";
import {
  accessibility,
  BROWSER,
  contrast,
  launchBrowser,
  overflow,
  PHONE,
  shows,
  told,
  type Visit,
  visit,
} from "../fixtures/centre-visit.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

const SESSION_MS = 180_000;
const MOST_MS = 300_000;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ centre: { sessionMinutes: 3, sessionMaxMinutes: 5 } });
});
afterAll(() => system?.stop());

test("staying puts the end off by the length of a session, never beyond the bound of its beginning", async () => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const { endsAt, endsAtLatest, session: id } = await session.overview();
  expect(endsAtLatest - endsAt).toBe(MOST_MS - SESSION_MS);
  const stayed = await session.post("stay", {});
  expect(stayed.status).toBe(200);
  expect(stayed.json).toMatchObject({ session: id, endsAtLatest });
  expect(stayed.json.endsAt).toBeGreaterThan(endsAt);
  expect(stayed.json.endsAt).toBeLessThanOrEqual(stayed.json.now + SESSION_MS);
  const [cookie = "", ...attributes] = (stayed.headers.get("set-cookie") ?? "").split("; ");
  expect(attributes).toEqual(["Max-Age=180", "Path=/centre", "HttpOnly", "SameSite=Strict"]);
  const longer = new Session(system.stack.httpUrl, cookie);
  expect(await longer.overview()).toMatchObject({ endsAt: stayed.json.endsAt, endsAtLatest, session: id });
});

test("who leaves with a cookie of before ends what was put off as well", async () => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const { headers } = await session.post("stay", {});
  const longer = new Session(system.stack.httpUrl, (headers.get("set-cookie") ?? "").split(";")[0] ?? "");
  expect((await session.leave()).status).toBe(204);
  expect((await longer.get("overview")).status).toBe(401);
  expect((await longer.post("stay", {})).status).toBe(401);
});

test("staying is for the page alone, and for no one without a session", async () => {
  const { subject } = await system.device();
  expect((await (await Session.of(system, subject)).post("stay", {}, {})).status).toBe(403);
  expect((await new Session(system.stack.httpUrl, "consentry-centre=1.none").post("stay", {})).status).toBe(401);
});

describe.skipIf(BROWSER === undefined)("in a browser", () => {
  let browser: Browser;
  const visits: Visit[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const { context } of visits.splice(0)) await context.close();
  });

  async function home(): Promise<Visit & { subject: string }> {
    const { subject } = await system.device();
    const opened = await visit(browser, await linkFor(system, subject), { ...PHONE, ownClock: true });
    visits.push(opened);
    await opened.page.locator("#summary").waitFor();
    return { subject, ...opened };
  }

  const warning = (page: Page) => page.getByRole("alertdialog", { name: /Your session ends in 2 minutes/ });
  /** To within two minutes of the end. */
  const nearTheEnd = (page: Page) => page.clock.fastForward(SESSION_MS - 115_000);

  test("the warning is spoken, says until when, has the focus, and is answered with one key", async () => {
    const opened = await home();
    const { page } = opened;
    expect(await page.locator("#session-end").textContent()).toMatch(/^Session ends at \d\d:\d\d$/);
    await page.clock.fastForward(SESSION_MS - 125_000);
    await shows(page, "switch-weather", { on: true });
    expect(await warning(page).count()).toBe(0);
    await page.clock.fastForward(10_000);
    await warning(page).waitFor();
    expect(await page.locator("#ending").getAttribute("aria-describedby")).toBe("ending-text");
    expect(await page.locator("#ending-text").textContent()).toMatch(/^At \d\d:\d\d this page closes/);
    expect(await page.title()).toContain("ends soon");
    expect(await page.evaluate("document.activeElement.id")).toBe("ending-stay");
    for (const viewport of [PHONE, { width: 1280, height: 900 }]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        expect((await contrast(page)).poor).toEqual([]);
        expect(await overflow(page)).toBe(0);
      }
    }
    await page.clock.fastForward(60_000);
    await page.locator("#ending-said[role=alert]", { hasText: "Your session ends in" }).waitFor();
    await page.keyboard.press("Enter");
    await told(page, /You stay\. Your session now ends at \d\d:\d\d/);
    await warning(page).waitFor({ state: "hidden" });
    expect(await page.title()).toBe("Privacy centre");
    expect((await accessibility(opened)).controls).toContainEqual({ role: "button", name: "Stay longer" });
  });

  test("who puts the question aside can still stay, from the top of the page", async () => {
    const { page } = await home();
    await nearTheEnd(page);
    await warning(page).waitFor();
    await page.keyboard.press("Escape");
    await warning(page).waitFor({ state: "hidden" });
    await page.locator("#stay").click();
    await told(page, "You stay.");
  });

  test("a session that has lasted as long as it may says that, and does not offer more", async () => {
    const { page, context } = await home();
    await context.route("**/centre/api/overview", async (route) => {
      const response = await route.fetch();
      const overview = (await response.json()) as { endsAt: number };
      await route.fulfill({ response, json: { ...overview, endsAtLatest: overview.endsAt } });
    });
    await page.reload();
    await page.locator("#summary").waitFor();
    await nearTheEnd(page);
    await warning(page).waitFor();
    await page.locator("#ending-text", { hasText: "as long as it may" }).waitFor();
    expect(await page.getByRole("button", { name: "Stay longer" }).count()).toBe(0);
    await page.keyboard.press("Enter");
    await warning(page).waitFor({ state: "hidden" });
  });

  test("the end is told aloud, and nothing of the person stays", async () => {
    const { page } = await home();
    await nearTheEnd(page);
    await warning(page).waitFor();
    await page.clock.fastForward(SESSION_MS);
    await page.locator("h1:focus", { hasText: "Your session is over" }).waitFor();
    await page.locator("#spoken[role=alert]", { hasText: "Your session is over." }).waitFor({ state: "attached" });
    expect(await page.locator("dialog[open]").count()).toBe(0);
    expect(await page.locator("#summary").count()).toBe(0);
  });

  test("a computer that slept warns when it wakes, and closes when the end was slept through", async () => {
    const { page, context } = await home();
    const start = Date.now();
    await page.clock.setSystemTime(start + SESSION_MS - 110_000);
    await warning(page).waitFor();
    await context.clearCookies();
    await page.clock.setSystemTime(start + 2 * SESSION_MS);
    await page.locator("h1", { hasText: "Your session is over" }).waitFor();
  });

  test("what another page of the browser has put off is not warned of any more", async () => {
    const { page, context } = await home();
    const other = await context.newPage();
    await other.goto(page.url());
    await other.locator("#summary").waitFor();
    await nearTheEnd(page);
    await warning(page).waitFor();
    await other.keyboard.press("Enter");
    await told(other, "You stay.");
    await page.evaluate("dispatchEvent(new Event('focus'))");
    await warning(page).waitFor({ state: "hidden" });
  });

  test.each([
    ["got through", true, /^You stay\./],
    ["did not", false, /^No answer came\. As far as is known your session ends at/],
  ] as const)("an answer that was lost: who %s hears what holds", async (_, done, text) => {
    const { page, context } = await home();
    await context.route("**/centre/api/stay", async (route) => {
      if (done) await route.fetch();
      await route.fulfill({ status: 504, contentType: "text/html", body: "<h1>Gateway Time-out</h1>" });
    });
    await nearTheEnd(page);
    await warning(page).waitFor();
    await page.keyboard.press("Enter");
    await told(page, text);
    if (!done) await warning(page).waitFor();
  });
});
