/**
 * A byte order mark, the NUL at the end of a C string, a padded buffer, white space of any kind: what surrounds the
 * JSON of a device is no part of it. What stands inside of it is not touched.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let device: Device;
beforeAll(async () => {
  system = await startSystem();
  device = await system.device();
});
afterAll(() => system?.stop());

const refusals = () => system.metric("messages_refused_total", '{reason="invalid-payload"}');

async function publish(payloads: readonly Buffer[]): Promise<number> {
  const before = await refusals();
  const client = await system.connect(device);
  for (const payload of payloads) await client.publishAsync(`devices/${device.id}/status`, payload, { qos: 1 });
  await disconnectMqtt(client);
  await system.settled();
  return (await refusals()) - before;
}

const AROUND = [
  "\uFEFF",
  "\0",
  "\0".repeat(64),
  " ",
  "\r\n",
  "\t",
  "\v",
  "\f",
  "\u00a0",
  "\u2028",
  "\uFEFF\r\n",
  "\n\0",
];

test("a message is taken with any of it in front, behind and on both sides, with other letters inside as well", async () => {
  let n = 0;
  const payloads = AROUND.flatMap((around) =>
    [
      ["", around],
      [around, ""],
      [around, around],
    ].flatMap(([front, behind]) =>
      ["on", "grün \u00a0 an", "a b"].map((note) => {
        n += 1;
        return Buffer.from(`${front}${JSON.stringify({ seq: n, note })}${behind}`);
      }),
    ),
  );
  expect(await publish(payloads)).toBe(0);
  const rows = await system.rows("device_status");
  expect(new Set(rows.map((row) => row.seq)).size).toBe(payloads.length);
});

test("a repeat is one with other surroundings too", async () => {
  const json = '{"run":1,"id":"m-1"}';
  expect(await publish([Buffer.from(json), Buffer.from(`\uFEFF${json}\0`)])).toBe(0);
  expect((await system.rows("device_status")).filter((row) => row.run === 1)).toHaveLength(1);
});

test("what is not around it, or is nothing else, is refused as before", async () => {
  const broken = [
    '{"seq":1}\0{"seq":2}',
    '{"seq":\0 1}',
    '{"seq":\uFEFF1}',
    '{"seq":1}x',
    "\uFEFF",
    "\0\0",
    "",
    " \n",
  ].map((text) => Buffer.from(text));
  // Half a byte order mark, and one of UTF-16.
  broken.push(Buffer.from([0xef, 0xbb, 0x7b, 0x7d]), Buffer.from('\uFEFF{"seq":1}', "utf16le"));
  expect(await publish(broken)).toBe(broken.length);
});
