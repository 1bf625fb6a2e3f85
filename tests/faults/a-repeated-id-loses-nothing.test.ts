/**
 * A message id that is used again, by a counter that began again or a clock that stands still, replaces nothing:
 * every message that was acknowledged has its row and tells its place. A message that is only sent again has one.
 */
import { latLngToCell } from "h3-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { timedRows } from "../fixtures/row-times.ts";
import { type Device, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

/** One connection, everything at once, in order. */
async function publish(device: Device, part: string, payloads: readonly object[]): Promise<void> {
  const client = await system.connect(device);
  const topic = `devices/${device.id}/${part}`;
  await Promise.all(payloads.map((payload) => client.publishAsync(topic, JSON.stringify(payload), { qos: 1 })));
  await disconnectMqtt(client);
  await system.settled();
}

async function valuesOf(field: string): Promise<string[]> {
  return (await timedRows(system, field)).map(({ value }) => value).filter((value) => value !== "");
}

const repeated = () => system.metric("messages_repeated_total");

test.each([
  ["and no ts", {}],
  ["and a clock that stands still", { ts: 0 }],
  ["and a clock that counts from its start", { ts: 4_711 }],
  ["and a clock of next year", { ts: Date.now() + 31_536_000_000 }],
])("ids counted from one again at every start %s: a row for every message", async (_name, time) => {
  const device = await system.device();
  const from = uniqueSeq();
  const before = await repeated();
  for (let start = 0; start < 4; start += 1) {
    const payloads = Array.from({ length: 5 }, (_, n) => ({ seq: from + start * 5 + n, id: `m-${n + 1}`, ...time }));
    await publish(device, "status", payloads);
  }
  const stored = (await valuesOf("seq")).map(Number).filter((seq) => seq >= from && seq < from + 20);
  expect(stored.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => from + n));
  expect((await repeated()) - before).toBe(0);
});

test("a state that comes back under the same id is the newest state, not an old one", async () => {
  const device = await system.device();
  await publish(device, "status", [
    { open: true, id: "1" },
    { open: false, id: "1" },
    { open: true, id: "1" },
  ]);
  const rows = (await timedRows(system, "open")).filter(({ value }) => value !== "");
  expect(rows.map(({ value }) => value)).toEqual(["true", "false", "true"]);
});

test("the same message sent again has one row, and is counted as a repeat", async () => {
  const device = await system.device();
  const before = await repeated();
  await publish(device, "status", [{ run: 1, id: "m-1" }]);
  // On a connection of its own, as after a PUBACK that was lost.
  await publish(device, "status", [{ run: 1, id: "m-1" }]);
  await publish(device, "status", [{ run: 1, id: "m-1" }]);
  expect(await valuesOf("run")).toEqual(["1"]);
  expect((await repeated()) - before).toBe(2);
});

test("a place under an id that was used before is the device's place", async () => {
  const device = await system.device();
  const [first, second, third] = [
    { lat: 12.97, lon: 77.59 },
    { lat: 28.61, lon: 77.2 },
    { lat: 51.5, lon: -0.12 },
  ];
  await publish(device, "location", [{ ...first, id: "1" }]);
  expect(await placeOf(device)).toBe(latLngToCell(first.lat, first.lon, 6));
  await publish(device, "location", [{ ...second, id: "2" }]);
  await publish(device, "location", [{ ...third, id: "1" }]);
  expect(await placeOf(device)).toBe(latLngToCell(third.lat, third.lon, 6));
  await publish(device, "location", [{ ...first, id: "1" }]);
  expect(await placeOf(device)).toBe(latLngToCell(first.lat, first.lon, 6));
});

test("of places that were told in one millisecond the last is the device's place", async () => {
  const device = await system.device();
  const ts = Date.now();
  const away = Array.from({ length: 9 }, (_, n) => ({ lat: 28 + n, lon: 77.2, ts, id: `p-${n}` }));
  await publish(device, "location", [...away, { lat: 12.97, lon: 77.59, ts, id: "last" }]);
  expect(await placeOf(device)).toBe(latLngToCell(12.97, 77.59, 6));
});

/** What is noted of it, and what it is told when enough others are there. */
async function placeOf({ subject }: Device): Promise<string | undefined> {
  const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${subject}/export`, {
    headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
  });
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return lines.find(({ kind }) => kind === "noted-place")?.cell;
}

test("messages of one ts never share a row, and keep theirs when they are sent again after a crash", async () => {
  const device = await system.device();
  const ts = Date.now();
  const message = (n: number) => ({ who: n, ts, id: `m-${String(n).padStart(6, "0")}` });
  // Two that an unkeyed hash gives one row, and enough others for dozens of pairs to meet by chance.
  const numbers = [331, 2_489, ...Array.from({ length: 6_000 }, (_, n) => 10_000 + n)];
  await publish(device, "status", numbers.map(message));
  const rows = () =>
    timedRows(system, "who").then((all) =>
      all.filter(({ value }) => value !== "").map(({ timeNs, value }) => `${timeNs} ${value}`),
    );
  const first = await rows();
  expect(first).toHaveLength(numbers.length);
  await system.stack.gateway.kill("SIGKILL");
  await system.stack.startGateway();
  await publish(device, "status", numbers.map(message));
  expect((await rows()).sort()).toEqual(first.sort());
});
