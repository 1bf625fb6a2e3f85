/** What the answers of MQTT 5 must not tell, what a peer that does not read must not hold up, and in which order answers come. */
import { generate, type Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  commandOf,
  type IngressFixture,
  type IngressOverrides,
  refOf,
  SERVICE_TOKEN,
  startIngress,
  TOKEN,
} from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";
import type { Refusal } from "../../model/outcome.ts";

let ingress: IngressFixture;
afterEach(() => ingress.stop());

const STATUS = JSON.stringify({ status: { power_on: true } });
const ON = JSON.stringify({ value: "on" });
const LAMP = "key-lamp-1".padEnd(22, "_");

async function start(overrides?: IngressOverrides): Promise<void> {
  ingress = await startIngress(overrides);
}

async function device(id: string, version: 4 | 5): Promise<RawPeer> {
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`, version);
  expect(await peer.login({ id, token: TOKEN })).toBe(0);
  return peer;
}

async function service(version: 4 | 5): Promise<RawPeer> {
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`, version);
  expect(await peer.login({ id: "services", token: SERVICE_TOKEN }, { clientId: "svc" })).toBe(0);
  return peer;
}

async function answers(peer: RawPeer, cmd: Packet["cmd"], count = 1): Promise<unknown[]> {
  const found = () => peer.packets.filter((packet) => packet.cmd === cmd);
  await until(`${cmd} comes`, () => found().length >= count || peer.closed);
  return found().map(({ messageId, ...packet }) => [messageId, "reasonCode" in packet ? packet.reasonCode : undefined]);
}

async function hears(peer: RawPeer, filter: string): Promise<void> {
  peer.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] });
  await answers(peer, "suback");
}

function refused(refusal: Refusal, of: (deviceKey: string) => boolean = () => true): void {
  const { checkConsent } = ingress.behind;
  ingress.behind.checkConsent = async (devices) =>
    (await checkConsent(devices)).map((verdict, index) =>
      of(devices[index]?.deviceKey ?? "") ? ({ refusal } as never) : verdict,
    );
}

describe("a legal hold is told by no PUBCOMP", () => {
  const outcomes = [["under a legal hold", "legal-hold"] as const, ["admitted", undefined] as const];

  it.each(outcomes)("to a connection of another version than that of the message (%s)", async (_, refusal) => {
    await start();
    if (refusal !== undefined) refused(refusal);
    const first = await device("lamp-1", 4);
    first.publish("devices/lamp-1/telemetry", STATUS, 7, { qos: 2 });
    await answers(first, "pubrec");
    const second = await device("lamp-1", 5);
    second.send({ cmd: "pubrel", messageId: 7 });
    expect(await answers(second, "pubcomp")).toEqual([[7, 0x92]]);
  });

  it.each(outcomes)("to a connection that repeats what waits from an earlier one (%s)", async (_, refusal) => {
    await start();
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    if (refusal !== undefined) refused(refusal);
    const { checkConsent } = ingress.behind;
    ingress.behind.checkConsent = async (devices) => {
      await held;
      return checkConsent(devices);
    };
    const first = await device("lamp-1", 4);
    first.publish("devices/lamp-1/telemetry", STATUS, 7, { qos: 2 });
    await until("it is in progress", () => ingress.counts.received === 1);
    const second = await device("lamp-1", 5);
    second.publish("devices/lamp-1/telemetry", STATUS, 7, { qos: 2, dup: true });
    second.send({ cmd: "pingreq" });
    await answers(second, "pingresp");
    letGo();
    expect(await answers(second, "pubrec")).toEqual([[7, 0]]);
    second.send({ cmd: "pubrel", messageId: 7 });
    expect(await answers(second, "pubcomp")).toEqual([[7, 0]]);
  });
});

it.each(["no-consent", "no-recipient", "consent-withdrawn"] as const)(
  "a hub is not told that another person's device is refused: %s",
  async (refusal) => {
    await start({ speaks: { hub: { dialect: "zigbee2mqtt", children: { lamp: "lamp-1" } } } });
    refused(refusal, (deviceKey) => deviceKey === "key-lamp-1");
    const hub = await device("hub", 5);
    hub.publish("zigbee2mqtt/lamp", JSON.stringify({ battery: 50 }), 1);
    expect(await answers(hub, "puback")).toEqual([[1, 0]]);
    expect(ingress.refused.get(refusal)).toBe(1);
  },
);

describe("a device that does not read what it is sent", () => {
  it("holds up no service and no other device, and loses its connection", async () => {
    await start({ broker: { drainTimeoutMs: 300 } });
    const [deaf, other] = [await device("lamp-1", 4), await device("lamp-2", 5)];
    await hears(deaf, "devices/lamp-1/commands/#");
    await hears(other, "devices/lamp-2/commands/#");
    const OTHER = "key-lamp-2".padEnd(22, "_");
    ingress.rememberScene(LAMP, refOf("lamp-1"));
    ingress.rememberScene(OTHER, refOf("lamp-2"));
    deaf.socket.pause();
    const scene = await service(5);
    // As much as the systems between the two hold for it.
    const long = commandOf("power", "x".repeat(60_000));
    await until("nothing more is taken", () => !ingress.broker.devices.command(refOf("lamp-1"), long));
    scene.publish(`commands/${LAMP}/power`, ON, 1);
    expect(await answers(scene, "puback")).toEqual([[1, 0x10]]);
    scene.publish(`commands/${OTHER}/power`, ON, 2);
    expect(await answers(other, "publish")).toHaveLength(1);
    await until("it has lost its connection", () => ingress.events.includes("closed:device"));
    expect(ingress.broker.devices.command(refOf("lamp-1"), commandOf("power"))).toBe(false);
  });
});

describe("what a service publishes", () => {
  it("is answered in the order in which it came [MQTT-4.6.0-2]", async () => {
    await start();
    ingress.rememberScene(LAMP, refOf("lamp-1"));
    const { checkConsent } = ingress.behind;
    ingress.behind.checkConsent = async (devices) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return checkConsent(devices);
    };
    const scene = await service(5);
    const noText = { properties: { payloadFormatIndicator: true } };
    scene.publish(`commands/${LAMP}/power`, ON, 1);
    scene.publish(`commands/${LAMP}/power`, Buffer.from([0xff]), 2, noText);
    scene.publish("commands/nobody/power", ON, 3);
    scene.publish(`commands/${LAMP}/power`, "{}", 4);
    expect(await answers(scene, "puback", 4)).toEqual([
      [1, 0x10],
      [2, 0x99],
      [3, 0x87],
      [4, 0x99],
    ]);
  });

  it("is not delivered once it has waited for longer than it may", async () => {
    await start();
    const lamp = await device("lamp-1", 5);
    await hears(lamp, "devices/lamp-1/commands/#");
    ingress.rememberScene(LAMP, refOf("lamp-1"));
    const { checkConsent } = ingress.behind;
    ingress.behind.checkConsent = async (devices) => {
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      return checkConsent(devices);
    };
    const scene = await service(5);
    scene.publish(`commands/${LAMP}/power`, ON, 1, { properties: { messageExpiryInterval: 1 } });
    expect(await answers(scene, "puback")).toEqual([[1, 0x83]]);
    expect(ingress.commands).toEqual(["expired"]);
  });

  it("keeps no identifier that its PUBREC has ended, whatever version the message came over", async () => {
    await start();
    ingress.rememberScene(LAMP, refOf("lamp-1"));
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    ingress.behind.checkConsent = async () => {
      await held;
      throw new Error("Redis is away");
    };
    const first = await service(4);
    first.publish(`commands/${LAMP}/power`, ON, 7, { qos: 2 });
    first.send({ cmd: "pingreq" });
    await answers(first, "pingresp");
    const second = await service(5);
    second.publish(`commands/${LAMP}/power`, ON, 7, { qos: 2, dup: true });
    second.send({ cmd: "pingreq" });
    await answers(second, "pingresp");
    letGo();
    expect(await answers(second, "pubrec")).toEqual([[7, 0x83]]);
    const id = "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11";
    second.publish("privacy/erased/scene/ack", JSON.stringify({ id }), 7, { qos: 2 });
    await answers(second, "pubrec", 2);
    expect(ingress.events).toContain("answered:scene:services");
  });
});

it("a payload that says it is text and is none is refused in a dialect too", async () => {
  await start({ speaks: { plug: { dialect: "tasmota" } } });
  const plug = await device("plug", 5);
  const properties = { payloadFormatIndicator: true };
  plug.publish("tele/plug/UPTIME", Buffer.from([0xff]), 1, { properties });
  plug.publish("tele/plug/UPTIME", Buffer.from([0xff]), 2);
  expect(await answers(plug, "puback", 2)).toEqual([
    [1, 0x99],
    [2, 0],
  ]);
});

/** How often Buffers make something, another Buffer or a text, while `work` lasts. The thread is the test's own while it runs. */
async function madeOfBuffers(work: () => Promise<unknown>): Promise<number> {
  const places = [Buffer.prototype, Object.getPrototypeOf(Uint8Array.prototype) as object];
  let made = 0;
  const before = places.flatMap((place) =>
    Object.entries(Object.getOwnPropertyDescriptors(place)).map(([name, was]) => ({ place, name, was })),
  );
  for (const { place, name, was } of before) {
    const method: unknown = was.value;
    if (!/slice|subarray|^to|^(map|filter|entries|values)$/i.test(name) || typeof method !== "function") continue;
    const value = function (this: unknown, ...given: unknown[]): unknown {
      made += 1;
      return Reflect.apply(method, this, given);
    };
    Object.defineProperty(place, name, { ...was, value });
  }
  try {
    await work();
  } finally {
    for (const { place, name, was } of before) Object.defineProperty(place, name, was);
  }
  return made;
}

it("nothing is made of user properties, however many there are", async () => {
  await start();
  const one = await device("lamp-1", 5);
  const PACKETS = 50;
  const costOf = async (firstId: number, properties: number): Promise<number> => {
    const userProperties = Object.fromEntries(Array.from({ length: properties }, (_, index) => [`k${index}`, "v"]));
    const said = {
      cmd: "publish",
      topic: "devices/lamp-2/telemetry",
      payload: "",
      qos: 1,
      dup: false,
      retain: false,
    } as const;
    const ids = Array.from({ length: PACKETS }, (_, index) => firstId + index);
    const packets = ids.map((messageId) =>
      generate({ ...said, messageId, properties: { userProperties } }, { protocolVersion: 5 }),
    );
    return madeOfBuffers(async () => {
      one.bytes(...packets);
      await answers(one, "puback", firstId + PACKETS - 1);
    });
  };
  const [few, many] = [await costOf(1, 4), await costOf(1 + PACKETS, 4_000)];
  // One thing made of each would be 200,000 more; what the reads of the socket make is some hundreds.
  expect(few).toBeGreaterThan(PACKETS);
  expect(many - few).toBeLessThan((PACKETS * 4_000) / 10);
});
