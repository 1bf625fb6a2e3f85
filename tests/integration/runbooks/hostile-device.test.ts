/** docs/operations/runbooks/hostile-device.md, rehearsed: what it tries is counted and costs the others nothing; with a new token it is out. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem, uniqueSeq } from "../../fixtures/system.ts";

let system: TestSystem;
let page: Rehearsal;
beforeAll(async () => {
  system = await startSystem({ mqtt: { rate: { perSecond: 5, burst: 10 } } });
  page = await rehearse("hostile-device", { system });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
});

test("a flood is refused, another device is heard, and the hostile one does not come back", {
  timeout: 240_000,
}, async () => {
  const hostile = await system.device({ id: "bulb-13" });
  const honest = await system.device();
  await system.connect(honest);
  const client = await system.connect(hostile);
  client.on("error", () => {});
  const topic = (of: string) => `devices/${of}/status`;
  const attacks = Array.from({ length: 60 }, (_, n) =>
    client.publishAsync(topic(n % 3 === 0 ? honest.id : hostile.id), n % 3 === 1 ? "{broken" : '{"temperature":1}', {
      qos: 1,
    }),
  );
  await Promise.all(attacks);
  const seq = uniqueSeq();
  await system.say(honest, { status: { seq } });
  await system.settled();
  expect((await system.rows("device_status")).filter((row) => row.seq === seq)).toHaveLength(1);
  const noticed = await page.follow("How you notice");
  for (const seen of ['{reason="over-rate"}', '{kind="foreign-topic"}']) expect(noticed).toContain(seen);
  expect(noticed).not.toContain(hostile.id);
  const ended = new Promise<void>((resolve) => client.once("close", () => resolve()));
  expect(await page.follow("What to do")).toContain('"reason":"over-rate"');
  await ended;
  await expect(system.connect(hostile)).rejects.toThrow();
  await page.follow("How you see that it is over");
});
