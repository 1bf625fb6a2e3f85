/**
 * Whatever a device or a stranger sends has one outcome: refused for a reason that is counted, or a closed
 * connection that is counted. Its neighbours, who publish all the while, do not notice.
 */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { until } from "../fixtures/eventually.ts";
import { Publishers } from "../fixtures/publishers.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { type Device, name, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";
import { writeRequests } from "./influx-fixture.ts";

let system: TestSystem;
let device: Device;
let neighbours: Publishers;
let visitor: { readonly stop: () => void; readonly visits: Promise<number> };

beforeAll(async () => {
  system = await startSystem({ mqtt: { connectTimeoutMs: 8_000 } });
  device = await system.device();
  neighbours = new Publishers(system, await system.devices(3), { run: 1, window: 4, restMs: 20, once: true });
  await neighbours.start();
  visitor = visiting(await system.device());
});

/** A neighbour that comes and goes at the same address as all who fail to log in. Rejects when it is turned away once. */
function visiting(one: Device): typeof visitor {
  let staying = true;
  const visits = (async () => {
    let count = 0;
    for (; staying; count += 1) {
      const client = await system.connect(one);
      await client.publishAsync(`devices/${one.id}/status`, '{"run":2}', { qos: 1 });
      await disconnectMqtt(client);
    }
    return count;
  })();
  // Looked at when everything else is done.
  visits.catch(() => undefined);
  return {
    stop: () => {
      staying = false;
    },
    visits,
  };
}
afterAll(() => system?.stop());

const COUNTERS =
  /^consentry_((?:messages_refused|connections_refused|security_events|clock_replaced)_total(?:\{[^}]*\})?) (\d+)$/gm;

async function counters(): Promise<Map<string, number>> {
  const text = await system.stack.api.metrics();
  return new Map([...text.matchAll(COUNTERS)].map(([, sample = "", value]) => [sample, Number(value)]));
}

/** Which counters `act` moves, and by how much; the neighbours move none of them. */
async function counted(act: () => Promise<unknown>, expected: Readonly<Record<string, number>>): Promise<void> {
  const before = await counters();
  await act();
  const moved = async () =>
    Object.fromEntries(
      [...(await counters())]
        .map(([sample, value]) => [sample, value - (before.get(sample) ?? 0)] as const)
        .filter(([, by]) => by !== 0),
    );
  await until(
    `${JSON.stringify(expected)} is counted`,
    async () => Object.keys(await moved()).length >= Object.keys(expected).length,
  ).catch(() => {});
  expect(await moved()).toEqual(expected);
}

const refused = (reason: string) => ({ [`messages_refused_total{reason="${reason}"}`]: 1 });
const event = (kind: string) => ({ [`security_events_total{kind="${kind}"}`]: 1 });
const turnedAway = (reason: string) => ({ [`connections_refused_total{reason="${reason}"}`]: 1 });

const FOREIGN = refused("invalid-topic");
const ACCOUNT = { ...refused("invalid-payload"), ...event("account-key") };
const INVALID = refused("invalid-payload");
const UNKNOWN = refused("nothing-known");
const OK = '{"status":{"power_on":true}}';
const OWN = "devices/{me}/telemetry";
const PUBLISHES: readonly [what: string, topic: string, payload: string, expected: Record<string, number>][] = [
  ["an unknown topic", "devices/{me}/diary", OK, FOREIGN],
  ["another device's topic", "devices/{other}/telemetry", OK, FOREIGN],
  ["a processed topic", "processed/weather/8660145b7ffffff", OK, FOREIGN],
  ["a command topic", "devices/{me}/commands/light", "on", FOREIGN],
  ["__proto__ in place of the id", "devices/__proto__/telemetry", OK, FOREIGN],
  ["a topic deeper than the contract", "devices/{me}/telemetry/a/b/c", OK, FOREIGN],
  ["an unknown key", OWN, '{"status":{"power_on":true},"colour":1}', INVALID],
  ["an account-like key", OWN, '{"status":{"power_on":true},"email":"someone@example.org"}', ACCOUNT],
  ["an account-like key inside status", OWN, '{"status":{"power_on":true,"nickname":"zed"}}', ACCOUNT],
  ["an address inside status", OWN, '{"status":{"note":"someone@example.org"}}', UNKNOWN],
  ["text that is no JSON", OWN, "power=on", INVALID],
  ["half a JSON", OWN, '{"status":{"power_on":true}', INVALID],
  ["JSON of the wrong shape", OWN, '["status"]', INVALID],
  ["nothing of the four", OWN, '{"ts":1}', UNKNOWN],
  ["deep JSON", OWN, `${"[".repeat(4_000)}${"]".repeat(4_000)}`, INVALID],
  ["deep status", OWN, `{"status":${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}}`, INVALID],
  ["__proto__ as a key", OWN, '{"status":{"power_on":true},"__proto__":{"polluted":1}}', INVALID],
  ["__proto__ as a status key", OWN, '{"status":{"__proto__":1}}', UNKNOWN],
  ["constructor as a status key", "devices/{me}/status", '{"constructor.prototype":1}', UNKNOWN],
  ["NaN for a reading", "devices/{me}/status", '{"temperature":NaN}', INVALID],
  ["NaN for a coordinate", "devices/{me}/location", '{"lat":NaN,"lon":77.59}', INVALID],
  ["a latitude off the globe", "devices/{me}/location", '{"lat":90.0001,"lon":77.59}', INVALID],
  ["a longitude off the globe", "devices/{me}/location", '{"lat":12.97,"lon":1e308}', INVALID],
  ["a coordinate past every number", "devices/{me}/location", '{"lat":1e999,"lon":0}', INVALID],
  ["a coordinate as text", "devices/{me}/location", '{"lat":"12.97","lon":"77.59"}', INVALID],
  ["an address that is none", "devices/{me}/ip", '{"ip":"203.0.113.256"}', INVALID],
  ["a model of 65 characters", "devices/{me}/model", `{"model":"${"x".repeat(65)}"}`, INVALID],
  [
    "too many status keys",
    "devices/{me}/status",
    JSON.stringify(Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`k${i}`, i]))),
    INVALID,
  ],
  ["a payload over 8 KB", OWN, `{"status":{"note":"${"x".repeat(8_200)}"}}`, refused("too-large")],
  [
    "a clock of the year 287396",
    OWN,
    '{"status":{"power_on":true},"ts":9007199254740991}',
    { clock_replaced_total: 1 },
  ],
  ["a clock before time began", OWN, '{"status":{"power_on":true},"ts":-1e300}', { clock_replaced_total: 1 }],
];

const filled = (text: string) => text.replaceAll("{me}", device.id).replaceAll("{other}", "device-of-someone-else");

describe("a publish over a bare socket", () => {
  let peer: RawPeer;
  let messageId = 0;
  beforeAll(async () => {
    peer = RawPeer.to(system.stack.mqttUrl);
    expect(await peer.login(device)).toBe(0);
  });
  afterAll(() => peer.end());

  test.each(PUBLISHES)(
    "to or with %s is acknowledged, dropped and counted",
    async (_what, topic, payload, expected) => {
      messageId += 1;
      await counted(async () => {
        peer.publish(filled(topic), filled(payload), messageId);
        expect(await peer.answered(messageId)).toBe("acknowledged");
      }, expected);
    },
  );

  test("with bytes that are no UTF-8 is acknowledged, dropped and counted", async () => {
    await counted(async () => {
      peer.publish(filled(OWN), Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d]), 1_000);
      expect(await peer.answered(1_000)).toBe("acknowledged");
    }, INVALID);
  });

  test("that is to be retained is not retained", async () => {
    const stored = (await system.books()).stored;
    await counted(async () => {
      peer.publish(filled(OWN), OK, 1_001, { retain: true });
      expect(await peer.answered(1_001)).toBe("acknowledged");
    }, {});
    await until("it is stored like any other", async () => (await system.books()).stored > stored);
    // Refused where the device may listen; had they been retained, it would get them now.
    const listensTo = ["devices/{me}/commands/light", "devices/{me}/notices"].map(filled);
    for (const [index, topic] of listensTo.entries()) peer.publish(topic, "on", 1_002 + index, { retain: true });
    expect(await peer.answered(1_003)).toBe("acknowledged");
    peer.send({
      cmd: "subscribe",
      messageId: 7,
      subscriptions: listensTo.map((topic) => ({ topic, qos: 1 as const })),
    });
    await until("the subscription is granted", () =>
      peer.packets.some((packet) => packet.cmd === "suback" && packet.granted.every((code) => code === 1)),
    );
    peer.publish(filled(OWN), OK, 1_004);
    expect(await peer.answered(1_004)).toBe("acknowledged");
    expect(peer.packets.filter(({ cmd }) => cmd === "publish")).toEqual([]);
  });
});

/** The same from a client that someone else wrote, with its own ideas of what a publish is. */
describe("a publish by MQTT.js", () => {
  let client: MqttClient;
  beforeAll(async () => {
    client = await system.connect(device);
  });
  afterAll(() => client?.endAsync());

  test.each(PUBLISHES)(
    "to or with %s is acknowledged, dropped and counted",
    async (_what, topic, payload, expected) => {
      await counted(() => client.publishAsync(filled(topic), filled(payload), { qos: 1 }), expected);
    },
  );
});

/** `{length}` bytes are announced and never come. */
const announced = (...length: number[]) => Buffer.from([0x32, ...length]);
const publishTo = (topic: string, flags = 0x32) => {
  const text = Buffer.from(topic);
  const body = Buffer.concat([
    Buffer.from([text.length >> 8, text.length & 0xff]),
    text,
    Buffer.from([0, 9]),
    Buffer.from(OK),
  ]);
  return Buffer.concat([Buffer.from([flags, 0x80 | (body.length & 0x7f), body.length >> 7]), body]);
};
const BROKEN: readonly [what: string, bytes: () => Buffer, expected: Record<string, number>][] = [
  ["a packet of 1 MB", () => announced(0x80, 0x80, 0x40), event("oversize")],
  ["a packet of 256 MB", () => announced(0xff, 0xff, 0xff, 0x7f), event("oversize")],
  ["a length without an end", () => announced(0xff, 0xff, 0xff, 0xff), event("protocol")],
  ["a wildcard in a publish", () => publishTo("devices/+/telemetry"), event("protocol")],
  ["a hash in a publish", () => publishTo("devices/#"), event("protocol")],
  ["a topic of 200 levels", () => publishTo(`a${"/a".repeat(199)}`), event("protocol")],
  ["an empty topic", () => publishTo(""), event("protocol")],
  ["QoS 3", () => publishTo("devices/x/telemetry", 0x36), event("protocol")],
  ["a packet of a reserved type", () => Buffer.from([0xf0, 0x00]), event("protocol")],
  [
    "a second CONNECT",
    () => Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 0]),
    event("protocol"),
  ],
];

describe("a connection that is logged in", () => {
  test.each(BROKEN)("ends with %s, and that is counted", async (_what, bytes, expected) => {
    const peer = RawPeer.to(system.stack.mqttUrl);
    expect(await peer.login(device)).toBe(0);
    await counted(async () => {
      peer.bytes(bytes());
      await peer.gone();
    }, expected);
  });

  test("is replaced by a second one of the same device, and only by that", async () => {
    const first = RawPeer.to(system.stack.mqttUrl);
    await first.login(device);
    const second = RawPeer.to(system.stack.mqttUrl);
    await counted(async () => {
      expect(await second.login(device)).toBe(0);
      await first.gone();
    }, event("takeover"));
    const thief = await system.device();
    const third = RawPeer.to(system.stack.mqttUrl);
    // Under what name its client comes makes no difference.
    await counted(async () => expect(await third.login(thief, { clientId: device.id })).toBe(0), {});
    third.end();
    second.publish(filled(OWN), OK, 1);
    expect(await second.answered(1)).toBe("acknowledged");
    second.end();
  });

  test("leaves a will as telemetry of its own, and none in another's name", async () => {
    const seq = uniqueSeq();
    const payload = Buffer.from(JSON.stringify({ status: { seq } }));
    for (const [topic, counts] of [
      ["devices/{me}/telemetry", {}],
      ["devices/{other}/telemetry", FOREIGN],
      ["$SYS/x", FOREIGN],
    ] as const) {
      const peer = RawPeer.to(system.stack.mqttUrl);
      await peer.login(device, { will: { topic: filled(topic), payload, qos: 1, retain: true } });
      await counted(async () => peer.end(), counts);
    }
    await until("the will is stored", async () => (await rowsOf(`seq = ${seq}`)).length === 1);
  });
});

const STRANGERS: readonly [
  what: string,
  login: () => Parameters<RawPeer["login"]>,
  code: number,
  expected: Record<string, number>,
][] = [
  [
    "__proto__ as id",
    () => [{ ...device, id: "__proto__" }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
  [
    "constructor as id",
    () => [{ ...device, id: "constructor" }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
  [
    "an id that is none",
    () => [{ ...device, id: "a/b" }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
  [
    "a wrong token",
    () => [{ ...device, token: "A".repeat(43) }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
  [
    "no password",
    () => [device, { password: undefined }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
  [
    "an unknown device",
    () => [{ ...device, id: name("device") }],
    4,
    { ...turnedAway("bad-credentials"), ...event("failed-login") },
  ],
];

describe("a login", () => {
  test.each(["__proto__", "constructor", "toString"])("as the device %s works like any other", async (id) => {
    const odd = await system.device({ id });
    const stored = (await system.books()).stored;
    await counted(() => system.say(odd, OK), {});
    await until("it is stored", async () => (await system.books()).stored > stored);
  });

  test.each(STRANGERS)("with %s is refused and counted", async (_what, login, code, expected) => {
    const peer = RawPeer.to(system.stack.mqttUrl);
    await counted(async () => expect(await peer.login(...login())).toBe(code), expected);
    peer.end();
  });

  test.each([
    ["bytes that are no MQTT", Buffer.from("GET / HTTP/1.1\r\n\r\n"), turnedAway("protocol")],
    [
      "a packet of 256 MB",
      Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]),
      { ...turnedAway("protocol"), ...event("oversize") },
    ],
    ["a publish before CONNECT", publishTo("devices/x/telemetry"), turnedAway("protocol")],
    ["half a CONNECT and then silence", Buffer.from([0x10, 0x20, 0x00, 0x04]), turnedAway("protocol")],
  ])("that begins with %s is cut off and counted", async (_what, bytes, expected) => {
    const peer = RawPeer.to(system.stack.mqttUrl);
    await counted(async () => {
      peer.bytes(bytes);
      await peer.gone();
    }, expected);
  });
});

/** Were it kept, the first of a field would give it its type in the store, for everyone. */
describe("a device that says something else of a property than all others", () => {
  const MESSAGES = 300;
  const requests = async () => {
    const passes = await system.metric("sink_write_seconds_count", '{sink="influx"}');
    return { passes, posts: await writeRequests(system.stack.influxUrl) };
  };
  const valuesOf = async (property: string) =>
    (await influxRows(system.stack.influxUrl, system.stack.database, `SELECT "${property}" FROM device_status`)).map(
      (row) => row[property],
    );

  test.each([
    ["a text, before numbers of", "co2", "x", "not-a-number", 500],
    ["a number, before flags of", "open", 1, "not-a-word", true],
    ["a flag, before words of", "preset", true, "not-a-word", "eco"],
  ])("sends %s its neighbours: all of theirs is stored and forwarded", async (_, property, odd, why, value) => {
    const seq = uniqueSeq();
    const dropped = await system.metric("properties_dropped_total", `{why="${why}"}`);
    await system.say(device, { status: { [property]: odd, seq } });
    await until("the rest of it is stored", async () => (await rowsOf(`seq = ${seq}`)).length === 1);
    expect(await system.metric("properties_dropped_total", `{why="${why}"}`)).toBe(dropped + 1);
    expect(await valuesOf(property)).toEqual([]);
    const listener = await system.listen("scene");
    const fleet = await system.devices(6);
    const [before, books] = [await requests(), await system.books()];
    await Promise.all(
      fleet.map(async (one) => {
        const client = await system.connect(one);
        const payload = JSON.stringify({ status: { [property]: value } });
        const topic = `devices/${one.id}/telemetry`;
        await Promise.all(
          Array.from({ length: MESSAGES / fleet.length }, () => client.publishAsync(topic, payload, { qos: 1 })),
        );
      }),
    );
    await until("all of it is stored", async () => (await valuesOf(property)).length === MESSAGES);
    expect(new Set(await valuesOf(property))).toEqual(new Set([value]));
    await until("all of it is forwarded", () => {
      const heard = listener.records.filter(({ status }) => (status as Record<string, unknown>)[property] === value);
      return heard.length === MESSAGES;
    });
    const after = await requests();
    await listener.stop();
    expect(after.posts - before.posts - (after.passes - before.passes)).toBeLessThan(4);
    expect((await system.books()).deadLettered).toBe(books.deadLettered);
  });
});

test("the neighbours published all the while: everything was acknowledged and is stored, once", async () => {
  visitor.stop();
  expect(await visitor.visits).toBeGreaterThan(0);
  await neighbours.stop();
  expect(neighbours.closed).toBe(0);
  // None was held up for good; what does not become durable in time is refused, which is counted below.
  expect(neighbours.slowestMs).toBeLessThan(50_000);
  expect(neighbours.acknowledged.size).toBe(neighbours.sent);
  const books = await system.settled();
  expect(books.refused["not-durable"] ?? 0).toBe(0);
  const rows = await rowsOf("run = 1");
  expect(rows.length).toBe(neighbours.sent);
  expect(new Set(rows.map(({ who, seq }) => `${who}/${seq}`))).toEqual(neighbours.acknowledged);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

function rowsOf(condition: string) {
  return influxRows(system.stack.influxUrl, system.stack.database, `SELECT * FROM device_status WHERE ${condition}`);
}
