/**
 * A device that writes its own id into what it says is refused, however it writes it: escaped, in another case,
 * without or with other separators, as a key, as a number, divided between a key and its value. Nothing of it is
 * stored or told.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { influxChunks } from "../../tools/stack/influx-reader.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let run = 0;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const refusals = () => system.metric("messages_refused_total", '{reason="invalid-payload"}');

async function publish(device: Device, payloads: readonly string[]): Promise<{ refused: number; rows: number }> {
  const before = { refused: await refusals(), rows: (await system.rows("device_status")).length };
  const client = await system.connect(device);
  for (const payload of payloads) await client.publishAsync(`devices/${device.id}/telemetry`, payload, { qos: 1 });
  await disconnectMqtt(client);
  await system.settled();
  return {
    refused: (await refusals()) - before.refused,
    rows: (await system.rows("device_status")).length - before.rows,
  };
}

const escaped = (text: string): string =>
  [...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");

/** What differs from run to run stands before the digits at the end, which are the same. */
function bulb(): { readonly id: string; readonly plain: string; readonly stem: string } {
  run += 1;
  const letters = "abcdefgh"[run] ?? "z";
  return { id: `Bulb-kitchen.${letters}-77`, plain: `bulbkitchen${letters}77`, stem: `bulb_kitchen_${letters}` };
}

test("in a text, a model or a key, in every form that a reader further on would know again", async () => {
  const { id, plain, stem } = bulb();
  const payloads = [
    `{"status":{"note":"${id}"}}`,
    `{"status":{"note":"${id.replaceAll("-", "\\u002d")}"}}`,
    `{"status":{"note":"${escaped(id)}"}}`,
    `{"status":{"note":"${id.replaceAll("-", "\\\\u002d")}"}}`,
    `{"status":{"note":"${encodeURIComponent(id).replaceAll("-", "%2D")}"}}`,
    `{"status":{"note":"${id.toUpperCase()}"}}`,
    `{"status":{"note":"i am ${plain}!"}}`,
    `{"status":{"note":"${id.replaceAll(/[.-]/g, " ")}"}}`,
    `{"model":"${id.toLowerCase()}","status":{"on":true}}`,
    `{"model":"${escaped(plain)}","status":{"on":true}}`,
    `{"status":{"${plain}":1}}`,
    `{"status":{"${escaped(`${stem}_77`)}":true}}`,
    `{"status":{"x_${stem}_77_on":"y"}}`,
    `{"status":{"${stem}":77}}`,
    `{"status":{"${stem}":"77"}}`,
  ];
  const device = await system.device({ id });
  expect(await publish(device, payloads)).toEqual({ refused: payloads.length, rows: 0 });
});

test("an id of digits alone as a number", async () => {
  const device = await system.device({ id: "0490154203237518" });
  const numbers = ["490154203237518", "4.90154203237518e14", "-490154203237518", '"0490154203237518"'];
  const payloads = numbers.map((number) => `{"status":{"counted":${number}}}`);
  expect(await publish(device, payloads)).toEqual({ refused: payloads.length, rows: 0 });
});

test("what only resembles it passes, and so does a message id that is made of it", async () => {
  const { id, stem } = bulb();
  const device = await system.device({ id });
  const payloads = [
    `{"status":{"bulb":"kitchen","power_on":true}}`,
    `{"status":{"${stem}":78,"power_on":true}}`,
    `{"status":{"note":"\\\\ 100% & more","power_on":true},"id":"${id}-000017"}`,
  ];
  expect(await publish(device, payloads)).toEqual({ refused: 0, rows: payloads.length });
  let text = "";
  for await (const { bytes } of influxChunks(system.stack.influxUrl)) text += bytes.toString("latin1");
  expect(text).not.toContain(id);
});
