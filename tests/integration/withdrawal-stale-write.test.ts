/**
 * A write that the store has received and not yet carried out cannot be called back. As long as it may still
 * happen, no withdrawal it concerns is answered as drained; once one is, nothing of that device is or gets stored.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { KEPT_TERM_MS } from "../../src/consent/fence/kept-lease.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, marks, startSystem, type TestSystem } from "../fixtures/system.ts";

/** Breaker, grace and a busy machine; the grace alone is 1.5 s. */
const BOUND_MS = 60_000;
const LATER_MS = 3_000;
const BENGALURU = { lat: 12.9715987, lon: 77.5945627 };

let system: TestSystem;

beforeAll(async () => {
  // Passes side by side, so that messages sent together are all in progress and none still waits its turn.
  system = await startSystem({
    properties: [marks("gone", "stays", "alone", "no_place", "no_model", "stuck", "killed")],
    sinks: { breaker: { maxOpenMs: 1_000 } },
    queue: { workerConcurrency: 3 },
  });
});
afterEach(() => resume());
afterAll(() => system?.stop());

function freeze(): void {
  process.kill(system.stack.influx.pid, "SIGSTOP");
}

function resume(): void {
  if (system.stack.influx.running) process.kill(system.stack.influx.pid, "SIGCONT");
}

/** The messages are in transit to a store that does not move, and each of them is in doubt. */
async function sendIntoFrozenStore(...messages: [device: Device, mark: string][]): Promise<void> {
  freeze();
  await Promise.all(messages.map(([device, mark]) => system.say(device, messageWith(mark))));
  // A subject and a device for each message: they may be in doubt one by one, in batches of their own.
  await until("every write is in doubt", async () => (await concerned()).size === 2 * messages.length);
}

/** Whose withdrawals wait for a write in doubt. */
async function concerned(): Promise<ReadonlySet<string>> {
  const sets = await system.redis.keys("consentry:leases:*");
  return new Set((await Promise.all(sets.map((set) => system.redis.smembers(set)))).flat());
}

function messageWith(mark: string) {
  return { model: "HB-200", location: BENGALURU, status: { mark } };
}

async function rowsWith(mark: string): Promise<number> {
  return (await system.rows("device_status")).filter((row) => row.mark === mark).length;
}

/** Asks as an account service does, until the gateway says that it is done. */
async function withdrawn(device: Device, body?: Record<string, unknown>, boundMs = BOUND_MS): Promise<void> {
  const { api } = system.stack;
  await until("the withdrawal is drained", async () => (await api.withdraw(device.subject, body)).drained, boundMs);
}

test("a withdrawal waits for it, and then nothing of the device is stored, now or later", async () => {
  const [gone, stays] = await system.devices(2);
  if (!gone || !stays) throw new Error("devices");
  const places = await system.placesNoted();
  await sendIntoFrozenStore([gone, "gone"], [stays, "stays"]);

  await expect(system.stack.api.withdraw(gone.subject)).rejects.toMatchObject({ status: 503 });
  await expect(system.stack.api.withdraw(gone.subject)).rejects.toMatchObject({ status: 503 });
  resume();
  await withdrawn(gone);

  const seen = async () => ({ gone: await rowsWith("gone"), places: await system.placesNoted() });
  expect(await seen()).toEqual({ gone: 0, places: places + 1 });
  const books = await system.settled();
  expect(books.refused["consent-withdrawn"]).toBe(1);
  expect(await rowsWith("stays")).toBe(1);
  await pause(LATER_MS);
  expect(await seen()).toEqual({ gone: 0, places: places + 1 });
});

test("when no one is left to store for, the store is asked before anything is promised", async () => {
  const device = await system.device();
  await sendIntoFrozenStore([device, "alone"]);
  await expect(system.stack.api.withdraw(device.subject)).rejects.toMatchObject({ status: 503 });
  resume();
  await withdrawn(device);
  expect(await rowsWith("alone")).toBe(0);
  await pause(LATER_MS);
  expect(await rowsWith("alone")).toBe(0);
});

test("of a partial withdrawal, only what it took is removed", async () => {
  const [noPlace, noModel] = await system.devices(2);
  if (!noPlace || !noModel) throw new Error("devices");
  const places = await system.placesNoted();
  await sendIntoFrozenStore([noPlace, "no_place"], [noModel, "no_model"]);
  const takePlace = { categories: ["location"] };
  const takeModel = { categories: ["model"] };
  await expect(system.stack.api.withdraw(noPlace.subject, takePlace)).rejects.toMatchObject({ status: 503 });
  await expect(system.stack.api.withdraw(noModel.subject, takeModel)).rejects.toMatchObject({ status: 503 });
  resume();
  await Promise.all([withdrawn(noPlace, takePlace), withdrawn(noModel, takeModel)]);
  await system.settled();
  const rows = (await system.rows("device_status")).filter(({ mark }) => mark === "no_place" || mark === "no_model");
  expect(
    rows.map(({ mark, model }) => ({ mark, model })).sort((a, b) => `${a.mark}`.localeCompare(`${b.mark}`)),
  ).toEqual([
    { mark: "no_model", model: null },
    { mark: "no_place", model: "hub" },
  ]);
  expect(await system.placesNoted()).toBe(places + 1);
});

test("no one else's withdrawal or consent waits for it", async () => {
  const [stuck, other] = await system.devices(2);
  if (!stuck || !other) throw new Error("devices");
  await sendIntoFrozenStore([stuck, "stuck"]);
  expect(await system.stack.api.withdraw(other.subject)).toMatchObject({ drained: true });
  await expect(system.device()).resolves.toBeDefined();
  resume();
  await system.settled();
  expect(await rowsWith("stuck")).toBe(1);
});

test("a gateway killed meanwhile takes the doubt up again when it is back", async () => {
  const device = await system.device();
  await sendIntoFrozenStore([device, "killed"]);
  // Before the kill: how soon the batch is taken again depends on the machine, and with consent it would be stored.
  await expect(system.stack.api.withdraw(device.subject)).rejects.toMatchObject({ status: 503 });
  await system.stack.gateway.kill("SIGKILL");
  resume();
  await system.stack.startGateway();
  await withdrawn(device, undefined, 2 * BOUND_MS + KEPT_TERM_MS);
  expect(await rowsWith("killed")).toBe(0);
  await system.settled();
  expect(await rowsWith("killed")).toBe(0);
});
