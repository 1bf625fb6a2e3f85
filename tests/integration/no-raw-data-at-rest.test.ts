/**
 * Whatever devices send, and whatever happens to it on the way, no raw identifier comes to rest: not in
 * Redis or its files, not in InfluxDB or its files, not in a log or a metric, not in any packet that
 * anybody receives. A scan byte by byte finds none of hundreds of canaries, and finds each planted one.
 */
import { appendFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Eavesdropper } from "../../simulators/eavesdropper.ts";
import { type LeakScanResult, leakScan } from "../../simulators/leak-scan.ts";
import { SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import { packetBytes, type RecordedPacket, subscribe } from "../../tools/wire/service-subscriber.ts";
import { Canaries } from "../fixtures/canaries.ts";
import { Session } from "../fixtures/centre-client.ts";
import { BROWSER, launchBrowser } from "../fixtures/centre-visit.ts";
import { ConsoleTour } from "../fixtures/console-tour.ts";
import { CONSOLE, goTo, signedIn, VIEWS } from "../fixtures/console-visit.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import {
  consentTo,
  type Device,
  type DeviceOptions,
  EVERYTHING,
  startSystem,
  type TestSystem,
} from "../fixtures/system.ts";
import { shippedPolicy } from "./consent-fixture.ts";

const canaries = new Canaries();
const spied: RecordedPacket[] = [];
/** What devices were told on their notices. */
const notices: Buffer[] = [];
/** What people were shown of their places in the privacy centre. */
const shown: Buffer[] = [];
let system: TestSystem;
let listeners: Listener[];
let eavesdroppers: Eavesdropper[];
/** What operators are told by the console of all this. */
let operator: ConsoleTour;
const owners: Device[] = [];

beforeAll(async () => {
  const overrides = {
    mqtt: { failedLoginsPerMinute: 100_000 },
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 },
    ...CONSOLE,
  };
  system = await startSystem(overrides, { shortSteps: true });
  operator = new ConsoleTour(system);
  for (const { token } of Object.values(system.stack.config.services)) canaries.add("service-token", token);
  canaries.add("service-token", system.stack.config.apiToken);
  listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
  eavesdroppers = SERVICE_PURPOSES.map(
    (purpose) => new Eavesdropper(system.stack.mqttUrl, purpose, system.stack.serviceCredential(purpose)),
  );
});
afterAll(() => system?.stop());

/** A device whose id, subject and token are canaries. */
async function marked(options: DeviceOptions = {}): Promise<Device> {
  const id = canaries.text("device-id", "device");
  const device = await system.device({ ...options, id, subject: canaries.text("subject-id", "subject") });
  canaries.add("token", device.token);
  owners.push(device);
  return device;
}

async function scan(): Promise<LeakScanResult> {
  const { influxUrl, ...places } = system.stack.leakScanPlaces();
  await operator.everything(owners);
  for (const secret of operator.secrets.splice(0)) canaries.add("token", secret);
  return leakScan({
    ...places,
    // While it is down only its files can be read.
    ...(system.stack.influx.running && influxUrl !== undefined && { influxUrl }),
    canaries: canaries.all,
    buffers: {
      metrics: await system.stack.api.metrics(),
      ...Object.fromEntries(listeners.map(({ purpose, packets }) => [`packets of ${purpose}`, packetBytes(packets)])),
      notices: Buffer.concat(notices),
      "privacy centre": Buffer.concat(shown),
      console: operator.heard.join("\n"),
      eavesdropped: packetBytes([...spied, ...eavesdroppers.flatMap(({ packets }) => packets)]),
    },
  });
}

async function publishEverything(device: Device): Promise<void> {
  const client = await system.connect(device);
  for (const qos of [0, 1, 2] as const) {
    const { model, ip, location, status, id } = canaries.message();
    const parts = { telemetry: { model, ip, location, status, id }, model: { model }, ip: { ip }, location, status };
    for (const [part, payload] of Object.entries(parts)) {
      await client.publishAsync(`devices/${device.id}/${part}`, JSON.stringify(payload), { qos, retain: true });
    }
  }
  await client.endAsync();
}

/** Of as many homes as a weather service needs to be told of them, all in one place. */
async function publishWeather(): Promise<void> {
  const { location } = canaries.message();
  const roofs = await Promise.all(Array.from({ length: 8 }, () => marked()));
  const said = { model: "WS-5", location, status: { temperature: 31.24 } };
  const heard = () => listeners.find(({ purpose }) => purpose === "weather")?.packets.length ?? 0;
  await until("the weather is told", async () => {
    await Promise.all(roofs.map((roof) => system.say(roof, said)));
    return heard() > 0;
  });
}

test("ordinary traffic, and everyone who tries to overhear it", async () => {
  await Promise.all(eavesdroppers.map((eavesdropper) => eavesdropper.start()));
  const spy = await system.device();
  const persistent = { clean: false, resubscribe: false };
  const spyClient = await system.connect(spy, persistent);
  spyClient.on("message", (topic, payload) => spied.push({ topic, payload }));
  const victim = await marked();
  const own = `devices/${spy.id}/commands/#`;
  for (const filters of [
    ["#"],
    ["$SYS/#"],
    ["+/+/telemetry"],
    [`devices/${victim.id}/commands/#`],
    [own, "devices/#"],
  ]) {
    expect(await subscribe(spyClient, filters)).toBe("denied");
  }

  const standings: DeviceOptions[] = [
    {},
    { consent: consentTo({ analytics: ["status"], scene: ["status"] }) },
    { consent: consentTo({ weather: ["location"], network: ["ip"] }) },
    { consent: consentTo(EVERYTHING, { minor: true }) },
    { consent: null },
    { bound: false },
  ];
  for (const followed of [victim, spy]) await operator.follow(followed);
  await publishEverything(victim);
  for (const options of standings) await publishEverything(await marked(options));

  await publishWeather();
  const { json } = await (await Session.of(system, victim.subject)).get("places");
  expect(json.places[0].noted.corners).not.toEqual([]);
  shown.push(Buffer.from(JSON.stringify(json)));

  // Everyone leaves, more is published, and anyone who had a session comes back for what was kept for it.
  await Promise.all(eavesdroppers.map((eavesdropper) => eavesdropper.leave()));
  await spyClient.endAsync();
  await publishEverything(victim);
  await system.settled();
  await Promise.all(eavesdroppers.map((eavesdropper) => eavesdropper.collect()));
  const again = await system.connect(spy, persistent);
  again.on("message", (topic, payload) => spied.push({ topic, payload }));
  await subscribe(again, [own]);

  expect(eavesdroppers.flatMap(({ results }) => results).filter(({ answer }) => answer === "granted")).toEqual([]);
  expect(spied).toEqual([]);
  await Promise.all(listeners.map((listener) => listener.caughtUp()));
  for (const { packets } of listeners) expect(packets.length).toBeGreaterThan(0);
  expect(await system.rows("device_status")).not.toHaveLength(0);
  const { leaks, scannedBytes } = await scan();
  expect(leaks).toEqual([]);
  expect(scannedBytes).toBeGreaterThan(100_000);
});

test("how devices speak, and what a hub calls the devices it speaks for", async () => {
  const { api } = system.stack;
  const [hub, child, guest] = [await marked(), await marked(), await marked()];
  const alias = () => canaries.text("account", "Grandmother's lamp ");
  await api.call("PUT", "/v1/subjects/{subject}/devices/{device}", [hub.subject, child.id]);
  const body = { dialect: "zigbee2mqtt", alias: alias(), presence: true };
  await api.call("POST", "/v1/devices/{device}/token", [hub.id], body);
  const children = [
    { device: child.id, alias: alias() },
    { device: guest.id, alias: alias(), otherSubject: true },
  ];
  expect(await api.call("PUT", "/v1/devices/{hub}/children", [hub.id], { children })).toEqual({
    outcomes: ["registered", "registered"],
  });
  await api.call("PUT", "/v1/devices/{hub}/children/{device}", [hub.id, child.id], { alias: alias() });
  await api.call("DELETE", "/v1/devices/{hub}/children/{device}", [hub.id, guest.id]);
  expect((await scan()).leaks).toEqual([]);
});

test("malformed messages, foreign topics, oversize packets, wills and failed logins", async () => {
  const device = await marked();
  await operator.follow(device);
  const peer = RawPeer.to(system.stack.mqttUrl);
  await peer.login(device);
  const victim = canaries.text("device-id", "victim");
  const email = canaries.text("account", "someone@example.org ");
  const { lat, lon } = canaries.place();
  const bad: [part: string, payload: string][] = [
    ["telemetry", `{"email":"${email}","status":{"power_on":true}}`],
    ["telemetry", `{"status":{"note":"${email}"}}`],
    ["telemetry", `{"status":{"note":"${lat}, ${lon}"}}`],
    ["status", `{"note":"I am ${device.id}"}`],
    // What is left of these is taken.
    ["telemetry", `{"status":{"note":"${email}","gps":[${lat},${lon}],"${email}":1,"power_on":true}}`],
    ["telemetry", `{"status":{"power_on":true,"position":{"lat":${lat},"lon":${lon}},"preset":"${email}"}}`],
    ["status", `{"power_on":true,"temperature":"${email}","humidity":${lat},"co2":"${lat}"}`],
    ["telemetry", `{"__proto__":{"model":"${victim}"}}`],
    ["telemetry", `not json: ${victim} ${email}`],
    ["location", `{"lat":${lat},"lon":1e9}`],
    ["telemetry", `{"status":{"note":"${victim.repeat(400)}"}}`],
    [`telemetry/${victim}`, "{}"],
    [`../${victim}/telemetry`, JSON.stringify(canaries.message())],
  ];
  for (const [index, [part, payload]] of bad.entries()) {
    peer.publish(`devices/${device.id}/${part}`, payload, index + 1);
  }
  expect(await peer.answered(bad.length)).toBe("acknowledged");
  peer.publish(`devices/${device.id}/telemetry`, canaries.text("account", "big").repeat(4_000), 99);
  await peer.gone();

  for (const topic of [`devices/${device.id}/telemetry`, `devices/${victim}/telemetry`, `$SYS/${victim}`]) {
    const payload = Buffer.from(JSON.stringify(canaries.message()));
    const client = await system.connect(device, { will: { topic, payload, qos: 1, retain: true } });
    const before = (await system.books()).received;
    client.stream.destroy();
    await until("the will has come", async () => (await system.books()).received > before);
  }
  const stranger = { id: canaries.text("device-id", "stranger"), token: canaries.text("token", "wrong-token") };
  for (const login of [stranger, { ...device, token: stranger.token }, { ...device, id: stranger.id }]) {
    expect(await RawPeer.to(system.stack.mqttUrl).login(login)).toBe(4);
  }
  RawPeer.to(system.stack.mqttUrl).bytes(Buffer.from(`GET /${victim}?${email} HTTP/1.1\r\n\r\n`));

  const { httpUrl } = system.stack;
  const headers = { authorization: `Bearer ${system.stack.config.apiToken}`, "content-type": "application/json" };
  const body = JSON.stringify({ email, policyVersion: victim, [email]: true });
  for (const path of [
    `/v1/subjects/${device.subject}/consents`,
    `/v1/${victim}`,
    `/v1/subjects/${encodeURIComponent(email)}/withdrawals`,
  ]) {
    expect((await fetch(`${httpUrl}${path}`, { method: "POST", headers, body })).ok).toBe(false);
  }
  await system.settled();
  expect((await scan()).leaks).toEqual([]);
});

test("an outage of the store, a killed gateway, an abandoned, a poisoned and an unopenable batch", async () => {
  const [recovered, poisoned, unopenable, rejected] = [await marked(), await marked(), await marked(), await marked()];
  await system.say(rejected, canaries.message());
  await system.settled();
  await refuseNumbers(system.stack.influxUrl, system.stack.database, "noise");
  await system.stack.influx.kill("SIGKILL");
  const jobs = async () => new Set((await system.redis.keys("*:batches:b*")).filter((key) => !key.endsWith(":lock")));
  const publish = async (device: Device): Promise<string> => {
    const before = await jobs();
    await system.say(device, canaries.message());
    return [...(await jobs())].find((key) => !before.has(key)) ?? "";
  };
  await publish(recovered);
  const poisonedJob = await publish(poisoned);
  const unopenableJob = await publish(unopenable);
  expect((await system.books()).inFlight).toBe(3);
  expect((await scan()).leaks).toEqual([]);

  await system.stack.gateway.kill("SIGKILL");
  // With one batch the process seems to have ended a hundred times; another was sealed under a key that is gone.
  await system.redis.hset(poisonedJob, "progress", "100");
  const sealed = (await system.redis.hget(unopenableJob, "data")) ?? "";
  await system.redis.hset(unopenableJob, "data", sealed.replace(/"k":"\w+"/, '"k":"q0000"'));
  await system.stack.influx.start();
  await system.stack.startGateway();
  listeners = [...listeners, ...(await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose))))];
  await system.say(rejected, canaries.message({ status: { noise: 50 } }));
  const books = await system.settled(90_000);
  expect(books.stored).toBe(1);
  expect(books.recovered).toBe(3);
  const letters = await system.redis.hvals("{consentry:queue}:dead-letters");
  expect(letters.map((letter) => (JSON.parse(letter) as { reason: string }).reason).sort()).toEqual([
    "poison",
    "sink-rejected",
    "unopenable",
  ]);
  expect((await scan()).leaks).toEqual([]);
}, 150_000);

test("what devices are told of a new policy, and services of an erasure", async () => {
  const [informed, erased] = [await marked(), await marked()];
  const client = await system.connect(informed);
  // Without the topic: it names the device to itself and to no one else.
  client.on("message", (_topic, payload) => notices.push(payload));
  expect(await subscribe(client, [`devices/${informed.id}/notices`])).toBe("granted");
  const connected = listeners.slice(-SERVICE_PURPOSES.length);
  for (const { client: service, purpose } of connected) {
    expect(await subscribe(service, [`privacy/erased/${purpose}`])).toBe("granted");
  }
  await system.say(erased, canaries.message());
  await system.settled();

  const change = { kind: "material", summary: "Kept longer.", affects: ["analytics"] };
  const next = { ...JSON.parse(shippedPolicy.toString("utf8")), version: 2, change };
  await system.stack.api.call("POST", "/v1/policies", [], next);
  await until("the device is told", () => notices.length > 0);
  await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [erased.subject], {});
  const told = () =>
    connected.filter(({ packets }) => packets.some(({ topic }) => topic.startsWith("privacy/erased/"))).length;
  // Weather services know no device by any name.
  await until("the services that know a name are told", () => told() === 2);
  expect((await scan()).leaks).toEqual([]);
});

test("the operator's console, each answer and page of it", async () => {
  expect((await scan()).leaks).toEqual([]);
  expect(await operator.missed()).toEqual([]);
  const heard = operator.heard.join("");
  // It was told of all of this, in its way.
  for (const told of ["invalid-payload", '"admission"', '"session"', "unopenable", "event: end"])
    expect(heard).toContain(told);
  if (BROWSER === undefined) return;
  const browser = await launchBrowser();
  try {
    const { page } = await signedIn(browser, system);
    const pages: string[] = [];
    for (const view of VIEWS) {
      await goTo(page, view);
      await page.locator("h1:visible").waitFor();
      pages.push(await page.content());
    }
    const { leaks } = await leakScan({ canaries: canaries.all, buffers: { pages: pages.join("\n") } });
    expect(leaks).toEqual([]);
  } finally {
    await browser.close();
  }
});

describe("the same scan finds a canary", () => {
  const planted = new Canaries();
  const found = async (buffers: Record<string, string> = {}) => {
    const { leaks } = await leakScan({ ...system.stack.leakScanPlaces(), canaries: planted.all, buffers });
    return leaks.map(({ where }) => where);
  };

  test("in a key, a value, a stream and the append-only file of Redis", async () => {
    await system.redis.set(planted.text("device-id", "planted"), "1");
    await system.redis.hset("a-hash", "field", Buffer.from(planted.text("ip", "planted")).toString("base64"));
    await system.redis.xadd("a-stream", "*", "field", planted.text("message-id", "planted"));
    const where = await found();
    expect(where).toEqual(
      expect.arrayContaining([
        "redis key name",
        "redis hash value",
        "redis stream value",
        expect.stringContaining("appendonly"),
      ]),
    );
  });

  test("in InfluxDB", async () => {
    const body = `device_location,device=${planted.text("device-id", "planted")} lat=${planted.place().lat}`;
    const { influxUrl, database } = system.stack;
    expect((await fetch(`${influxUrl}/write?db=${database}`, { method: "POST", body })).status).toBe(204);
    const where = await found();
    expect(where.filter((one) => one === `influx database ${database}`)).not.toHaveLength(0);
    expect(where).toEqual(expect.arrayContaining([expect.stringContaining("influxdb/")]));
  });

  test("in an answer of the console", async () => {
    const id = planted.text("device-id", "planted");
    const letter = JSON.stringify({ id, reason: "poison", at: Date.now(), messages: 1 });
    await system.redis.hset("{consentry:queue}:dead-letters", id, letter);
    const tour = new ConsoleTour(system);
    await tour.everything([]);
    await system.redis.hdel("{consentry:queue}:dead-letters", id);
    expect(await found({ console: tour.heard.join("\n") })).toContain("console");
  });

  test("in the log, in the metrics and in a packet", async () => {
    const logs = join(system.stack.dir, "logs");
    expect(await readdir(logs)).toContain("gateway.log");
    await appendFile(join(logs, "gateway.log"), `{"msg":"hello ${planted.text("subject-id", "planted")}"}\n`);
    const metrics = `x{label="${planted.text("token", "planted")}"} 1`;
    const packets = packetBytes([{ topic: "a", payload: Buffer.from(String(planted.place().lon)) }]).toString();
    expect(await found({ metrics, packets })).toEqual(
      expect.arrayContaining(["logs/gateway.log", "metrics", "packets"]),
    );
  });
});
