/** What a subscriber of MQTT 5 is sent (3.3, 3.8 to 3.11, 4.9), and how much of it at a time. */
import { describe, expect, test } from "vitest";
import type { DeviceKey, DeviceRef, SubjectTag } from "../../../src/model/ids.ts";
import { until } from "../../fixtures/eventually.ts";
import { commandOf, type IngressFixture, type IngressOverrides, SERVICE_TOKEN, TOKEN } from "../../fixtures/ingress.ts";
import { ingress5 } from "../../fixtures/mqtt5/ingress5.ts";
import { ack5, type Connect5, subscribe5, unsubscribe5 } from "../../fixtures/mqtt5/packets.ts";
import type { Peer5 } from "../../fixtures/mqtt5/peer.ts";
import { property } from "../../fixtures/mqtt5/properties.ts";

const { open, peer: newPeer } = ingress5();
let ingress: IngressFixture;

const REF: DeviceRef = { deviceKey: "key-hub-1" as DeviceKey, subjectTag: "tag-key-hub-1" as SubjectTag };
const COMMANDS = "devices/hub-1/commands/#";
const SCENE = "processed/scene/#";

const start = async (overrides: IngressOverrides = {}): Promise<void> => {
  ingress = await open(overrides);
};

async function loggedIn(login: { id: string; token: string }, change: Connect5 = {}): Promise<Peer5> {
  const one = newPeer();
  await one.login(login, change);
  return one;
}

const device = (change: Connect5 = {}) => loggedIn({ id: "hub-1", token: TOKEN }, change);
const service = (change: Connect5 = {}) =>
  loggedIn({ id: "services", token: SERVICE_TOKEN }, { clientId: "svc", ...change });
const command = (name: string, value = "on"): boolean => ingress.broker.devices.command(REF, commandOf(name, value));

describe("a filter", () => {
  test("is answered each in its place, and taken back each in its place [MQTT-3.8.4-6], [MQTT-3.11.3-1]", async () => {
    await start();
    const peer = await device();
    expect(
      await peer.asks(
        "SUBACK",
        subscribe5([
          [COMMANDS, 1],
          ["#", 0],
          ["devices/hub-1/notices", 0],
        ]),
      ),
    ).toEqual([1, 0x87, 0]);
    expect(await peer.asks("UNSUBACK", unsubscribe5(["devices/hub-1/notices", "#", COMMANDS, COMMANDS]))).toEqual([
      0, 0x11, 0, 0x11,
    ]);
    command("on");
    await peer.ping();
    expect(peer.of("PUBLISH")).toEqual([]);
  });

  test("beyond what one may hold is 0x97, and asked for too fast as well", async () => {
    await start({ broker: { maxSubscriptions: 2 } });
    const peer = await device();
    const own = (name: string) => [`devices/hub-1/commands/${name}`, 0] as const;
    expect(await peer.asks("SUBACK", subscribe5([own("a"), own("b"), own("c"), own("a")]))).toEqual([0, 0, 0x97, 0]);
    await ingress.stop();
    await start({ subscribing: { perSecond: 0.001, burst: 1 } });
    const other = await device();
    expect(await other.asks("SUBACK", subscribe5([own("a"), own("b")]))).toEqual([0, 0x97]);
  });

  test("of a purpose that is not the service's is 0x87", async () => {
    await start();
    const peer = await service();
    expect(await peer.asks("SUBACK", subscribe5([[SCENE], ["processed/network/#"], ["#"]]))).toEqual([0, 0x87, 0x87]);
  });

  test("that is shared is 0x9E to a device", async () => {
    await start();
    const peer = await device();
    expect(peer.packets[0]?.properties.sharedSubscriptionAvailable).toBe(0);
    const filters = [[`$share/g/${COMMANDS}`], ["devices/hub-1/notices"]] as const;
    expect(await peer.asks("SUBACK", subscribe5(filters))).toEqual([0x9e, 0]);
  });

  test("with an identifier is answered as the CONNACK announces it (3.2.2.3.12)", async () => {
    await start();
    const peer = await device();
    const isThere = peer.packets[0]?.properties.subscriptionIdentifiersAvailable !== 0;
    peer.bytes(subscribe5([[COMMANDS]], 10, property("subscriptionIdentifier", 268_435_455)));
    await until("it is answered", () => peer.packets.length > 1 || peer.closed);
    if (!isThere) {
      const [, answer] = peer.packets;
      expect(["SUBACK", "DISCONNECT"]).toContain(answer?.type);
      expect(answer?.reasons).toEqual([0xa1]);
      return;
    }
    expect(peer.of("SUBACK")[0]?.reasons).toEqual([0]);
    command("on");
    const { properties } = await peer.next("PUBLISH");
    expect(properties.subscriptionIdentifier).toEqual([268_435_455]);
  });

  test("asked for again is answered, replaces the first, and is sent nothing retained [MQTT-3.8.4-3]", async () => {
    await start();
    const peer = await device();
    expect(await peer.asks("SUBACK", subscribe5([[COMMANDS, 0]]))).toEqual([0]);
    expect(await peer.asks("SUBACK", subscribe5([[COMMANDS, 1]]))).toEqual([1]);
    expect(peer.of("PUBLISH")).toEqual([]);
    command("on");
    await peer.next("PUBLISH");
    await peer.ping();
    expect(peer.of("PUBLISH").map(({ qos }) => qos)).toEqual([1]);
  });
});

describe("what is sent", () => {
  test("to a device is no more than what was granted, without RETAIN, alias or property", async () => {
    await start();
    const peer = await device({ properties: [property("topicAliasMaximum", 10)] });
    await peer.asks("SUBACK", subscribe5([[COMMANDS, 1]]));
    command("on");
    const sent = await peer.next("PUBLISH");
    expect(sent).toMatchObject({ topic: "devices/hub-1/commands/on", qos: 1, retain: false, properties: {} });
    expect(sent.payload.toString()).toBe('{"value":"on"}');
    expect(sent.id).toBeGreaterThan(0);
  });

  test("to services of 5 and of 3.1.1 is the same message", async () => {
    await start();
    const five = await service();
    await five.asks("SUBACK", subscribe5([[SCENE]]));
    const old = await ingress.service({ clientId: "old" });
    const heard: string[] = [];
    old.on("message", (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await old.subscribeAsync(SCENE);
    ingress.forward("scene", "x", '{"model":"HB-200"}');
    const { topic, payload, properties, qos } = await five.next("PUBLISH");
    await until("the other heard it", () => heard.length === 1);
    expect(heard).toEqual([`${topic} ${payload.toString()}`]);
    expect({ properties, qos }).toEqual({ properties: {}, qos: 0 });
  });
});

describe("the client's Maximum Packet Size", () => {
  const limited = (bytes: number): Connect5 => ({ properties: [property("maximumPacketSize", bytes)] });

  test("is honoured to the byte for what a service hears [MQTT-3.1.2-24], [MQTT-3.1.2-25]", async () => {
    await start();
    const free = await service({ clientId: "free" });
    await free.asks("SUBACK", subscribe5([[SCENE]]));
    const say = (name: string, payload: string): unknown => ingress.forward("scene", name, payload);
    const text = "x".repeat(100);
    say("x", text);
    const { bytes } = await free.next("PUBLISH");
    const exact = await service({ clientId: "exact", ...limited(bytes.length) });
    const less = await service({ clientId: "less", ...limited(bytes.length - 1) });
    for (const peer of [exact, less]) await peer.asks("SUBACK", subscribe5([[SCENE]]));
    say("x", text);
    say("x", `${text}x`);
    say("x", "1");
    await free.next("PUBLISH", 4);
    const payloads = (peer: Peer5) => peer.of("PUBLISH").map(({ payload }) => payload.toString());
    for (const peer of [exact, less]) {
      await until("the last has come", () => payloads(peer).includes("1"));
      await peer.ping();
    }
    expect(payloads(exact)).toEqual([text, "1"]);
    expect(payloads(less)).toEqual(["1"]);
  });

  test("is honoured for commands, and the connection goes on", async () => {
    await start();
    const peer = await device(limited(70));
    await peer.asks("SUBACK", subscribe5([[COMMANDS, 1]]));
    command("big", "x".repeat(100));
    command("on", "1");
    await peer.next("PUBLISH");
    await peer.ping();
    expect(peer.of("PUBLISH").map(({ topic }) => topic)).toEqual(["devices/hub-1/commands/on"]);
    expect(peer.closed).toBe(false);
  });

  test("is honoured for answers: where one has no room the connection ends, and none is longer", async () => {
    await start();
    const peer = await device(limited(70));
    const filters = Array.from({ length: 80 }, (_, index) => [`devices/hub-1/commands/${index}`, 0] as const);
    peer.bytes(subscribe5(filters));
    expect(await peer.gone()).toBe("DISCONNECT 0x95");
    expect(peer.packets.filter(({ bytes }) => bytes.length > 70)).toEqual([]);
  });
});

describe("the client's Receive Maximum", () => {
  const limited = (count: number): Connect5 => ({ properties: [property("receiveMaximum", count)] });

  test("is never exceeded, and what is acknowledged makes room again [MQTT-3.3.4-9]", async () => {
    await start();
    const peer = await device(limited(2));
    await peer.asks("SUBACK", subscribe5([[COMMANDS, 1]]));
    for (let turn = 0; turn < 10; turn += 1) command(`c${turn}`);
    await peer.next("PUBLISH", 2);
    await peer.ping();
    const withIds = () => peer.of("PUBLISH").filter(({ qos }) => qos > 0);
    expect(withIds()).toHaveLength(2);
    expect(new Set(withIds().map(({ id }) => id)).size).toBe(2);
    const [one] = withIds();
    peer.bytes(ack5(0x40, one?.id ?? 0, 0));
    await peer.ping();
    command("again");
    await until("one more has come", () => withIds().length === 3);
    await peer.ping();
    expect(withIds()).toHaveLength(3);
  });

  test("is made room in by an acknowledgement that refuses, and by none that was made up", async () => {
    await start();
    const peer = await device(limited(1));
    await peer.asks("SUBACK", subscribe5([[COMMANDS, 1]]));
    command("a");
    const { id } = await peer.next("PUBLISH");
    for (const other of [id + 1, id + 2, id + 3]) peer.bytes(ack5(0x40, other, 0));
    await peer.ping();
    command("b");
    command("c");
    await peer.ping();
    expect(peer.of("PUBLISH").filter(({ qos }) => qos > 0)).toHaveLength(1);
    peer.bytes(ack5(0x40, id, 0x87));
    await peer.ping();
    command("d");
    await until("one more has come", () => peer.of("PUBLISH").filter(({ qos }) => qos > 0).length === 2);
  });

  test("does not touch what is of QoS 0", async () => {
    await start();
    const peer = await service(limited(1));
    await peer.asks("SUBACK", subscribe5([[SCENE]]));
    for (let turn = 0; turn < 10; turn += 1) ingress.forward("scene", "x", `${turn}`);
    await peer.next("PUBLISH", 10);
  });
});
