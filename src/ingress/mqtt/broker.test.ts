/** The door as a device, a service and an attacker find it: real sockets, real Aedes. */
import { connect, type Socket } from "node:net";
import { connectAsync, type MqttClient } from "mqtt";
import mqttPacket, { type Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import {
  type IngressFixture,
  type IngressOverrides,
  SERVICE_TOKEN,
  startIngress,
  TOKEN,
} from "../../../tests/fixtures/ingress.ts";
import { grantsOf } from "../../model/consent.ts";
import type { DeviceRef } from "../../model/ids.ts";

let ingress: IngressFixture;
afterEach(() => ingress.stop());

const start = async (overrides?: IngressOverrides): Promise<IngressFixture> => {
  ingress = await startIngress(overrides);
  return ingress;
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

const STATUS = JSON.stringify({ status: { power_on: true } });

/** A peer that speaks bytes, for everything a well-behaved client library would not send. */
class RawPeer {
  readonly packets: Packet[] = [];
  readonly socket: Socket;
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    const parser = mqttPacket.parser();
    parser.on("packet", (packet) => this.packets.push(packet));
    this.socket.on("data", (data) => parser.parse(data));
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => mqttPacket.generate(packet))));
  }

  async login(clientId: string, more: object = {}): Promise<void> {
    this.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      keepalive: 30,
      clientId,
      username: clientId,
      password: Buffer.from(TOKEN),
      ...more,
    });
    await until(() => this.packets.length > 0 || this.closed);
  }

  publish(topic: string, payload: string | Buffer, messageId: number, more: object = {}): void {
    this.send({ cmd: "publish", topic, payload, messageId, qos: 1, dup: false, retain: false, ...more });
  }

  async acknowledged(count: number): Promise<number[]> {
    const ids = () => this.packets.filter(({ cmd }) => cmd === "puback").map(({ messageId }) => messageId ?? 0);
    await until(() => ids().length >= count || this.closed);
    return ids();
  }

  /** Resolves once the broker has answered to this. */
  async roundTrip(): Promise<void> {
    const answers = () => this.packets.filter(({ cmd }) => cmd === "pingresp").length;
    const before = answers();
    this.send({ cmd: "pingreq" });
    await until(() => answers() > before || this.closed);
    expect(this.closed).toBe(false);
  }

  async gone(): Promise<void> {
    await until(() => this.closed);
  }
}

/** Others are read and answered, several times over: what the broker was about to do by itself, it has done. */
async function meanwhile(): Promise<void> {
  const other = new RawPeer(ingress.port);
  await other.login("hub-other");
  for (let turn = 0; turn < 5; turn += 1) await other.roundTrip();
  other.socket.destroy();
}

describe("a login", () => {
  const refusal = async (options: object): Promise<unknown> =>
    connectAsync(`mqtt://127.0.0.1:${ingress.port}`, {
      reconnectPeriod: 0,
      clientId: "hub-1",
      username: "hub-1",
      password: TOKEN,
      ...options,
    }).then(
      (client) => {
        client.end(true);
        return "connected";
      },
      (error: { code?: number }) => error.code,
    );

  it("takes whatever client id a firmware has chosen, and none only for a session that is not kept", async () => {
    await start();
    expect(await refusal({})).toBe("connected");
    expect(await refusal({ clientId: "hub-2" })).toBe("connected");
    expect(await refusal({ clientId: "", clean: true })).toBe("connected");
    const nameless = new RawPeer(ingress.port);
    const connectPacket = mqttPacket.generate({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      keepalive: 30,
      clientId: "",
      username: "services",
      password: Buffer.from(SERVICE_TOKEN),
    });
    const flags = 9;
    connectPacket[flags] = (connectPacket[flags] ?? 0) & ~0x02;
    nameless.socket.write(connectPacket);
    await until(() => nameless.packets.length > 0 || nameless.closed);
    expect(nameless.packets[0]).toMatchObject({ cmd: "connack", returnCode: 2 });
    expect(await refusal({ password: "wrong" })).toBe(4);
    expect(await refusal({ username: "bad id!", clientId: "bad id!" })).toBe(4);
    expect(ingress.events.filter((event) => event === "failed-login")).toHaveLength(3);
  });

  it("is let in with the right token after too many failures under its name, which are answered otherwise", async () => {
    await start({ failedLogins: 2 });
    expect(await refusal({ password: "wrong" })).toBe(4);
    expect(await refusal({ password: "wrong" })).toBe(4);
    for (let again = 0; again < 20; again += 1) expect(await refusal({ password: "wrong" })).toBe(3);
    expect(ingress.events).toContain("refused:too-many-failures");
    expect(await refusal({})).toBe("connected");
    expect(await refusal({ username: "hub-2", clientId: "hub-2" })).toBe("connected");
  });

  it("is let in after too many failures from its address under many names, possible ones or not", async () => {
    await start({ failedLoginsOfAddress: 6, failedLogins: 3 });
    for (const name of ["a", "b", "services"]) expect(await refusal({ username: name, password: "wrong" })).toBe(4);
    for (const name of ["no id/1", "no id/2", "no id/3"]) expect(await refusal({ username: name })).toBe(4);
    expect(await refusal({ username: "c", password: "wrong" })).toBe(3);
    expect(await refusal({})).toBe("connected");
  });

  it("under a name that no one can have uses up what all such names have together", async () => {
    await start({ failedLogins: 2 });
    for (const [name, code] of [
      ["no id/1", 4],
      ["no id/2", 4],
      ["no id/3", 3],
    ] as const)
      expect(await refusal({ username: name })).toBe(code);
  });

  it("replaces the device's own older connection and no one else's", async () => {
    await start();
    const other = await ingress.device("hub-2");
    const first = await ingress.device("hub-1");
    const closed = new Promise<void>((resolve) => first.once("close", () => resolve()));
    const second = await ingress.device("hub-1");
    await closed;
    const service = await ingress.service({ clientId: "hub-2" });
    await second.publishAsync("devices/hub-1/telemetry", STATUS, { qos: 1 });
    expect([other.connected, second.connected, service.connected]).toEqual([true, true, true]);
  });

  it("must come within the time limit", async () => {
    await start({ broker: { connectTimeoutMs: 50 } });
    await new RawPeer(ingress.port).gone();
  });

  it("without a keepalive is held to the longest one allowed, and its silence is no breach of the protocol", async () => {
    await start({ broker: { maxKeepaliveS: 1 } });
    for (const keepalive of [0, 60]) {
      const silent = new RawPeer(ingress.port);
      await silent.login("hub-1", { keepalive });
      expect(silent.packets[0]).toMatchObject({ cmd: "connack", returnCode: 0 });
      await silent.gone();
    }
    expect(ingress.events).not.toContain("protocol");
  });

  it("is refused while the backlog is over its budget", async () => {
    await start();
    ingress.behind.backlogFull = true;
    expect(await refusal({})).toBe(3);
  });
});

describe("a publish", () => {
  it("is acknowledged only when its batch is durable", async () => {
    await start();
    let durable: (() => void) | undefined;
    ingress.behind.enqueue = () => new Promise((resolve) => (durable = resolve));
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    peer.publish("devices/hub-1/telemetry", STATUS, 1);
    await until(() => durable !== undefined);
    await meanwhile();
    expect(await peer.acknowledged(0)).toEqual([]);
    durable?.();
    expect(await peer.acknowledged(1)).toEqual([1]);
    expect(ingress.admitted[0]?.text).toBe(STATUS);
  });

  it("gets its PUBACK in the order of arrival, refused or admitted, whatever batch was durable first", async () => {
    await start();
    const waiting: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => waiting.push(resolve));
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    peer.publish("devices/hub-1/telemetry", STATUS, 1);
    await until(() => waiting.length === 1);
    peer.publish("devices/hub-1/telemetry", "not json", 2);
    peer.publish("devices/hub-1/telemetry", STATUS, 3);
    await until(() => waiting.length === 2);
    peer.publish("devices/hub-2/telemetry", STATUS, 4);
    waiting[1]?.();
    await meanwhile();
    expect(await peer.acknowledged(0)).toEqual([]);
    waiting[0]?.();
    expect(await peer.acknowledged(4)).toEqual([1, 2, 3, 4]);
  });

  it("that could not be made durable closes the connection without an acknowledgement", async () => {
    await start({ deadlineMs: 60 });
    ingress.behind.enqueue = () => new Promise(() => undefined);
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    peer.publish("devices/hub-1/telemetry", STATUS, 1);
    await peer.gone();
    expect(await peer.acknowledged(0)).toEqual([]);
    expect(ingress.refused.get("not-durable")).toBe(1);
  });

  it("that was refused is not acknowledged before one that came earlier and is not durable", async () => {
    await start();
    ingress.behind.enqueue = () => Promise.reject(new Error("away"));
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    peer.socket.cork();
    peer.publish("devices/hub-1/telemetry", "not json", 1);
    peer.publish("devices/hub-1/telemetry", STATUS, 2);
    peer.publish("devices/hub-1/telemetry", "not json", 3);
    peer.socket.uncork();
    await peer.gone();
    expect(await peer.acknowledged(0)).toEqual([1]);
  });

  it("is not acknowledged while consent cannot be asked", async () => {
    await start();
    ingress.behind.checkConsent = () => Promise.reject(new Error("away"));
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    peer.publish("devices/hub-1/telemetry", STATUS, 1);
    await peer.gone();
    expect(ingress.admitted).toEqual([]);
  });

  it("waits while the backlog is over its budget and goes on afterwards", async () => {
    await start();
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    ingress.behind.backlogFull = true;
    peer.publish("devices/hub-1/telemetry", STATUS, 1);
    await until(() => ingress.counts.received === 1);
    expect(ingress.admitted).toHaveLength(0);
    ingress.behind.backlogFull = false;
    expect(await peer.acknowledged(1)).toEqual([1]);
  });

  it("of QoS 0 and QoS 2 takes the same path", async () => {
    await start();
    const device = await ingress.device("hub-1");
    await device.publishAsync("devices/hub-1/status", '{"power_on":true}', { qos: 2 });
    await device.publishAsync("devices/hub-1/status", '{"power_on":false}', { qos: 0 });
    await until(() => ingress.admitted.length === 2);
    expect(ingress.admitted.map(({ text }) => text)).toEqual(['{"power_on":true}', '{"power_on":false}']);
  });

  it("has one typed outcome for each kind of bad input, and its neighbours are not touched", async () => {
    await start({ unbound: ["stray"] });
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    const bad: [topic: string, payload: string | Buffer, outcome: string][] = [
      ["devices/hub-2/telemetry", STATUS, "invalid-topic"],
      ["devices/hub-1/unknown", STATUS, "invalid-topic"],
      ["$SYS/anything", STATUS, "invalid-topic"],
      ["processed/weather/x", STATUS, "invalid-topic"],
      ["devices/hub-1/telemetry", "", "invalid-payload"],
      ["devices/hub-1/telemetry", "{", "invalid-payload"],
      ["devices/hub-1/telemetry", '{"email":"a"}', "invalid-payload"],
      ["devices/hub-1/telemetry", '{"status":{"power_on":true},"extra":1}', "invalid-payload"],
      ["devices/hub-1/telemetry", '{"status":{"__proto__":1}}', "nothing-known"],
      ["devices/hub-1/telemetry", `${"[".repeat(4000)}${"]".repeat(4000)}`, "invalid-payload"],
      ["devices/hub-1/telemetry", Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), "invalid-payload"],
      ["devices/hub-1/location", '{"lat":91,"lon":0}', "invalid-payload"],
      ["devices/hub-1/location", '{"lat":NaN,"lon":0}', "invalid-payload"],
      ["devices/hub-1/telemetry", JSON.stringify({ status: { text: "x".repeat(9000) } }), "too-large"],
    ];
    for (const [index, [topic, payload]] of bad.entries()) peer.publish(topic, payload, index + 1);
    peer.publish("devices/hub-1/telemetry", STATUS, 100);
    expect((await peer.acknowledged(bad.length + 1)).at(-1)).toBe(100);
    const expected = new Map<string, number>();
    for (const [, , outcome] of bad) expected.set(outcome, (expected.get(outcome) ?? 0) + 1);
    expect(ingress.refused).toEqual(expected);
    expect(ingress.admitted).toHaveLength(1);

    const stray = await ingress.device("stray");
    await stray.publishAsync("devices/stray/telemetry", STATUS, { qos: 1 });
    expect(ingress.refused.get("unknown-device")).toBe(1);
  });

  it("that names its own device id in a value is refused", async () => {
    await start();
    const device = await ingress.device("hub-4711-x");
    await device.publishAsync("devices/hub-4711-x/status", '{"label":"is hub-4711-x"}', { qos: 1 });
    await device.publishAsync("devices/hub-4711-x/status", '{"label":"is a hub","open":true,"id":"hub-4711-x/1"}', {
      qos: 1,
    });
    expect(ingress.refused.get("invalid-payload")).toBe(1);
    expect(ingress.admitted).toHaveLength(1);
  });

  it("with an absurd clock keeps the time of receipt", async () => {
    await start();
    const device = await ingress.device("hub-1");
    const before = Date.now();
    await device.publishAsync("devices/hub-1/status", '{"power_on":true,"ts":-5e300}', { qos: 1 });
    expect(ingress.admitted[0]?.at).toBeGreaterThanOrEqual(before);
    expect(ingress.events).toContain("clock-replaced");
  });

  it("over the rate limit is acknowledged, dropped and counted, and reconnecting does not help", async () => {
    await start({ rate: { perSecond: 0.001, burst: 3 } });
    for (let round = 0; round < 2; round += 1) {
      const device = await ingress.device("hub-1");
      for (let index = 0; index < 3; index += 1)
        await device.publishAsync("devices/hub-1/telemetry", STATUS, { qos: 1 });
      await device.endAsync();
    }
    expect(ingress.admitted).toHaveLength(3);
    expect(ingress.refused.get("over-rate")).toBe(3);
  });

  it("to a wildcard, too deep or without a topic closes the connection", async () => {
    await start();
    for (const topic of ["devices/+/telemetry", "devices/#", "a/".repeat(50), ""]) {
      const peer = new RawPeer(ingress.port);
      await peer.login("hub-1");
      const raw = Buffer.from(topic);
      const body = Buffer.concat([Buffer.from([raw.length >> 8, raw.length & 0xff]), raw, Buffer.from([0, 1])]);
      peer.socket.write(Buffer.concat([Buffer.from([0x32, body.length]), body]));
      await peer.gone();
    }
    expect(ingress.admitted).toEqual([]);
  });
});

describe("an oversized packet", () => {
  it("ends the connection at its header: 1 MB, 256 MB, and more than 4 KB before login", async () => {
    await start();
    for (const length of [
      [0x80, 0x80, 0x40],
      [0xff, 0xff, 0xff, 0x7f],
    ]) {
      const peer = new RawPeer(ingress.port);
      await peer.login("hub-1");
      peer.socket.write(Buffer.from([0x32, ...length]));
      await peer.gone();
    }
    const stranger = new RawPeer(ingress.port);
    stranger.socket.write(Buffer.from([0x10, 0x81, 0x20]));
    await stranger.gone();
    expect(ingress.events.filter((event) => event === "oversize")).toHaveLength(3);
  });
});

describe("a connection over its window", () => {
  it("is not read until half of it is free, and loses nothing", async () => {
    await start({ flow: { inFlightPerConnection: 4 } });
    const waiting: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => waiting.push(resolve));
    const peer = new RawPeer(ingress.port);
    await peer.login("hub-1");
    const total = 4000;
    for (let index = 1; index <= total; index += 1) peer.publish("devices/hub-1/telemetry", STATUS, index);
    await until(() => ingress.flow.pausedConnections === 1);
    await meanwhile();
    expect(ingress.counts.received).toBeLessThan(total / 2);
    expect(ingress.flow.pausedConnections).toBe(1);
    ingress.behind.enqueue = async () => undefined;
    for (const resume of waiting) resume();
    const order = await peer.acknowledged(total);
    expect(order).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    expect(ingress.flow.pausedConnections).toBe(0);
  });

  it("holds for the whole gateway too", async () => {
    await start({ flow: { inFlightMessages: 10 } });
    const waiting: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => waiting.push(resolve));
    const peers = ["a1", "b1", "c1"].map((id) => [id, new RawPeer(ingress.port)] as const);
    for (const [id, peer] of peers) await peer.login(id);
    for (const [id, peer] of peers)
      for (let index = 1; index <= 3000; index += 1) peer.publish(`devices/${id}/telemetry`, STATUS, index);
    await until(() => ingress.flow.pausedConnections === 3);
    ingress.behind.enqueue = async () => undefined;
    for (const resume of waiting) resume();
    for (const [, peer] of peers) expect(await peer.acknowledged(3000)).toHaveLength(3000);
  });
});

describe("a raw message", () => {
  it("reaches no subscriber, no retained store and no offline queue, not even past a denied filter", async () => {
    await start();
    const seen: string[] = [];
    const watch = (client: MqttClient): MqttClient =>
      client.on("message", (topic, payload) => seen.push(`${topic} ${payload.toString()}`));
    const service = watch(await ingress.service({ clientId: "eve", clean: false }));
    const filters = ["#", "$SYS/#", "devices/#", "devices/hub-1/telemetry", "processed/weather/#", "+/+/+"];
    const refused = await service.subscribeAsync(filters, { qos: 1 }).catch((error) => error.packet.granted);
    expect(refused).toEqual([128, 128, 128, 128, 1, 128]);
    const spy = watch(await ingress.device("spy-1"));
    await spy.subscribeAsync("devices/hub-1/commands/#", { qos: 1 }).catch(() => undefined);
    await service.endAsync();

    const device = watch(await ingress.device("hub-1"));
    await device.subscribeAsync("devices/hub-1/notices", { qos: 1 });
    for (const qos of [0, 1, 2] as const)
      await device.publishAsync("devices/hub-1/telemetry", STATUS, { qos, retain: true });
    await until(() => ingress.admitted.length === 3);

    const back = watch(await ingress.service({ clientId: "eve", clean: false }));
    await back.subscribeAsync(["#", "devices/hub-1/telemetry", "processed/weather/#"]).catch(() => undefined);
    ingress.forward("weather", "cell", "the only thing to be seen");
    await until(() => seen.length > 0);
    expect(seen).toEqual(["processed/weather/cell the only thing to be seen"]);
  });

  it("left as a will is telemetry on its own topic, and refused on a foreign one", async () => {
    await start();
    for (const [id, topic] of [
      ["hub-1", "devices/hub-1/status"],
      ["hub-3", "devices/hub-2/status"],
    ] as const) {
      const device = await ingress.device(id, {
        will: { topic, payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
      });
      device.stream.destroy();
    }
    await until(() => ingress.counts.received === 2);
    await until(() => ingress.admitted.length === 1 && ingress.refused.has("invalid-topic"));
    expect(ingress.admitted[0]?.text).toBe('{"online":false}');
  });

  it("left as a will is forgotten after an orderly disconnect", async () => {
    await start();
    const device = await ingress.device("hub-1", {
      will: { topic: "devices/hub-1/status", payload: Buffer.from('{"online":false}'), qos: 1, retain: false },
    });
    await device.endAsync();
    await until(() => ingress.events.includes("closed:device"));
    expect(ingress.counts.received).toBe(0);
  });
});

describe("processed messages", () => {
  it("go to anyone who subscribed, and a subscriber that does not read holds up no one", async () => {
    await start();
    const slow = new RawPeer(ingress.port);
    await slow.login("slow", { username: "services", password: Buffer.from(SERVICE_TOKEN) });
    slow.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "processed/scene/#", qos: 0 }] });
    await until(() => slow.packets.length === 2);
    slow.socket.pause();
    const quick = await ingress.service({ clientId: "quick" });
    let received = 0;
    quick.on("message", () => (received += 1));
    await quick.subscribeAsync("processed/scene/+");
    const payload = "x".repeat(10_000);
    for (let round = 0; round < 200; round += 1) {
      for (let index = 0; index < 10; index += 1) ingress.forward("scene", `device-${index}`, payload);
      await until(() => received === (round + 1) * 10);
    }
    expect(received).toBe(2000);
    expect(ingress.events).toContain("forward-dropped");
    slow.socket.destroy();
  });

  it("are not built for a purpose no one listens to", async () => {
    await start();
    expect(ingress.fanOut.listening("weather")).toBe(false);
    const service = await ingress.service();
    await service.subscribeAsync("processed/weather/abc");
    expect(ingress.fanOut.listening("weather")).toBe(true);
    expect(ingress.forward("weather", "other", "{}")).toBe(0);
    expect(ingress.forward("weather", "abc", "{}")).toBe(1);
    await service.unsubscribeAsync("processed/weather/abc");
    expect(ingress.fanOut.listening("weather")).toBe(false);
    await service.subscribeAsync("processed/weather/abc");
    await service.endAsync();
    await until(() => !ingress.fanOut.listening("weather"));
  });

  it("of one purpose go to each service once, on all its connections", async () => {
    await start();
    const seen: string[] = [];
    for (const clientId of ["one", "two"]) {
      const service = await ingress.service({ clientId });
      service.on("message", (topic) => void seen.push(`${clientId} ${topic}`));
      await service.subscribeAsync("processed/scene/#");
    }
    expect(ingress.fanOut.outlets("scene").map(({ recipient }) => recipient.name)).toEqual(["services"]);
    expect(ingress.forward("scene", "abc", "{}")).toBe(1);
    await until(() => seen.length === 2);
    expect(seen.sort()).toEqual(["one processed/scene/abc", "two processed/scene/abc"]);
  });

  it("do not go to a service that is not covered any more, and it can't subscribe again", async () => {
    await start();
    const service = await ingress.service();
    await service.subscribeAsync(["processed/scene/#", "processed/weather/#"]);
    ingress.behind.uncovered = "scene";
    expect(ingress.forward("scene", "abc", "{}")).toBe(0);
    expect(ingress.fanOut.listening("scene")).toBe(false);
    expect(ingress.forward("weather", "abc", "{}")).toBe(1);
    const other = await ingress.service({ clientId: "other" });
    const granted = await other.subscribeAsync(["processed/scene/#"]).catch((error) => error.packet.granted);
    expect(granted).toEqual([128]);
    // What it must forget it is told all the same.
    await other.subscribeAsync("privacy/erased/scene");
    expect(ingress.events.filter((event) => event === "acl-denied")).toHaveLength(1);
  });
});

describe("a command of a scene service", () => {
  it("reaches the device behind the pseudonym while consent holds, and no one else can send one", async () => {
    await start();
    const device = await ingress.device("hub-1");
    const received: string[] = [];
    device.on("message", (topic, payload) => received.push(`${topic} ${payload.toString()}`));
    await device.subscribeAsync("devices/hub-1/commands/#", { qos: 1 });
    const service = await ingress.service();
    const pseudonym = "key-hub-1".padEnd(22, "_");
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    const ref = { deviceKey: "key-hub-1", subjectTag: "tag-key-hub-1" };
    ingress.rememberScene(pseudonym, ref);
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    await until(() => received.length === 1);
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "consent-withdrawn" }));
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"off"}', { qos: 1 });
    await service.publishAsync("devices/hub-1/commands/power", "off", { qos: 1 });
    await device.publishAsync(`commands/${pseudonym}/power`, '{"value":"off"}', { qos: 1 });
    expect(received).toEqual(['devices/hub-1/commands/power {"value":"on"}']);
    expect(ingress.commands).toEqual(["unknown-device", "delivered", "no-consent", "acl-denied"]);
  });

  it("needs scene consent to the status of the device, whatever else is consented to", async () => {
    await start();
    const device = await ingress.device("hub-1");
    await device.subscribeAsync("devices/hub-1/commands/#", { qos: 1 });
    const service = await ingress.service();
    const pseudonym = "key-hub-1".padEnd(22, "_");
    ingress.rememberScene(pseudonym, { deviceKey: "key-hub-1", subjectTag: "tag-key-hub-1" });
    const grants = grantsOf({ analytics: ["status"], weather: ["status"], scene: ["model"], network: ["ip"] });
    ingress.behind.checkConsent = async (devices) => devices.map(() => ({ grants, wrappedSubjectKey: "key" }));
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    expect(ingress.commands).toEqual(["no-consent"]);
  });

  it("does not reach the device of the person who has it now", async () => {
    await start();
    const device = await ingress.device("hub-1");
    await device.subscribeAsync("devices/hub-1/commands/#", { qos: 1 });
    const service = await ingress.service();
    const pseudonym = "key-hub-1".padEnd(22, "_");
    ingress.rememberScene(pseudonym, { deviceKey: "key-hub-1", subjectTag: "tag-of-the-former-owner" });
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    expect(ingress.commands).toEqual(["unknown-device"]);
  });

  it("does not count as delivered where the device does not listen to it", async () => {
    await start();
    await ingress.device("hub-1");
    const service = await ingress.service();
    const pseudonym = "key-hub-1".padEnd(22, "_");
    ingress.rememberScene(pseudonym, { deviceKey: "key-hub-1", subjectTag: "tag-key-hub-1" });
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    expect(ingress.commands).toEqual(["unknown-device"]);
  });

  it("keeps the device it knows, however often a message brings the same one, and takes another one", async () => {
    await start();
    const asked: DeviceRef[] = [];
    ingress.behind.checkConsent = async (devices) => {
      asked.push(...devices);
      return devices.map(() => ({ refusal: "no-consent" }));
    };
    const service = await ingress.service();
    const pseudonym = "key-hub-1".padEnd(22, "_");
    const refs = ["one", "one", "two"].map((tag) => ({ deviceKey: "key-hub-1", subjectTag: tag }));
    for (const ref of refs) {
      ingress.rememberScene(pseudonym, ref);
      await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"on"}', { qos: 1 });
    }
    expect(asked.map((device) => refs.findIndex((ref) => Object.is(ref, device)))).toEqual([0, 0, 2]);
  });
});
