/**
 * Every purpose gets the fields of its contract, of those who consented to them, under a name that exists
 * for that purpose alone; of where a device is, one coarse place stays; and a scene service can act on a
 * device that it cannot name.
 */
import { cellToLatLng, getResolution, gridDistance, latLngToCell } from "h3-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Category,
  PURPOSES,
  type Purpose,
  SERVICE_PURPOSES,
  type ServicePurpose,
} from "../../src/model/purposes.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, name, startSystem, type TestSystem } from "../fixtures/system.ts";

const EPOCH_MS = 7 * 86_400_000;
const PLACE = { lat: 12.9715987, lon: 77.5945627 };
const MESSAGE = {
  model: "HB-200",
  ip: "203.0.113.7",
  location: PLACE,
  status: { power_on: true, temperature: 21.5, occupancy: true },
};

let system: TestSystem;
let listeners: Readonly<Record<ServicePurpose, Listener>>;

beforeAll(async () => {
  system = await startSystem({}, { placeStepMs: 250 });
  // Anyone who tells this place from now on is not alone there.
  await system.neighbours(PLACE, 5);
  await until("they are told", async () => (await system.rows("device_location")).length === 5);
  await emptied("device_location");
  const [weather, scene, network] = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
  if (!weather || !scene || !network) throw new Error("listeners");
  listeners = { weather, scene, network };
});
afterAll(() => system?.stop());

/** Names of which the network has heard. */
const heard = new Set<unknown>();

/** What came out for each purpose since the last call. */
async function harvest(): Promise<Record<string, Record<string, unknown>[]>> {
  await system.settled();
  await Promise.all([system.placesWritten(), system.networkTold()]);
  const records: Record<string, Record<string, unknown>[]> = {};
  for (const [purpose, listener] of Object.entries(listeners)) {
    await listener.caughtUp();
    // The network hears of each device again and again: of those that are new the newest.
    records[purpose] =
      purpose === "network"
        ? listener.newest.filter(({ device }) => !heard.has(device) && heard.add(device))
        : listener.records;
    listener.packets.length = 0;
  }
  for (const measurement of ["device_status", "device_location"] as const) {
    records[measurement] = (await system.rows(measurement)).map((row) => withoutNull(row));
    await emptied(measurement);
  }
  return records;
}

async function emptied(measurement: string): Promise<void> {
  const body = new URLSearchParams({ db: system.stack.database, q: `DROP MEASUREMENT ${measurement}` });
  await fetch(`${system.stack.influxUrl}/query`, { method: "POST", body });
}

function withoutNull(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

/** The fields of the contract, by what was granted: written from the contract, not from the code. */
const STATUS_ROW = ["device", "occupancy", "power_on", "temperature", "time"];
const LOCATION_ROW = ["cell", "device", "resolution", "time"];
type Outcome = Readonly<Record<string, readonly string[]>>;
const MATRIX: readonly [Purpose, readonly Category[], Outcome | "purpose-denied"][] = [
  ["analytics", ["model"], "purpose-denied"],
  ["analytics", ["location"], { device_location: LOCATION_ROW }],
  ["analytics", ["status"], { device_status: STATUS_ROW }],
  ["analytics", ["model", "location"], { device_location: LOCATION_ROW }],
  ["analytics", ["model", "status"], { device_status: [...STATUS_ROW, "model"] }],
  ["analytics", ["location", "status"], { device_status: STATUS_ROW, device_location: LOCATION_ROW }],
  [
    "analytics",
    ["model", "location", "status"],
    { device_status: [...STATUS_ROW, "model"], device_location: LOCATION_ROW },
  ],
  ["weather", ["status"], "purpose-denied"],
  // Nothing is told of a single device; what a crowd becomes is below.
  ["weather", ["location"], {}],
  ["weather", ["location", "status"], {}],
  ["scene", ["model"], "purpose-denied"],
  ["scene", ["status"], { scene: ["device", "status", "at"] }],
  ["scene", ["model", "status"], { scene: ["device", "model", "status", "at"] }],
  ["network", ["model"], { network: ["device", "model", "at"] }],
  ["network", ["ip"], { network: ["device", "ipPrefix", "at"] }],
  ["network", ["model", "ip"], { network: ["device", "model", "ipPrefix", "at"] }],
];

describe("consent to one purpose", () => {
  test.each(MATRIX)("%s with %j", async (purpose, categories, expected) => {
    const refusedBefore = (await system.books()).refused["purpose-denied"] ?? 0;
    const device = await system.device({ consent: consentTo({ [purpose]: categories }) });
    await system.say(device, MESSAGE);
    const records = await harvest();
    const shown = Object.fromEntries(
      Object.entries(records)
        .filter(([, list]) => list.length > 0)
        .map(([where, list]) => [where, list.map((record) => Object.keys(record).sort())]),
    );
    const wanted = expected === "purpose-denied" ? {} : expected;
    expect(shown).toEqual(
      Object.fromEntries(Object.entries(wanted).map(([where, fields]) => [where, [[...fields].sort()]])),
    );
    const refused = (await system.books()).refused["purpose-denied"] ?? 0;
    expect(refused - refusedBefore).toBe(expected === "purpose-denied" ? 1 : 0);
  });

  test("the matrix names every purpose with every choice of its categories", () => {
    expect(MATRIX).toHaveLength(7 + 3 + 3 + 3);
    expect(new Set(MATRIX.map(([purpose]) => purpose))).toEqual(new Set(PURPOSES));
  });
});

test("what each purpose gets is generalised, and no name of a device is good for two purposes", async () => {
  const devices = await system.devices(2);
  for (const device of devices) await system.say(device, MESSAGE);
  const { scene = [], network = [], device_status = [], device_location = [] } = await harvest();
  expect(scene[0]).toMatchObject({ model: "hub", status: MESSAGE.status });
  expect(network[0]).toMatchObject({ model: "hub", ipPrefix: "203.0.0.0/16" });
  expect(device_status[0]).toMatchObject({ model: "hub", power_on: true });
  const { cell, resolution } = device_location[0] as { cell: string; resolution: number };
  expect(getResolution(cell)).toBe(resolution);
  expect(resolution).toBeLessThanOrEqual(6);

  const named = [scene, network, device_status, device_location];
  const names = named.map((records) => records.map(({ device }) => String(device)));
  expect(names.map((list) => list.length)).toEqual([2, 2, 2, 2]);
  expect(new Set(names.flat()).size).toBe(8);
  // Nor is one of them what Redis knows the device by.
  const keys = (await system.redis.keys("*")).join("\n");
  for (const pseudonym of names.flat()) expect(keys).not.toContain(pseudonym);
});

describe("the weather", () => {
  const ROOF = { lat: 28.6139391, lon: 77.2090212 };
  const OUTSIDE = { ...MESSAGE, model: "WS-5", location: ROOF, status: { temperature: 31.24, occupancy: true } };
  const ofWeather = consentTo({ weather: ["location", "status"] });

  test("of eight homes is told as a median of the contract, and stands on the account of each of them", async () => {
    const devices = await system.devices(8, { consent: ofWeather });
    const accountOf = async ({ subject }: Device) => {
      const answer = await system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [subject]);
      return (answer as { disclosures: { purpose: string }[] }).disclosures;
    };
    // Where the end of a step comes between them, some are told with the next.
    await until("a service is told of all of them", async () => {
      await Promise.all(devices.map((device) => system.say(device, OUTSIDE)));
      await system.settled();
      return (await Promise.all(devices.map(accountOf))).every((account) => account.length > 0);
    });
    const [record = {}] = listeners.weather.records;
    expect(Object.keys(record)).toEqual(["cell", "center", "at", "status", "subjects"]);
    const { cell, center, at, status, subjects } = record as { cell: string; center: typeof ROOF } & typeof record;
    const [lat, lon] = cellToLatLng(cell);
    expect(latLngToCell(ROOF.lat, ROOF.lon, getResolution(cell))).toBe(cell);
    expect(getResolution(cell)).toBeLessThanOrEqual(6);
    expect([center.lat, center.lon]).toEqual([Number(lat.toFixed(4)), Number(lon.toFixed(4))]);
    expect([status, subjects]).toEqual([{ temperature: 31 }, "5+"]);
    expect(Number(at) % 3_000).toBe(0);
    expect(listeners.weather.packets[0]?.topic).toBe(`processed/weather/${cell}`);
    for (const device of devices) expect(await accountOf(device)).toMatchObject([{ purpose: "weather" }]);
    listeners.weather.packets.length = 0;
  });

  test("of four homes with sixty devices, or of what stands in rooms, is told to no service", async () => {
    const withheld = () => system.metric("weather_people_total", '{outcome="withheld"}');
    const before = await withheld();
    const homes = Array.from({ length: 4 }, () => name("home"));
    const there = { ...OUTSIDE, location: { lat: 19.0759837, lon: 72.8776559 } };
    const few = await Promise.all(
      Array.from({ length: 60 }, (_, n) => system.device({ subject: homes[n % 4] ?? "", consent: ofWeather })),
    );
    const inside = await system.devices(12, { consent: ofWeather });
    await Promise.all(few.map((device) => system.say(device, there)));
    await Promise.all(inside.map((device) => system.say(device, { ...there, model: "TH-100" })));
    await system.settled();
    await until("the step is over", async () => (await withheld()) > before);
    await listeners.weather.caughtUp();
    const { lat, lon } = there.location;
    const cells = listeners.weather.records.map(({ cell }) => String(cell));
    expect(cells.filter((cell) => latLngToCell(lat, lon, getResolution(cell)) === cell)).toEqual([]);
  });

  test("that was acknowledged survives a gateway that is killed", async () => {
    const devices = await system.devices(8, { consent: ofWeather });
    /** How many of them wait in the same step; in two, neither may have a crowd. */
    const gathered = async () => {
      const steps = await system.redis.keys("{consentry:crowds}:weather:*");
      return Math.max(0, ...(await Promise.all(steps.map((step) => system.redis.hlen(step)))));
    };
    await until("all of them wait in one step when the gateway is killed", async () => {
      await Promise.all(devices.map((device) => system.say(device, OUTSIDE)));
      if ((await gathered()) < devices.length) return false;
      await system.stack.gateway.kill("SIGKILL");
      if ((await gathered()) === devices.length) return true;
      // The step was over, and they were about to be told.
      await system.stack.startGateway();
      await system.ready();
      return false;
    });
    listeners.weather.packets.length = 0;
    await system.stack.startGateway();
    await system.ready();
    for (const listener of Object.values(listeners)) await listener.start();
    await until("a service is told", () => listeners.weather.records.length > 0);
    expect(listeners.weather.records[0]).toMatchObject({ status: { temperature: 31 }, subjects: "5+" });
    listeners.weather.packets.length = 0;
    await system.settled();
  });
});

test("a service is given nothing of another purpose, whatever it asks for", async () => {
  for (const [purpose, listener] of Object.entries(listeners)) {
    for (const other of SERVICE_PURPOSES.filter((one) => one !== purpose)) {
      expect(await subscribe(listener.client, [`processed/${other}/#`])).toBe("denied");
      expect(await subscribe(listener.client, [`privacy/erased/${other}`])).toBe("denied");
    }
  }
});

/** Each alone in a batch or with those of the others: some dozens of batches. */
const TOLD_IN_ORDER = 120;

test("a service hears of a device in the order in which the device spoke", async () => {
  const speakers = await system.devices(4);
  const speeches = speakers.map(async (device) => {
    const client = await system.connect(device);
    for (let seq = 0; seq < TOLD_IN_ORDER; seq += 1) {
      await client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ seq }), { qos: 1 });
    }
  });
  await Promise.all(speeches);
  const { scene = [] } = await harvest();
  const heardOf = new Map<unknown, unknown[]>();
  for (const { device, status } of scene) {
    heardOf.set(device, [...(heardOf.get(device) ?? []), (status as { seq: number }).seq]);
  }
  expect([...heardOf.values()]).toEqual(speakers.map(() => Array.from({ length: TOLD_IN_ORDER }, (_, seq) => seq)));
});

test("a device that travels a thousand kilometres leaves one place, the last, and no track", async () => {
  const device = await system.device();
  const client = await system.connect(device);
  const steps = 500;
  const from = Date.now() - (steps + 10) * 60_000;
  let last = PLACE;
  for (let step = 0; step < steps; step += 1) {
    last = { lat: PLACE.lat + step * 0.018, lon: PLACE.lon + step * 0.001 };
    const message = { location: last, status: { seq: step }, ts: from + step * 60_000 };
    const sending = client.publishAsync(`devices/${device.id}/telemetry`, JSON.stringify(message), { qos: 1 });
    // Some steps travel alone, others share a batch.
    if (step % 7 === 0) await sending;
  }
  await client.publishAsync(`devices/${device.id}/status`, '{"power_on":true}', { qos: 1 });
  await system.neighbours(last);
  const { device_location = [], device_status = [], scene = [] } = await harvest();
  expect(device_status).toHaveLength(steps + 1);
  for (const record of [...device_status, ...scene]) expect(JSON.stringify(record)).not.toMatch(/cell|lat|lon/);

  // One of its own and one of each neighbour, all the same.
  expect(device_location).toHaveLength(5);
  const places = new Set(device_location.map(({ cell, time }) => `${cell} ${time}`));
  expect(places.size).toBe(1);
  const [newest] = device_location;
  const cell = String(newest?.cell);
  // It may still be counted in the cell next door, but not further back.
  expect(gridDistance(cell, latLngToCell(last.lat, last.lon, getResolution(cell)))).toBeLessThanOrEqual(1);
  expect(Number(newest?.time) / 1e6).toBe(Math.floor((from + (steps - 1) * 60_000) / EPOCH_MS) * EPOCH_MS);
});

describe("a command of a scene service", () => {
  let device: Device;
  let pseudonym: string;
  const received: string[] = [];
  const command = async (text: string, listener = listeners.scene) => {
    await listener.client.publishAsync(`commands/${pseudonym}/power`, JSON.stringify({ value: text }), { qos: 1 });
  };
  const outcome = (name: string) => system.metric("commands_total", `{outcome="${name}"}`);

  beforeAll(async () => {
    device = await system.device();
    const client = await system.connect(device);
    client.on("message", (topic, payload) => received.push(`${topic} ${payload.toString()}`));
    await client.subscribeAsync(`devices/${device.id}/commands/#`, { qos: 1 });
    await client.publishAsync(`devices/${device.id}/status`, '{"power_on":false}', { qos: 1 });
    pseudonym = String((await harvest()).scene?.[0]?.device);
  });

  test("reaches the device while scene consent holds, and only from a scene service", async () => {
    await command("on");
    await until("the command has come", () => received.length === 1);
    expect(received).toEqual([`devices/${device.id}/commands/power {"value":"on"}`]);
    await command("on", listeners.network);
    expect(await outcome("acl-denied")).toBe(1);
  });

  test("does not reach it once scene consent was withdrawn", async () => {
    await system.stack.api.withdraw(device.subject, { purposes: ["scene"] });
    await command("off");
    expect([await outcome("delivered"), await outcome("no-consent")]).toEqual([1, 1]);
    expect(received).toHaveLength(1);
  });
});

test("how busy a cell is says nothing about any person, and nothing at all where few are", async () => {
  const CROWD = { lat: 28.6139391, lon: 77.2090212 };
  const FEW = { lat: 19.0759837, lon: 72.8776559 };
  const household = name("household");
  const few = [
    ...(await system.devices(8)),
    ...(await Promise.all(Array.from({ length: 12 }, () => system.device({ subject: household })))),
  ];
  for (const device of few) await system.say(device, FEW, "location");
  for (const device of await system.devices(15)) await system.say(device, CROWD, "location");
  await system.settled();
  const inCell = (cell: string, { lat, lon }: typeof CROWD) => latLngToCell(lat, lon, getResolution(cell)) === cell;
  const told = async (where: typeof CROWD) =>
    (await system.rows("cell_activity")).filter(({ cell }) => inCell(String(cell), where));
  await until("the crowd is told in two windows", async () => (await told(CROWD)).length > 1);
  expect(await told(FEW)).toEqual([]);
  for (const row of await told(CROWD)) {
    expect(Object.keys(row).sort()).toEqual(["cell", "devices", "messages", "time"]);
    expect([Number(row.devices) % 5, Number(row.messages) % 5]).toEqual([0, 0]);
    expect((Number(row.time) / 1e6) % 3_000).toBe(0);
  }
});
