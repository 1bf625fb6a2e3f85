/** How a connection of MQTT 5 ends, what is said at the end, and what becomes of its will (3.1.2.5, 3.14, 4.13). */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { DeviceKey } from "../../../src/model/ids.ts";
import { until } from "../../fixtures/eventually.ts";
import { packet } from "../../fixtures/ill-formed-mqtt.ts";
import { type IngressFixture, type IngressOverrides, SERVICE_TOKEN, TOKEN } from "../../fixtures/ingress.ts";
import { ingress5 } from "../../fixtures/mqtt5/ingress5.ts";
import { type Connect5, disconnect5, publish5, type Will5 } from "../../fixtures/mqtt5/packets.ts";
import type { Peer5 } from "../../fixtures/mqtt5/peer.ts";
import { property, userProperty } from "../../fixtures/mqtt5/properties.ts";
import { sample } from "../../fixtures/mqtt5/row.ts";

const { open, peer: newPeer } = ingress5();
let ingress: IngressFixture;

const DEVICE = { id: "hub-1", token: TOKEN };
const TOPIC = "devices/hub-1/status";
const WILL: Will5 = { topic: TOPIC, payload: '{"power_on":false}' };

async function loggedIn(change: Connect5 = {}, login = DEVICE): Promise<Peer5> {
  const one = newPeer();
  await one.login(login, change);
  return one;
}

const start = async (overrides: IngressOverrides = {}): Promise<void> => {
  ingress = await open(overrides);
};

const opened = () => ingress.events.filter((one) => one === "opened:device").length;
const gone = () =>
  until("it is gone", () => ingress.events.filter((one) => one === "closed:device").length === opened());
/** The will is told from what was published by what it says. */
const wills = () => ingress.admitted.filter(({ text }) => text === WILL.payload).length;
/** Whatever was in progress has been dealt with: a later message has. */
async function settled(): Promise<void> {
  const other = await loggedIn({}, { id: "hub-2", token: TOKEN });
  await other.asks("PUBACK", publish5("devices/hub-2/status"));
}

describe("a will", () => {
  test.each([
    ["DISCONNECT", disconnect5(), 0],
    ["DISCONNECT 0x00", disconnect5(0), 0],
    ["DISCONNECT 0x00 with properties", disconnect5(0, sample("reasonString"), sample("userProperty")), 0],
    ["DISCONNECT 0x04", disconnect5(4), 1],
    ["DISCONNECT 0x04 with properties", disconnect5(4, sample("reasonString")), 1],
    ["DISCONNECT 0x81", disconnect5(0x81), 1],
    ["DISCONNECT 0x00 that is ill-formed", packet(0xe0, [0, 9]), 1],
    ["an unknown packet", packet(0x00), 1],
  ] as const)("after %s [MQTT-3.1.2-8], [MQTT-3.14.4-3]", async (_what, bytes, published) => {
    await start();
    const peer = await loggedIn({ will: WILL });
    peer.bytes(bytes);
    await peer.gone();
    await gone();
    await settled();
    expect(wills()).toBe(published);
  });

  test("is published when the connection just ends, at once whatever delay it asks for: no session outlives it (3.1.3.2.2)", async () => {
    await start();
    const properties = [property("willDelay", 3_600), property("messageExpiry", 60), userProperty("secret", "secret")];
    const peer = await loggedIn({ will: { ...WILL, properties }, properties: [property("sessionExpiry", 7_200)] });
    const since = performance.now();
    peer.end();
    await until("the will has come", () => wills() === 1);
    expect(performance.now() - since).toBeLessThan(20_000);
    expect(inspect(ingress.admitted, { depth: 12 })).not.toContain("secret");
  });

  test("with a payload that is not what it says is refused like any message", async () => {
    await start();
    const peer = await loggedIn({
      will: { topic: TOPIC, payload: Buffer.from([0xff]), properties: [property("payloadFormat", 1)] },
    });
    peer.end();
    await until("it is refused", () => ingress.refused.get("invalid-payload") === 1);
  });

  test("of QoS 0, 1 and 2 is one message each", async () => {
    await start();
    for (const willQos of [0, 1, 2] as const) {
      const peer = await loggedIn({ will: WILL, willQos });
      peer.end();
      await until("the will has come", () => wills() === willQos + 1);
    }
  });
});

describe("DISCONNECT of a device", () => {
  test.each([
    [undefined, 60, "DISCONNECT 0x82"],
    [0, 60, "DISCONNECT 0x82"],
    [0, 0, "CONNACK 0x00"],
    [100, 50, "CONNACK 0x00"],
    [100, 0, "CONNACK 0x00"],
  ])("with CONNECT asking for a session of %s and itself for one of %s (3.14.2.2.2)", async (asked, changed, last) => {
    await start();
    const peer = await loggedIn({ properties: asked === undefined ? [] : [property("sessionExpiry", asked)] });
    peer.bytes(disconnect5(0, property("sessionExpiry", changed)));
    expect(await peer.gone()).toBe(last);
  });

  test("ends what is read of it [MQTT-3.14.4-2]", async () => {
    await start();
    const peer = await loggedIn();
    peer.bytes(disconnect5(), publish5(TOPIC));
    await peer.gone();
    await settled();
    expect(ingress.counts.received).toBe(1);
  });
});

describe("the gateway says why it ends a connection", () => {
  test("that was silent for one and a half times its keep alive [MQTT-3.1.2-22]", async () => {
    await start();
    // Before the login: the gateway's clock runs from there, however late the answer is read.
    const since = performance.now();
    const peer = await loggedIn({ keepalive: 1 });
    expect(await peer.gone()).toBe("DISCONNECT 0x8D");
    expect(performance.now() - since).toBeGreaterThan(1_300);
  });

  test("that asked for none, by the Server Keep Alive [MQTT-3.1.2-21]", async () => {
    await start({ broker: { maxKeepaliveS: 1 } });
    const peer = await loggedIn({ keepalive: 0 });
    expect(peer.packets[0]?.properties.serverKeepAlive).toBe(1);
    expect(await peer.gone()).toBe("DISCONNECT 0x8D");
  });

  test("whose device has come again [MQTT-3.1.4-3], also one of 3.1.1 for one of 5 and the other way round", async () => {
    await start();
    const first = await loggedIn({ clientId: "first" });
    const second = await loggedIn({ clientId: "second" });
    expect(await first.gone()).toBe("DISCONNECT 0x8E");
    const old = await ingress.device("hub-1");
    expect(await second.gone()).toBe("DISCONNECT 0x8E");
    const closed = new Promise((resolve) => old.once("close", () => resolve(undefined)));
    await loggedIn();
    await closed;
  });

  test("with a will, that is sent before the first message of the next [MQTT-3.1.4-3]", async () => {
    await start();
    const first = await loggedIn({ will: WILL });
    const second = await loggedIn();
    await second.asks("PUBACK", publish5(TOPIC));
    expect(await first.gone()).toBe("DISCONNECT 0x8E");
    expect(ingress.admitted.map(({ text }) => text)).toEqual([WILL.payload, '{"power_on":true}']);
  });

  test("of a device whose token was replaced", async () => {
    await start();
    const peer = await loggedIn();
    ingress.broker.endDevice("key-hub-1" as DeviceKey);
    expect(await peer.gone()).toBe("DISCONNECT 0x98");
  });

  test("because it stops, to devices and services, and publishes no will", async () => {
    await start();
    const device = await loggedIn({ will: WILL });
    const service = await loggedIn({ clientId: "svc" }, { id: "services", token: SERVICE_TOKEN });
    ingress.broker.quiesce();
    await ingress.broker.stop();
    expect(await device.gone()).toBe("DISCONNECT 0x8B");
    expect(await service.gone()).toBe("DISCONNECT 0x8B");
    expect(wills()).toBe(0);
  });

  test("that sends more than may be in one packet, at its header", async () => {
    await start();
    const peer = await loggedIn();
    peer.bytes(publish5(TOPIC, { payload: Buffer.alloc(70_000, "x") }).subarray(0, 10));
    expect(await peer.gone()).toBe("DISCONNECT 0x95");
    expect(ingress.events).toContain("oversize");
  });

  test("and gives no reasons in words where none were asked for [MQTT-3.1.2-29]", async () => {
    await start();
    const peer = await loggedIn({ properties: [property("requestProblemInformation", 0)] });
    peer.bytes(publish5(TOPIC, { properties: [property("topicAlias", 0)] }));
    expect(await peer.gone()).toBe("DISCONNECT 0x94");
    expect(peer.of("DISCONNECT").map(({ properties }) => properties)).toEqual([{}]);
  });

  test("only when it ends one: an orderly DISCONNECT is not answered", async () => {
    await start();
    const peer = await loggedIn();
    peer.bytes(disconnect5(0));
    expect(await peer.gone()).toBe("CONNACK 0x00");
  });
});
