/** docs/operations/runbooks/store-full.md, rehearsed: the store has no room left, nothing is lost, and when there is more everything is stored. */
import { join } from "node:path";
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
  system = await startSystem({ sinks: { breaker: { openMs: 200, maxOpenMs: 1_000 } } });
  const { influx } = system.stack;
  disk = await SmallDisk.under(influx, "wal", "512k");
  page = await rehearse("store-full", {
    system,
    here: { "/var/lib/influxdb": join(influx.dir, "wal") },
    orders: {
      [`resize-volume ${join(influx.dir, "wal")}`]: () => disk.resize("64m"),
      "systemctl restart influxdb": async () => {
        await influx.kill("SIGTERM");
        await influx.start();
      },
    },
  });
});
afterAll(async () => {
  await page?.close();
  await disk?.unmount();
  await system?.stop();
});

test.skipIf(!mountable)(
  "what is acknowledged meanwhile is stored when there is room",
  { timeout: 240_000 },
  async () => {
    const device = await system.device();
    await disk.fill();
    const seqs: number[] = [];
    const say = async () => {
      const seq = uniqueSeq();
      await system.say(device, { status: { seq } });
      seqs.push(seq);
    };
    await until("the store is said to be away", async () => {
      // What is left of the last block is used up first.
      await say();
      return system.unreadyFor("store-unavailable");
    });
    const noticed = await page.follow("How you notice");
    expect(noticed).toContain('consentry_ready{reason="store-unavailable"} 0');
    expect(noticed).toMatch(/"code":"SINK_UNAVAILABLE"/);
    // Acknowledged as before.
    await say();
    await page.follow("What to do");
    await page.follow("How you see that it is over");
    await system.settled();
    expect((await system.rows("device_status")).map(({ seq }) => seq).sort()).toEqual(seqs.sort());
  },
);
