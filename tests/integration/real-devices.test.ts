/** Real devices through the whole gateway: their firmware's client ids, topics, subscriptions and payloads, up to the rows. */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialect } from "../../src/dialects/compile.ts";
import { readPublication } from "../../src/dialects/read.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { casesIn, dialectNamed } from "../fixtures/dialects.ts";
import { until } from "../fixtures/eventually.ts";
import { name, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

async function refusals(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [, reason = "", count] of (await system.stack.api.metrics()).matchAll(
    /^consentry_messages_refused_total\{reason="([^"]+)"\} (\d+)$/gm,
  ))
    if (Number(count) > 0) counts[reason] = Number(count);
  return counts;
}

/** What one act adds to the refusals. */
async function refusedBy(act: () => Promise<void>): Promise<Record<string, number>> {
  const before = await refusals();
  await act();
  await system.settled();
  const after = await refusals();
  return Object.fromEntries(
    Object.entries(after)
      .map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

describe("a Zigbee2MQTT hub of 80 devices", () => {
  const children = Array.from({ length: 80 }, (_, n) => ({ device: name(`z${n}`), alias: `room ${n}/sensor` }));
  const subject = name("subject");
  let client: MqttClient;

  beforeAll(async () => {
    const hub = await system.device({ subject, speech: { dialect: "zigbee2mqtt" } });
    for (const { device } of children) await system.stack.api.bind(subject, device);
    expect(await system.stack.api.registerChildren(hub.id, children)).toEqual(Array(80).fill("registered"));
    client = await system.connect(hub, {
      clientId: "mqttjs_4f1c9a02",
      will: {
        topic: "zigbee2mqtt/bridge/state",
        payload: Buffer.from('{"state":"offline"}'),
        qos: 1,
        retain: true,
      },
    });
  });

  it("starts as its own program does, and stays connected", async () => {
    let closed = 0;
    client.on("close", () => {
      closed += 1;
    });
    const list = JSON.stringify(
      Array.from({ length: 80 }, (_, n) => ({
        ieee_address: `0x00158d00${n.toString(16).padStart(8, "0")}`,
        friendly_name: `room ${n}/sensor`,
        definition: { description: "x".repeat(4_000) },
      })),
    );
    expect(list.length).toBeGreaterThan(300_000);
    const retained = { qos: 1, retain: true } as const;
    const refused = await refusedBy(async () => {
      await client.publishAsync("zigbee2mqtt/bridge/state", '{"state":"online"}', retained);
      const granted = await client.subscribeAsync("zigbee2mqtt/#");
      expect(granted.map(({ qos }) => qos)).toEqual([0]);
      await client.subscribeAsync("homeassistant/status", { qos: 1 });
      await client.publishAsync("zigbee2mqtt/bridge/devices", list, retained);
      await client.publishAsync("zigbee2mqtt/bridge/info", list, retained);
      for (const { alias } of children)
        await client.publishAsync(`zigbee2mqtt/${alias}/availability`, '{"state":"online"}', retained);
    });
    expect(refused).toEqual({ "not-taken": 2 });
    expect([client.connected, closed]).toEqual([true, 0]);
    const rows = await system.rows("device_status");
    expect(new Set(rows.filter(({ online }) => online === true).map(({ device }) => device)).size).toBe(81);
  });

  it("stores what a device behind it says under a pseudonym of its own, and nothing of its name", async () => {
    const { alias } = children[3] as (typeof children)[number];
    const payload = JSON.stringify({ temperature: 21.37, humidity: 40, linkquality: 255, friendly_name: alias });
    await client.publishAsync(`zigbee2mqtt/${alias}`, payload, { qos: 1 });
    await system.settled();
    const [row, ...more] = (await system.rows("device_status")).filter(({ temperature }) => temperature !== null);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ temperature: 21.4, humidity: 40, link_quality: 100 });
    expect(JSON.stringify(row)).not.toContain("room");
  });

  it("is told apart from who is behind it: a child's withdrawal and the sale of a child silence that one alone", async () => {
    const [one, other, third] = children.slice(10, 13) as { device: string; alias: string }[];
    await system.stack.api.withdraw(subject, { devices: [one?.device] });
    await system.stack.api.bind(name("buyer"), other?.device ?? "");
    const say = async (alias: string | undefined) =>
      refusedBy(async () => {
        await client.publishAsync(`zigbee2mqtt/${alias}`, '{"battery":50}', { qos: 1 });
      });
    expect(await say(one?.alias)).toEqual({ "consent-withdrawn": 1 });
    await until("the hub has heard of the sale", async () => (await say(other?.alias))["unknown-device"] === 1);
    expect(await say(third?.alias)).toEqual({});
    expect(client.connected).toBe(true);
  });

  it("is silenced with all behind it when it is sold itself", async () => {
    const hub = await system.device({ speech: { dialect: "zigbee2mqtt" } });
    const child = name("child");
    await system.stack.api.bind(hub.subject, child);
    await system.stack.api.registerChildren(hub.id, [{ device: child, alias: "lamp" }]);
    const before = await system.connect(hub, { clientId: "one" });
    const closed = new Promise<void>((resolve) => {
      before.on("error", () => undefined);
      before.once("close", () => resolve());
    });
    const buyer = name("buyer");
    await system.stack.api.bind(buyer, hub.id);
    await closed;
    await expect(system.connect(hub)).rejects.toThrow();
    const token = await system.stack.api.issueToken(hub.id, { dialect: "zigbee2mqtt" });
    const after = await system.connect({ ...hub, token }, { clientId: "two" });
    expect(
      await refusedBy(async () => {
        await after.publishAsync("zigbee2mqtt/lamp", '{"battery":50}', { qos: 1 });
      }),
    ).toEqual({ "unknown-device": 1 });
  });
});

describe("for whoever connects a device", () => {
  it("a check says what would become of a message, and keeps nothing", async () => {
    const plug = await system.device({ speech: { dialect: "tasmota", alias: "tasmota_3D5E26" } });
    const check = (topic: string, payload: string) =>
      system.stack.api.call("POST", "/v1/devices/{device}/check", [plug.id], { topic, payload });
    const books = await system.books();
    const payload = '{"ENERGY":{"Total":3.1,"Power":57.1,"Voltage":"much"},"Nickname":1,"Wifi":{"SSId":"home"}}';
    expect(await check("tele/tasmota_3D5E26/SENSOR", payload)).toEqual({
      messages: [{ outcome: "refused", reason: "invalid-payload", rule: expect.any(Number), ofChild: false }],
      leftOut: expect.any(Array),
    });
    expect(await check("tele/tasmota_3D5E26/SENSOR", payload.replace("Nickname", "Sonne"))).toEqual({
      messages: [{ outcome: "accepted", ofChild: false, read: { status: { energy: 3.1, power: 57.1 } } }],
      leftOut: [
        { reason: "not-a-number", rule: expect.any(Number), path: "ENERGY.Voltage" },
        { reason: "unknown" },
        { reason: "unknown" },
      ],
    });
    expect(await check("tele/other/SENSOR", payload)).toMatchObject({
      messages: [{ outcome: "refused", reason: "invalid-topic" }],
    });
    expect(await check(`devices/${plug.id}/status`, '{"battery":50,"x":1}')).toEqual({
      messages: [{ outcome: "accepted", ofChild: false, read: { status: { battery: 50 } } }],
      leftOut: [{ reason: "unknown" }],
    });
    await system.stack.api.withdraw(plug.subject);
    expect(await check(`devices/${plug.id}/status`, '{"battery":50}')).toMatchObject({
      messages: [{ outcome: "refused", reason: "consent-withdrawn" }],
    });
    expect(await system.books()).toEqual(books);
  });

  it("what was refused can be read, without a key or a value of it", async () => {
    const plug = await system.device({ speech: { dialect: "tasmota", alias: "tasmota_3D5E26" } });
    const client = await system.connect(plug, { clientId: "DVES_3D5E26" });
    const ask = () => system.stack.api.call("GET", "/v1/devices/{device}/refusals", [plug.id]);
    expect(await ask()).toEqual({ refusals: [] });
    await client.publishAsync("tele/tasmota_3D5E26/SENSOR", '{"ENERGY":{"Power":"Anna"}}', { qos: 1 });
    await client.publishAsync("tele/somebody/SENSOR", "{}", { qos: 1 });
    const at = expect.any(Number);
    const rule = expect.any(Number);
    expect(await ask()).toEqual({
      refusals: [
        { at, reason: "not-a-number", rule, path: "ENERGY.Power" },
        { at, reason: "invalid-payload", rule },
        { at, reason: "invalid-topic" },
      ],
    });
    await disconnectMqtt(client);
  });
});

/** The dialect of a family, what the firmware calls the device, and what is registered behind it. */
const FAMILIES: Readonly<Record<string, readonly [dialect: string, ...children: string[]]>> = {
  tasmota: ["tasmota"],
  zigbee2mqtt: ["zigbee2mqtt"],
  shelly1: ["shelly-gen1"],
  shelly2: ["shelly-gen2"],
  esphome: ["esphome"],
  hastatestream: ["home-assistant"],
  homie4: ["homie"],
  homie5: ["homie"],
  omg: ["theengs"],
  theengs: ["theengs"],
  rtl433: ["rtl_433"],
  owntracks: ["owntracks"],
  chirpstack: ["chirpstack"],
  teslamate: ["teslamate"],
};

interface Publication {
  readonly family: string;
  readonly what: string;
  readonly topic: string;
  readonly payload: unknown;
  readonly qos: 0 | 1;
  readonly retain: boolean;
}
const { families, publications } = casesIn<{
  readonly families: Readonly<
    Record<
      string,
      {
        readonly id: string;
        readonly cid: string;
        readonly will?: { readonly topic: string; readonly payload: string };
      }
    >
  >;
  readonly publications: readonly Publication[];
}>("publications.json");

it("every publication of real devices, as their firmware sends it, has the outcome that its dialect says", async () => {
  // An address goes to a network service or nowhere.
  await system.listen("network");
  const lines: string[] = [];
  for (const family of Object.keys(FAMILIES)) {
    const [dialectName = ""] = FAMILIES[family] ?? [];
    const dialect = dialectNamed(dialectName);
    const { cid, will } = families[family] ?? { cid: "x" };
    for (const { what, topic, payload, retain } of publications.filter((one) => one.family === family)) {
      if (topic === "-" || typeof payload !== "string") continue;
      // What its topic calls the device stands where the rules have {self}; whoever else it names is registered behind it.
      const aliases = new Set<string>();
      const self = selfIn(dialect.rules, topic);
      const noting = {
        isSelf: (word: string) => word === self,
        hasChild: (alias: string) => Boolean(aliases.add(alias)),
      };
      readPublication(dialect, noting, topic, payload);
      const device = await system.device({
        speech: { dialect: dialectName, ...(self !== undefined && { alias: self }) },
      });
      const behind = [...aliases].slice(0, 16).map((alias, n) => ({ alias, device: `${device.id}-${n}` }));
      for (const child of behind) await system.stack.api.bind(device.subject, child.device);
      if (behind.length > 0 && dialect.hub) await system.stack.api.registerChildren(device.id, behind);
      const expected = readPublication(
        dialect,
        { isSelf: (word) => word === self, hasChild: (alias) => behind.some((one) => one.alias === alias) },
        topic,
        payload,
      );
      const client = await system.connect(device, {
        clientId: cid,
        ...(will !== undefined && {
          will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true },
        }),
      });
      const refused = await refusedBy(async () => {
        await client.publishAsync(topic, payload, { qos: 1, retain });
      });
      await disconnectMqtt(client);
      const outcome = "refused" in expected ? expected.refused : "accepted";
      lines.push(`${family.padEnd(14)} ${outcome.padEnd(16)} ${what}`);
      // A total alone tells nothing yet.
      if (outcome === "accepted")
        expect(
          Object.keys(refused).filter((reason) => reason !== "not-taken"),
          `${family} ${what}`,
        ).toEqual([]);
      else expect(refused, `${family} ${what}`).toEqual({ [outcome]: 1 });
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  expect(
    lines.filter((line) => line.includes(" accepted ")),
    lines.join("\n"),
  ).toHaveLength(55);
});

function selfIn(rules: Dialect["rules"], topic: string): string | undefined {
  const words = topic.split("/");
  for (const { topic: pattern } of rules) {
    const place = pattern.levels.findIndex(({ is }) => is === "self");
    const fits = pattern.levels.every((level, index) => level.is !== "fixed" || level.word === words[index]);
    if (place !== -1 && fits) return words[place];
  }
  return undefined;
}
