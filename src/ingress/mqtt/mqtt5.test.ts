/** MQTT 5 over a real socket: what differs from MQTT 3.1.1, which the other tests of this folder hold. */
import type { Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  commandOf,
  type IngressFixture,
  type IngressOverrides,
  refOf,
  startIngress,
  TOKEN,
} from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";

let ingress: IngressFixture;
afterEach(() => ingress.stop());

async function start(overrides?: IngressOverrides): Promise<void> {
  ingress = await startIngress(overrides);
}

function peer(): RawPeer {
  return RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`, 5);
}

async function loggedIn(id = "lamp-1", more: object = {}): Promise<RawPeer> {
  const one = peer();
  expect(await one.login({ id, token: TOKEN }, more)).toBe(0);
  return one;
}

async function next<Cmd extends Packet["cmd"]>(one: RawPeer, cmd: Cmd, count = 1): Promise<Packet & { cmd: Cmd }> {
  const found = () => one.packets.filter((packet): packet is Packet & { cmd: Cmd } => packet.cmd === cmd);
  await until(`${cmd} comes`, () => found().length >= count);
  return found()[count - 1] as Packet & { cmd: Cmd };
}

const status = (value: object = { power_on: true }): string => JSON.stringify({ status: value });

describe("CONNACK", () => {
  it("tells what is served, and what is not", async () => {
    await start();
    const one = await loggedIn("lamp-1", { clientId: "", keepalive: 0, properties: { sessionExpiryInterval: 3600 } });
    const { sessionPresent, properties } = await next(one, "connack");
    expect(sessionPresent).toBe(false);
    expect(properties).toEqual({
      sessionExpiryInterval: 0,
      assignedClientIdentifier: expect.stringMatching(/^[0-9a-f-]{36}$/),
      serverKeepAlive: 60,
      receiveMaximum: 256,
      maximumPacketSize: 65_536,
      topicAliasMaximum: 32,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    });
  });

  it.each([
    ["a wrong token", { password: Buffer.from("wrong") }, 0x86],
    ["an id that does not exist", { username: "someone-else", password: Buffer.from("wrong") }, 0x86],
  ])("says %s with %#", async (_, more, code) => {
    await start();
    const one = peer();
    expect(await one.login({ id: "lamp-1", token: TOKEN }, more)).toBe(code);
    expect(one.packets[0]).toMatchObject({ properties: { reasonString: "bad-credentials" } });
    await one.gone();
  });

  it("says that the backlog is full, without a reason where none is wanted", async () => {
    await start();
    ingress.behind.backlogFull = true;
    const one = peer();
    const properties = { requestProblemInformation: false };
    expect(await one.login({ id: "lamp-1", token: TOKEN }, { properties })).toBe(0x89);
    expect(one.packets[0]?.cmd === "connack" && one.packets[0].properties).toBeUndefined();
  });
});

describe("a message", () => {
  it("is acknowledged with a reason, also where there is none to give", async () => {
    await start({ rate: { perSecond: 0.001, burst: 4 } });
    const one = await loggedIn();
    const answers = [
      ["devices/lamp-1/telemetry", status(), 0x00],
      ["devices/lamp-2/telemetry", status(), 0x90],
      ["devices/lamp-1/telemetry", "no json", 0x99],
      ["devices/lamp-1/telemetry", status({ never_heard_of: 1 }), 0x99],
      ["devices/lamp-1/telemetry", "x".repeat(9000), 0x97],
      ["devices/lamp-1/telemetry", status(), 0x00],
      ["devices/lamp-1/telemetry", status(), 0x97],
    ] as const;
    for (const [index, [topic, payload]] of answers.entries()) one.publish(topic, payload, index + 1);
    await next(one, "puback", answers.length);
    const codes = one.packets.flatMap((packet) => (packet.cmd === "puback" ? [packet.reasonCode] : []));
    expect(codes).toEqual(answers.map(([, , code]) => code));
    expect(ingress.admitted).toHaveLength(2);
  });

  it("that no one may use is told so once a minute, and in between as one that was taken", async () => {
    await start();
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "no-consent" }));
    const one = await loggedIn();
    for (const id of [1, 2, 3]) one.publish("devices/lamp-1/telemetry", status(), id);
    await next(one, "puback", 3);
    expect(one.packets.flatMap((packet) => (packet.cmd === "puback" ? [packet.reasonCode] : []))).toEqual([0x87, 0, 0]);
  });

  it("is not told so where the operator does not want it", async () => {
    await start({ broker: { tellConsent: false } });
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "consent-withdrawn" }));
    const one = await loggedIn();
    one.publish("devices/lamp-1/telemetry", status(), 1);
    expect(await next(one, "puback")).toMatchObject({ reasonCode: 0 });
  });

  it("that is not durable gets no acknowledgement: the connection ends, and says that the server is busy", async () => {
    await start();
    ingress.behind.enqueue = async () => {
      throw new Error("Redis is away");
    };
    const one = await loggedIn();
    one.publish("devices/lamp-1/telemetry", status(), 1);
    await one.gone();
    expect(one.acknowledged).toEqual([]);
    expect(one.packets.at(-1)).toMatchObject({ cmd: "disconnect", reasonCode: 0x89 });
  });

  it("that has waited for longer than its sender wanted is refused", async () => {
    await start();
    let let_go = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      let_go = resolve;
    });
    ingress.behind.backlogFull = false;
    const one = await loggedIn();
    ingress.behind.enqueue = () => held;
    one.publish("devices/lamp-1/telemetry", status(), 1);
    await until("it is in progress", () => ingress.counts.received === 1);
    ingress.behind.backlogFull = true;
    one.publish("devices/lamp-1/telemetry", status(), 2, { properties: { messageExpiryInterval: 1 } });
    one.publish("devices/lamp-1/telemetry", status(), 3, { properties: { messageExpiryInterval: 60 } });
    await until("they wait", () => ingress.counts.received === 3);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    let_go();
    ingress.behind.backlogFull = false;
    await next(one, "puback", 3);
    expect(one.packets.flatMap((packet) => (packet.cmd === "puback" ? [packet.reasonCode] : []))).toEqual([0, 0x83, 0]);
    expect([ingress.admitted.length, ingress.refused.get("expired")]).toEqual([2, 1]);
  });

  it("may name its topic by an alias", async () => {
    await start();
    const one = await loggedIn();
    one.publish("devices/lamp-1/telemetry", status(), 1, { properties: { topicAlias: 7 } });
    one.publish("", status({ power_on: false }), 2, { properties: { topicAlias: 7 } });
    one.publish("devices/lamp-1/status", JSON.stringify({ power_on: true }), 3, { properties: { topicAlias: 7 } });
    one.publish("", JSON.stringify({ power_on: true }), 4, { properties: { topicAlias: 7 } });
    await next(one, "puback", 4);
    expect(ingress.admitted).toHaveLength(4);
    one.publish("", "1", 5, { properties: { topicAlias: 8 } });
    expect(await next(one, "disconnect")).toMatchObject({ reasonCode: 0x82 });
    await one.gone();
  });

  it("with QoS 2 that was refused needs no PUBREL", async () => {
    await start();
    const one = await loggedIn();
    one.publish("devices/lamp-1/telemetry", status(), 1, { qos: 2 });
    one.publish("devices/lamp-2/telemetry", status(), 2, { qos: 2 });
    await next(one, "pubrec", 2);
    expect(one.packets.flatMap((packet) => (packet.cmd === "pubrec" ? [packet.reasonCode] : []))).toEqual([0, 0x90]);
    one.send({ cmd: "pubrel", messageId: 1 }, { cmd: "pubrel", messageId: 2 });
    await next(one, "pubcomp", 2);
    expect(one.packets.flatMap((packet) => (packet.cmd === "pubcomp" ? [packet.reasonCode] : []))).toEqual([0, 0x92]);
  });
});

describe("what a device hears", () => {
  it("is granted filter by filter, and taken back so", async () => {
    await start();
    const one = await loggedIn();
    const topics = ["devices/lamp-1/commands/#", "devices/lamp-2/commands/#", "$share/group/devices/lamp-1/notices"];
    const subscriptions = topics.map((topic) => ({ topic, qos: 1 as const, nl: false, rap: false, rh: 0 }));
    one.send({ cmd: "subscribe", messageId: 1, subscriptions });
    expect(await next(one, "suback")).toMatchObject({ granted: [1, 0x87, 0x9e] });
    ingress.broker.devices.command(refOf("lamp-1"), commandOf("on"));
    expect(await next(one, "publish")).toMatchObject({ topic: "devices/lamp-1/commands/on", qos: 1 });
    one.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: topics });
    expect(await next(one, "unsuback")).toMatchObject({ granted: [0, 0x11, 0x11] });
  });

  it("is no longer than it takes, and asks for no more acknowledgements than it wants to give", async () => {
    await start();
    const one = await loggedIn("lamp-1", { properties: { maximumPacketSize: 100, receiveMaximum: 1 } });
    one.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "devices/lamp-1/commands/#", qos: 1 }] });
    await next(one, "suback");
    for (const payload of ["x".repeat(200), "1", "2"])
      ingress.broker.devices.command(refOf("lamp-1"), commandOf("on", payload));
    const second = await next(one, "publish", 2);
    expect([String(second.payload), second.qos]).toEqual(['{"value":"2"}', 0]);
    const first = await next(one, "publish");
    expect([String(first.payload), first.qos]).toEqual(['{"value":"1"}', 1]);
    one.send({ cmd: "puback", messageId: first.messageId as number });
    one.publish("devices/lamp-1/telemetry", status(), 1);
    await next(one, "puback");
    ingress.broker.devices.command(refOf("lamp-1"), commandOf("on", "3"));
    expect((await next(one, "publish", 3)).qos).toBe(1);
  });
});

describe("the end of a connection", () => {
  it("is told to the one that another takes the place of", async () => {
    await start();
    const one = await loggedIn();
    await loggedIn();
    expect(await next(one, "disconnect")).toMatchObject({ reasonCode: 0x8e });
  });

  it("is told when the session is ended", async () => {
    await start();
    const one = await loggedIn();
    ingress.broker.endDevices();
    expect(await next(one, "disconnect")).toMatchObject({ reasonCode: 0x98 });
  });

  it("is told when a packet is too long", async () => {
    await start();
    const one = await loggedIn();
    one.publish("devices/lamp-1/telemetry", "x".repeat(70_000), 1);
    expect(await next(one, "disconnect")).toMatchObject({ reasonCode: 0x95 });
  });

  it("is told when nothing has come for too long", async () => {
    await start();
    const one = await loggedIn("lamp-1", { keepalive: 1 });
    expect(await next(one, "disconnect")).toMatchObject({ reasonCode: 0x8d });
  });

  it.each([
    ["without a reason", 0x00, 0],
    ["with the wish that the will be published", 0x04, 1],
  ])("by the client %s", async (_, reasonCode, published) => {
    await start();
    const will = { topic: "devices/lamp-1/status", payload: Buffer.from('{"online":false}'), qos: 1, retain: false };
    const one = await loggedIn("lamp-1", { will: { ...will, properties: { willDelayInterval: 60 } } });
    one.send({ cmd: "disconnect", reasonCode });
    await one.gone();
    const other = await loggedIn("lamp-2");
    other.publish("devices/lamp-2/telemetry", status(), 1);
    await next(other, "puback");
    expect(ingress.admitted).toHaveLength(1 + published);
  });
});
