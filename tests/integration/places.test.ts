/**
 * Places are stored under names of their own, once a step, and only together with enough other people; anyone who takes consent
 * back, is held or erased while a place waits is not told at all.
 */
import { latLngToCell } from "h3-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { consentTo, EVERYTHING, startSystem, type TestSystem } from "../fixtures/system.ts";

const STEP_MS = 2_000;
const APPROVERS = ["legal", "privacy"].map((name) => ({ name, token: `approver-${name}-0123456789-0123456789` }));
const DAY_MS = 86_400_000;
const EPOCH_MS = 7 * DAY_MS;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ http: { approvers: APPROVERS } }, { placeStepMs: STEP_MS });
});
afterAll(() => system?.stop());

/** Far from every other one, so that each test has its own crowd; in an ocean, where cells are wide. */
let last = 0;
function somewhere(): { lat: number; lon: number } {
  last += 1;
  return { lat: -45, lon: -170 + 20 * last };
}

const rowsAt = async (place: { lat: number; lon: number }) => {
  const cells = [0, 1, 2, 3, 4, 5, 6].map((resolution) => latLngToCell(place.lat, place.lon, resolution));
  return (await system.rows("device_location")).filter(({ cell }) => cells.includes(String(cell)));
};

describe("five people at a place", () => {
  test("are told together, under names that stand nowhere else, at the begin of their epoch", async () => {
    const here = somewhere();
    const one = await system.device();
    await system.say(one, { location: here, status: { temperature: 21.5 } });
    await system.neighbours(here, 3);
    await system.placesWritten();
    expect(await rowsAt(here)).toEqual([]);
    expect(await system.metric("places_waiting")).toBe(4);

    await system.neighbours(here, 1);
    await until("all five are told", async () => (await rowsAt(here)).length === 5);
    const rows = await rowsAt(here);
    expect(new Set(rows.map(({ cell }) => cell))).toEqual(new Set([latLngToCell(here.lat, here.lon, 3)]));
    for (const row of rows) {
      expect(row.resolution).toBe(3);
      expect(Number(BigInt(String(row.time)) / 1_000_000n) % EPOCH_MS).toBe(0);
      expect(Object.keys(row).sort()).toEqual(["cell", "device", "resolution", "time"]);
    }
    const named = new Set((await system.rows("device_status")).map(({ device }) => device));
    expect(named.size).toBeGreaterThan(0);
    for (const { device } of rows) expect(named.has(device)).toBe(false);
    const books = await system.settled();
    expect(books.stored).toBe(5);
  });

  test("are not five devices of one person", async () => {
    const here = somewhere();
    const { subject } = await system.device();
    const devices = await Promise.all(Array.from({ length: 6 }, () => system.device({ subject, consent: null })));
    await system.stack.api.consent(subject, consentTo(EVERYTHING));
    for (const device of devices) await system.say(device, here, "location");
    await system.placesWritten();
    expect(await rowsAt(here)).toEqual([]);
  });

  test("are told again where they went, when they have stayed there, in the same row", async () => {
    const [here, there] = [somewhere(), somewhere()];
    const people = await system.neighbours(here, 5);
    await until("they are told", async () => (await rowsAt(here)).length === 5);
    await Promise.all(people.map((one) => system.say(one, there, "location")));
    await until("they are told where they are", async () => (await rowsAt(there)).length === 5);
    expect(await rowsAt(here)).toEqual([]);
  });
});

describe("while a place waits for its step", () => {
  async function six() {
    const here = somewhere();
    const five = system.neighbours(here, 5);
    const one = await system.device({ consent: consentTo({ analytics: ["location"] }) });
    await system.say(one, here, "location");
    await five;
    await system.settled();
    return { here, one };
  }

  test.each([
    ["withdrawn", (subject: string) => system.stack.api.withdraw(subject)],
    ["narrowed", (subject: string) => system.stack.api.withdraw(subject, { categories: ["location"] })],
  ])("consent that is %s keeps it back, and takes the note of it away", async (_, act) => {
    const { here, one } = await six();
    const noted = await system.placesNoted();
    expect(await act(one.subject)).toMatchObject({ drained: true });
    expect(await system.placesNoted()).toBe(noted - 1);
    await until("the five others are told", async () => (await rowsAt(here)).length === 5);
    await system.placesWritten();
    expect(await rowsAt(here)).toHaveLength(5);
  });

  test("a hold keeps it back, and the note of it as it is, to be told when the hold has ended", async () => {
    const { here, one } = await six();
    const noted = await system.placesNoted();
    const order = { reference: "court:47", until: Date.now() + 600_000 };
    const url = `${system.stack.httpUrl}/v1/subjects/${one.subject}/hold`;
    const ask = async (approver: number, init: RequestInit, query = "") => {
      const headers = { authorization: `Bearer ${APPROVERS[approver]?.token}`, "content-type": "application/json" };
      return (await fetch(`${url}${query}`, { ...init, headers })).status;
    };
    const place = { method: "PUT", body: JSON.stringify(order) };
    expect([await ask(0, place), await ask(1, place)]).toEqual([202, 200]);
    await until("the five others are told", async () => (await rowsAt(here)).length === 5);
    await system.placesWritten();
    expect([(await rowsAt(here)).length, await system.placesNoted()]).toEqual([5, noted]);
    const query = `?reference=${order.reference}`;
    const released = fetch(`${url}${query}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${APPROVERS[0]?.token}` },
    });
    expect((await released).status).toBe(204);
    await until("all six are told", async () => (await rowsAt(here)).length === 6);
  });

  test("an erasure keeps it back and takes the note away; afterwards no row under any of its names is left", async () => {
    const { here, one } = await six();
    const noted = await system.placesNoted();
    const { receipt } = await system.erase(one.subject);
    expect(receipt?.receipt).toMatchObject({ keyDestroyed: true });
    expect(await system.placesNoted()).toBe(noted - 1);
    await until("the five others are told", async () => (await rowsAt(here)).length === 5);
    await system.placesWritten();
    expect(await rowsAt(here)).toHaveLength(5);
  });
});

test("what is stored of a place is exported and erased with everything else", async () => {
  const here = somewhere();
  const one = await system.device();
  await system.say(one, { location: here, status: { temperature: 20 } });
  await system.neighbours(here, 5);
  await until("all six are told", async () => (await rowsAt(here)).length === 6);
  const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${one.subject}/export`, {
    headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
  });
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const cell = latLngToCell(here.lat, here.lon, 3);
  expect(lines.filter(({ kind }) => kind === "location")).toMatchObject([{ cell, resolution: 3 }]);
  expect(lines.filter(({ kind }) => kind === "noted-place")).toMatchObject([{ cell, resolution: 3 }]);
  const { receipt } = await system.erase(one.subject);
  expect(receipt?.receipt.sinks).toMatchObject([{ rowsDeleted: 2, verified: true }]);
  expect(await rowsAt(here)).toHaveLength(5);
});

test("where too few are left around a place, it is not told any longer", async () => {
  const here = somewhere();
  const [one] = await system.neighbours(here, 5);
  if (one === undefined) throw new Error("no device");
  await until("they are told", async () => (await rowsAt(here)).length === 5);
  await system.erase(one.subject);
  await until("no one is told", async () => (await rowsAt(here)).length === 0);
});

test("a place that was acknowledged alone survives a killed gateway", async () => {
  const here = somewhere();
  await system.neighbours(here, 5);
  await system.stack.gateway.kill("SIGKILL");
  await system.stack.startGateway();
  await until("they are told", async () => (await rowsAt(here)).length === 5);
});
