/** What a device is told of each PUBLISH of MQTT 5 (3.4, 3.5, 4.3), what of it is taken, and what a broken promise costs. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { Refusal } from "../../../src/model/outcome.ts";
import { until } from "../../fixtures/eventually.ts";
import { type IngressFixture, type IngressOverrides, startIngress, TOKEN } from "../../fixtures/ingress.ts";
import { ingress5 } from "../../fixtures/mqtt5/ingress5.ts";
import { ack5, type Connect5, publish5, STATUS } from "../../fixtures/mqtt5/packets.ts";
import type { Peer5 } from "../../fixtures/mqtt5/peer.ts";
import { property } from "../../fixtures/mqtt5/properties.ts";

const { open, peer: newPeer } = ingress5();
let ingress: IngressFixture;

const TOPIC = "devices/hub-1/status";

async function loggedIn(change: Connect5 = {}, id = "hub-1"): Promise<Peer5> {
  const one = newPeer();
  await one.login({ id, token: TOKEN }, change);
  return one;
}

async function start(overrides: IngressOverrides = {}, change: Connect5 = {}): Promise<Peer5> {
  ingress = await open(overrides);
  return await loggedIn(change);
}

const refuse = (refusal: Refusal): void => {
  ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal }) as never);
};

const alias = (value: number): Buffer => property("topicAlias", value);

describe("the reason code of an acknowledgement", () => {
  test.each([
    ["no-consent", 0x87],
    ["consent-withdrawn", 0x87],
    ["consent-expired", 0x87],
    ["policy-superseded", 0x87],
    ["guardian-missing", 0x87],
    ["no-recipient", 0x10],
    ["legal-hold", 0x00],
  ] as const)("of %s is %i, for QoS 1 and QoS 2", async (refusal, reason) => {
    for (const [first, type] of [
      [0x32, "PUBACK"],
      [0x34, "PUBREC"],
    ] as const) {
      const peer = await start();
      refuse(refusal);
      expect(await peer.asks(type, publish5(TOPIC, { first }))).toEqual([reason]);
      expect(ingress.refused.get(refusal)).toBe(1);
      await ingress.stop();
    }
    ingress = await startIngress();
  });

  test("is of consent at most once a minute a device, also over another connection, and says nothing between", async () => {
    const peer = await start();
    refuse("consent-withdrawn");
    const reasons: number[] = [];
    for (let id = 1; id <= 5; id += 1) reasons.push(...(await peer.asks("PUBACK", publish5(TOPIC, { id }))));
    peer.end();
    const again = await loggedIn();
    reasons.push(...(await again.asks("PUBACK", publish5(TOPIC))));
    expect(reasons).toEqual([0x87, 0, 0, 0, 0, 0]);
    const other = await loggedIn({}, "hub-2");
    expect(await other.asks("PUBACK", publish5("devices/hub-2/status"))).toEqual([0x87]);
  });

  test.each([
    ["a topic of another device", "devices/hub-2/status", STATUS, 0x90],
    ["a topic of no one", "anything/else", STATUS, 0x90],
    ["what is no JSON", TOPIC, "on", 0x99],
    ["what is no UTF-8", TOPIC, Buffer.from([0x7b, 0xc0, 0xaf, 0x7d]), 0x99],
    ["nothing known", TOPIC, '{"unheard_of":1}', 0x99],
    ["more than may be", TOPIC, `{"power_on":true,"x":"${"x".repeat(9_000)}"}`, 0x97],
    ["a counter that tells nothing yet", TOPIC, '{"energy":1.5}', 0x00],
    ["a good message", TOPIC, STATUS, 0x00],
  ] as const)("of %s", async (_what, topic, payload, reason) => {
    const peer = await start();
    expect(await peer.asks("PUBACK", publish5(topic, { payload }))).toEqual([reason]);
    expect(await peer.asks("PUBREC", publish5(topic, { first: 0x34, id: 11, payload }))).toEqual([reason]);
    expect(peer.closed).toBe(false);
  });

  test("of one beyond the rate", async () => {
    const peer = await start({ rate: { perSecond: 0.001, burst: 1 } });
    expect(await peer.asks("PUBACK", publish5(TOPIC, { id: 1 }))).toEqual([0]);
    expect(await peer.asks("PUBACK", publish5(TOPIC, { id: 2 }))).toEqual([0x97]);
  });

  test("of a device that is bound to no one", async () => {
    const peer = await start({ unbound: ["hub-1"] });
    const [reason] = await peer.asks("PUBACK", publish5(TOPIC));
    expect(ingress.refused.get("unknown-device")).toBe(1);
    expect(reason).toBe(0x87);
  });

  test("is always sent, so that all have one length, and comes in the order of the messages [MQTT-4.6.0-2]", async () => {
    const peer = await start();
    const payloads = [STATUS, "on", STATUS, '{"energy":1}', STATUS];
    peer.bytes(...payloads.map((payload, index) => publish5(TOPIC, { id: index + 1, payload })));
    await peer.next("PUBACK", payloads.length);
    const acks = peer.of("PUBACK");
    expect(acks.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(acks.map(({ reasons }) => reasons[0])).toEqual([0, 0x99, 0, 0, 0]);
    expect(new Set(acks.map(({ bytes }) => bytes.length)).size).toBe(1);
  });

  test("has no reason string where none was asked for [MQTT-3.1.2-29]", async () => {
    const peer = await start({}, { properties: [property("requestProblemInformation", 0)] });
    peer.bytes(publish5(TOPIC, { id: 1, payload: "on" }), publish5("no/topic", { id: 2 }), ack5(0x62, 9));
    await peer.next("PUBACK", 2);
    await peer.next("PUBCOMP");
    expect(peer.packets.slice(1).map(({ properties }) => properties)).toEqual([{}, {}, {}]);
  });
});

describe("what could not be made durable", () => {
  test.each([0x32, 0x34])("is never acknowledged: 0x89 and the end (first byte %i)", async (first) => {
    const peer = await start({ deadlineMs: 300 });
    ingress.behind.enqueue = () => Promise.reject(new Error("disk full"));
    peer.bytes(publish5(TOPIC, { first }));
    expect(await peer.gone()).toBe("DISCONNECT 0x89");
    expect(peer.answers).toEqual(["CONNACK 0x00", "DISCONNECT 0x89"]);
  });

  test("takes with it the acknowledgements of what came behind", async () => {
    const peer = await start({ deadlineMs: 300 });
    ingress.behind.enqueue = () => Promise.reject(new Error("disk full"));
    peer.bytes(publish5(TOPIC, { id: 1 }), publish5(TOPIC, { id: 2, payload: "on" }));
    expect(await peer.gone()).toBe("DISCONNECT 0x89");
    expect(peer.of("PUBACK")).toEqual([]);
  });
});

describe("QoS 2", () => {
  test("is taken once, and released [MQTT-4.3.3-10], [MQTT-4.3.3-11]", async () => {
    const peer = await start();
    expect(await peer.asks("PUBREC", publish5(TOPIC, { first: 0x34, id: 7 }))).toEqual([0]);
    expect(await peer.asks("PUBREC", publish5(TOPIC, { first: 0x3c, id: 7 }))).toEqual([0]);
    expect(ingress.admitted).toHaveLength(1);
    expect(await peer.asks("PUBCOMP", ack5(0x62, 7))).toEqual([0]);
    expect(await peer.asks("PUBCOMP", ack5(0x62, 7))).toEqual([0x92]);
    expect(await peer.asks("PUBREC", publish5(TOPIC, { first: 0x34, id: 7 }))).toEqual([0]);
    expect(ingress.admitted).toHaveLength(2);
  });

  test("ends with a PUBREC that refuses: the identifier is free [MQTT-4.3.3-9]", async () => {
    const peer = await start();
    expect(await peer.asks("PUBREC", publish5("no/topic", { first: 0x34, id: 7 }))).toEqual([0x90]);
    expect(await peer.asks("PUBREC", publish5(TOPIC, { first: 0x34, id: 7 }))).toEqual([0]);
    expect(ingress.admitted).toHaveLength(1);
    expect(await peer.asks("PUBREC", publish5("no/topic", { first: 0x34, id: 8 }))).toEqual([0x90]);
    expect(await peer.asks("PUBCOMP", ack5(0x62, 8))).toEqual([0x92]);
  });

  test("beyond the Receive Maximum ends the connection, what was refused not counted [MQTT-3.3.4-7]", async () => {
    const peer = await start({ broker: { inFlightPerConnection: 4 } });
    expect(peer.packets[0]?.properties.receiveMaximum).toBe(4);
    for (let id = 1; id <= 6; id += 1) await peer.asks("PUBREC", publish5("no/topic", { first: 0x34, id }));
    for (let id = 1; id <= 4; id += 1) await peer.asks("PUBREC", publish5(TOPIC, { first: 0x34, id }));
    peer.bytes(publish5(TOPIC, { first: 0x34, id: 5 }));
    expect(await peer.gone()).toBe("DISCONNECT 0x93");
    expect(ingress.admitted).toHaveLength(4);
  });

  test("within the Receive Maximum goes on forever", async () => {
    const peer = await start({ broker: { inFlightPerConnection: 4 } });
    for (let id = 1; id <= 20; id += 1) {
      await peer.asks("PUBREC", publish5(TOPIC, { first: 0x34, id }));
      await peer.asks("PUBCOMP", ack5(0x62, id));
    }
    expect(ingress.admitted).toHaveLength(20);
  });
});

describe("a topic alias", () => {
  test("stands for the topic it was set to last [MQTT-3.3.2-12]", async () => {
    const peer = await start();
    const steps: readonly [topic: string, alias: number, payload: string, reason: number][] = [
      [TOPIC, 1, STATUS, 0],
      ["", 1, STATUS, 0],
      ["devices/hub-1/model", 2, '{"model":"HB-200"}', 0],
      ["", 1, STATUS, 0],
      ["devices/hub-1/model", 1, '{"model":"HB-200"}', 0],
      ["", 1, '{"model":"HB-200"}', 0],
      ["", 1, STATUS, 0x99],
      ["", 2, '{"model":"HB-200"}', 0],
    ];
    for (const [index, [topic, value, payload, reason]] of steps.entries()) {
      const change = { id: index + 1, properties: [alias(value)], payload };
      expect(await peer.asks("PUBACK", publish5(topic, change)), `step ${index}`).toEqual([reason]);
    }
  });

  test("stands for it also where the first message was refused, or of QoS 0", async () => {
    const peer = await start();
    peer.bytes(publish5(TOPIC, { first: 0x30, properties: [alias(1)], payload: "on" }));
    expect(await peer.asks("PUBACK", publish5("", { properties: [alias(1)] }))).toEqual([0]);
    expect(await peer.asks("PUBACK", publish5("no/topic", { properties: [alias(2)] }))).toEqual([0x90]);
    expect(await peer.asks("PUBACK", publish5("", { properties: [alias(2)] }))).toEqual([0x90]);
  });

  test("may be the largest that was granted, and not the next", async () => {
    const peer = await start();
    const most = peer.packets[0]?.properties.topicAliasMaximum as number;
    expect(await peer.asks("PUBACK", publish5(TOPIC, { properties: [alias(most)] }))).toEqual([0]);
    expect(await peer.asks("PUBACK", publish5("", { properties: [alias(most)] }))).toEqual([0]);
    peer.bytes(publish5(TOPIC, { properties: [alias(most + 1)] }));
    expect(await peer.gone()).toBe("DISCONNECT 0x94");
  });

  test("ends with its connection, and is no one else's [MQTT-3.3.2-7]", async () => {
    const peer = await start();
    await peer.asks("PUBACK", publish5(TOPIC, { properties: [alias(1)] }));
    const other = await loggedIn({}, "hub-2");
    other.bytes(publish5("", { properties: [alias(1)] }));
    expect(await other.gone()).toBe("DISCONNECT 0x82");
    peer.end();
    const again = await loggedIn();
    again.bytes(publish5("", { properties: [alias(1)] }));
    expect(await again.gone()).toBe("DISCONNECT 0x82");
    expect(ingress.admitted).toHaveLength(1);
  });
});

describe("Message Expiry Interval", () => {
  test("refuses what waited longer, and nothing else", async () => {
    const peer = await start({ deadlineMs: 20_000 });
    const durable: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => durable.push(resolve));
    // As many as may be in transit at once: the next ones wait.
    for (const id of [1, 2]) {
      peer.bytes(publish5(TOPIC, { id }));
      await until("it is in transit", () => durable.length === id);
    }
    peer.bytes(
      publish5(TOPIC, { id: 3, properties: [property("messageExpiry", 1)] }),
      publish5(TOPIC, { id: 4, properties: [property("messageExpiry", 600)] }),
    );
    await until("they have come", () => ingress.counts.received === 4);
    const since = performance.now();
    await until("the first is too old", () => performance.now() - since > 1_200);
    ingress.behind.enqueue = async () => undefined;
    for (const resolve of durable) resolve();
    await peer.next("PUBACK", 4);
    expect(ingress.admitted).toHaveLength(3);
    expect(peer.of("PUBACK").map(({ reasons }) => reasons[0])).toMatchObject([0, 0, expect.any(Number), 0]);
    expect([...ingress.refused]).toEqual([["expired", 1]]);
  });
});

describe("what else stands in a PUBLISH", () => {
  test("is neither read nor kept: the same message with and without it", async () => {
    const peer = await start();
    const all = [
      property("contentType", "text/secret-1"),
      property("responseTopic", "secret-2"),
      property("correlationData", "secret-3"),
      property("userProperty", ["secret-4", "secret-5"]),
      property("payloadFormat", 1),
    ];
    await peer.asks("PUBACK", publish5(TOPIC, { id: 1 }));
    await peer.asks("PUBACK", publish5(TOPIC, { id: 2, properties: all }));
    const [plain, full] = ingress.admitted.map(({ text, part, ref }) => ({ text, part, ref }));
    expect(full).toEqual(plain);
    expect(inspect(ingress.admitted, { depth: 12 })).not.toContain("secret");
  });
});
