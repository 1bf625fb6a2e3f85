/**
 * What MQTT 5 has beside topic and payload comes to rest nowhere: user properties, response topics, correlation data,
 * content types, reasons in words, properties of wills. A scan byte by byte of Redis, InfluxDB, logs, metrics and all that
 * anybody was sent finds none of them, and finds each planted one.
 */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leakScan } from "../../../simulators/leak-scan.ts";
import { SERVICE_PURPOSES } from "../../../src/model/purposes.ts";
import { packetBytes } from "../../../tools/wire/service-subscriber.ts";
import { Canaries } from "../../fixtures/canaries.ts";
import { until } from "../../fixtures/eventually.ts";
import type { Listener } from "../../fixtures/listener.ts";
import {
  ack5,
  auth5,
  connect5,
  disconnect5,
  publish5,
  subscribe5,
  unsubscribe5,
} from "../../fixtures/mqtt5/packets.ts";
import { Peer5 } from "../../fixtures/mqtt5/peer.ts";
import { properties, property, userProperty } from "../../fixtures/mqtt5/properties.ts";
import {
  consentTo,
  type Device,
  type DeviceOptions,
  EVERYTHING,
  startSystem,
  type TestSystem,
} from "../../fixtures/system.ts";

const canaries = new Canaries();
let system: TestSystem;
let listeners: Listener[];
/** What devices were sent. */
const received: Buffer[] = [];

beforeAll(async () => {
  system = await startSystem(
    { mqtt: { failedLoginsPerMinute: 100_000, takeoversPerMinute: 100_000 } },
    { shortSteps: true },
  );
  listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
});
afterAll(() => system?.stop());

const secret = (what: string): string => canaries.text("account", what);
const user = (): Buffer => userProperty(secret("key"), secret("value"));
const reason = (): Buffer => property("reasonString", secret("reason"));
/** All that a PUBLISH may carry beside its topic and payload, each of it someone's own. */
const ofPublish = (): Buffer[] => [
  user(),
  user(),
  property("responseTopic", `answers/${secret("response")}`),
  property("correlationData", Buffer.from(secret("correlation"))),
  property("contentType", `text/${secret("content")}`),
];

async function marked(options: DeviceOptions = {}): Promise<Device> {
  const id = canaries.text("device-id", "device");
  const device = await system.device({ ...options, id, subject: canaries.text("subject-id", "subject") });
  canaries.add("token", device.token);
  return device;
}

async function loggedIn(device: Device, ...all: readonly Buffer[]): Promise<Peer5> {
  const peer = Peer5.to(system.stack.mqttUrl);
  await peer.login(device, { clientId: canaries.text("device-id", "client"), properties: all });
  return peer;
}

/** Keeps what it was sent, without the topics that name the device to itself. */
function over(peer: Peer5): void {
  received.push(...peer.packets.map(({ type, bytes, payload }) => (type === "PUBLISH" ? payload : bytes)));
  peer.end();
}

async function scan(found: Canaries = canaries) {
  return leakScan({
    ...system.stack.leakScanPlaces(),
    canaries: found.all,
    buffers: {
      metrics: await system.stack.api.metrics(),
      "packets of devices": Buffer.concat(received),
      ...Object.fromEntries(listeners.map(({ purpose, packets }) => [`packets of ${purpose}`, packetBytes(packets)])),
    },
  });
}

/** Each kind of packet, with everything in it that it may carry. */
async function talk(device: Device): Promise<void> {
  const peer = await loggedIn(device, user(), property("requestProblemInformation", 1));
  const own = (part: string) => `devices/${device.id}/${part}`;
  await peer.asks(
    "SUBACK",
    subscribe5([[own("notices"), 1], [own("refusals")], [`other/${secret("filter")}`]], 10, user()),
  );
  await peer.asks("UNSUBACK", unsubscribe5([own("notices"), `other/${secret("filter")}`], 10, user()));
  const { model, ip, location, status } = canaries.message();
  for (const [id, payload] of [{ model, ip, location, status }, { status }, { unheard_of: secret("key") }].entries()) {
    const change = { id: id + 1, payload: JSON.stringify(payload), properties: ofPublish() };
    await peer.asks("PUBACK", publish5(own("telemetry"), change));
    await peer.asks("PUBREC", publish5(own("telemetry"), { ...change, first: 0x34, properties: ofPublish() }));
    await peer.asks("PUBCOMP", ack5(0x62, id + 1, 0x00, reason(), user()));
    peer.bytes(publish5(own("telemetry"), { ...change, first: 0x30, properties: ofPublish() }));
  }
  const alias = property("topicAlias", 1);
  await peer.asks("PUBACK", publish5(`nobody/${secret("topic")}`, { properties: [alias, ...ofPublish()] }));
  await peer.asks("PUBACK", publish5("", { properties: [alias, ...ofPublish()] }));
  for (const first of [0x40, 0x50, 0x70]) peer.bytes(ack5(first, 99, first === 0x70 ? 0x92 : 0x87, reason(), user()));
  await peer.ping();
  peer.bytes(disconnect5(0x81, reason(), user()));
  await peer.gone();
  over(peer);
}

test("what devices say beside their messages, whatever becomes of those", async () => {
  const standings: DeviceOptions[] = [
    {},
    { consent: consentTo({ analytics: ["status"], scene: ["status"] }) },
    { consent: consentTo(EVERYTHING, { minor: true }) },
    { consent: null },
    { bound: false },
  ];
  for (const options of standings) await talk(await marked(options));
  await system.settled();
  await system.networkTold();
  await Promise.all(listeners.map((listener) => listener.caughtUp()));
  // Of one device alone no weather is told.
  for (const { purpose, packets } of listeners) expect(packets.length > 0, purpose).toBe(purpose !== "weather");
  expect(await system.rows("device_status")).not.toHaveLength(0);
  expect((await system.books()).received).toBe(standings.length * 11);
  const { leaks, scannedBytes } = await scan();
  expect(leaks).toEqual([]);
  expect(scannedBytes).toBeGreaterThan(100_000);
});

test("wills with all their properties, taken and refused", async () => {
  const device = await marked();
  for (const topic of [`devices/${device.id}/status`, `nobody/${secret("topic")}`]) {
    const before = (await system.books()).received;
    const peer = Peer5.to(system.stack.mqttUrl);
    const all = [...ofPublish(), property("willDelay", 30), property("messageExpiry", 3_600)];
    await peer.login(device, { will: { topic, payload: '{"power_on":true}', properties: all }, properties: [user()] });
    peer.end();
    await until("the will has come", async () => (await system.books()).received > before);
  }
  await system.settled();
  expect((await scan()).leaks).toEqual([]);
});

test("packets that end the connection, with everything in them", async () => {
  const device = await marked();
  const topic = `devices/${device.id}/status`;
  for (const bytes of [
    publish5(topic, { properties: [...ofPublish(), property("topicAlias", 0)] }),
    publish5(topic, { properties: [...ofPublish(), property("subscriptionIdentifier", 1)] }),
    publish5(topic, { properties: [...ofPublish(), ...ofPublish()] }),
    publish5(topic, { properties: [userProperty(secret("big"), "x".repeat(65_535)), ...ofPublish()] }),
    publish5(`devices/${secret("topic")}/+`, { properties: ofPublish() }),
    publish5(topic, {
      rawProperties: Buffer.concat([properties(...ofPublish()).subarray(0, 40), Buffer.from([0xff])]),
    }),
    subscribe5([["a/#/b"]], 10, user(), reason()),
    auth5(0x18, property("authenticationMethod", secret("method")), property("authenticationData", secret("data"))),
    disconnect5(0x00, property("serverReference", secret("server")), reason(), reason()),
    disconnect5(0x00, property("sessionExpiry", 60), user()),
  ]) {
    const peer = await loggedIn(device);
    peer.bytes(bytes);
    await peer.gone();
    over(peer);
  }
  for (const all of [
    [user(), property("authenticationMethod", secret("method")), property("authenticationData", secret("data"))],
    [user(), property("receiveMaximum", 0)],
    [user(), reason()],
    [userProperty(secret("big"), "x".repeat(5_000)), user()],
  ]) {
    const peer = Peer5.to(system.stack.mqttUrl);
    peer.bytes(connect5(device, { clientId: secret("client"), properties: all }));
    await peer.gone();
    over(peer);
  }
  expect((await scan()).leaks).toEqual([]);
});

describe("the same scan finds a canary", () => {
  test("in Redis, in InfluxDB, in the log, and in what a device was sent", async () => {
    const planted = new Canaries();
    const device = await system.device();
    await system.redis.set("planted", planted.text("account", "redis"));
    const body = `device_status,device=x response="${planted.text("account", "influx")}"`;
    const { influxUrl, database } = system.stack;
    expect((await fetch(`${influxUrl}/write?db=${database}`, { method: "POST", body })).status).toBe(204);
    await appendFile(join(system.stack.dir, "logs", "gateway.log"), planted.text("account", "log"));
    // An assigned client id is what the gateway itself sends.
    const peer = Peer5.to(system.stack.mqttUrl);
    const { properties: told } = await peer.login(device, { clientId: "" });
    planted.add("account", told.assignedClientId as string);
    over(peer);
    const where = (await scan(planted)).leaks.map((leak) => leak.where);
    expect(where).toEqual(
      expect.arrayContaining([
        "redis string value",
        `influx database ${database}`,
        expect.stringContaining("gateway.log"),
        "packets of devices",
      ]),
    );
  });
});
