/** docs/operations/runbooks/disk-full.md, rehearsed: Redis ends itself because its disk is full, and comes back with all that was acknowledged. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../fixtures/eventually.ts";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { canMount, SmallDisk } from "../../fixtures/small-disk.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

const mountable = await canMount();
let system: TestSystem;
let disk: SmallDisk;
let page: Rehearsal;
beforeAll(async () => {
  if (!mountable) return;
  system = await startSystem({ backup: { everyHours: 0 } });
  const { redis } = system.stack;
  disk = await SmallDisk.under(redis, "", "2m");
  await system.ready();
  page = await rehearse("disk-full", {
    system,
    here: { "/var/lib/redis": redis.dir },
    orders: {
      [`resize-volume ${redis.dir}`]: () => disk.resize("256m"),
      "systemctl start redis-server": async () => {
        await redis.kill("SIGKILL");
        await redis.start();
      },
    },
  });
});
afterAll(async () => {
  await page?.close();
  await disk?.unmount();
  await system?.stop();
});

test.skipIf(!mountable)("what was acknowledged before is stored, and more after it", { timeout: 240_000 }, async () => {
  const device = await system.device();
  const taken: number[] = [];
  const say = async () => {
    const seq = uniqueSeq();
    await system.say(device, { status: { seq } });
    taken.push(seq);
  };
  await say();
  await disk.fill();
  // What is left of the last block is used up first.
  await expect(Promise.all(Array.from({ length: 40 }, say))).rejects.toThrow();
  await until("it is noticed", () => system.unreadyFor(/redis-(unreachable|not-writable)/));
  expect(await page.follow("How you notice")).toContain("100%");
  await page.follow("What to do");
  await page.follow("How you see that it is over");
  await say();
  await system.settled();
  expect((await system.rows("device_status")).map(({ seq }) => seq)).toEqual(expect.arrayContaining(taken));
});
