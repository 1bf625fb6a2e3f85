/** Forecasts at the door: what a service is answered, where a device is known to be and for how long, and over which topic it is told. */
import { latLngToCell } from "h3-js";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  type IngressFixture,
  type IngressOverrides,
  SERVICE_TOKEN,
  startIngress,
} from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";
import { fileService, servicesOf } from "../../../tests/fixtures/services.ts";
import { grantsOf, type Verdict } from "../../model/consent.ts";
import type { PlacedDevice } from "../../model/forecast.ts";
import type { CellId, DeviceKey } from "../../model/ids.ts";
import { FORECAST_OUTCOMES } from "../../model/outcome.ts";
import { FORECAST_CODES } from "./v5/reason-codes.ts";

let ingress: IngressFixture;
afterEach(() => ingress.stop());

const cellOf = (lat: number, lon: number) => latLngToCell(lat, lon, 6) as CellId;
const HERE = { lat: 12.97, lon: 77.59 };
const THERE = { lat: 52.5, lon: 13.4 };
const CELL = cellOf(HERE.lat, HERE.lon);
const CENTRE = `dialect: centre
title: Centre
hub: true
rules:
  - topic: centre/{child}/is
    json: { lat: location.lat, lon: location.lon }
  - topic: centre/is
    json: { lat: location.lat, lon: location.lon }
subscriptions: ["centre/#"]
notices: { weather: "centre/{child}/weather" }
`;
const SCREEN = CENTRE.replace("dialect: centre", "dialect: screen").replace("centre/{child}/weather", "centre/weather");

async function start(overrides: IngressOverrides = {}): Promise<void> {
  ingress = await startIngress({ ...overrides, dialects: [CENTRE, SCREEN] });
  ingress.behind.cellOf = cellOf;
}
const placed = (): PlacedDevice[] => [...ingress.broker.devices.placed()];
const places = () => placed().map(({ ref, place: { cell, asks } }) => [ref.deviceKey, cell, asks]);

describe("a forecast of a service", () => {
  async function service(version: 4 | 5, name = "services"): Promise<RawPeer> {
    const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`, version);
    expect(await peer.login({ id: name, token: SERVICE_TOKEN }, { clientId: `version ${version}` })).toBe(0);
    return peer;
  }
  const reason = (peer: RawPeer) => peer.packets.find((packet) => packet.cmd === "puback")?.reasonCode;

  it.each(FORECAST_OUTCOMES)("that is %s is acknowledged, in MQTT 5 with its reason", async (outcome) => {
    await start();
    ingress.behind.forecast = async () => outcome;
    const [old, peer] = [await service(4), await service(5)];
    for (const one of [old, peer]) {
      one.publish(`weather/${CELL}`, "{}", 1);
      expect(await one.answered(1)).toBe("acknowledged");
    }
    // Success is written without a code.
    expect(reason(peer) ?? 0).toBe(FORECAST_CODES[outcome]);
    expect(ingress.events.filter((event) => event === `forecast:${outcome}`)).toHaveLength(2);
  });

  it("is given on with its cell as it was written, whatever that is", async () => {
    await start();
    const taken: [string, string][] = [];
    ingress.behind.forecast = async (cell, payload) => {
      taken.push([cell, payload.toString()]);
      return "unknown-cell";
    };
    const peer = await service(5);
    for (const [index, cell] of [CELL, "x", " ", CELL.toUpperCase()].entries()) {
      peer.publish(`weather/${cell}`, `${index}`, index + 1);
      await peer.answered(index + 1);
    }
    expect(taken).toEqual([
      [CELL, "0"],
      ["x", "1"],
      [" ", "2"],
      [CELL.toUpperCase(), "3"],
    ]);
  });

  it("is refused to a service of other purposes, and on topics that are none of its own", async () => {
    const scenes = fileService("scenes", ["scene", "network"], { token: SERVICE_TOKEN });
    const weather = fileService("services", ["weather"], { token: SERVICE_TOKEN });
    await start({ services: servicesOf(scenes, weather) });
    ingress.behind.forecast = () => Promise.reject(new Error("must not be asked"));
    const foreign = await service(5, "scenes");
    foreign.publish(`weather/${CELL}`, "{}", 1);
    await foreign.answered(1);
    expect([reason(foreign), ingress.events.includes("forecast:acl-denied")]).toEqual([0x87, true]);
    const own = await service(5);
    for (const [index, topic] of ["weather", `weather/${CELL}/x`, `processed/weather/${CELL}`].entries()) {
      own.publish(topic, "{}", index + 1);
      await own.answered(index + 1);
    }
    expect(ingress.commands).toEqual(["acl-denied", "acl-denied", "acl-denied"]);
  });

  it("is refused above the rate of the service, and as nothing else while Redis is away", async () => {
    const weather = fileService("services", ["weather"], { token: SERVICE_TOKEN, publishesPerSecond: 1 });
    await start({ services: servicesOf(weather) });
    ingress.behind.forecast = () => Promise.reject(new Error("away"));
    const peer = await service(5);
    const count = 5;
    for (let id = 1; id <= count; id += 1) peer.publish(`weather/${CELL}`, "{}", id);
    await peer.answered(count);
    const outcomes = new Set(ingress.events.filter((event) => event.startsWith("forecast:")));
    expect([...outcomes].toSorted()).toEqual(["forecast:over-rate", "forecast:unavailable"]);
    expect(reason(peer)).toBe(0x83);
  });

  it("of a megabyte ends the connection", async () => {
    await start();
    const peer = await service(4);
    peer.publish(`weather/${CELL}`, "x".repeat(1 << 20), 1);
    expect(await peer.answered(1)).toBe("closed");
    expect(ingress.events).toContain("oversize");
  });

  it("of a device is a topic like any other that it may not publish to", async () => {
    await start();
    const device = await ingress.device("lamp-1");
    await device.publishAsync(`weather/${CELL}`, "{}", { qos: 1 });
    expect(ingress.refused).toEqual(new Map([["invalid-topic", 1]]));
  });
});

describe("where a device is", () => {
  const say = (id: string, body: object) => ({ topic: `devices/${id}/telemetry`, payload: JSON.stringify(body) });
  async function device(id: string) {
    const client = await ingress.device(id);
    return {
      client,
      says: async (body: object) => {
        const { topic, payload } = say(id, body);
        await client.publishAsync(topic, payload, { qos: 1 });
      },
    };
  }
  const answer = (verdict: Verdict) => {
    ingress.behind.checkConsent = async (devices) => devices.map(() => verdict);
  };

  it("is known from a message that weather services may use, as their cell, until its session ends", async () => {
    await start();
    const one = await device("lamp-1");
    await one.says({ status: { power_on: true } });
    expect(places()).toEqual([]);
    await one.says({ location: HERE });
    expect(places()).toEqual([["key-lamp-1", CELL, true]]);
    await one.client.endAsync();
    await until("it is gone", () => ingress.events.includes("closed:device"));
    expect(places()).toEqual([]);
    await ingress.device("lamp-1");
    expect(places()).toEqual([]);
  });

  it("asks for a forecast when it is another cell, and not when it is the same", async () => {
    await start();
    const one = await device("lamp-1");
    const moves = () => ingress.events.filter((event) => event === "moved").length;
    await one.says({ location: HERE });
    await one.says({ location: HERE });
    expect(moves()).toBe(1);
    await one.says({ location: THERE });
    expect([moves(), places()]).toEqual([2, [["key-lamp-1", cellOf(THERE.lat, THERE.lon), true]]]);
  });

  it("is what the newest message says", async () => {
    await start();
    const one = await device("lamp-1");
    await one.says({ location: HERE });
    await one.says({ location: THERE, ts: Date.now() - 60_000 });
    expect(places()).toEqual([["key-lamp-1", CELL, true]]);
  });

  it.each<[string, Verdict]>([
    ["weather is not consented to", { grants: grantsOf({ analytics: ["location"] }), wrappedSubjectKey: "k" }],
    ["location is not", { grants: grantsOf({ weather: ["status"], scene: ["status"] }), wrappedSubjectKey: "k" }],
    ["consent was withdrawn", { refusal: "consent-withdrawn" }],
    ["it is held", { refusal: "legal-hold" }],
  ])("is not known where %s, and no longer known once that is so", async (_, verdict) => {
    await start();
    const one = await device("lamp-1");
    const given = ingress.behind.checkConsent;
    answer(verdict);
    await one.says({ location: HERE, status: { power_on: true } });
    expect(places()).toEqual([]);
    ingress.behind.checkConsent = given;
    await one.says({ location: HERE });
    expect(places()).toHaveLength(1);
    answer(verdict);
    await one.says({ location: HERE, status: { power_on: true } });
    expect(places()).toEqual([]);
  });

  it("is not known of a device that is bound to no one, nor from what is refused before consent is asked", async () => {
    await start({ unbound: ["lamp-1"] });
    await (await device("lamp-1")).says({ location: HERE });
    const other = await device("lamp-2");
    await other.says({ location: HERE, more: 1 });
    await other.says({ location: { lat: 91, lon: 0 } });
    expect(places()).toEqual([]);
  });

  it("behind a hub is known for each device, as long as it belongs to the same person", async () => {
    const subjects: Record<string, string> = { "lamp-1": "anna", "lamp-2": "ben" };
    const children = { one: "lamp-1", two: "lamp-2" };
    await start({ speaks: { hub: { dialect: "centre", children } }, subjects });
    const hub = await ingress.device("hub");
    for (const [topic, at] of [
      ["centre/one/is", HERE],
      ["centre/two/is", HERE],
      ["centre/is", THERE],
    ] as const)
      await hub.publishAsync(topic, JSON.stringify(at), { qos: 1 });
    expect(places().map(([key]) => key)).toEqual(["key-hub", "key-lamp-1", "key-lamp-2"]);
    subjects["lamp-1"] = "carl";
    ingress.broker.childrenChanged("key-hub" as DeviceKey);
    await until("it is another's", () => places().length === 2);
    expect(places().map(([key]) => key)).toEqual(["key-hub", "key-lamp-2"]);
  });
});

describe("a device below a cell", () => {
  const PAYLOAD = Buffer.from('{"type":"forecast"}');
  const tell = () => placed().map((device) => [device.ref.deviceKey, device.listens, device.tell(PAYLOAD)]);

  it("is told on its own topic, with the QoS it wants up to 1, and may ask for no other's", async () => {
    await start();
    const client = await ingress.device("lamp-1");
    const heard: string[] = [];
    client.on("message", (topic, payload, { qos }) => heard.push(`${topic} ${payload} ${qos}`));
    await client.publishAsync("devices/lamp-1/location", JSON.stringify(HERE), { qos: 1 });
    expect(tell()).toEqual([["key-lamp-1", false, false]]);
    const refused = ["devices/lamp-2/notices/weather", "devices/lamp-1/notices/+", "devices/lamp-1/notices/#"];
    for (const filter of refused) await expect(client.subscribeAsync(filter)).rejects.toThrow();
    await client.subscribeAsync("devices/lamp-1/notices");
    expect(tell()).toEqual([["key-lamp-1", false, false]]);
    for (const qos of [0, 1, 2] as const) {
      await client.subscribeAsync("devices/lamp-1/notices/weather", { qos });
      expect(tell()).toEqual([["key-lamp-1", true, true]]);
    }
    await until("all are heard", () => heard.length === 3);
    expect(heard).toEqual([0, 1, 1].map((qos) => `devices/lamp-1/notices/weather ${PAYLOAD} ${qos}`));
  });

  it("asks for what it missed whenever it begins to listen", async () => {
    await start();
    const client = await ingress.device("lamp-1");
    await client.publishAsync("devices/lamp-1/location", JSON.stringify(HERE), { qos: 1 });
    const [device] = placed();
    if (device === undefined) throw new Error("no place");
    Object.assign(device.place, { asks: false, told: "one" });
    await client.subscribeAsync("devices/lamp-1/notices");
    expect([device.place, ingress.events.includes("forecast-asked")]).toMatchObject([
      { asks: false, told: "one" },
      false,
    ]);
    await client.subscribeAsync("devices/lamp-1/notices/weather");
    expect([device.place, ingress.events.includes("forecast-asked")]).toMatchObject([
      { asks: true, told: undefined },
      true,
    ]);
  });

  it("is told nothing once it has gone, moved or lost its place", async () => {
    await start();
    const client = await ingress.device("lamp-1");
    await client.subscribeAsync("devices/lamp-1/notices/weather");
    const says = (at: object) => client.publishAsync("devices/lamp-1/location", JSON.stringify(at), { qos: 1 });
    await says(HERE);
    const [before] = placed();
    await says(THERE);
    const [after] = placed();
    expect([before?.tell(PAYLOAD), after?.tell(PAYLOAD)]).toEqual([false, true]);
    before?.forget();
    expect(placed()).toHaveLength(1);
    after?.forget();
    expect([placed(), after?.tell(PAYLOAD)]).toEqual([[], false]);
    await says(HERE);
    const [last] = placed();
    client.end(true);
    await until("it is gone", () => ingress.events.includes("closed:device"));
    expect(last?.tell(PAYLOAD)).toBe(false);
  });

  it("behind a hub is told by the words of its dialect, and the hub by its own topic", async () => {
    await start({ speaks: { hub: { dialect: "centre", children: { "my/lamp": "lamp-1", lamp2: "lamp-2" } } } });
    const hub = await ingress.device("hub");
    const heard: string[] = [];
    hub.on("message", (topic, _, { qos }) => heard.push(`${topic} ${qos}`));
    await hub.subscribeAsync(["devices/hub/notices/weather", "centre/#"], { qos: 1 });
    await hub.publishAsync("centre/my/lamp/is", JSON.stringify(HERE), { qos: 1 });
    await hub.publishAsync("centre/is", JSON.stringify(HERE), { qos: 1 });
    expect(tell()).toEqual([
      ["key-hub", true, true],
      ["key-lamp-1", true, true],
    ]);
    await until("both are heard", () => heard.length === 2);
    expect(heard).toEqual(["devices/hub/notices/weather 1", "centre/my/lamp/weather 0"]);
    await hub.unsubscribeAsync("centre/#");
    expect(tell()).toEqual([
      ["key-hub", true, true],
      ["key-lamp-1", false, false],
    ]);
  });

  it("behind a hub whose dialect has no topic for it gets nothing", async () => {
    await start({ speaks: { hub: { dialect: "screen", children: { lamp: "lamp-1" } } } });
    const hub = await ingress.device("hub");
    const heard: string[] = [];
    hub.on("message", (topic) => heard.push(topic));
    await hub.subscribeAsync("centre/#");
    await hub.publishAsync("centre/lamp/is", JSON.stringify(HERE), { qos: 1 });
    await hub.publishAsync("centre/is", JSON.stringify(HERE), { qos: 1 });
    expect(tell()).toEqual([
      ["key-hub", true, true],
      ["key-lamp-1", false, false],
    ]);
    await until("it is heard", () => heard.length === 1);
    expect(heard).toEqual(["centre/weather"]);
  });
});
