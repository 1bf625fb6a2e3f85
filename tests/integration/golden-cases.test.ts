/**
 * Worked examples, each a folder of tests/cases: what a household consented to, what its device published,
 * and exactly what of it is stored and what each service is told. Pseudonyms and times, which differ with
 * every run, are written `<device>` and `<time>`.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import type { ConfigTree } from "../../tools/stack/scratch-config.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

const CASES = "tests/cases";
const MEASUREMENTS = ["device_status", "device_location"] as const;

type Json = Record<string, unknown>;

interface Published {
  readonly topic: string;
  readonly payload: Json;
}

let system: TestSystem | undefined;
let running = "";
/** Names of earlier cases, of which the network goes on to hear. */
const heard = new Set<unknown>();
afterAll(() => system?.stop());

async function read<T>(name: string, file: string): Promise<T> {
  return JSON.parse(await readFile(join(CASES, name, `${file}.json`), "utf8")) as T;
}

/** Cases with the same configuration share one system. */
async function systemWith(config: ConfigTree): Promise<TestSystem> {
  const wanted = JSON.stringify(config);
  if (system === undefined || running !== wanted) {
    await system?.stop();
    system = await startSystem(config, { placeStepMs: 250 });
    running = wanted;
  }
  for (const measurement of MEASUREMENTS) {
    const body = new URLSearchParams({ db: system.stack.database, q: `DROP MEASUREMENT ${measurement}` });
    await fetch(`${system.stack.influxUrl}/query`, { method: "POST", body });
  }
  return system;
}

/** Replaces what differs with every run, and checks that it has the form it must have. */
function comparable(record: Json): Json {
  const result: Json = {};
  for (const [key, value] of Object.entries(record)) {
    if (value === null) continue;
    if (key === "device") {
      expect(value).toMatch(/^[A-Za-z0-9_-]{22}$/);
      result[key] = "<device>";
    } else if (key === "at" || key === "time") {
      expect(Number(value)).toBeGreaterThan(0);
      result[key] = "<time>";
    } else {
      result[key] = value;
    }
  }
  return result;
}

function placeIn({ location, lat, lon }: Json): { lat: number; lon: number } | undefined {
  if (lat !== undefined) return { lat: Number(lat), lon: Number(lon) };
  return location as { lat: number; lon: number } | undefined;
}

/** The rows without those of the neighbours, which all say the same. */
function withoutNeighbours(rows: readonly Json[], neighbours: number): readonly Json[] {
  for (const row of rows) expect(row).toEqual(rows[0]);
  return rows.slice(neighbours);
}

const names = (await readdir(CASES, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test.each(names)("%s", async (name) => {
  const consent = await read<Json>(name, "consent");
  const published = await read<Published[]>(name, "published");
  const current = await systemWith(await read<ConfigTree>(name, "config"));
  const listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => current.listen(purpose)));
  const device = await current.device({ consent });
  const client = await current.connect(device);
  for (const { topic, payload } of published) {
    await client.publishAsync(topic.replace("<device>", device.id), JSON.stringify(payload), { qos: 1 });
    // One after the other, so that what comes out can be recorded in order.
    await current.settled();
  }
  await client.endAsync();

  // No one is told alone: four neighbours of where it was last tell the same.
  const place = published.map(({ payload }) => placeIn(payload)).findLast((one) => one !== undefined);
  if (place !== undefined) await current.neighbours(place, 4);
  await current.settled();
  await Promise.all([current.placesWritten(), current.networkTold()]);
  const stored: Json = {};
  for (const measurement of MEASUREMENTS) stored[measurement] = (await current.rows(measurement)).map(comparable);
  if (place !== undefined) stored.device_location = withoutNeighbours(stored.device_location as Json[], 4);
  const forwarded: Json = {};
  for (const listener of listeners) {
    await listener.caughtUp();
    // The network hears of each device again and again, and of no message.
    const records =
      listener.purpose === "network"
        ? listener.newest.filter((record) => !heard.has(record.device) && heard.add(record.device))
        : listener.records;
    forwarded[listener.purpose] = records.map(comparable);
    // A name on a topic is the name in the payload, or the place.
    for (const [index, { topic }] of listener.packets.entries()) {
      const { device: named, cell } = listener.records[index] ?? {};
      expect(topic).toBe(`processed/${listener.purpose}/${named ?? cell}`);
    }
    await listener.stop();
  }
  expect({ stored, forwarded }).toEqual({
    stored: await read(name, "stored"),
    forwarded: await read(name, "forwarded"),
  });
});
