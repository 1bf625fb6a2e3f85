/**
 * Promise: a gateway that stood still for so long that another one took its batches over (a machine that was suspended, a process
 * that was stopped) does not pass them on as well once it goes on.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { Listener } from "../fixtures/listener.ts";
import { uniqueSeq } from "../fixtures/system.ts";
import { startTwoGateways, type TwoGateways } from "../fixtures/two-gateways.ts";

/** Behind the end of a lock and of a lease, and processes that start beside other tests. */
const PATIENCE_MS = 60_000;

let two: TwoGateways;
let heardByFirst: Listener;
let heardBySecond: Listener;
beforeAll(async () => {
  two = await startTwoGateways({ sinks: { breaker: { maxOpenMs: 500 } } });
  const { system, second } = two;
  heardByFirst = await system.listen("scene");
  heardBySecond = new Listener(
    `mqtt://127.0.0.1:${second.port("mqtt-tcp")}`,
    "scene",
    system.stack.serviceCredential("scene"),
  );
  await heardBySecond.start();
});
afterEach(goOn);
afterAll(async () => {
  await Promise.all([heardByFirst?.stop(), heardBySecond?.stop()]);
  await two?.stop();
});

function goOn(): void {
  for (const gateway of [two.first, two.second]) gateway.signal("SIGCONT");
  process.kill(two.system.stack.influx.pid, "SIGCONT");
}

/** How often a batch was handed over because the lock of who had it was over. */
async function handedOver(): Promise<number> {
  const keys = await two.system.redis.keys("*:batches:b*");
  const counts = await Promise.all(
    keys.filter((key) => !key.endsWith(":lock")).map((key) => two.system.redis.hget(key, "stc")),
  );
  return Math.max(0, ...counts.map(Number));
}

const heard = (listener: Listener, seq: number) =>
  listener.records.filter(({ status }) => (status as { seq?: number }).seq === seq).length;

test("what another gateway took over meanwhile reaches a service once", { timeout: 3 * PATIENCE_MS }, async () => {
  const { system, first, second } = two;
  const device = await system.device();
  const [seq, later] = [uniqueSeq(), uniqueSeq()];
  process.kill(system.stack.influx.pid, "SIGSTOP");
  // So that the first one takes it.
  second.signal("SIGSTOP");
  await system.say(device, { model: "HB-200", status: { seq } });
  await until("it is in progress", async () => (await system.redis.llen(activeKey())) === 1);
  first.signal("SIGSTOP");
  second.signal("SIGCONT");
  await until("the other gateway has taken it over", async () => (await handedOver()) > 0, PATIENCE_MS);
  process.kill(system.stack.influx.pid, "SIGCONT");
  await until("the other gateway has passed it on", () => heard(heardBySecond, seq) === 1, PATIENCE_MS);
  first.signal("SIGCONT");
  await system.say(device, { model: "HB-200", status: { seq: later } });
  await until("all is passed on", () => heard(heardByFirst, later) + heard(heardBySecond, later) > 0, PATIENCE_MS);
  await system.settled(PATIENCE_MS);
  await heardByFirst.caughtUp();
  await heardBySecond.caughtUp();
  expect({ first: heard(heardByFirst, seq), second: heard(heardBySecond, seq) }).toEqual({ first: 0, second: 1 });
  expect((await system.rows("device_status")).filter((row) => row.seq === seq)).toHaveLength(1);
});

function activeKey(): string {
  return `{${two.system.stack.keyPrefix}:queue}:batches:active`;
}
