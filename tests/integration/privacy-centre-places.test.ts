/**
 * In the privacy centre a person sees the area that is really stored of each of their own devices, or that nothing is because too
 * few homes are near; no one else sees it, and the page asks no other host for its map.
 */
import { cellToLatLng, latLngToCell } from "h3-js";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CentrePlaces } from "../../src/model/centre.ts";
import { linkFor, Session } from "../fixtures/centre-client.ts";
import {
  accessibility,
  BROWSER,
  contrast,
  launchBrowser,
  overflow,
  PHONE,
  type Visit,
  visit,
} from "../fixtures/centre-visit.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({}, { placeStepMs: 1_000 });
});
afterAll(() => system?.stop());

/** Far from every other one. */
let last = 0;
function somewhere(): { lat: number; lon: number } {
  last += 1;
  return { lat: 12.971_598_7, lon: -170.123_456_7 + 25 * last };
}

async function placesOf(subject: string): Promise<CentrePlaces> {
  const { status, json } = await (await Session.of(system, subject)).get("places");
  expect(status).toBe(200);
  return json as CentrePlaces;
}

async function stateOf({ subject }: Device): Promise<string | undefined> {
  return (await placesOf(subject)).places[0]?.state;
}

const centerOf = (cell: unknown) => cellToLatLng(String(cell)).map((degrees) => Number(degrees.toFixed(3)));

describe("the place of a device", () => {
  test("is not stored at all while too few homes are near, and then is the cell that stands in the store", async () => {
    const here = somewhere();
    const one = await system.device();
    await system.say(one, here, "location");
    await until("there are too few", async () => (await stateOf(one)) === "too-few");
    const before = await placesOf(one.subject);
    expect(before).toMatchObject({ leastHomes: 5, keptDays: 30 });
    expect(before.places).toHaveLength(1);
    expect(before.places[0]).not.toHaveProperty("stored");
    expect(await system.rows("device_location")).toEqual([]);

    await system.neighbours(here);
    await until("it is stored", async () => (await stateOf(one)) === "stored");
    const cells = new Set((await system.rows("device_location")).map(({ cell }) => cell));
    expect(cells.size).toBe(1);
    const [cell] = cells;
    const after = (await placesOf(one.subject)).places[0];
    expect(after?.stored?.center).toEqual(centerOf(cell));
    expect(after?.stored?.corners.length).toBeGreaterThanOrEqual(5);
    // Of the same latitude only an area: nothing that a device said.
    expect(JSON.stringify(after)).not.toMatch(/12\.97159|\.12345/);

    // What the others leave behind is told no longer, and so it is here.
    await system.stack.api.withdraw(one.subject);
    await until("nothing is known any more", async () => (await stateOf(one)) === "none");
    expect((await placesOf(one.subject)).places[0]).toEqual({ devices: [1], state: "none" });
  });

  test("is given to its person alone, and no longer when the device is another's", async () => {
    const [here, there] = [somewhere(), somewhere()];
    const [one, other] = await system.devices(2);
    if (!one || !other) throw new Error("devices");
    await system.say(one, here, "location");
    await system.say(other, there, "location");
    await system.settled();
    const areaOf = async (device: Device) => (await placesOf(device.subject)).places.map(({ noted }) => noted?.center);
    const at = ({ lat, lon }: { lat: number; lon: number }) => [centerOf(latLngToCell(lat, lon, 3))];
    expect(await areaOf(one)).toEqual(at(here));
    expect(await areaOf(other)).toEqual(at(there));
    const nobody = new Session(system.stack.httpUrl, "consentry-centre=1.nonsense");
    expect((await nobody.get("places")).status).toBe(401);

    const { api } = system.stack;
    await api.call("DELETE", "/v1/subjects/{subject}/devices/{device}", [one.subject, one.id]);
    expect((await placesOf(one.subject)).places).toEqual([]);
    await api.call("PUT", "/v1/subjects/{subject}/devices/{device}", [other.subject, one.id]);
    expect(await areaOf(other)).toEqual([...at(there), undefined]);
  });

  test("is said once for all devices that are at the same place, each by its number", async () => {
    const here = somewhere();
    const one = await system.device();
    const two = await system.device({ subject: one.subject });
    for (const device of [one, two]) await system.say(device, here, "location");
    await system.settled();
    expect((await placesOf(one.subject)).places).toMatchObject([{ devices: [1, 2] }]);
  });

  test("is not shown in a session in which everything was erased", async () => {
    const one = await system.device();
    await system.say(one, somewhere(), "location");
    const session = await Session.of(system, one.subject);
    expect((await session.post("erasures", {})).status).toBe(202);
    const { status, json } = await session.get("places");
    expect([status, json.code]).toEqual([409, "session-closed"]);
  });
});

describe.skipIf(BROWSER === undefined)("on the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  async function open(device: Device, label: string): Promise<Visit> {
    return visit(browser, await linkFor(system, device.subject, { devices: [{ device: device.id, label }] }), PHONE);
  }

  test("it is said in words and drawn, for everyone to read, and nothing is asked of any other host", async () => {
    const here = somewhere();
    const one = await system.device();
    const alone = await system.device();
    await system.say(one, here, "location");
    await system.say(alone, somewhere(), "location");
    await system.neighbours(here);
    await until("it is stored", async () => (await stateOf(one)) === "stored");
    await until("the other is not", async () => (await stateOf(alone)) === "too-few");

    const opened = await open(one, "Hallway hub");
    const { page, context, complaints } = opened;
    // The link is used up by then, and the session there: loaded again before, the page would have neither.
    await page.locator(".place-state").first().waitFor();
    const hosts = new Set<string>();
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    await page.reload();
    await page.locator(".place-state", { hasText: "Stored: an area of about" }).waitFor();
    const card = page.locator(".place-cards .card");
    expect(await card.locator("h3").textContent()).toBe("Hallway hub");
    expect(await card.locator(".place-state").textContent()).toMatch(
      /^Stored: an area of about [\d,]+ km², [\d,]+ km across, around \d+\.\d° north, \d+\.\d° west, with at least 5 homes in it\.$/,
    );
    expect(await page.locator(".place-rules").textContent()).toContain("only together with at least 5 homes");
    const names = await card.locator("svg").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
    expect(names).toEqual([
      expect.stringMatching(/^Map of the wider surroundings\. The area lies around /),
      expect.stringMatching(/^The area, drawn with a scale: [\d,]+ km from corner to corner\.$/),
    ]);
    for (const viewport of [PHONE, { width: 1280, height: 900 }]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        expect((await contrast(page)).poor).toEqual([]);
        expect(await overflow(page)).toBe(0);
      }
    }
    const { headings } = await accessibility(opened);
    for (const [index, { level, name }] of headings.entries())
      expect(level - (headings[index - 1]?.level ?? 0), name).toBeLessThanOrEqual(1);
    expect([...hosts]).toEqual([new URL(system.stack.httpUrl).host]);
    expect(complaints).toEqual([]);
    await context.close();

    const other = await open(alone, "Cabin");
    await other.page.locator(".place-state", { hasText: "Not stored at all: too few homes near you." }).waitFor();
    expect(await other.page.locator(".only-noted svg").count()).toBe(2);
    expect(await other.page.locator("body").textContent()).not.toContain("Hallway");
    await other.context.close();
  });
});
