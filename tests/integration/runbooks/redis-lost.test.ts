/** docs/operations/runbooks/redis-lost.md, rehearsed: Redis is killed and comes back with what was acknowledged. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../fixtures/eventually.ts";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

let system: TestSystem;
let page: Rehearsal;
beforeAll(async () => {
  system = await startSystem();
  page = await rehearse("redis-lost", {
    system,
    orders: {
      "systemctl status redis-server": async () => "redis-server: inactive (dead)",
      "systemctl start redis-server": () => system.stack.redis.start(),
    },
  });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
});

test("nothing is taken meanwhile, and nothing that was taken is lost", { timeout: 240_000 }, async () => {
  const device = await system.device();
  const before = uniqueSeq();
  await system.say(device, { status: { seq: before } });
  await system.stack.redis.kill("SIGKILL");
  await until("it is noticed", () => system.unreadyFor("redis-unreachable"));
  expect(await page.follow("How you notice")).toContain("inactive (dead)");
  await expect(system.say(device, { status: { seq: 1 } })).rejects.toThrow();
  await page.follow("What to do");
  const over = await page.follow("How you see that it is over");
  expect(over).toContain("}0\n");
  const after = uniqueSeq();
  await system.say(device, { status: { seq: after } });
  await system.settled();
  expect((await system.rows("device_status")).map(({ seq }) => seq).sort()).toEqual([before, after].sort());
});
