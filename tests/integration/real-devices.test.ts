/** Real devices through the whole gateway: their firmware's client ids, topics, subscriptions and payloads, up to the rows. */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { booksBetween, type GatewayBooks } from "../../tools/stack/books.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { Arrivals, heardOf, heardRight, type Outcome, sorted, type Values } from "../fixtures/arrivals.ts";
import { until } from "../fixtures/eventually.ts";
import { isAbout, keptOf, withoutTotals } from "../fixtures/kept-rows.ts";
import { familyConnections, goldenConnections } from "../fixtures/live-cases.ts";
import { bytesOf, type Firmware, families, leftBy, publications, SETUPS, saidBy } from "../fixtures/real-devices.ts";
import { setUp } from "../fixtures/speaking-device.ts";
import { type Device, name, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({}, { shortSteps: true });
});
afterAll(() => system.stop());

/** What one act adds to the refusals. */
async function refusedBy(act: () => Promise<void>): Promise<GatewayBooks["refused"]> {
  const before = await system.books();
  await act();
  return booksBetween(before, await system.settled()).refused;
}

describe("a Zigbee2MQTT hub of 80 devices", () => {
  const children = Array.from({ length: 80 }, (_, n) => ({ device: name(`z${n}`), alias: `room ${n}/sensor` }));
  const subject = name("subject");
  let hub: Device;
  let client: MqttClient;

  beforeAll(async () => {
    hub = await system.device({ subject, speech: { dialect: "zigbee2mqtt" } });
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

  it("hears what of a device behind it was refused, and anyone who asks for that device reads it", async () => {
    const { alias, device } = children[5] as (typeof children)[number];
    const told: unknown[] = [];
    client.on("message", (topic, payload) => told.push({ topic, ...JSON.parse(payload.toString()) }));
    const topic = `devices/${hub.id}/refusals`;
    await client.subscribeAsync(topic);
    // Once a second, and it may have been another's turn.
    await until("it is told", async () => {
      await client.publishAsync(`zigbee2mqtt/${alias}`, '{"battery":"Anna"}', { qos: 1 });
      return told.length > 0;
    });
    const unread = { reason: "not-a-number", rule: expect.any(Number), path: "battery" };
    expect(told[0]).toEqual({ topic, ...unread, child: alias });
    const answer = await system.stack.api.call("GET", "/v1/devices/{device}/refusals", [device]);
    expect(answer).toMatchObject({ refusals: expect.arrayContaining([{ at: expect.any(Number), ...unread }]) });
    expect(JSON.stringify(answer)).not.toMatch(/Anna|room/);
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

describe("for anyone who connects a device", () => {
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

/** Of golden cases: a total, one before it, and what was added in between. */
const TOTALS = [
  { now: '"Total":12.441', before: '"Total":12.339', added: { energy: 0.11 } },
  { now: '"total":1103.21', before: '"total":1053.21', added: { energy: 0.05 } },
];

describe("real firmware", () => {
  const subject = name("household");
  const table: string[] = [];
  let arrivals: Arrivals;

  beforeAll(async () => {
    // An address goes to a network service or nowhere.
    arrivals = new Arrivals(system, await system.listen("network"), subject);
    await arrivals.take();
  });

  it.each(SETUPS.map((setup) => [setup.other?.id ?? setup.family, setup] as const))("%s", async (_, setup) => {
    const { id, cid, keepalive, clean, will } = { ...families[setup.family], ...setup.other } as Firmware;
    const device = await setUp(system, { ...setup, id, subject });
    const client = await system.connect(device, {
      // Some make one up at each start.
      clientId: cid || name("random"),
      keepalive,
      clean,
      ...(will && setup.other === undefined && { will: { ...will, payload: Buffer.from(bytesOf(will.payload)) } }),
    });
    const heard: string[] = [];
    client.on("message", (topic) => heard.push(topic));
    const granted: string[] = [];
    for (const filter of setup.subscribes) if ((await subscribe(client, [filter])) === "granted") granted.push(filter);
    expect(granted).toEqual(setup.dialect === undefined ? [] : setup.subscribes);

    const said = saidBy(setup);
    for (const [publication, { outcome, topic = publication.topic }] of said) {
      const payload = bytesOf(publication.payload);
      const { admitted, refused, dropped } = await arrivals.publish(client, { ...publication, topic, payload });
      const became = admitted > 0 ? "accepted" : Object.keys(refused).join();
      const parts = Object.entries(dropped).map(([why, count]) => `${count} ${why}`);
      table.push(`${became.padEnd(15)}${publication.family.padEnd(15)}${publication.what.padEnd(34)}${parts}`);
      expect({ admitted, refused }, publication.what).toEqual(counted(outcome));
    }
    expect([client.connected, heard]).toEqual([true, []]);
    const left = leftBy(setup);
    if (left === undefined) await disconnectMqtt(client);
    else {
      const { admitted, refused } = await arrivals.counted(() => client.stream.destroy());
      expect({ admitted, refused }).toEqual(counted(left.outcome));
    }
    const expected = [...said.map(([, one]) => one), ...(left ? [left] : [])];
    const { network: told, ...arrived } = await arrivals.take();
    expect(arrived).toEqual({
      status: sorted(expected.flatMap(({ row }) => (row ? [row] : []))),
      location: sorted(expected.flatMap(({ place }) => (place ? [place] : []))),
    });
    const toNetwork = expected.flatMap(({ network }) => (network ? [network] : []));
    expect(heardOf(told, toNetwork)).toEqual(heardRight(toNetwork));
  });

  it("has published all that was collected", () => {
    process.stdout.write(`${table.toSorted().join("\n")}\n`);
    expect(table).toHaveLength(publications.length);
    expect(table.filter((line) => line.startsWith("accepted"))).toHaveLength(57);
  });

  const connections = [...goldenConnections(), ...familyConnections()];
  it.each(connections.map((one) => [one.title, one] as const))(
    "%s",
    async (_, { golden, dialect, alias, children, cases }) => {
      const device = await setUp(system, { id: name("device"), subject, dialect, alias, children });
      const left = cases.find(({ isWill }) => isWill);
      const will = left && { ...left, payload: Buffer.from(left.payload) };
      const client = await system.connect(device, { clientId: name("firmware"), ...(will && { will }) });
      const rows: Values[] = [];
      const network: Values[] = [];
      for (const one of cases) {
        const { refused: reason, ignored, ...telemetry } = one.expect;
        const kept = keptOf(telemetry);
        const total = TOTALS.find(({ now }) => one.payload.includes(now));
        if (total !== undefined) {
          const payload = one.payload.replace(total.now, total.before);
          await arrivals.publish(client, { ...one, payload });
          rows.push(kept.row ?? {});
        }
        const { admitted, refused } = await (one.isWill
          ? arrivals.counted(() => client.stream.destroy())
          : arrivals.publish(client, one));
        const outcome = ignored ? "not-taken" : (reason ?? "accepted");
        expect({ admitted, refused }, `${one.topic} ${one.payload}`).toEqual(counted(outcome));
        if (kept.row !== undefined) rows.push({ ...kept.row, ...total?.added });
        if (kept.network !== undefined) network.push(kept.network);
      }
      const arrived = await arrivals.take();
      const status = golden ? arrived.status : sorted(arrived.status.map(withoutTotals));
      expect(status).toEqual(sorted(rows));
      expect(heardOf(arrived.network, network)).toEqual(heardRight(network));
      const places = cases.flatMap(({ expect: { location } }) => location ?? []);
      expect(arrived.location.filter((row) => !isAbout(places, row))).toEqual([]);
      expect(arrived.location.length > 0).toBe(places.length > 0);
      if (client.connected) await disconnectMqtt(client);
    },
  );
});

function counted(outcome: string): Pick<Outcome, "admitted" | "refused"> {
  return outcome === "accepted" ? { admitted: 1, refused: {} } : { admitted: 0, refused: { [outcome]: 1 } };
}
