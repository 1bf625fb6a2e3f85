/**
 * The gateway is killed outright again and again while erasures are under way, each time a little further
 * on. Every one of them ends with nothing left and a receipt that verifies, and nobody asks twice.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ERASURE_STEPS, type ErasureStatus, type ErasureStep, type ReceiptKey } from "../../src/model/erasure.ts";
import { verifyReceipt } from "../../src/rights/receipt.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await startSystem({
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 500 },
  });
});
afterAll(() => system?.stop());

/** Where the furthest erasure stands, told by Redis alone: the gateway may be dead. */
async function furthest(): Promise<number> {
  const steps = await Promise.all(
    (await system.redis.keys("*:erasure:*")).map((record) => system.redis.hget(record, "step")),
  );
  // A finished one has no step any more.
  return Math.max(
    -1,
    ...steps.map((step) => (step === null ? ERASURE_STEPS.length : ERASURE_STEPS.indexOf(step as ErasureStep))),
  );
}

const STAGES = ["drain", "sweep", "destroy-key", "remind"] as const;

test("killed at every stage of its way, every erasure is completed", { timeout: 180_000 }, async () => {
  const devices = await system.devices(STAGES.length);
  for (const [index, device] of devices.entries()) {
    await system.say(device, {
      model: "HB-200",
      location: { lat: 12.97 + index, lon: 77.59 },
      status: { mark: index },
    });
  }
  await system.settled();
  expect(await system.rows("device_status")).toHaveLength(STAGES.length);

  const ids: string[] = [];
  for (const stage of STAGES) {
    const subject = devices[ids.length]?.subject ?? "";
    const path = "/v1/subjects/{subject}/erasures";
    ids.push(((await system.stack.api.call("POST", path, [subject], {})) as ErasureStatus).id);
    await until(`an erasure is at ${stage}`, async () => (await furthest()) >= ERASURE_STEPS.indexOf(stage));
    await system.stack.gateway.kill("SIGKILL");
    await system.stack.startGateway();
  }

  const { pem } = (await system.stack.api.call("GET", "/v1/keys/receipt", [])) as ReceiptKey;
  expect(new Set(ids).size).toBe(STAGES.length);
  for (const id of ids) {
    const read = async () => (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
    await until("it is complete", async () => (await read()).state === "completed");
    const verification = verifyReceipt((await read()).receipt, pem);
    expect(verification).toMatchObject({
      valid: true,
      receipt: { id, keyDestroyed: true, sinks: [{ rowsDeleted: 2, verified: true, method: "deleted" }] },
    });
  }
  expect(await system.rows("device_status")).toEqual([]);
  expect(await system.rows("device_location")).toEqual([]);
  for (const name of await system.redis.keys("*:subject")) expect(await system.redis.hget(name, "key")).toBeNull();
});
