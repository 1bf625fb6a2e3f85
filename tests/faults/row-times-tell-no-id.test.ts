/**
 * Anyone who holds the store and knows how message ids are made learns neither an id nor a device from the times of
 * its rows. Each attack is made twice: on what the gateway stored, and on what an unkeyed hash would have stored.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { type TimedRow, timedRows } from "../fixtures/row-times.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const DEVICES = 20;
const MESSAGES = 30;
const CANDIDATES = 1_000;
/** Two days of an attacker's notes, a device's names of which no one can join but by what is in them. */
const EARLIER_MS = 6 * 3_600_000;

interface Row extends TimedRow {
  /** What the attacker wants to know. */
  readonly sender: number;
  readonly id: string;
  readonly day: 0 | 1;
}

let system: TestSystem;
let devices: Device[];
let rows: Row[];

/** Device `d` names its messages after a serial number of its own, and counts from one again every day. */
const idOf = (d: number, n: number): string => `sn-${String(48_000 + d * 7)}-${n}`;

beforeAll(async () => {
  system = await startSystem();
  devices = await system.devices(DEVICES);
  const now = Date.now();
  await Promise.all(
    devices.map(async (device, d) => {
      const client = await system.connect(device);
      const sent = [0, 1].flatMap((day) =>
        Array.from({ length: MESSAGES }, (_, n) => {
          const ts = now - (1 - day) * EARLIER_MS - n * 1_000 - d;
          const seq = (d * MESSAGES + n) * 2 + day;
          return client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ seq, ts, id: idOf(d, n) }), {
            qos: 1,
          });
        }),
      );
      await Promise.all(sent);
      await disconnectMqtt(client);
    }),
  );
  await system.settled();
  rows = (await timedRows(system, "seq")).map((row) => {
    const seq = Number(row.value);
    const sender = Math.floor(seq / 2 / MESSAGES);
    const day = (seq % 2) as 0 | 1;
    return { ...row, sender, id: idOf(sender, Math.floor(seq / 2) % MESSAGES), day };
  });
});
afterAll(() => system?.stop());

/** As the rows would be under an unkeyed hash of the id: FNV-1a, the one that was in use once. */
function unkeyed(row: Row): Row {
  let hash = 0x811c9dc5;
  for (let at = 0; at < row.id.length; at += 1) hash = Math.imul(hash ^ row.id.charCodeAt(at), 0x01000193);
  return { ...row, sub: (hash >>> 0) % 1_000_000 };
}

/** Which of a thousand serial numbers explains the digits of a device best; the share of devices that are found. */
function recovered(stored: readonly Row[]): number {
  let found = 0;
  for (let d = 0; d < DEVICES; d += 1) {
    const own = new Set(stored.filter(({ sender, day }) => sender === d && day === 0).map(({ sub }) => sub));
    let best = { hits: 0, serial: -1 };
    for (let serial = 0; serial < CANDIDATES; serial += 1) {
      const guessed = Array.from({ length: MESSAGES }, (_, n) => unkeyed({ id: idOf(serial, n) } as Row).sub);
      const hits = guessed.filter((sub) => own.has(sub)).length;
      if (hits > best.hits) best = { hits, serial };
    }
    if (best.serial === d) found += 1;
  }
  return found / DEVICES;
}

/** Joins the devices of two days by the digits that both have; the share that is joined rightly. */
function joined(stored: readonly Row[]): number {
  let right = 0;
  const digits = (d: number, of: 0 | 1) =>
    new Set(stored.filter(({ sender, day }) => sender === d && day === of).map(({ sub }) => sub));
  for (let d = 0; d < DEVICES; d += 1) {
    const before = digits(d, 0);
    const shared = Array.from({ length: DEVICES }, (_, e) => [...digits(e, 1)].filter((sub) => before.has(sub)).length);
    const most = Math.max(...shared);
    if (most > 1 && shared.indexOf(most) === d) right += 1;
  }
  return right / DEVICES;
}

test("every message has a row of its own", () => {
  expect(rows).toHaveLength(DEVICES * MESSAGES * 2);
  expect(new Set(rows.map(({ id, day }) => `${id} ${day}`)).size).toBe(rows.length);
});

test("ids cannot be tried out on the times of rows", () => {
  expect(recovered(rows.map(unkeyed))).toBe(1);
  // One device in a thousand by chance, and never so many.
  expect(recovered(rows)).toBeLessThan(0.3);
});

test("the same ids on another day do not join the two days", () => {
  expect(joined(rows.map(unkeyed))).toBe(1);
  expect(joined(rows)).toBeLessThan(0.3);
});

test("messages without an id leave no count from one to the next, on whatever device", async () => {
  const [one, other] = await system.devices(2);
  if (one === undefined || other === undefined) throw new Error("no devices");
  const clients = [await system.connect(one), await system.connect(other)] as const;
  for (let n = 0; n < 60; n += 1) {
    const device = n % 2 === 0 ? one : other;
    await clients[n % 2]?.publishAsync(`devices/${device.id}/status`, JSON.stringify({ run: n }), { qos: 1 });
  }
  await system.settled();
  const subs = (await timedRows(system, "run"))
    .filter(({ value }) => value !== "")
    .sort((a, b) => Number(a.value) - Number(b.value))
    .map(({ sub }) => sub);
  expect(subs).toHaveLength(60);
  const close = subs.filter((sub, n) => n > 0 && Math.abs(sub - (subs[n - 1] ?? 0)) < 1_000).length;
  // The negative control is a counter: all of them. By chance one in 500.
  expect(close).toBeLessThan(12);
});
