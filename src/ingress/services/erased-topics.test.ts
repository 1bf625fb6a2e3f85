/** Telling services what to forget, over real connections. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import { type IngressFixture, startIngress } from "../../../tests/fixtures/ingress.ts";

let ingress: IngressFixture;
beforeEach(async () => {
  ingress = await startIngress();
});
afterEach(() => ingress.stop());

const ID = "0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11";
const SCENE = { id: ID, purpose: "scene", service: "services" } as const;
const tell = (payloads = ["names"], id = ID) => ingress.erased.tell({ ...SCENE, id, payloads });
const wants = (againAfterMs = 60_000) => ingress.erased.wants(SCENE, againAfterMs);

async function listener(qos: 0 | 1 = 1) {
  const client = await ingress.service({ clientId: `svc-${qos}-${Math.random()}` });
  const heard: { topic: string; text: string; qos: number }[] = [];
  client.on("message", (topic, payload, packet) => heard.push({ topic, text: payload.toString(), qos: packet.qos }));
  await client.subscribeAsync("privacy/erased/scene", { qos });
  return { client, heard };
}

test("goes to each connection that listens, with the QoS that was subscribed", async () => {
  expect([wants(), tell()]).toEqual([false, false]);
  const [reliable, careless] = [await listener(1), await listener(0)];
  expect(ingress.events.filter((event) => event === "listening:erased")).toHaveLength(2);
  expect(wants()).toBe(true);
  expect(tell(["one", "two"])).toBe(true);
  await until("both have heard", () => reliable.heard.length === 2 && careless.heard.length === 2);
  expect(reliable.heard).toEqual(["one", "two"].map((text) => ({ topic: "privacy/erased/scene", text, qos: 1 })));
  expect(careless.heard.map(({ qos }) => qos)).toEqual([0, 0]);
});

test("is wanted again only after a while, and at once by one that comes back", async () => {
  const first = await listener();
  tell();
  expect([wants(), wants(0)]).toEqual([false, true]);
  await first.client.endAsync();
  await until("it is gone", () => ingress.events.includes("closed:service"));
  expect([wants(), tell()]).toEqual([false, false]);
  const second = await listener();
  expect(wants()).toBe(true);
  tell();
  await until("it has heard", () => second.heard.length === 1);
  await second.client.unsubscribeAsync("privacy/erased/scene");
  expect([wants(0), tell()]).toEqual([false, false]);
});

test("goes to no other service, and to none that listens for another purpose", async () => {
  const { heard } = await listener();
  expect(ingress.erased.tell({ ...SCENE, service: "another", payloads: ["names"] })).toBe(false);
  expect(ingress.erased.tell({ ...SCENE, purpose: "network", payloads: ["names"] })).toBe(false);
  tell(["for it"]);
  await until("it has heard", () => heard.length > 0);
  expect(heard.map(({ text }) => text)).toEqual(["for it"]);
});

test("an answer is acknowledged once it is noted; until then the service keeps it", async () => {
  const { client } = await listener();
  let noted = false;
  ingress.behind.acknowledged = async () => {
    noted = true;
  };
  await client.publishAsync("privacy/erased/scene/ack", JSON.stringify({ id: ID }), { qos: 1 });
  expect(noted).toBe(true);

  ingress.behind.acknowledged = () => Promise.reject(new Error("Redis is away"));
  client.options.reconnectPeriod = 0;
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  client.publish("privacy/erased/scene/ack", JSON.stringify({ id: ID }), { qos: 1 }, () => undefined);
  await closed;
});

test.each([
  ["of another purpose", "privacy/erased/network/ack", JSON.stringify({ id: ID })],
  ["that is no JSON", "privacy/erased/scene/ack", "yes"],
  ["that names its id twice", "privacy/erased/scene/ack", `{"id":"${ID}","id":"${ID}"}`],
  ["without an id", "privacy/erased/scene/ack", "{}"],
  ["with an id that is none", "privacy/erased/scene/ack", JSON.stringify({ id: "*" })],
  ["that is far too long", "privacy/erased/scene/ack", JSON.stringify({ id: ID, more: "x".repeat(1_000) })],
])("an answer %s is dropped and counted", async (_name, topic, payload) => {
  const { client } = await listener();
  await client.publishAsync(topic, payload, { qos: 1 });
  expect(ingress.events.filter((event) => event === "answer-denied")).toHaveLength(1);
  expect(ingress.events.some((event) => event.startsWith("answered:"))).toBe(false);
});

test("a device can neither listen nor answer", async () => {
  const device = await ingress.device("hub-1");
  await expect(device.subscribeAsync("privacy/erased/scene")).rejects.toThrow();
  await device.publishAsync("privacy/erased/scene/ack", JSON.stringify({ id: ID }), { qos: 1 });
  expect(ingress.refused.get("invalid-topic")).toBe(1);
  expect(ingress.events.some((event) => event.startsWith("answered:"))).toBe(false);
});
