/**
 * A thousand tabs, and a tab that is open for days: what they get is bounded, they are refused in words, and devices do not notice them.
 */
import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overview } from "../../src/http/operate/shapes.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { BROWSER, launchBrowser } from "../fixtures/centre-visit.ts";
import { ConsoleClient } from "../fixtures/console-client.ts";
import { atTheDoor, CONSOLE, goTo, live, signIn } from "../fixtures/console-visit.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const TABS = 1_000;
const MESSAGES = 200;

let system: TestSystem;
let device: Device;
beforeAll(async () => {
  system = await startSystem(CONSOLE);
  device = await system.device();
});
afterAll(() => system?.stop());

/** Messages one after the other; each waits for its PUBACK. */
async function publish(count: number): Promise<void> {
  const client = await system.connect(device);
  for (let seq = 0; seq < count; seq += 1)
    await client.publishAsync(
      `devices/${device.id}/telemetry`,
      JSON.stringify({ status: { power_on: seq % 2 === 0 } }),
      {
        qos: 1,
      },
    );
  await disconnectMqtt(client);
}

async function ready(): Promise<boolean> {
  return (await fetch(`${system.stack.httpUrl}/readyz`)).ok;
}

test("of a thousand tabs a few look on, the others are refused in words or closed; devices go on, and afterwards there is room", async () => {
  const token = system.stack.config.apiToken;
  const sessions = await Promise.all(Array.from({ length: 8 }, () => ConsoleClient.signedIn(system, token)));
  const leave = new AbortController();
  const before = await system.residentBytes();
  const tab = async (index: number): Promise<string> => {
    const answer = await (sessions[index % sessions.length] as ConsoleClient).live(leave.signal).catch(() => undefined);
    if (answer === undefined) return "closed";
    if (answer.status === 200) return "looks on";
    return `${answer.status} ${((await answer.json()) as { code: string }).code}`;
  };
  const published = publish(MESSAGES);
  const became = await Promise.all(Array.from({ length: TABS }, (_, index) => tab(index)));
  await published;
  const of = (what: string) => became.filter((one) => one === what).length;
  expect(of("looks on")).toBe(8);
  expect(of("429 too-many-watchers")).toBeGreaterThan(0);
  expect(of("looks on") + of("429 too-many-watchers") + of("closed")).toBe(TABS);
  await until("it is ready", ready);
  // Those that look on still do, each device is answered, and nothing was kept of those that were turned away.
  await publish(MESSAGES);
  const books = await system.settled();
  expect(books.stored + books.forwardedOnly).toBeGreaterThanOrEqual(2 * MESSAGES);
  expect((await system.residentBytes()) - before).toBeLessThan(128 * 1_024 * 1_024);
  leave.abort();
  await until("there is room again", async () => {
    const again = new AbortController();
    const answer = await (sessions[0] as ConsoleClient).live(again.signal).catch(() => undefined);
    again.abort();
    return answer?.status === 200;
  });
});

/** Four of these make six hours: what grew with each frame would have grown by as much each time. */
const FRAMES = 1_080;
const ROUNDS = 4;
const EVERY_MS = 5_000;

interface Kept {
  readonly heap: number;
  readonly nodes: number;
  readonly listeners: number;
}

async function kept(cdp: CDPSession): Promise<Kept> {
  for (let turn = 0; turn < 2; turn += 1) await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  const { nodes, jsEventListeners } = await cdp.send("Memory.getDOMCounters");
  return { heap: usedSize, nodes, listeners: jsEventListeners };
}

describe.skipIf(BROWSER === undefined)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  /** What comes of a stream that says in a moment what a gateway says in an hour and a half. */
  async function quickly(page: Page, text: string): Promise<() => Promise<void>> {
    const { frame } = overview.parse(JSON.parse(text));
    let at = Date.now();
    let rounds = 0;
    let served = 0;
    /** Since the last that was served: the page asks again once it has taken in all of that. */
    let turnedAway = 0;
    await page.context().route("**/api/live", async (route) => {
      if (served >= rounds) {
        turnedAway += 1;
        return route.fulfill({ status: 503, json: { code: "unavailable" } });
      }
      served += 1;
      turnedAway = 0;
      const events = Array.from({ length: FRAMES }, (_, index) => {
        at += EVERY_MS;
        const sample = { ...frame.sample, at, received: index % 97, refusedBy: { "invalid-payload": index % 3 } };
        const alarms =
          index % 50 < 25
            ? []
            : [{ rule: "ConsentryNotReady", severity: "info", summary: "Not ready", since: at - 60_000 }];
        return `event: frame\ndata: ${JSON.stringify({ ...frame, sample, alarms })}\n\n`;
      });
      return route.fulfill({ contentType: "text/event-stream", body: events.join("") });
    });
    return async () => {
      rounds += 1;
      await page.evaluate("dispatchEvent(new Event('online'))");
      await until("all of it was taken in", async () => served === rounds && turnedAway > 0, 60_000);
    };
  }

  test("a tab keeps as much after days as after the first hours", { timeout: 240_000 }, async () => {
    const { page, context } = await atTheDoor(browser, system);
    await signIn(page, system.stack.config.apiToken);
    await live(page);
    const client = await ConsoleClient.signedIn(system, system.stack.config.apiToken);
    const hours = await quickly(page, JSON.stringify((await client.get("overview")).json));
    const cdp = await context.newCDPSession(page);
    // It leaves the connection it has for the one above.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await page.locator("#link", { hasText: "Not live" }).waitFor();
    await goTo(page, "overview");
    for (let warm = 0; warm < 2; warm += 1) await hours();
    const before = await kept(cdp);
    for (let round = 0; round < ROUNDS; round += 1) await hours();
    const after = await kept(cdp);
    expect(after.nodes - before.nodes).toBeLessThan(200);
    expect(after.listeners - before.listeners).toBeLessThan(50);
    expect(after.heap - before.heap).toBeLessThan(1_024 * 1_024);
    await context.close();
  });
});
