/** What services are handed, on real connections: when it has left, how much waits, and beside what else it arrives. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connectAsync, type MqttClient } from "mqtt";
import { afterEach, expect, test } from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  type IngressFixture,
  type IngressOverrides,
  SERVICE_TOKEN,
  startIngress,
} from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";

let ingress: IngressFixture;
const closing: (() => void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await ingress.stop();
});

const MIB = 1024 * 1024;
const lease = (): AbortSignal => new AbortController().signal;
const start = async (outbox: IngressOverrides["outbox"]): Promise<IngressFixture> => {
  ingress = await startIngress({ outbox: { maxUnsentMs: 60_000, ...outbox } });
  return ingress;
};

async function rawSubscriber(clientId: string, ...topics: string[]): Promise<RawPeer> {
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);
  closing.push(() => peer.end());
  const username = "services";
  expect(await peer.login({ id: clientId, token: SERVICE_TOKEN }, { username })).toBe(0);
  peer.send({ cmd: "subscribe", messageId: 1, subscriptions: topics.map((topic) => ({ topic, qos: 0 as const })) });
  await until("it has subscribed", () => peer.packets.some(({ cmd }) => cmd === "suback"));
  return peer;
}

const published = ({ packets }: RawPeer): string[] =>
  packets.flatMap((packet) => (packet.cmd === "publish" ? [packet.topic] : []));

test("a pass has left when its last subscriber has taken the last of thousands of messages, not before", async () => {
  await start({ maxUnsentBytes: 64 * MIB });
  const paused = await rawSubscriber("paused", "processed/scene/+");
  const quick = await rawSubscriber("quick", "processed/scene/#");
  paused.socket.pause();
  // More than the kernel keeps for a connection.
  const count = 6_000;
  const payload = "x".repeat(4_000);
  for (let index = 0; index < count; index += 1) expect(ingress.hand("scene", `d${index}`, payload)).toBe(1);
  let left = false;
  const leaving = ingress.fanOut.left(lease())?.then(() => {
    left = true;
  });
  expect(ingress.fanOut.left(lease())).toBeUndefined();
  await until("the other has all of it", () => published(quick).length === count);
  expect(left).toBe(false);
  paused.socket.resume();
  await leaving;
  await until("this one has all of it", () => published(paused).length === count);
  expect(published(paused)).toEqual(Array.from({ length: count }, (_, index) => `processed/scene/d${index}`));
});

test("one pass leaves no more waiting than the bound, and what it drops is counted message by message", async () => {
  await start({ maxUnsentBytes: 64 * 1024 });
  const peer = await rawSubscriber("one", "processed/scene/#");
  const taken = Array.from({ length: 1_000 }, () => ingress.hand("scene", "d", "x".repeat(1_000))).filter(Boolean);
  expect(taken.length).toBe(Math.floor((64 * 1024) / (1_000 + "processed/scene/d".length + 5)));
  expect(ingress.events.filter((event) => event === "forward-dropped")).toHaveLength(1_000 - taken.length);
  await ingress.fanOut.left(lease());
  expect(ingress.hand("scene", "last", "{}")).toBe(1);
  await ingress.fanOut.left(lease());
  await until("the last has arrived", () => published(peer).includes("processed/scene/last"));
  expect(published(peer)).toHaveLength(taken.length + 1);
});

test("a connection that goes away in the middle of a pass holds up nothing, and what it misses is counted", async () => {
  await start({ maxUnsentBytes: MIB });
  const peer = await rawSubscriber("one", "processed/scene/#");
  expect(ingress.hand("scene", "d", "{}")).toBe(1);
  peer.end();
  await until("it is gone", () => ingress.events.includes("closed:service"));
  expect(ingress.hand("scene", "d", "{}")).toBe(0);
  await ingress.fanOut.left(lease());
  expect(ingress.fanOut.listening("scene")).toBe(false);
});

test("packets of the gateway and answers of the broker arrive whole, between messages in their order", async () => {
  await start({ maxUnsentBytes: MIB });
  const peer = await rawSubscriber("one", "processed/scene/#", "privacy/erased/scene");
  const passes = 20;
  const answers = (kind: string): number => peer.packets.filter(({ cmd }) => cmd === kind).length;
  for (let pass = 0; pass < passes; pass += 1) {
    peer.send({ cmd: "pingreq" });
    if (pass % 4 === 0) {
      peer.send({
        cmd: "subscribe",
        messageId: pass + 2,
        subscriptions: [{ topic: `processed/scene/s${pass}`, qos: 0 }],
      });
      const id = `0d9f6f1e-7c1b-4b9e-9d53-${String(pass).padStart(12, "0")}`;
      ingress.erased.tell({ id, purpose: "scene", service: "services", payloads: ["names"] });
    }
    for (let index = 0; index < 20; index += 1) ingress.hand("scene", `d${pass * 20 + index}`, "x".repeat(500));
    await ingress.fanOut.left(lease());
    await until("the ping is answered", () => answers("pingresp") > pass);
  }
  await until("all has arrived", () => published(peer).length === passes * 20 + 5 && answers("suback") === 6);
  const messages = published(peer).filter((topic) => topic.startsWith("processed/"));
  expect(messages).toEqual(Array.from({ length: passes * 20 }, (_, index) => `processed/scene/d${index}`));
  expect(peer.closed).toBe(false);
});

test("over WebSocket it is the same", async () => {
  await start({ maxUnsentBytes: 64 * MIB });
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "mqtt" });
  await once(server, "listening");
  server.on("connection", (socket) => ingress.broker.accept(createWebSocketStream(socket), "127.0.0.1"));
  const { port } = server.address() as AddressInfo;
  const client: MqttClient = await connectAsync(`ws://127.0.0.1:${port}`, {
    reconnectPeriod: 0,
    clientId: "web",
    username: "services",
    password: SERVICE_TOKEN,
  });
  closing.push(
    () => client.end(true),
    () => server.close(),
  );
  const seen: string[] = [];
  client.on("message", (topic, payload) => seen.push(`${topic} ${payload.length}`));
  await client.subscribeAsync("processed/scene/#");
  const count = 2_000;
  for (let index = 0; index < count; index += 1) ingress.hand("scene", `d${index}`, "x".repeat(1_000));
  await ingress.fanOut.left(lease());
  await until("all of it has arrived", () => seen.length === count);
  expect(seen).toEqual(Array.from({ length: count }, (_, index) => `processed/scene/d${index} 1000`));
});

test("each connection hears the names it lists and those of its wildcards, until it takes each of them back", async () => {
  await start({ maxUnsentBytes: MIB });
  const service = await ingress.service();
  await service.subscribeAsync(["processed/scene/a", "processed/scene/b", "processed/scene/+", "processed/scene/#"]);
  const heard = (): string[] => ["a", "b", "c"].filter((name) => ingress.forward("scene", name, "{}") === 1);
  expect(heard()).toEqual(["a", "b", "c"]);
  await service.unsubscribeAsync("processed/scene/+");
  expect(heard()).toEqual(["a", "b", "c"]);
  await service.unsubscribeAsync("processed/scene/#");
  expect(heard()).toEqual(["a", "b"]);
  await service.unsubscribeAsync("processed/scene/a");
  expect(heard()).toEqual(["b"]);
  await service.unsubscribeAsync("processed/scene/b");
  expect([heard(), ingress.fanOut.listening("scene")]).toEqual([[], false]);
});
