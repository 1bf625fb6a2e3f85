/**
 * The gateway is killed outright in every step of an erasure, at its end, before Redis knows that it is done.
 * Each time the next run carries the erasure to its end: nothing is left, and the receipt verifies.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ERASURE_STEPS, type ErasureStatus, type ReceiptKey } from "../../src/model/erasure.ts";
import { verifyReceipt } from "../../src/rights/receipts/signer.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let dir: string;
let system: TestSystem;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-halt-"));
  process.env.HALT_ERASURES_FILE = join(dir, "step");
  await haltIn("");
  system = await startSystem(
    { sinks: { influx: { timeoutMs: 900 } }, erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 200 } },
    { entry: "tests/fixtures/erasure-halting-gateway.ts" },
  );
});
afterAll(async () => {
  await system?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Of erasures that are asked for from now on. */
async function haltIn(step: string): Promise<void> {
  await writeFile(join(dir, "step"), `${step} ${Date.now()}`);
}

test.each(ERASURE_STEPS)("killed in the step %s, an erasure is completed by the next run", async (step) => {
  const { stack, redis } = system;
  const device = await system.device();
  await system.say(device, { model: "HB-200", location: { lat: 12.97, lon: 77.59 }, status: { power_on: true } });
  await system.settled();
  expect(await system.rows("device_status")).toHaveLength(1);

  await haltIn(step);
  const path = "/v1/subjects/{subject}/erasures";
  const { id } = (await stack.api.call("POST", path, [device.subject], {})) as ErasureStatus;
  const [record = ""] = await redis.keys(`*:erasure:${id}`);
  await until(`it halts in ${step}`, async () => (await redis.hget(record, "halted")) === step);
  expect(await redis.hget(record, "step")).toBe(step);
  await stack.gateway.kill("SIGKILL");
  expect(await redis.hget(record, "step")).toBe(step);
  await haltIn("");
  await stack.startGateway();

  const read = async () => (await stack.api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
  await until("it is complete", async () => (await read()).state === "completed");
  const { pem } = (await stack.api.call("GET", "/v1/keys/receipt", [])) as ReceiptKey;
  expect(verifyReceipt((await read()).receipt, pem)).toMatchObject({
    valid: true,
    receipt: { id, keyDestroyed: true, sinks: [{ rowsDeleted: 1, verified: true, method: "deleted" }] },
  });
  expect(await system.rows("device_status")).toEqual([]);
  expect(await system.placesNoted()).toBe(0);
  for (const name of await redis.keys("*:subject")) expect(await redis.hget(name, "key")).toBeNull();
});
