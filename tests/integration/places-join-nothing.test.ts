/**
 * Rows of places and rows of status cannot be joined: not by name, time or digits, not by the order in which they came, in which
 * their series began, or in which they lie in the files of the store. The keys of the gateway say what would be right.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Names } from "../../simulators/race/names.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const PEOPLE = 24;
/** So many of them right by chance happens once in two hundred billion times; an attacker who can join them has all. */
const BY_CHANCE = 14;
const HERE = { lat: 12.9716, lon: 77.5946 };

let system: TestSystem;
let names: Names;
let devices: Device[];
beforeAll(async () => {
  system = await startSystem({}, { placeStepMs: 2_000 });
  const { redisUrl, keyPrefix, dir } = system.stack;
  names = new Names({ redisUrl, keyPrefix, keysDir: join(dir, "keys") });
  await names.start();
  devices = await system.devices(PEOPLE);
  for (const [index, { id, subject }] of devices.entries()) await names.learn(subject, [{ id, index }]);
});
afterAll(async () => {
  names?.stop();
  await system?.stop();
});

/** How many of the pairs that an attacker makes of two lists, first with first, are one device. */
function right(statuses: readonly string[], places: readonly string[]): number {
  return statuses.filter((name, index) => names.ownerOf(name) === names.ownerOf(places[index] ?? "")).length;
}

const series = async (measurement: string) =>
  (await influxRows(system.stack.influxUrl, system.stack.database, `SHOW SERIES FROM ${measurement}`)).map(
    ({ key }) => /device=([^,]+)/.exec(String(key))?.[1] ?? "",
  );

/** Names in the order in which they first appear in the files of the store, file by file. */
async function orderInFiles(known: readonly string[]): Promise<string[]> {
  const dir = join(system.stack.dir, "influxdb");
  const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const order: string[] = [];
  for (const path of files.map(({ parentPath, name }) => join(parentPath, name)).sort()) {
    const text = (await readFile(path)).toString("latin1");
    const found = known.map((one) => [text.indexOf(one), one] as const).filter(([at]) => at >= 0);
    order.push(...found.sort(([a], [b]) => a - b).map(([, one]) => one));
  }
  return [...new Set(order)];
}

test("by nothing that the store holds of them", async () => {
  for (const device of devices) await system.say(device, { location: HERE, status: { temperature: 21.5 } });
  await until("all are told", async () => (await system.rows("device_location")).length === PEOPLE);
  const statusRows = await system.rows("device_status");
  const placeRows = await system.rows("device_location");
  const inOrder = [...statusRows].sort((a, b) => (BigInt(String(a.time)) < BigInt(String(b.time)) ? -1 : 1));
  const statuses = inOrder.map(({ device }) => String(device));
  const places = placeRows.map(({ device }) => String(device));

  // The keys do know, or nothing here would say anything; and messages came in the order of the devices.
  expect(statuses.map((name) => names.ownerOf(name))).toEqual(devices.map((_, index) => index));
  expect(places.map((name) => names.ownerOf(name)).sort((a = 0, b = 0) => a - b)).toEqual(
    devices.map((_, index) => index),
  );
  expect(right(statuses, [...statuses])).toBe(PEOPLE);

  expect(new Set([...statuses, ...places]).size).toBe(2 * PEOPLE);
  expect(new Set(placeRows.map(({ time }) => time)).size).toBe(1);
  expect(right(statuses, places)).toBeLessThan(BY_CHANCE);
  expect(right(await series("device_status"), await series("device_location"))).toBeLessThan(BY_CHANCE);
  const [statusFiles, placeFiles] = [await orderInFiles(statuses), await orderInFiles(places)];
  expect(Math.min(statusFiles.length, placeFiles.length)).toBeGreaterThan(PEOPLE / 2);
  expect(right(statusFiles, placeFiles)).toBeLessThan(BY_CHANCE);
});
