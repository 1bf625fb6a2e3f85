/** docs/operations/runbooks/key-lost.md, rehearsed: a gateway does not start without its keys, and goes on where it was with the copy. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

let copy: string;
let system: TestSystem;
let page: Rehearsal;
const keys = () => join(system.stack.dir, "keys");

beforeAll(async () => {
  system = await startSystem();
  copy = await mkdtemp(join(tmpdir(), "key-copy-"));
  await cp(keys(), copy, { recursive: true });
  page = await rehearse("key-lost", {
    system,
    here: { "/etc/consentry/keys": keys(), "/mnt/key-copy": copy },
    orders: { "systemctl start consentry": () => system.stack.startGateway() },
  });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
  await rm(copy, { recursive: true, force: true });
});

test("what waited in the queue is stored under the same name as before", { timeout: 240_000 }, async () => {
  const device = await system.device();
  const [first, waiting, after] = [uniqueSeq(), uniqueSeq(), uniqueSeq()];
  await system.say(device, { status: { seq: first } });
  await system.settled();
  await system.stack.influx.kill("SIGTERM");
  await system.say(device, { status: { seq: waiting } });
  await rm(join(keys(), "master.key"));
  await rm(join(keys(), "queue"), { recursive: true });
  // It has them in memory.
  await system.say(device, { status: { seq: after } });
  await system.stack.gateway.stop();
  await expect(system.stack.startGateway()).rejects.toThrow(/ended with 2 [\s\S]*KEY_INVALID: master\.key: missing/);
  expect(await page.follow("How you notice")).toMatch(/KEY_INVALID: master\.key: missing/);
  await system.stack.influx.start();
  await page.follow("What to do");
  await page.follow("How you see that it is over");
  await system.settled();
  const rows = await system.rows("device_status");
  expect(rows.map(({ seq }) => seq).sort()).toEqual([first, waiting, after].sort());
  expect(new Set(rows.map((row) => row.device)).size).toBe(1);
});
