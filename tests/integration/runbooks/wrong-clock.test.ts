/** docs/operations/runbooks/wrong-clock.md, rehearsed: a gateway whose clock is ahead says so, and no longer once it is set. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

const CLOCK = fileURLToPath(new URL("../../fixtures/shifted-clock.mjs", import.meta.url));
const AHEAD_MS = 7_200_000;
let dir: string;
let system: TestSystem;
let page: Rehearsal;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "clock-"));
  const clock = join(dir, "shift");
  await writeFile(clock, String(AHEAD_MS));
  process.env.SHIFTED_CLOCK = clock;
  system = await startSystem({}, { nodeArgs: ["--import", CLOCK] });
  page = await rehearse("wrong-clock", {
    system,
    orders: {
      "timedatectl set-ntp true": () => writeFile(clock, "0"),
      "systemctl restart consentry": async () => {
        await system.stack.gateway.stop();
        await system.stack.startGateway();
      },
    },
  });
});
afterAll(async () => {
  delete process.env.SHIFTED_CLOCK;
  await page?.close();
  await system?.stop();
  await rm(dir, { recursive: true, force: true });
});

test("it is noticed, what is sent is kept, and an erasure finds what was stored meanwhile", {
  timeout: 240_000,
}, async () => {
  const noticed = await page.follow("How you notice");
  const [, differs] = /"durationMs":(\d+)/.exec(noticed) ?? [];
  expect(Math.abs(Number(differs) - AHEAD_MS)).toBeLessThan(60_000);
  const device = await system.device();
  await system.say(device, { status: { seq: uniqueSeq() } });
  await system.settled();
  await page.follow("What to do");
  await page.follow("How you see that it is over");
  const { receipt } = await system.erase(device.subject);
  expect(receipt?.receipt.sinks).toMatchObject([{ rowsDeleted: 1, verified: true }]);
  expect(await system.rows("device_status")).toEqual([]);
});
