/**
 * What points at a person and stands in what a device says, by mistake or by the custom of its firmware, is stored nowhere and told to no
 * service: whatever the form, in a key, in a text or as a number, under a name that no one knows and under every name of the vocabulary.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { leakScan } from "../../simulators/leak-scan.ts";
import { SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import { TABLE } from "../../src/vocabulary/table.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { packetBytes } from "../../tools/wire/service-subscriber.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { type Device, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";

const MAC = "a4c1387f9b2e";
const OWN = "Lamp-corridor-4c7f9b2e";
const IDENTIFIERS: Readonly<Record<string, string>> = {
  name: "Aishwarya Venkataraman",
  phone: "+91 98450 71236",
  "phone in other digits": "+٩١ ٩٨٤٥٠ ٧١٢٣٦",
  "phone in wide digits": "＋９１９８４５０７１２３６",
  "phone of digits": "919845071236",
  plate: "KA 05 MJ 7316",
  SSID: "Venkataraman_5GHz",
  IBAN: "DE89 3704 0044 0532 0130 17",
  "card number": "4539148803436467",
  ICCID: "8991101200003204517",
  IMEI: "490154203237518",
  "serial number": "SN-7Q2F-88310-XK",
  "post code and street": "560034 Koramangala 6th Block",
  coordinates: "12.934533,77.626579",
  latitude: "12.934533",
  "place in three words": "///puzzled.lantern.orchard",
  "plus code": "7J4VWJMG+RJ",
  geohash: "tdr1v9q4hs2x",
  "MAC by colons": "a4:c1:38:7f:9b:2e",
  "MAC by dashes": "A4-C1-38-7F-9B-2E",
  "MAC by dots": "a4c1.387f.9b2e",
  "MAC without any": MAC,
  "MAC as a number": String(Number.parseInt(MAC, 16)),
  "MAC in base64": Buffer.from(MAC, "hex").toString("base64"),
  "MAC text in base64": Buffer.from(MAC).toString("base64"),
  EUI64: "a4:c1:38:ff:fe:7f:9b:2e",
  mail: "a.venkataraman@mail.example",
  UUID: "3b1f2c9e-7d44-4f0a-9d15-6b7a0c2e88f1",
  "number of a passport": "Z4417893",
  "own id, zero-width between": [...OWN].join("\u200b"),
  "own id, soft hyphens between": [...OWN].join("\u00ad"),
  "own id, wide letters": [...OWN]
    .map((letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0))
    .join(""),
  "own id, backwards": [...OWN].reverse().join(""),
  "own id in base64": Buffer.from(OWN).toString("base64"),
  "own id in hex": Buffer.from(OWN).toString("hex"),
};
/** At most 32 known properties are taken of a message. */
const KNOWN_AT_ONCE = 30;
const KEYS = 100_000;
const KEYS_AT_ONCE = 500;

let system: TestSystem;
let listeners: Listener[];
beforeAll(async () => {
  system = await startSystem({}, { shortSteps: true });
  listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
}, 60_000);
afterAll(() => system?.stop());

const chunks = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size));

/** As a firmware might send it; each message says something known as well, so that it is stored. */
function messagesWith(text: string): object[] {
  const digits = text.replaceAll(/\D/g, "");
  const said: object[] = [
    { [text]: true },
    { [`note ${text}`]: 1 },
    { [text]: text },
    { note: text },
    { note: [text] },
    { note: { [text]: text } },
  ];
  for (const some of chunks(TABLE, KNOWN_AT_ONCE)) {
    said.push(Object.fromEntries(some.map(({ name }) => [name, text])));
    if (digits !== "") {
      said.push(Object.fromEntries(some.map(({ name }) => [name, Number(digits)])));
      said.push(Object.fromEntries(some.map(({ name }) => [name, Number(`20.${digits}`)])));
    }
  }
  const messages = said.map((status) => ({ status: { online: true, ...status } }));
  return [...messages, { model: text, status: { online: true } }, { model: `TH-1 ${text}`, status: { online: true } }];
}

async function publish(device: Device, messages: readonly object[]): Promise<void> {
  const client = await system.connect(device);
  const topic = `devices/${device.id}/telemetry`;
  await Promise.all(messages.map((message) => client.publishAsync(topic, JSON.stringify(message), { qos: 1 })));
  await disconnectMqtt(client);
}

/** In a row, in a packet, in Redis, in a file or a log. */
async function foundAnywhere(texts: readonly string[]): Promise<string[]> {
  const buffers = Object.fromEntries(listeners.map(({ purpose, packets }) => [purpose, packetBytes(packets)]));
  const { leaks } = await leakScan({
    ...system.stack.leakScanPlaces(),
    buffers: { ...buffers, metrics: await system.stack.api.metrics() },
    canaries: texts.map((value) => ({ kind: "account", value })),
  });
  return leaks.map(({ form, where, count }) => `${count} as ${form} in ${where}`);
}

test("identifiers of many kinds, in keys, texts, numbers and models", async () => {
  const device = await system.device({ id: OWN });
  const messages = Object.values(IDENTIFIERS).flatMap(messagesWith);
  await publish(device, messages);
  const seq = uniqueSeq();
  await publish(device, [{ model: "TH-1", status: { online: true, seq } }]);
  await system.settled();
  await until("the last of it was heard", () =>
    listeners.some(({ packets }) => packetBytes(packets).includes(String(seq))),
  );
  // They were taken, but for what names the person of an account or the device itself: it is not for want of messages that none is found.
  expect((await system.rows("device_status")).length).toBeGreaterThan(messages.length / 2);
  expect(await foundAnywhere([String(seq)])).not.toEqual([]);
  const digits = Object.values(IDENTIFIERS).map((text) => text.replaceAll(/\D/g, ""));
  const texts = [...Object.values(IDENTIFIERS), ...digits, OWN, MAC].filter((text) => Buffer.byteLength(text) >= 8);
  expect(await foundAnywhere([...new Set(texts)])).toEqual([]);
}, 240_000);

test("a hundred thousand names of keys leave no name behind, and erasures come to their end", async () => {
  const other = await system.device();
  await system.say(other, { status: { online: true, temperature: 21 } });
  const names = Array.from({ length: KEYS }, (_, n) => `reading_of_flat_${n}`);
  const hostile = await system.device();
  await publish(
    hostile,
    chunks(names, KEYS_AT_ONCE).map((some) => ({
      status: { online: true, ...Object.fromEntries(some.map((name) => [name, 1])) },
    })),
  );
  await system.settled();
  const { influxUrl, database } = system.stack;
  const fields = await influxRows(influxUrl, database, "SHOW FIELD KEYS FROM device_status");
  const known = new Set([...TABLE.map(({ name }) => name), "model", "seq"]);
  expect(fields.length).toBeGreaterThan(0);
  expect(fields.map(({ fieldKey }) => String(fieldKey)).filter((name) => !known.has(name))).toEqual([]);
  expect(await system.erase(other.subject)).toMatchObject({ state: "completed" });
  expect(await system.erase(hostile.subject)).toMatchObject({ state: "completed" });
}, 120_000);
