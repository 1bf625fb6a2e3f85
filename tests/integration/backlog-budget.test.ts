/** A full backlog is a state: publishing stalls, no one new is let in, readiness says why, and all of it passes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { SEQ } from "../../tools/stack/scratch-config.ts";
import { until } from "../fixtures/eventually.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const MIB = 1024 * 1024;
/** As many as a message may have, beside `seq`, with names as long as they may be. */
const FILLING = Array.from({ length: 31 }, (_, index) => ({ ...SEQ, name: `property_that_takes_some_room_${index}` }));
let system: TestSystem;
let device: Device;

beforeAll(async () => {
  system = await startSystem({
    properties: FILLING,
    queue: { backlogBytes: MIB },
    mqtt: { enqueueDeadlineMs: 60_000 },
  });
  device = await system.device();
});
afterAll(() => system?.stop());

const readiness = async () => (await (await fetch(`${system.stack.httpUrl}/readyz`)).json()) as { reasons: string[] };

/** Some 1.6 KB, of which nothing is left out. */
const message = (seq: number) =>
  JSON.stringify({ seq, ...Object.fromEntries(FILLING.map(({ name }) => [name, 123_456_789_012_345])) });

test("over queue.backlogBytes publishing stalls, and goes on once the store has taken what waited", async () => {
  const other = await system.connect(await system.device());
  await system.stack.influx.kill("SIGKILL");
  const client = await system.connect(device);
  const published: Promise<unknown>[] = [];
  await until("the backlog is full", async () => {
    for (let count = 0; count < 20; count += 1) {
      const payload = message(published.length);
      published.push(client.publishAsync(`devices/${device.id}/status`, payload, { qos: 1 }));
    }
    return (await readiness()).reasons.includes("backlog-full");
  });
  expect(published.length * message(0).length).toBeGreaterThan(MIB / 2);

  const { received } = await system.books();
  let acknowledged = false;
  const late = other.publishAsync(`devices/${other.options.clientId}/status`, message(0), { qos: 1 }).then(() => {
    acknowledged = true;
  });
  await until("it has come in", async () => (await system.books()).received > received);
  const newcomer = RawPeer.to(system.stack.mqttUrl);
  expect(await newcomer.login(await system.device())).toBe(3);
  expect(await system.metric("connections_refused_total", '{reason="backlog"}')).toBe(1);
  expect(acknowledged).toBe(false);

  await system.stack.influx.start();
  await Promise.all([...published, late]);
  await until("it is ready again", async () => (await readiness()).reasons.length === 0);
  expect(await RawPeer.to(system.stack.mqttUrl).login(await system.device())).toBe(0);
  const books = await system.settled();
  expect(books.refused).toEqual({});
  expect(books.stored).toBe(published.length + 1);
});
