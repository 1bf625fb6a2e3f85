/** docs/operations/runbooks/redis-out-of-memory.md, rehearsed: Redis refuses writes, devices wait, and with more memory everything goes on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../fixtures/eventually.ts";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

let system: TestSystem;
let page: Rehearsal;
beforeAll(async () => {
  system = await startSystem({ mqtt: { enqueueDeadlineMs: 60_000 } });
  page = await rehearse("redis-out-of-memory", { system });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
});

test("a device that waits gets its acknowledgement when there is memory", { timeout: 240_000 }, async () => {
  const device = await system.device();
  const client = await system.connect(device);
  await system.redis.config("SET", "maxmemory", "1mb");
  const seq = uniqueSeq();
  let acknowledged = false;
  const said = client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ seq }), { qos: 1 });
  void said.then(() => {
    acknowledged = true;
  });
  await until("it is noticed", async () => (await system.metric("redis_not_writable")) === 1);
  expect(await page.follow("How you notice")).toContain('"reason":"OOM"');
  const refused = await system.stack.api.withdraw(device.subject).catch(String);
  expect(refused).toContain("503");
  expect(acknowledged).toBe(false);
  await page.follow("What to do");
  await page.follow("How you see that it is over");
  await said;
  expect(await system.redis.config("GET", "maxmemory")).toEqual(["maxmemory", String(2 * 1024 ** 3)]);
  await system.settled();
  expect((await system.rows("device_status")).map((row) => row.seq)).toEqual([seq]);
});
