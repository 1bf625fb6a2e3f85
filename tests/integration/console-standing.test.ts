/**
 * What an operator must not miss, in a browser: gateways that are not alike, erasures and holds that stay open, a session that is about to
 * end, and a Redis that is away, of which nothing old is shown as new.
 */
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { APPROVERS } from "../fixtures/approvers.ts";
import { BROWSER, launchBrowser, told, type Visit } from "../fixtures/centre-visit.ts";
import { tokensOf } from "../fixtures/console-client.ts";
import { atTheDoor, CONSOLE, DESK, goTo, live, signIn, violations } from "../fixtures/console-visit.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

const MINUTE_MS = 60_000;
/** As shipped. */
const IDLE_MS = 30 * MINUTE_MS;

describe.skipIf(BROWSER === undefined)("an operator is told", () => {
  let system: TestSystem;
  let browser: Browser;
  let other: GatewayProcess | undefined;
  let token: string;
  const visits: Visit[] = [];

  beforeAll(async () => {
    system = await startSystem({ ...CONSOLE, http: { approvers: APPROVERS } });
    browser = await launchBrowser();
    const made = await (await tokensOf(system)).create("on-call", ["operate"]);
    if (made.refused !== undefined) throw new Error(made.refused);
    token = made.token;
    const headers = { authorization: `Bearer ${token}` };
    await until("the gateway knows the token", async () => {
      const { status } = await fetch(`${system.stack.httpUrl}/v1/keys/receipt`, { headers });
      return status !== 401;
    });
  });
  afterAll(async () => {
    await browser?.close();
    if (other?.running === true) await other.stop();
    await system?.stop();
  });
  afterEach(async () => {
    for (const { context } of visits.splice(0)) await context.close();
  });

  async function inside(ownClock = false): Promise<Visit> {
    const opened = await atTheDoor(browser, system, { ...DESK, ownClock });
    visits.push(opened);
    await signIn(opened.page, token);
    await live(opened.page);
    return opened;
  }

  /** By two approvers, as it must be. */
  async function hold(subject: string): Promise<void> {
    const order = JSON.stringify({ reference: "court:7", until: Date.now() + 10 * MINUTE_MS });
    for (const approver of APPROVERS) {
      const headers = { authorization: `Bearer ${approver.token}`, "content-type": "application/json" };
      const url = `${system.stack.httpUrl}/v1/subjects/${subject}/hold`;
      expect((await fetch(url, { method: "PUT", headers, body: order })).ok).toBe(true);
    }
  }

  function fact(page: Page, name: string): Locator {
    const named = page.locator("dt", { hasText: new RegExp(`^${name}$`) });
    return page.locator(".facts > div").filter({ has: named });
  }

  // Before anything stands in the journal: a gateway that comes later would have to bring it along.
  test("of a second gateway that is not configured as this one, in what, and side by side; and when it is gone", async () => {
    const { page } = await inside();
    await goTo(page, "gateways");
    await page.locator(".calm", { hasText: "One gateway" }).waitFor();
    other = await startGateway({
      configFile: system.stack.config.file,
      logFile: join(system.stack.dir, "logs", "other.log"),
      env: {
        CONSENTRY_MQTT_TCP_PORT: "0",
        CONSENTRY_HTTP_PORT: "0",
        CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, "other.journal"),
        CONSENTRY_HTTP_FAILED_TOKENS_PER_MINUTE: "77",
      },
    });
    await page.locator(".calm", { hasText: "1 of 2 gateways differ from this one" }).waitFor();
    const card = page.locator(".card", { hasText: "Differs in" });
    await card.getByText("Configuration: http").waitFor();
    const table = page.getByRole("table", { name: "Keys and configuration of every gateway" });
    const line = table.locator("tbody tr").first();
    expect(await line.textContent()).toMatch(/^Configuration: http.*differs$/);
    const digests = await line.locator("code").allTextContents();
    expect(new Set(digests).size).toBe(2);
    const same = table.locator("tbody tr", { hasText: "Key master" });
    expect(await same.textContent()).toMatch(/same$/);
    expect(new Set(await same.locator("code").allTextContents()).size).toBe(1);
    expect(await violations(page)).toEqual([]);
    await other.stop();
    await page.locator(".calm", { hasText: "One gateway" }).waitFor();
  });

  test("of an erasure that waits and of the hold that it waits for, with how old both are and not of whom", {
    timeout: 360_000,
  }, async () => {
    const { subject, id } = await system.device();
    await hold(subject);
    await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [subject], {});
    const { page } = await inside();
    await goTo(page, "rights");
    const row = page.getByRole("table", { name: "Open erasures" }).locator("tbody tr");
    // Read once a minute, as all of this.
    const patience = { timeout: 100_000 };
    await row.getByText("held", { exact: true }).waitFor(patience);
    const age = async () => {
      const [, count, unit] = /^(\d+) (s|min)/.exec((await row.locator("td, th").first().textContent()) ?? "") ?? [];
      return Number(count) * (unit === "min" ? 60 : 1);
    };
    const first = await age();
    await until("it grows older before one's eyes", async () => (await age()) > first);
    await fact(page, "Waiting for a legal hold").getByText("1", { exact: true }).waitFor(patience);
    await fact(page, "Running").getByText("0", { exact: true }).waitFor();
    await fact(page, "People under a hold").getByText("1", { exact: true }).waitFor(patience);
    expect(await fact(page, "Oldest").locator("dd").textContent()).toMatch(/^\d+ (?:s|min)/);
    const said = (await page.locator("body").textContent()) ?? "";
    for (const secret of [subject, id, "court:7"]) expect(said).not.toContain(secret);
    expect(await violations(page)).toEqual([]);
  });

  test("two minutes before the session ends; who stays has it longer, who does not is told of the end and sees no figure as new", async () => {
    const { page, context } = await inside(true);
    const warning = page.getByRole("alertdialog", { name: /Your session ends in 2 minutes/ });
    await page.clock.fastForward(IDLE_MS - 3 * MINUTE_MS);
    await live(page);
    expect(await warning.count()).toBe(0);
    await page.clock.fastForward(MINUTE_MS + 5_000);
    await warning.waitFor();
    await page.locator("#ending-stay:focus").waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await told(page, /You stay\. The session now ends at \d\d:\d\d/);
    await warning.waitFor({ state: "hidden" });
    await page.clock.fastForward(IDLE_MS - MINUTE_MS - 55_000);
    await warning.waitFor();
    // What the gateway does when the time is up: it knows the session no more.
    await context.clearCookies();
    await page.clock.fastForward(2 * MINUTE_MS);
    await page.locator("#note", { hasText: "Your session has ended. What you see is as of" }).waitFor();
    expect(await page.locator("dialog[open]").count()).toBe(0);
    expect(await page.locator("body.old").count()).toBe(1);
    await page.locator("#link", { hasText: /^Session ended · as of/ }).waitFor();
  });

  test("that Redis is away: which figures are as of when, and none of it as if it were well; it comes back by itself", async () => {
    const { page } = await inside();
    const { redis } = system.stack;
    await fact(page, "Redis").getByText("Writes", { exact: true }).waitFor();
    await redis.kill("SIGTERM");
    try {
      await page
        .locator("#note", {
          hasText: /Redis does not answer the gateway\. .* is as of \d\d:\d\d:\d\d\. The rest is of now/,
        })
        .waitFor();
      await page.getByText("Not ready: Redis is unreachable").first().waitFor();
      await fact(page, "Redis").getByText("Does not answer").waitFor();
      await fact(page, "Durability").getByText("not known while Redis does not answer").waitFor();
      expect(await page.locator("body.old").count()).toBe(1);
      expect(await violations(page)).toEqual([]);
      // What is asked of Redis is refused with words, and shows nothing in its place.
      await goTo(page, "letters");
      await page.locator(".view", { hasText: "so nothing can be done at the moment" }).waitFor();
      // A page that is opened now says the same, and does not know of when the figures are.
      await page.reload();
      await page.locator("#note", { hasText: "may be old" }).waitFor();
      await page.locator("#link", { hasText: "Live" }).waitFor();
    } finally {
      await redis.start();
    }
    await goTo(page, "overview");
    await fact(page, "Redis").getByText("Writes", { exact: true }).waitFor();
    await until("nothing is said any more", async () => (await page.locator("#note .note").count()) === 0);
    expect(await page.locator("body.old").count()).toBe(0);
  });
});
