/**
 * Whatever a peer sends, what the gateway keeps of it is counted against a bound: topics, filters, packet identifiers,
 * wills, the CONNECT, unfinished packets and their pieces, answers that are not read. A hundred devices at it do not end
 * a gateway with a small heap, and their neighbours are served.
 */
import type { Socket } from "node:net";
import { duplexPair, getDefaultHighWaterMark } from "node:stream";
import type { Client } from "aedes";
import mqttPacket from "mqtt-packet";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { internals } from "../../src/ingress/mqtt/aedes-internals.ts";
import { until } from "../fixtures/eventually.ts";
import { connect, field, packet } from "../fixtures/ill-formed-mqtt.ts";
import { type IngressFixture, SERVICE_TOKEN, startIngress, TOKEN } from "../fixtures/ingress.ts";
import { buffersUsed, isKept } from "../fixtures/kept.ts";
import { Publishers } from "../fixtures/publishers.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

/** The young generation too, which is large by default and would hide what is kept. */
const SMALL_HEAP = ["--max-old-space-size=96", "--min-semi-space-size=4", "--max-semi-space-size=8"];
const LONG = 60_000;
const STATUS = '{"power_on":true}';

describe("a hundred devices on a small heap", () => {
  let system: TestSystem;
  let devices: readonly Device[];
  let neighbours: Publishers;

  beforeAll(async () => {
    system = await startSystem({ mqtt: { ws: { enabled: true, port: 0 } } }, { nodeArgs: SMALL_HEAP });
    devices = await system.devices(100);
    neighbours = new Publishers(system, await system.devices(3), { run: 1, window: 4, restMs: 20, once: true });
    await neighbours.start();
  });
  afterAll(() => system?.stop());

  /** Each does it on a connection of its own, all of which stay open until the last is done. */
  async function attack(act: (peer: RawPeer, device: Device) => Promise<void>): Promise<void> {
    const peers = await Promise.all(
      devices.map(async (device) => {
        const peer = RawPeer.to(system.stack.mqttUrl);
        expect(await peer.login(device)).toBe(0);
        return peer;
      }),
    );
    await Promise.all(peers.map((peer, index) => act(peer, devices[index] as Device)));
    const before = neighbours.acknowledged.size;
    await until("the neighbours are served", () => neighbours.acknowledged.size > before + 30);
    for (const peer of peers) peer.end();
  }

  const came = (peer: RawPeer, cmd: string) => peer.packets.filter((one) => one.cmd === cmd).length;

  test("that send QoS 2 to long topics and never a PUBREL", async () => {
    await attack(async (peer, { id }) => {
      for (let messageId = 1; messageId <= 16; messageId += 1) {
        const topic = `devices/${id}/${"x".repeat(LONG)}${messageId}`;
        peer.publish(topic, STATUS, messageId, { qos: 2 });
      }
      await until("they are refused", () => came(peer, "pubrec") === 16 || peer.closed);
      expect(peer.closed).toBe(false);
    });
    expect(await system.metric("messages_refused_total", '{reason="invalid-topic"}')).toBe(1_600);
  });

  test("that subscribe to long names they might have, and to thousands of short ones", async () => {
    await attack(async (peer, { id }) => {
      for (let turn = 1; turn <= 16; turn += 1) {
        const topic = `devices/${id}/commands/${"x".repeat(LONG)}${turn}`;
        peer.send({ cmd: "subscribe", messageId: turn, subscriptions: [{ topic, qos: 1 }] });
      }
      const short = Array.from({ length: 1_000 }, (_, index) => ({
        topic: `devices/${id}/${index}`.slice(0, 15),
        qos: 0 as const,
      }));
      peer.send({ cmd: "subscribe", messageId: 17, subscriptions: short });
      peer.send({ cmd: "unsubscribe", messageId: 18, unsubscriptions: short.map(({ topic }) => topic) });
      await until("all is answered", () => came(peer, "unsuback") === 1 || peer.closed);
      const granted = peer.packets.flatMap((one) => (one.cmd === "suback" ? (one.granted as number[]) : []));
      expect(new Set(granted)).toEqual(new Set([128]));
    });
  });

  test("that are hubs and send lists of 1 MiB, the last of them never whole", async () => {
    const native = devices;
    devices = await system.devices(100, { speech: { dialect: "zigbee2mqtt" } });
    const before = await system.metric("messages_refused_total", '{reason="not-taken"}');
    const list = Buffer.alloc(1_000_000, "x");
    await attack(async (peer) => {
      for (let messageId = 1; messageId <= 3; messageId += 1) {
        peer.publish("zigbee2mqtt/bridge/devices", list, messageId);
        expect(await peer.answered(messageId)).toBe("acknowledged");
      }
      // Kept, these would be more than all connections together may leave unfinished, and the largest would be ended.
      const whole = mqttPacket.generate({
        cmd: "publish",
        topic: "zigbee2mqtt/bridge/devices",
        payload: list,
        qos: 1,
        messageId: 4,
        dup: false,
        retain: true,
      });
      peer.socket.write(whole.subarray(0, 900_000));
      await new Promise<void>((resolve) => peer.socket.write("", () => resolve()));
      expect(peer.closed).toBe(false);
    });
    expect(await system.metric("messages_refused_total", '{reason="not-taken"}')).toBe(before + 300);
    expect(await system.metric("security_events_total", '{kind="oversize"}')).toBe(0);
    devices = native;
  });

  test("and no one else has noticed", async () => {
    await neighbours.stop();
    expect(neighbours.closed).toBe(0);
    expect(neighbours.acknowledged.size).toBe(neighbours.sent);
    expect(system.stack.gateway.running).toBe(true);
  });

  test("a WebSocket peer that pings and does not read the pongs is ended, and so is one that sends crumbs", async () => {
    const url = `ws://127.0.0.1:${system.stack.gateway.port("mqtt-ws")}/mqtt`;
    const deaf = new WebSocket(url, "mqtt");
    deaf.on("error", () => {});
    await new Promise((resolve) => deaf.once("open", resolve));
    deaf.pause();
    const ping = (): void => {
      for (let turn = 0; turn < 10_000 && deaf.readyState === WebSocket.OPEN; turn += 1) deaf.ping(Buffer.alloc(125));
      if (deaf.readyState === WebSocket.OPEN) setTimeout(ping, 1);
    };
    ping();
    await new Promise((resolve) => deaf.once("close", resolve));
    const crumbs = new WebSocket(url, "mqtt");
    crumbs.on("error", () => {});
    await new Promise((resolve) => crumbs.once("open", resolve));
    for (let turn = 0; turn < 300; turn += 1) crumbs.send(Buffer.alloc(1), { fin: false });
    await new Promise((resolve) => crumbs.once("close", resolve));
  });
});

describe("one connection", () => {
  let ingress: IngressFixture;
  beforeEach(async () => {
    ingress = await startIngress();
  });
  afterEach(() => ingress.stop());

  const peer = () => RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);
  const login = { id: "hub-1", token: TOKEN };

  /** To a gateway that does not wait long for a reader, and without a network between, which would hold some megabytes. */
  async function unread(): Promise<{ one: RawPeer; ended: () => Promise<void> }> {
    await ingress.stop();
    ingress = await startIngress({ broker: { drainTimeoutMs: 1_000 } });
    return await direct();
  }

  async function direct(): Promise<{ one: RawPeer; ended: () => Promise<void> }> {
    const [gateway, device] = duplexPair();
    ingress.broker.accept(gateway, "");
    const one = new RawPeer(device as Socket);
    expect(await one.login(login)).toBe(0);
    return { one, ended: () => until("it is ended", () => gateway.destroyed) };
  }

  const clientOf = () =>
    (ingress.broker as unknown as { clients: Record<string, Client> }).clients["device/hub-1"] as Client;
  const received = () => internals(clientOf())._parser._list;

  test("that does not read its answers gets no more of them than it has room for, and is ended", async () => {
    let pings = 0;
    const { one, ended } = await unread();
    ingress.broker.on("ping", () => {
      pings += 1;
    });
    one.socket.pause();
    // An answer has two bytes, and the streams on both sides take some without a reader: from Node 22 on four times as many.
    const room = getDefaultHighWaterMark(false);
    one.socket.write(Buffer.concat(Array.from({ length: 4 * room }, () => packet(0xc0))));
    await ended();
    expect(pings).toBeLessThan(2 * room);
    expect(ingress.events).not.toContain("protocol");
  });

  test("that floods PUBRELs and does not read is ended", async () => {
    const { one, ended } = await unread();
    one.socket.pause();
    one.socket.write(Buffer.concat(Array.from({ length: 60_000 }, () => packet(0x62, [0, 7]))));
    await ended();
  });

  test("that sends a packet byte by byte has it put together, and delivered", async () => {
    const { one } = await direct();
    const bytes = packet(0x32, field("devices/hub-1/status"), [0, 7], Buffer.from(STATUS));
    for (const byte of bytes) {
      one.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
      expect(received().getBuffers().length).toBeLessThanOrEqual(17);
    }
    expect(await one.answered(7)).toBe("acknowledged");
    expect(ingress.admitted.map(({ text }) => text)).toEqual([STATUS]);
  });

  test("that leaves a few bytes of a packet does not keep the read they came with", async () => {
    const one = peer();
    await one.login(login);
    const whole = packet(0x32, field("devices/hub-1/status"), [0, 7], Buffer.from(STATUS.padEnd(8_000)));
    one.bytes(whole, whole.subarray(0, 100));
    await until("it was read", () => ingress.admitted.length === 1 && received().length > 90);
    const kept = received()
      .getBuffers()
      .reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    expect(kept).toBeLessThanOrEqual(200);
  });

  test("is not held on to by its CONNECT, nor by what came with that", async () => {
    const one = peer();
    one.bytes(connect(login), packet(0x32, field("devices/hub-1/status"), [0, 7], Buffer.from(STATUS)));
    expect(await one.answered(7)).toBe("acknowledged");
    expect(internals(clientOf())._parser.settings).toEqual({});
  });

  test("that left QoS 2 messages without PUBREL leaves their identifiers, and nothing of itself", async () => {
    const one = peer();
    await one.login(login);
    one.publish("devices/hub-1/status", STATUS, 7, { qos: 2 });
    await until("it is answered", () => one.packets.some(({ cmd }) => cmd === "pubrec"));
    const client = new WeakRef(clientOf());
    one.end();
    await until("it is closed", () => ingress.events.includes("closed:device"));
    // The fixture keeps whole messages.
    ingress.admitted.length = 0;
    await until("no one holds on to it", () => !isKept(client));
  });

  test("whose refused messages wait for their turn waits without what they said", async () => {
    await ingress.stop();
    // Above what a busy machine needs to read 12 MB: what waits too long ends the connection.
    ingress = await startIngress({ deadlineMs: 120_000 });
    const settle: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => settle.push(resolve));
    const one = peer();
    await one.login(login);
    for (const id of [1, 2]) {
      one.publish("devices/hub-1/status", STATUS, id);
      await until("it waits", () => settle.length === id);
    }
    const before = buffersUsed();
    for (let id = 3; id <= 202; id += 1) one.publish("devices/hub-1/status", Buffer.alloc(LONG), id);
    await until("all came", () => ingress.counts.received === 202);
    expect(buffersUsed() - before).toBeLessThan(100 * LONG);
    ingress.behind.enqueue = async () => undefined;
    for (const durable of settle) durable();
    expect(await one.answered(202)).toBe("acknowledged");
  });

  test("with the longest unfinished packet is ended when all of them are too much", async () => {
    await ingress.stop();
    ingress = await startIngress({ broker: { inFlightBytes: 65_536 } });
    const [small, large, next] = [peer(), peer(), peer()];
    await small.login({ id: "hub-2", token: TOKEN });
    await large.login(login);
    await next.login({ id: "hub-3", token: TOKEN });
    const part = (bytes: number) => packet(0x32, Buffer.alloc(bytes + 1)).subarray(0, -1);
    small.bytes(part(10_000));
    large.bytes(part(40_000));
    await until("it was read", () => received().length > 30_000);
    next.bytes(part(30_000));
    await large.gone();
    next.bytes([0]);
    await next.gone();
    expect(small.closed).toBe(false);
  });

  test("with a client id that is too long, or none for a session to be kept, is refused before its token is looked at", async () => {
    for (const [clientId, clean] of [
      ["x".repeat(129), true],
      ["x".repeat(2_000), true],
      ["", false],
    ] as const) {
      const one = peer();
      const flags = clean ? 0xc2 : 0xc0;
      one.bytes(connect({ id: "services", token: SERVICE_TOKEN }, { clientId, flags }));
      await one.gone();
      expect(one.packets).toMatchObject([{ cmd: "connack", returnCode: 2 }]);
    }
  });

  test("leaves no more of a will than what may be published", async () => {
    const one = peer();
    const will = { topic: `devices/hub-1/${"x".repeat(3_000)}`, payload: Buffer.from(STATUS), qos: 1, retain: false };
    await one.login(login, { will });
    one.end();
    await until("it is refused", () => ingress.refused.get("invalid-topic") === 1);
  });
});
