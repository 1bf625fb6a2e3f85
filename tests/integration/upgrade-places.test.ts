/** An upgrade from schema 2 takes out the places under the names of the status, and leaves everything else. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const HOUR_MS = 3_600_000;
const HERE = { lat: 12.9716, lon: 77.5946 };
const keyspace = keyspaceOf("consentry");

let system: TestSystem;
let device: Device;
beforeAll(async () => {
  system = await startSystem({}, { placeStepMs: 1_000 });
  device = await system.device();
});
afterAll(() => system?.stop());

const upgrade = (...args: string[]) => runCommand("upgrade", [...args, "--config", system.stack.config.file]);

async function write(line: string): Promise<void> {
  const url = `${system.stack.influxUrl}/write?db=${system.stack.database}`;
  expect((await fetch(url, { method: "POST", body: line })).status).toBe(204);
}

test("rows of places go, rows of status stay, and places are stored again under other names", async () => {
  await system.say(device, { status: { temperature: 21.5 } });
  await system.settled();
  const [status] = await system.rows("device_status");
  await system.stack.gateway.stop();
  await until("it counts as working no more", async () => (await system.redis.zcard(keyspace.gateways)) === 0);

  // As schema 2 has left it: the place beside the status, under one name.
  await write(`device_location,device=${status?.device} cell="8660145b7ffffff",resolution=6 1700000000000000000`);
  await write(`schema_number number=2 ${Math.floor(Date.now() / HOUR_MS) * HOUR_MS}000000`);
  await system.redis.set(keyspace.schema, "2");

  const dry = await upgrade("--dry-run");
  expect([dry.exitCode, dry.stdout]).toEqual([0, expect.stringMatching(/schema 3\n[\s\S]*to be deleted \(1\)/)]);
  expect(await system.rows("device_location")).toHaveLength(1);
  expect(await upgrade("--yes")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("upgraded to schema 3"),
  });
  expect(await system.rows("device_location")).toEqual([]);
  expect(await system.rows("device_status")).toEqual([status]);

  await system.stack.startGateway();
  await system.say(device, { location: HERE });
  await system.neighbours(HERE);
  await until("places are told", async () => (await system.rows("device_location")).length === 5);
  for (const { device: named } of await system.rows("device_location")) expect(named).not.toBe(status?.device);
});
