/** Promise: an erasure that cannot go on is seen: in the metrics, in a list, in the log, and it goes on by itself. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 300 },
  });
});
afterAll(() => system?.stop());

interface Listed {
  readonly erasures: readonly { readonly id: string; readonly waiting?: { readonly code: string } }[];
  readonly total: number;
}
const list = async (state: string) =>
  (await system.stack.api.call("GET", `/v1/erasures?state=${state}`, [])) as unknown as Listed;

test("while the store is away, and no longer", async () => {
  const device = await system.device();
  await system.say(device, { status: { power_on: true } });
  await system.settled();
  await system.stack.influx.kill("SIGKILL");
  const body = { by: "subject", method: "app" };
  const asked = await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], body);
  const { id } = asked as { id: string };
  await until("it is listed with its cause", async () => {
    const { erasures, total } = await list("running");
    return total === 1 && erasures[0]?.id === id && erasures[0].waiting?.code === "SINK_UNAVAILABLE";
  });
  await until("the metrics tell of it", async () => {
    const open = await system.metric("erasures_open", '{state="running"}');
    return open === 1 && (await system.metric("erasure_oldest_seconds")) > 0;
  });
  expect(await list("held")).toEqual({ erasures: [], total: 0 });
  expect(JSON.stringify(await list("running"))).not.toContain(device.id);
  await system.stack.influx.start();
  await until("it is done", async () => (await list("running")).total === 0);
  await until(
    "the metrics tell of that",
    async () => (await system.metric("erasures_open", '{state="running"}')) === 0,
  );
});
