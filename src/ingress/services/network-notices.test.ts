/** What a network service has to tell to a device, from its PUBLISH to the connection of the device, over real connections. */
import type { MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  type IngressFixture,
  type IngressOverrides,
  refOf,
  SERVICE_TOKEN,
  startIngress,
} from "../../../tests/fixtures/ingress.ts";
import { fileService, servicesOf } from "../../../tests/fixtures/services.ts";
import { grantsOf } from "../../model/consent.ts";

let ingress: IngressFixture | undefined;
afterEach(() => ingress?.stop());

const NAME = "key-hub-1".padEnd(22, "_");
const TOPIC = `network/${NAME}`;
const notice = (more: object = {}) =>
  JSON.stringify({ type: "unreachable", since: Date.now() - 1_000, prefix: "203.0.0.0/16", ...more });

async function start(overrides: IngressOverrides = {}): Promise<IngressFixture> {
  const services = servicesOf(fileService("services", ["network"], { token: SERVICE_TOKEN }));
  ingress = await startIngress({ services, ...overrides });
  ingress.rememberNetwork(NAME, refOf("hub-1"));
  return ingress;
}

async function heardBy(client: MqttClient, filter: string): Promise<{ topic: string; said: object; qos: number }[]> {
  const heard: { topic: string; said: object; qos: number }[] = [];
  client.on("message", (topic, payload, { qos }) => heard.push({ topic, said: JSON.parse(String(payload)), qos }));
  await client.subscribeAsync(filter, { qos: 1 });
  return heard;
}

describe("a notice of a network service", () => {
  it("reaches the device behind the name while network consent holds, on the topic of its own id", async () => {
    const { device, service, behind, networkNotices } = await start();
    const [own, other] = [await device("hub-1"), await device("hub-2")];
    const heard = await heardBy(own, "devices/hub-1/notices/network");
    await expect(other.subscribeAsync("devices/hub-1/notices/network")).rejects.toThrow();
    const client = await service();
    const since = Date.now() - 5_000;
    await client.publishAsync(TOPIC, notice({ since }), { qos: 1 });
    await until("it is heard", () => heard.length === 1);
    const said = { type: "unreachable", since, prefix: "203.0.0.0/16" };
    expect(heard).toEqual([{ topic: "devices/hub-1/notices/network", said, qos: 1 }]);
    const grants = grantsOf({ scene: ["status"], weather: ["location", "status"], analytics: ["model"] });
    behind.checkConsent = async (devices) => devices.map(() => ({ grants, wrappedSubjectKey: "key" }));
    await client.publishAsync(TOPIC, notice(), { qos: 1 });
    behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "consent-withdrawn" }));
    await client.publishAsync(TOPIC, notice(), { qos: 1 });
    behind.checkConsent = () => Promise.reject(new Error("Redis is away"));
    await client.publishAsync(TOPIC, notice(), { qos: 1 });
    expect(networkNotices).toEqual(["delivered", "no-consent", "no-consent", "unavailable"]);
    expect(heard).toHaveLength(1);
  });

  it("is not for devices, nor for services of another purpose", async () => {
    const { device, service, networkNotices, refused } = await start({
      services: servicesOf(fileService("services", ["weather", "scene"], { token: SERVICE_TOKEN })),
    });
    await (await device("hub-2")).publishAsync(TOPIC, notice(), { qos: 1 });
    await (await service()).publishAsync(TOPIC, notice(), { qos: 1 });
    expect([refused.get("invalid-topic"), networkNotices]).toEqual([1, ["acl-denied"]]);
  });

  it.each([
    ["no JSON", "unreachable"],
    ["a type that there is not", notice({ type: "reboot" })],
    ["a field more", notice({ text: "call 0190" })],
    ["a time to come", notice({ since: Date.now() + 3_600_000 })],
    ["a time long gone", notice({ since: 1 })],
    ["a prefix that is none", notice({ prefix: "you.example/path" })],
    ["a key twice", `{"type":"outage",${notice().slice(1)}`],
  ])("with %s is refused", async (_what, payload) => {
    const { service, networkNotices } = await start();
    await (await service()).publishAsync(TOPIC, payload, { qos: 1 });
    expect(networkNotices).toEqual(["invalid-payload"]);
  });

  it("of more than a kilobyte is refused, and one without a prefix is taken", async () => {
    const { service, networkNotices, device } = await start();
    const heard = await heardBy(await device("hub-1"), "devices/hub-1/notices/network");
    const client = await service();
    await client.publishAsync(TOPIC, `${notice()}${" ".repeat(1_024)}`, { qos: 1 });
    const since = Date.now();
    await client.publishAsync(TOPIC, JSON.stringify({ type: "outage", since }), { qos: 1 });
    await until("it is heard", () => heard.length === 1);
    expect([networkNotices, heard[0]?.said]).toEqual([["too-large", "delivered"], { type: "outage", since }]);
  });

  it("is told four times an hour at most, under whatever name; one that did not arrive does not count", async () => {
    const { device, service, networkNotices } = await start();
    const client = await service();
    for (let n = 0; n < 6; n += 1) await client.publishAsync(TOPIC, notice(), { qos: 1 });
    expect(networkNotices.splice(0)).toEqual(Array.from({ length: 6 }, () => "away"));
    await heardBy(await device("hub-1"), "devices/hub-1/notices/network");
    for (let n = 0; n < 6; n += 1) await client.publishAsync(TOPIC, notice(), { qos: 1 });
    const four = Array.from({ length: 4 }, () => "delivered");
    expect(networkNotices).toEqual([...four, "too-many", "too-many"]);
  });

  it("says to the service neither that the device is there nor that it is not", async () => {
    const { device, service, networkNotices, behind } = await start();
    const client = await service({ protocolVersion: 5 });
    const codes: number[] = [];
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "puback") codes.push(packet.reasonCode ?? 0);
    });
    const publish = (topic = TOPIC) => client.publishAsync(topic, notice(), { qos: 1 });
    await publish();
    await publish(`network/${"x".repeat(22)}`);
    await heardBy(await device("hub-1"), "devices/hub-1/notices/network");
    for (let n = 0; n < 5; n += 1) await publish();
    behind.checkConsent = async (devices) => devices.map(() => ({ refusal: "no-consent" }));
    await publish();
    expect(new Set(networkNotices)).toEqual(new Set(["away", "unknown-device", "delivered", "too-many", "no-consent"]));
    expect(codes).toEqual(networkNotices.map(() => 0));
  });

  it("opens no name of another epoch, and none of a device that has another owner", async () => {
    const { device, service, networkNotices, rememberNetwork } = await start();
    const heard = await heardBy(await device("hub-1"), "devices/hub-1/notices/network");
    const client = await service();
    const former = "a-name-of-before".padEnd(22, "_");
    rememberNetwork(former, refOf("hub-1"));
    await client.publishAsync(`network/${former}`, notice(), { qos: 1 });
    rememberNetwork(NAME, { ...refOf("hub-1"), subjectTag: "tag-of-the-former-owner" });
    await client.publishAsync(TOPIC, notice(), { qos: 1 });
    expect([networkNotices, heard]).toEqual([["unknown-device", "away"], []]);
  });
});

describe("a notice to a device behind a hub", () => {
  const LAMP = "key-lamp-1".padEnd(22, "_");
  const speaks = { hub: { dialect: "zigbee2mqtt", children: { "room/lamp": "lamp-1" } } };

  it.each([
    ["goes to the hub of the same person, with the name that the hub has for it", "home", ["away", "delivered"]],
    ["does not go to the hub of another person", "neighbour", ["away", "away"]],
  ])("%s", async (_what, owner, outcomes) => {
    const subjects = { hub: owner, "lamp-1": "home" };
    const { device, service, networkNotices, rememberNetwork } = await start({ speaks, subjects });
    rememberNetwork(LAMP, { ...refOf("lamp-1"), subjectTag: "home" });
    const hub = await device("hub");
    const heard = await heardBy(hub, "devices/hub/notices/network");
    const client = await service();
    const since = Date.now();
    // The hub has not said yet what the lamp is called.
    await client.publishAsync(`network/${LAMP}`, JSON.stringify({ type: "unreachable", since }), { qos: 1 });
    await hub.publishAsync("zigbee2mqtt/room/lamp", '{"state":"OFF"}', { qos: 1 });
    await client.publishAsync(`network/${LAMP}`, JSON.stringify({ type: "unreachable", since }), { qos: 1 });
    expect(networkNotices).toEqual(outcomes);
    const told = outcomes.includes("delivered") ? 1 : 0;
    await until("it is heard", () => heard.length === told);
    expect(heard.map(({ said }) => said)).toEqual(
      told === 1 ? [{ type: "unreachable", since, child: "room/lamp" }] : [],
    );
  });
});
