/**
 * Promise: what a weather service says of a cell it was told of reaches every device below that cell whose owner lets weather services
 * know where it is, on whichever gateway it is connected, and no other; and the service learns of none of them.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cellToChildren, cellToLatLng, cellToParent, getResolution, latLngToCell } from "h3-js";
import type { IClientOptions, MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auc } from "../../attacks/measure/auc.ts";
import type { GatewayProcess } from "../../tools/stack/gateway-process.ts";
import { connectMqtt, disconnectMqtt } from "../../tools/wire/connection.ts";
import { APPROVERS } from "../fixtures/approvers.ts";
import { until } from "../fixtures/eventually.ts";
import { Listener } from "../fixtures/listener.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { consentTo, type Device, name } from "../fixtures/system.ts";
import { startTwoGateways, type TwoGateways } from "../fixtures/two-gateways.ts";

const BENGALURU = { lat: 12.9716, lon: 77.5946 };
/** Where no crowd is. */
const DESERT = { lat: 23.4, lon: 15.2 };
const HOUR_MS = 3_600_000;
const HUB = `dialect: centre
title: Centre
hub: true
rules:
  - topic: centre/{child}/is
    json: { lat: location.lat, lon: location.lon }
subscriptions: ["centre/#"]
notices: { weather: "centre/{child}/weather" }
`;
const WEATHER = {
  purposes: ["weather"],
  region: "IN",
  relation: "third-party",
  recipient: "weather services",
  publishesPerSecond: 1_000,
};
/** Weather alone: what else is consented to has no part in it. */
const CONSENT = consentTo({ weather: ["location", "status"] });

let dir: string;
let two: TwoGateways;
let service: Forecaster;
/** The cell of which the crowd is told. */
let told: string;

const mqttUrl = (gateway: GatewayProcess) => `mqtt://127.0.0.1:${gateway.port("mqtt-tcp")}`;

/** A weather service: no two of its forecasts say the same, and of two the later one is newer. */
class Forecaster {
  readonly peer: RawPeer;
  #sent = 0;
  #at = Date.now() - HOUR_MS;

  private constructor(peer: RawPeer) {
    this.peer = peer;
  }

  static async on(gateway: GatewayProcess, id: string, token: string, version: 4 | 5 = 5): Promise<Forecaster> {
    const peer = RawPeer.to(mqttUrl(gateway), version);
    expect(await peer.login({ id, token }, { clientId: name("forecaster") })).toBe(0);
    return new Forecaster(peer);
  }

  next(more: object = {}) {
    this.#at += 1;
    const hours = [{ at: this.#at, temperature: (this.#at % 40) + 0.5, condition: "clear" }];
    return { at: this.#at, until: Date.now() + HOUR_MS, hours, ...more };
  }

  /** The reason code of its acknowledgement. */
  async publish(cell: string, payload: string | object): Promise<number | "closed"> {
    this.#sent += 1;
    const id = this.#sent;
    this.peer.publish(`weather/${cell}`, typeof payload === "string" ? payload : JSON.stringify(payload), id);
    if ((await this.peer.answered(id)) === "closed") return "closed";
    const answer = this.peer.packets.find((packet) => packet.cmd === "puback" && packet.messageId === id);
    return (answer as { reasonCode?: number }).reasonCode ?? 0;
  }

  /** A forecast that is kept. */
  async says(cell: string): Promise<object> {
    const forecast = this.next();
    expect(await this.publish(cell, forecast)).toBe(0);
    return { type: "forecast", cell, ...forecast };
  }
}

/** A device that listens to its forecasts, and all it got. */
class Home {
  readonly device: Device;
  readonly client: MqttClient;
  readonly heard: unknown[] = [];

  private constructor(device: Device, client: MqttClient) {
    this.device = device;
    this.client = client;
    client.on("message", (_, payload) => this.heard.push(JSON.parse(payload.toString())));
  }

  static async of(
    device: Device,
    { at = BENGALURU, gateway = two.first, ...options }: HomeOptions = {},
  ): Promise<Home> {
    const home = new Home(device, await two.system.connect(device, options, mqttUrl(gateway)));
    await home.listens();
    if (at !== null) await home.is(at);
    return home;
  }

  async listens(): Promise<void> {
    await this.client.subscribeAsync(`devices/${this.device.id}/notices/weather`, { qos: 1 });
  }

  async is(at: object): Promise<void> {
    await this.client.publishAsync(`devices/${this.device.id}/location`, JSON.stringify(at), { qos: 1 });
  }

  /** The newest it got is this one. */
  async hears(forecast: object): Promise<void> {
    await until("the forecast is heard", () => JSON.stringify(this.heard.at(-1)) === JSON.stringify(forecast));
  }
}

interface HomeOptions extends IClientOptions {
  /** `null`: it does not say. */
  readonly at?: object | null;
  readonly gateway?: GatewayProcess;
}

const consented = () => two.system.device({ consent: CONSENT });

async function registered(service: string, entry: object): Promise<string> {
  await put(service, entry);
  return (await two.ask(two.first, "POST", `/v1/services/${service}/tokens`)).json.token;
}

async function put(service: string, entry: object): Promise<void> {
  const { status } = await two.ask(two.first, "PUT", `/v1/services/${service}`, { body: entry });
  expect(status).toBeOneOf([200, 201]);
}

/** Two rounds that a device without anything in its way got: by then the first of them has reached all that it is for. */
async function toldAround(sentinel: Home): Promise<void> {
  await sentinel.hears(await service.says(told));
  await sentinel.hears(await service.says(told));
}

const outcomes = async (outcome: string) => two.system.metric("forecasts_total", `{outcome="${outcome}"}`);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "weather-loop-"));
  const file = join(dir, "centre.yaml");
  await writeFile(file, HUB);
  two = await startTwoGateways({ dialects: [file], http: { approvers: APPROVERS } }, { shortSteps: true });
  const token = await registered("forecasts", WEATHER);
  const listeners = [two.first, two.second].map(
    (gateway) => new Listener(mqttUrl(gateway), "weather", two.system.stack.serviceCredential("weather")),
  );
  for (const listener of listeners) await listener.start();
  const cells = () => listeners.flatMap(({ records }) => records.map(({ cell }) => String(cell)));
  const stations = await two.system.devices(9, { consent: CONSENT });
  // Steps are of seconds here: said again until all of them were heard in one.
  await until("a cell is told", async () => {
    const said = { model: "WS-100", location: BENGALURU, status: { temperature: 21.5 } };
    await Promise.all(stations.map((station) => two.system.say(station, said)));
    return cells().length > 0;
  });
  told = cells()[0] ?? "";
  for (const listener of listeners) await listener.stop();
  await until("the service may log in", () =>
    Forecaster.on(two.first, "forecasts", token).then(
      (one) => {
        service = one;
        return true;
      },
      () => false,
    ),
  );
});
afterAll(async () => {
  await two?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe("a forecast for a cell that was told", () => {
  test("reaches every device below it, on both gateways, in either version, and one behind a hub", async () => {
    expect(getResolution(told)).toBeLessThanOrEqual(6);
    const first = await Home.of(await consented(), { protocolVersion: 5 });
    const second = await Home.of(await consented(), { gateway: two.second, protocolVersion: 4 });
    const elsewhere = await Home.of(await consented(), { at: DESERT });
    const other = await Home.of(await two.system.device({ consent: consentTo({ analytics: ["location", "status"] }) }));
    const heard: string[] = [];
    const { api } = two.system.stack;
    const hub = await two.system.device({ speech: { dialect: "centre" }, consent: CONSENT });
    const child = name("child");
    await api.bind(hub.subject, child);
    await api.consent(hub.subject, CONSENT);
    expect(await api.registerChildren(hub.id, [{ device: child, alias: "garden/box" }])).toEqual(["registered"]);
    const centre = await two.system.connect(hub, {}, mqttUrl(two.second));
    centre.on("message", (topic, payload) => heard.push(`${topic} ${payload}`));
    await centre.subscribeAsync(["centre/#", `devices/${hub.id}/notices/weather`]);
    await centre.publishAsync("centre/garden/box/is", JSON.stringify(BENGALURU), { qos: 1 });
    const forecast = await service.says(told);
    for (const home of [first, second]) await home.hears(forecast);
    await until("the hub has heard it", () => heard.length > 0);
    await toldAround(first);
    expect(heard[0]).toBe(`centre/garden/box/weather ${JSON.stringify(forecast)}`);
    expect(heard.every((one) => one.startsWith("centre/garden/box/weather "))).toBe(true);
    expect([first.heard.length, elsewhere.heard, other.heard]).toEqual([3, [], []]);
  });

  test("comes as well to a device that connects, tells its place or listens later, from the gateway that did not take it", async () => {
    const forecast = await service.says(told);
    for (const gateway of [two.first, two.second]) {
      const late = await Home.of(await consented(), { gateway });
      await late.hears(forecast);
      await late.listens();
      await until("it has come again", () => late.heard.length === 2);
      expect(late.heard).toEqual([forecast, forecast]);
    }
    const away = await Home.of(await consented(), { at: DESERT });
    await away.is(BENGALURU);
    await away.hears(forecast);
    expect(away.heard).toEqual([forecast]);
  });

  test("counts before one for a larger cell; where nothing is said of a small one, the larger one counts", async () => {
    const large = cellToParent(told, 1);
    const inside = await Home.of(await consented());
    const beside = cellToChildren(large, 2).find((cell) => cell !== cellToParent(told, 2)) ?? large;
    const [lat, lon] = cellToLatLng(beside);
    const far = await Home.of(await consented(), { at: { lat, lon } });
    const fine = await service.says(told);
    const coarse = await service.says(large);
    await inside.hears(fine);
    await far.hears(coarse);
    await far.hears(await service.says(large));
    await toldAround(inside);
    expect(inside.heard).not.toContainEqual(coarse);
  });

  test("is kept until its time is over, and not for longer than two days, under no name of anyone", async () => {
    const { redis, stack } = two.system;
    await service.says(told);
    const kept = `{${stack.keyPrefix}:forecasts}:newest:${told}`;
    expect(await redis.pttl(kept)).toBeLessThanOrEqual(HOUR_MS);
    expect(await service.publish(told, service.next({ until: Date.now() + 1_000 * HOUR_MS }))).toBe(0);
    expect(await redis.pttl(kept)).toBeLessThanOrEqual(48 * HOUR_MS);
    const left = await redis.zrange(`{${stack.keyPrefix}:forecasts}:cells`, "0", "-1");
    for (const cell of left) expect(getResolution(cell)).toBeLessThanOrEqual(6);
  });
});

describe("without consent at that moment there is none", () => {
  test.each<[string, (device: Device) => Promise<unknown>]>([
    ["withdrawn", ({ subject }) => two.system.stack.api.withdraw(subject)],
    ["withdrawn for weather", ({ subject }) => two.system.stack.api.withdraw(subject, { purposes: ["weather"] })],
    [
      "withdrawn and given again, before its place is told again",
      async ({ subject }) => {
        await two.system.stack.api.withdraw(subject);
        await two.system.stack.api.consent(subject, CONSENT);
      },
    ],
    [
      "held",
      async ({ subject }) => {
        const body = { reference: "order:7", until: Date.now() + HOUR_MS };
        for (const [index, { token }] of APPROVERS.entries()) {
          const { status } = await two.ask(two.first, "PUT", `/v1/subjects/${subject}/hold`, { token, body });
          expect(status).toBe([202, 200][index]);
        }
      },
    ],
    ["erased", ({ subject }) => two.system.erase(subject)],
    [
      "erased and given again",
      async ({ subject, id }) => {
        await two.system.erase(subject);
        await two.system.stack.api.bind(subject, id);
        await two.system.stack.api.consent(subject, CONSENT);
      },
    ],
  ])("%s", async (_, act) => {
    const sentinel = await Home.of(await consented());
    const one = await Home.of(await consented(), { gateway: two.second });
    await one.hears(await service.says(told));
    await act(one.device);
    const heard = one.heard.length;
    await toldAround(sentinel);
    expect(one.heard).toHaveLength(heard);
  });

  test("and the place of a device is none of its next owner's", async () => {
    const sentinel = await Home.of(await consented());
    const before = await consented();
    const sold = await Home.of(before);
    await sold.hears(await service.says(told));
    const buyer = name("subject");
    await two.system.stack.api.bind(buyer, before.id);
    await until("its session has ended", () => !sold.client.connected);
    const token = await two.system.stack.api.issueToken(before.id);
    await two.system.stack.api.consent(buyer, CONSENT);
    const bought = await Home.of({ id: before.id, subject: buyer, token }, { at: null });
    await toldAround(sentinel);
    expect(bought.heard).toEqual([]);
    await bought.is(BENGALURU);
    await bought.hears(sentinel.heard.at(-1) as object);
  });
});

describe("what a service gets wrong", () => {
  test.each<[string, number, (forecast: object) => readonly [cell: string, payload: string | object]]>([
    ["unknown-cell", 0x90, (forecast) => ["8660145b7fffffe", forecast]],
    ["unknown-cell", 0x90, (forecast) => [latLngToCell(DESERT.lat, DESERT.lon, 5), forecast]],
    ["unknown-cell", 0x90, (forecast) => [latLngToCell(BENGALURU.lat, BENGALURU.lon, 7), forecast]],
    ["unknown-cell", 0x90, (forecast) => ["constructor", forecast]],
    ["invalid", 0x99, () => [told, "{"]],
    [
      "invalid",
      0x99,
      (forecast) => [told, JSON.stringify(forecast).replace(/"temperature":[^,]+/, '"temperature":NaN')],
    ],
    ["invalid", 0x99, (forecast) => [told, { ...forecast, at: "now" }]],
    ["invalid", 0x99, (forecast) => [told, { ...forecast, device: "lamp" }]],
    ["invalid", 0x99, (forecast) => [told, { ...forecast, at: Date.now() + HOUR_MS, until: Date.now() + 2 * HOUR_MS }]],
    ["too-large", 0x97, (forecast) => [told, JSON.stringify(forecast).padEnd(4_097, " ")]],
    ["stale", 0x83, (forecast) => [told, { ...forecast, at: 1_000 }]],
    ["stale", 0x83, (forecast) => [told, { ...forecast, until: Date.now() - 1_000 }]],
  ])("is counted and answered, %s as %i (%#)", async (outcome, code, made) => {
    await service.says(told);
    const before = await outcomes(outcome);
    expect(await service.publish(...made(service.next()))).toBe(code);
    expect(await outcomes(outcome)).toBe(before + 1);
  });

  test("in MQTT 3.1.1 is acknowledged like everything else", async () => {
    const { name: id, token } = two.system.stack.serviceCredential("weather");
    const old = await Forecaster.on(two.first, id, token, 4);
    const before = await outcomes("unknown-cell");
    expect(await old.publish("constructor", old.next())).toBe(0);
    expect(await outcomes("unknown-cell")).toBe(before + 1);
    const sentinel = await Home.of(await consented());
    const forecast = { ...service.next() };
    expect(await old.publish(told, forecast)).toBe(0);
    await sentinel.hears({ type: "forecast", cell: told, ...forecast });
    expect(await old.publish(told, "x".repeat(1 << 20))).toBe("closed");
  });

  test("is refused to a service of another purpose, and to one that has lost it or is gone", async () => {
    const scene = two.system.stack.serviceCredential("scene");
    const foreign = await Forecaster.on(two.first, scene.name, scene.token);
    expect(await foreign.publish(told, service.next())).toBe(0x87);
    const token = await registered("passing", WEATHER);
    const passing = await Forecaster.on(two.first, "passing", token);
    expect(await passing.publish(told, service.next())).toBe(0);
    await put("passing", { ...WEATHER, purposes: [] });
    await until("it has lost its purpose", async () => (await passing.publish(told, service.next())) === 0x87);
    await two.ask(two.first, "DELETE", "/v1/services/passing");
    expect(await passing.peer.gone()).toBeUndefined();
    const client = await connectMqtt(mqttUrl(two.first), { username: "passing", password: token }).catch(
      () => undefined,
    );
    expect(client).toBeUndefined();
  });
});

/** With so many the bound below is seven standard deviations from what chance makes of two that are alike. */
const ROUNDS = 900;

test("neither the answer nor its time tells a service whether devices get it", async () => {
  const homes = await Promise.all(
    (await two.system.devices(40, { consent: CONSENT })).map((device) => Home.of(device)),
  );
  const empty = latLngToCell(-48.9, -123.4, 2);
  const full = cellToParent(told, 2);
  const times = new Map<string, number[]>([
    [empty, []],
    [full, []],
  ]);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const cell of round % 2 === 0 ? [empty, full] : [full, empty]) {
      const forecast = JSON.stringify(service.next());
      const begun = performance.now();
      expect(await service.publish(cell, forecast)).toBe(0);
      times.get(cell)?.push(performance.now() - begun);
    }
  }
  const { value } = auc(times.get(empty) ?? [], times.get(full) ?? []);
  expect(value).toBeLessThan(0.6);
  for (const { client } of homes) await disconnectMqtt(client);
});
