/** Real devices on a real socket: whatever their firmware calls itself, publishes and subscribes to. */
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { goldenCases } from "../../../tests/fixtures/dialects.ts";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  commandOf,
  type IngressFixture,
  type IngressOverrides,
  refOf,
  startIngress,
  TOKEN,
} from "../../../tests/fixtures/ingress.ts";
import type { Refusal } from "../../model/outcome.ts";

const running: IngressFixture[] = [];
async function start(overrides: IngressOverrides): Promise<IngressFixture> {
  const ingress = await startIngress(overrides);
  running.push(ingress);
  return ingress;
}
afterEach(async () => {
  for (const ingress of running.splice(0)) await ingress.stop();
});

/** The end of a connection may come as a reset. */
const ended = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => {
    client.on("error", () => undefined);
    client.once("close", () => resolve());
  });

const ZIGBEE = {
  hub: { dialect: "zigbee2mqtt", children: { "room/lamp": "lamp-1", sensor: "sensor-1", stray: "stray-1" } },
};
const TASMOTA = { plug: { dialect: "tasmota", alias: "tasmota_3D5E26" } };
const texts = ({ admitted }: IngressFixture): [string, unknown][] =>
  admitted.map(({ ref, text }) => [ref.deviceKey, JSON.parse(text)]);

describe("a hub", () => {
  it("speaks for itself and for the devices behind it, and for no one else", async () => {
    const ingress = await start({ speaks: ZIGBEE, unbound: ["stray-1"] });
    const hub = await ingress.device("hub", { clientId: "mqttjs_4f1c9a02" });
    const send = (topic: string, payload: string) => hub.publishAsync(topic, payload, { qos: 1, retain: true });
    await send("zigbee2mqtt/bridge/state", '{"state":"online"}');
    await send("zigbee2mqtt/room/lamp", '{"state":"ON","brightness":127,"last_seen":"x"}');
    await send("zigbee2mqtt/sensor", '{"temperature":21.4,"ssid":"home"}');
    await send("zigbee2mqtt/stray", '{"temperature":21.4}');
    await send("zigbee2mqtt/neighbour", '{"temperature":21.4}');
    await send("zigbee2mqtt/bridge/devices", "[]");
    await send("zigbee2mqtt/room/lamp/set", '{"state":"OFF"}');
    expect(texts(ingress)).toEqual([
      ["key-hub", { model: "Zigbee2MQTT", status: { online: true } }],
      ["key-lamp-1", { status: { power_on: true, brightness: 50 } }],
      ["key-sensor-1", { status: { temperature: 21.4 } }],
    ]);
    expect(Object.fromEntries(ingress.refused)).toEqual({
      "unknown-device": 2,
      "invalid-topic": 1,
      "not-taken": 1,
    } satisfies Partial<Record<Refusal, number>>);
    expect(ingress.events.filter((event) => /foreign|retain|acl/.test(event))).toEqual([]);
  });

  it("gets every subscription that its firmware asks for at the start, which stays silent", async () => {
    const ingress = await start({ speaks: { ...ZIGBEE, other: ZIGBEE.hub } });
    const [hub, other] = [await ingress.device("hub"), await ingress.device("other")];
    const heard: string[] = [];
    hub.on("message", (topic) => heard.push(topic));
    const granted = await hub.subscribeAsync(["zigbee2mqtt/#", "homeassistant/status", "zigbee2mqtt/bridge/request/#"]);
    expect(granted.map(({ qos }) => qos)).toEqual([0, 0, 0]);
    await expect(hub.subscribeAsync("#")).rejects.toThrow();
    await expect(hub.subscribeAsync("+/#")).rejects.toThrow();
    await hub.subscribeAsync("devices/hub/commands/#");
    await other.publishAsync("zigbee2mqtt/sensor", '{"temperature":1}', { qos: 1 });
    expect(ingress.broker.devices.command(refOf("hub"), commandOf("power"))).toBe(true);
    await until("a command has come", () => heard.length > 0);
    expect(heard).toEqual(["devices/hub/commands/power"]);
    await hub.unsubscribeAsync("zigbee2mqtt/#");
  });

  it("may send a list of all its devices, of which nothing is kept, and stays connected", async () => {
    const ingress = await start({ speaks: ZIGBEE });
    const hub = await ingress.device("hub");
    for (const bytes of [9_000, 70_000, 400_000, 1_000_000]) {
      for (const qos of [0, 1, 2] as const)
        await hub.publishAsync("zigbee2mqtt/bridge/devices", Buffer.alloc(bytes, "x"), { qos });
    }
    await hub.publishAsync("zigbee2mqtt/sensor", '{"temperature":1}', { qos: 1 });
    expect(ingress.admitted).toHaveLength(1);
    expect(ingress.refused.get("not-taken")).toBe(12);
    expect(ingress.events).not.toContain("oversize");
    const closed = ended(hub);
    hub.publish("zigbee2mqtt/bridge/devices", Buffer.alloc(1_100_000, "x"), { qos: 0 });
    await closed;
    expect(ingress.events).toContain("oversize");
  });

  it("is not alone with that: a robot sends maps, and a plug that does is disconnected", async () => {
    const ingress = await start({ speaks: { robot: { dialect: "valetudo" }, strip: { dialect: "wled" } } });
    const robot = await ingress.device("robot");
    for (const bytes of [9_000, 70_000, 400_000])
      await robot.publishAsync("valetudo/robot/MapData/map-data", Buffer.alloc(bytes, 1), { qos: 1 });
    await robot.publishAsync("valetudo/robot/BatteryStateAttribute/level", "87", { qos: 1 });
    expect(ingress.admitted).toHaveLength(1);
    expect(Object.fromEntries(ingress.refused)).toEqual({ "not-taken": 3 });
    const strip = await ingress.device("strip");
    const closed = ended(strip);
    strip.publish("wled/strip/v", Buffer.alloc(70_000, 1), { qos: 0 });
    await closed;
  });

  it("forgets devices that are no longer behind it, without a new login", async () => {
    const children: Record<string, string> = { sensor: "sensor-1" };
    const ingress = await start({ speaks: { hub: { dialect: "zigbee2mqtt", children } } });
    const hub = await ingress.device("hub");
    const send = () => hub.publishAsync("zigbee2mqtt/sensor", '{"temperature":1}', { qos: 1 });
    await send();
    delete children.sensor;
    ingress.broker.childrenChanged("key-hub" as never);
    await until("its device is unknown", async () => {
      await send();
      return ingress.refused.get("unknown-device") !== undefined;
    });
    children.sensor = "sensor-2";
    ingress.broker.childrenChanged("key-hub" as never);
    await until("the new device is there", async () => {
      await send();
      return texts(ingress).at(-1)?.[0] === "key-sensor-2";
    });
    expect(hub.connected).toBe(true);
  });

  it("is read once more for all changes that come while it is read", async () => {
    const ingress = await start({ speaks: ZIGBEE });
    await ingress.device("hub");
    let readings = 0;
    ingress.behind.children = async () => {
      readings += 1;
    };
    for (let n = 0; n < 500; n += 1) ingress.broker.childrenChanged("key-hub" as never);
    await until("it is read", () => readings > 0);
    for (let n = 0; n < 500; n += 1) ingress.broker.childrenChanged("key-hub" as never);
    await until("it is read again", () => readings > 1);
    expect(readings).toBe(2);
  });

  it("logs in again when it cannot be read which devices are behind it", async () => {
    const ingress = await start({ speaks: ZIGBEE });
    const hub = await ingress.device("hub");
    const closed = ended(hub);
    ingress.behind.children = async () => {
      throw new Error("away");
    };
    ingress.broker.childrenChanged("key-hub" as never);
    await closed;
    await expect(ingress.device("hub")).rejects.toThrow();
  });

  it("has several messages in one publication, which become durable together or not at all", async () => {
    const children = { "0x1234": "kid-1", "0x5678": "kid-2" };
    const ingress = await start({
      speaks: { bridge: { dialect: "tasmota", alias: "tasmota_zb", children } },
    });
    const payload = '{"ZbReceived":{"0x1234":{"Temperature":20},"0x5678":{"Humidity":50},"0x9999":{"Humidity":1}}}';
    const bridge = await ingress.device("bridge");
    await bridge.publishAsync("tele/tasmota_zb/SENSOR", payload, { qos: 1 });
    expect(texts(ingress)).toEqual([
      ["key-kid-1", { status: { temperature: 20 } }],
      ["key-kid-2", { status: { humidity: 50 } }],
    ]);
    expect(ingress.counts).toMatchObject({ received: 2, batches: 1 });
    ingress.behind.enqueue = () => Promise.reject(new Error("away"));
    const closed = ended(bridge);
    bridge.publish("tele/tasmota_zb/SENSOR", payload, { qos: 1 });
    await closed;
    expect(ingress.refused.get("not-durable")).toBe(2);
  });

  it("speaks for no one while consent to its own use is withdrawn, and for all again once it is given", async () => {
    const ingress = await start({ speaks: ZIGBEE });
    const given = ingress.behind.checkConsent;
    const hub = await ingress.device("hub");
    const send = () => hub.publishAsync("zigbee2mqtt/sensor", '{"battery":50}', { qos: 1 });
    ingress.behind.checkConsent = async (devices) => {
      const verdicts = await given(devices);
      const withdrawn = { refusal: "consent-withdrawn" } as const;
      return devices.map(({ deviceKey }, index) => (deviceKey === "key-hub" ? withdrawn : verdicts[index])) as never;
    };
    await send();
    expect(Object.fromEntries(ingress.refused)).toEqual({ "consent-withdrawn": 1 });
    ingress.behind.checkConsent = given;
    await send();
    expect(texts(ingress).map(([key]) => key)).toEqual(["key-sensor-1"]);
  });

  it("hears what of the devices behind it was refused, by the name it has for them", async () => {
    const subjects = { hub: "one", "lamp-1": "one", "stray-1": "one" };
    const ingress = await start({ speaks: ZIGBEE, subjects, unbound: ["stray-1"] });
    const hub = await ingress.device("hub");
    const told: unknown[] = [];
    hub.on("message", (_, payload) => told.push(JSON.parse(payload.toString())));
    await hub.subscribeAsync("devices/hub/refusals");
    /** Of what comes within a second the first is told. */
    const hears = async (alias: string, payload: string): Promise<unknown> => {
      told.length = 0;
      await until("it is told", async () => {
        await hub.publishAsync(`zigbee2mqtt/${alias}`, payload, { qos: 1 });
        return told.length > 0;
      });
      return told[0];
    };
    const rule = expect.any(Number);
    expect(await hears("room/lamp", '{"battery":"Anna","Sonne":1}')).toEqual({
      reason: "not-a-number",
      rule,
      path: "battery",
      child: "room/lamp",
    });
    expect(await hears("stray", '{"battery":5}')).toEqual({ reason: "unknown-device", child: "stray" });
  });

  it("takes a rate for each of its devices", async () => {
    const ingress = await start({ speaks: ZIGBEE, rate: { perSecond: 0.001, burst: 2 } });
    const hub = await ingress.device("hub");
    for (let n = 0; n < 3; n += 1)
      for (const alias of ["sensor", "room/lamp"])
        await hub.publishAsync(`zigbee2mqtt/${alias}`, '{"linkquality":200}', { qos: 1 });
    expect(texts(ingress).map(([key]) => key)).toEqual(["key-sensor-1", "key-lamp-1", "key-sensor-1", "key-lamp-1"]);
    expect(ingress.refused.get("over-rate")).toBe(2);
  });
});

describe("a command of a scene service", () => {
  const scene = "key-lamp-1".padEnd(22, "_");

  it("reaches the device behind a hub by its alias, on the connection of this hub alone", async () => {
    const ingress = await start({ speaks: { ...ZIGBEE, other: { dialect: "zigbee2mqtt" } } });
    const [hub, other] = [await ingress.device("hub"), await ingress.device("other")];
    const heard: string[] = [];
    for (const client of [hub, other]) {
      client.on("message", (topic, payload) => heard.push(`${client === hub} ${topic} ${payload}`));
      await client.subscribeAsync("zigbee2mqtt/#");
    }
    ingress.rememberScene(scene, { deviceKey: "key-lamp-1", subjectTag: "tag-key-lamp-1" });
    const service = await ingress.service();
    const command = (name: string) => service.publishAsync(`commands/${scene}/${name}`, '{"value":"on"}', { qos: 1 });
    // No one has said yet what the lamp is called.
    await command("power");
    await hub.publishAsync("zigbee2mqtt/room/lamp", '{"state":"OFF"}', { qos: 1 });
    await command("power");
    await command("vacuum");
    await until("it is heard", () => heard.length > 0);
    expect(heard).toEqual(['true zigbee2mqtt/room/lamp/set {"state":"ON"}']);
    expect(ingress.commands).toEqual(["unknown-device", "delivered", "invalid"]);
  });

  it("reaches a device by the words of its firmware, and by its own topic otherwise", async () => {
    const ingress = await start({ speaks: TASMOTA });
    const plug = await ingress.device("plug");
    const heard: string[] = [];
    plug.on("message", (topic, payload) => heard.push(`${topic} ${payload}`));
    const pseudonym = "key-plug".padEnd(22, "_");
    ingress.rememberScene(pseudonym, { deviceKey: "key-plug", subjectTag: "tag-key-plug" });
    await plug.publishAsync("tele/tasmota_3D5E26/LWT", "Online", { qos: 1 });
    await plug.subscribeAsync(["cmnd/tasmota_3D5E26/#", "devices/plug/commands/#"]);
    const service = await ingress.service();
    const command = (name: string, value: unknown) =>
      service.publishAsync(`commands/${pseudonym}/${name}`, JSON.stringify({ value, correlation: `c-1${name}` }), {
        qos: 1,
      });
    await command("power", "on");
    await command("swing", true);
    await command("MqttHost", "evil.example");
    await until("both are heard", () => heard.length === 2);
    expect(heard.toSorted()).toEqual([
      "cmnd/tasmota_3D5E26/POWER ON",
      'devices/plug/commands/swing {"value":true,"correlation":"c-1swing"}',
    ]);
    expect(ingress.commands).toEqual(["delivered", "delivered", "invalid"]);
  });
});

describe("a device", () => {
  it("is known by its alias, and its native topics are open to it as well", async () => {
    const ingress = await start({ speaks: TASMOTA });
    const plug = await ingress.device("plug", {
      clientId: "DVES_3D5E26",
      will: { topic: "tele/tasmota_3D5E26/LWT", payload: Buffer.from("Offline"), qos: 1, retain: true },
    });
    const send = (topic: string, payload: string) => plug.publishAsync(topic, payload, { qos: 1 });
    await send("tele/tasmota_other/LWT", "Online");
    await send("tele/tasmota_3D5E26/LWT", "Online");
    await send("stat/tasmota_3D5E26/POWER", "ON");
    await send("devices/plug/status", '{"battery":50}');
    plug.stream.destroy();
    await until("the will has come", () => ingress.admitted.length === 4);
    expect(texts(ingress).map(([, text]) => text)).toEqual([
      { status: { online: true } },
      { status: { power_on: true } },
      { battery: 50 },
      { status: { online: false } },
    ]);
    expect(ingress.refused).toEqual(new Map([["invalid-topic", 1]]));
  });

  it("hears why something was refused, at most once a second, and never of a legal hold", async () => {
    const ingress = await start({ speaks: TASMOTA });
    const plug = await ingress.device("plug");
    const told: unknown[] = [];
    plug.on("message", (_, payload) => told.push(JSON.parse(payload.toString())));
    await plug.subscribeAsync("devices/plug/refusals");
    const send = (payload: string) => plug.publishAsync("tele/tasmota_3D5E26/SENSOR", payload, { qos: 1 });
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "legal-hold" }));
    await send('{"ENERGY":{"Power":5}}');
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "consent-withdrawn" }));
    await send('{"ENERGY":{"Power":5}}');
    await send('{"ENERGY":{"Power":"much","Voltage":230,"Anna":1}}');
    await send("{");
    await until("it has been told", () => told.length > 0);
    expect(told).toEqual([{ reason: "not-consented" }]);
    const rule = expect.any(Number);
    expect(ingress.hints("plug")).toEqual([
      { reason: "consent-withdrawn" },
      { reason: "not-a-number", rule, path: "ENERGY.Power" },
      { reason: "consent-withdrawn" },
      { reason: "invalid-payload", rule },
    ]);
  });

  it("tells that it has come, and gone without a word, when its credential asks for that", async () => {
    const phone = { dialect: "owntracks", presence: true };
    const ingress = await start({ speaks: { lamp: { presence: true }, plain: {}, phone } });
    // Where a phone is, is where a person is.
    await ingress.device("phone");
    await ingress.device("plain");
    const lamp = await ingress.device("lamp");
    await until("the presence has come", () => ingress.admitted.length === 1);
    lamp.stream.destroy();
    await until("it has closed", () => ingress.events.filter((event) => event === "closed:device").length === 1);
    // Within a minute it is told once.
    await ingress.device("lamp");
    expect(ingress.events.filter((event) => event === "presence")).toHaveLength(1);
    expect(texts(ingress)).toEqual([["key-lamp", { online: true }]]);
  });

  it("ends its own connection six times a minute, then the newcomer is refused", async () => {
    const ingress = await start({ broker: { takeoversPerMinute: 6 } });
    const clients = [];
    for (let n = 0; n < 7; n += 1) clients.push(await ingress.device("lamp", { clientId: `client-${n}` }));
    await expect(ingress.device("lamp", { clientId: "client-7" })).rejects.toThrow();
    expect(ingress.events).toContain("refused:too-many-takeovers");
    expect(ingress.hints("lamp")).toEqual([{ reason: "takeover" }]);
    expect(clients.at(-1)?.connected).toBe(true);
    // No one is there whom it would end.
    await clients.at(-1)?.endAsync();
    await ingress.device("lamp");
  });

  it("that names a dialect which is not there does not log in", async () => {
    const ingress = await start({ speaks: { lamp: { dialect: "klingon" } } });
    await expect(ingress.device("lamp")).rejects.toThrow("Server unavailable");
  });

  it("that sends bytes which are no text, or nothing at all, is refused that message, and goes on", async () => {
    const ingress = await start({ speaks: TASMOTA });
    const plug = await ingress.device("plug");
    for (const payload of [Buffer.from([0x7b, 0xff, 0xfe]), Buffer.from("\ufeff{}\0"), Buffer.alloc(0)])
      await plug.publishAsync("tele/tasmota_3D5E26/SENSOR", payload, { qos: 1 });
    await plug.publishAsync("tele/tasmota_3D5E26/LWT", "Online", { qos: 1 });
    expect(Object.fromEntries(ingress.refused)).toEqual({ "invalid-payload": 1, "not-taken": 2 });
    expect(ingress.admitted).toHaveLength(1);
    expect(ingress.hints("plug").map(({ reason }) => reason)).toEqual(["invalid-payload"]);
  });

  it("with a topic of 65 levels is refused that message, and goes on", async () => {
    const ingress = await start({ speaks: TASMOTA });
    const plug = await ingress.device("plug");
    await plug.publishAsync(Array(65).fill("a").join("/"), "1", { qos: 1 });
    await plug.publishAsync("tele/tasmota_3D5E26/LWT", "Online", { qos: 1 });
    expect(ingress.refused.get("invalid-topic")).toBe(1);
    expect(ingress.admitted).toHaveLength(1);
  });
});

it("a topic of another device that is here is a security event, and one of no one is not", async () => {
  const ingress = await start({});
  const [one] = [await ingress.device("hub-1"), await ingress.device("hub-2")];
  await one.publishAsync("devices/hub-2/status", '{"battery":1}', { qos: 1 });
  await one.publishAsync("devices/hub-3/status", '{"battery":1}', { qos: 1 });
  await one.publishAsync("homeassistant/x", "1", { qos: 1 });
  expect(ingress.refused.get("invalid-topic")).toBe(3);
  expect(ingress.events.filter((event) => event === "foreign-topic")).toHaveLength(1);
});

describe("golden cases, on the wire", () => {
  it.each(goldenCases.map((one) => [one.topic, one.note, one] as const))("%s: %s", async (_, __, one) => {
    const { connection, topic, payload, device, expect: expected } = one;
    const ingress = await start({
      speaks: { [connection.device]: connection },
    });
    const client = await connectAsync(`mqtt://127.0.0.1:${ingress.port}`, {
      username: connection.device,
      password: TOKEN,
      clientId: "firmware",
      reconnectPeriod: 0,
    });
    await client.publishAsync(topic, payload, { qos: 1 });
    await client.endAsync();
    const { refused, ignored, ...telemetry } = expected;
    const reason = ignored === true ? "not-taken" : refused;
    // A total alone tells nothing: what is kept of counters are differences.
    const { status, ...rest } = telemetry as { status?: Record<string, unknown> };
    if (reason !== undefined) expect([...ingress.refused]).toEqual([[reason, 1]]);
    else if (ingress.admitted.length > 0) {
      const [[key, text] = []] = texts(ingress);
      expect(key).toBe(`key-${device}`);
      expect(text).toMatchObject(rest);
      const { status: kept = {} } = text as { status?: Record<string, unknown> };
      for (const name in kept) expect(kept[name]).toEqual(status?.[name]);
      for (const name in status) if (!/energy|water|rain|gas|outages/.test(name)) expect(kept).toHaveProperty(name);
    } else expect([...ingress.refused]).toEqual([["not-taken", 1]]);
  });
});
