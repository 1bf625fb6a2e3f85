/** docs/operations/runbooks/stuck-erasure.md, rehearsed: an erasure waits for the store, says so, and comes to its end by itself. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ErasureStatus } from "../../../src/model/erasure.ts";
import { until } from "../../fixtures/eventually.ts";
import { rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({
    sinks: { influx: { timeoutMs: 900 }, breaker: { openMs: 200, maxOpenMs: 1_000 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 },
  });
});
afterAll(() => system?.stop());

test("it names what it waits for, and has a receipt when that is back", { timeout: 240_000 }, async () => {
  const { api, influx } = system.stack;
  const device = await system.device();
  await system.say(device, { status: { seq: uniqueSeq() } });
  await system.settled();
  await influx.kill("SIGTERM");
  const asked = (await api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], {})) as ErasureStatus;
  const status = async () => (await api.call("GET", "/v1/erasures/{id}", [asked.id])) as ErasureStatus;
  await until("it says what it waits for", async () => (await status()).waiting !== undefined);
  const page = await rehearse("stuck-erasure", {
    system,
    here: { ERASURE: asked.id },
    orders: { "systemctl start influxdb": () => influx.start() },
  });
  try {
    expect(await page.follow("How you notice")).toMatch(/"waiting":\{"code":"SINK_UNAVAILABLE"/);
    await page.follow("What to do");
    await page.follow("How you see that it is over");
    expect((await status()).receipt?.receipt.sinks).toMatchObject([{ rowsDeleted: 1, verified: true }]);
    expect(await system.rows("device_status")).toEqual([]);
  } finally {
    await page.close();
  }
});
