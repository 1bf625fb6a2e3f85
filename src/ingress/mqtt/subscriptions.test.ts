/** How much a connection may listen to, and how often it may ask: memory and look-ups behind a SUBSCRIBE are bounded. */
import type { MqttClient } from "mqtt";
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
import type { DeviceId } from "../../model/ids.ts";
import { Notices } from "../devices/policy-notices.ts";

let ingress: IngressFixture;
afterEach(() => ingress.stop());
const start = async (overrides: IngressOverrides): Promise<void> => {
  ingress = await startIngress(overrides);
};

/** What the SUBACK says, one filter after the other. */
const granted = (client: MqttClient, ...filters: string[]): Promise<number[]> =>
  client.subscribeAsync(filters, { qos: 1 }).then(
    (grants) => grants.map(({ qos }) => qos),
    (error: { packet: { granted: number[] } }) => error.packet.granted,
  );
const refusals = (): number => ingress.events.filter((event) => event === "too-many-subscriptions").length;
const commands = (...names: number[]): string[] => names.map((name) => `devices/hub-1/commands/x${name}`);

describe("the filters of a connection", () => {
  it("are bounded; those it holds may be asked for again, and what it gives back makes room", async () => {
    await start({ broker: { maxSubscriptions: 3 } });
    const device = await ingress.device("hub-1");
    expect(await granted(device, ...commands(1, 2))).toEqual([1, 1]);
    expect(await granted(device, ...commands(3, 4, 5))).toEqual([1, 128, 128]);
    expect(await granted(device, ...commands(1))).toEqual([1]);
    expect(refusals()).toBe(2);
    await device.unsubscribeAsync(commands(1, 9));
    expect(await granted(device, ...commands(4, 5))).toEqual([1, 128]);
    // Every connection for itself, and a new one begins with none.
    await device.endAsync();
    const again = await ingress.device("hub-1");
    expect(await granted(again, ...commands(6, 7, 8))).toEqual([1, 1, 1]);
  });

  it("are bounded for services too, and a refused one is not heard", async () => {
    await start({ broker: { maxSubscriptions: 2 } });
    const service = await ingress.service();
    expect(await granted(service, "processed/scene/a", "privacy/erased/scene", "processed/scene/b")).toEqual([
      1, 1, 128,
    ]);
    expect([ingress.forward("scene", "a", "{}"), ingress.forward("scene", "b", "{}")]).toEqual([1, 0]);
    await service.unsubscribeAsync("privacy/erased/scene");
    expect(await granted(service, "processed/scene/b")).toEqual([1]);
    expect(ingress.forward("scene", "b", "{}")).toBe(1);
  });

  it("that are not allowed are refused as that, and take no place", async () => {
    await start({ broker: { maxSubscriptions: 1 }, subscribing: { perSecond: 0.001, burst: 1 } });
    const device = await ingress.device("hub-1");
    expect(await granted(device, "devices/hub-2/commands/#", "#", "devices/hub-1/commands/#")).toEqual([128, 128, 1]);
    expect([ingress.events.filter((event) => event === "acl-denied").length, refusals()]).toEqual([2, 0]);
  });
});

it("a SUBSCRIBE gets a return code for each filter, in their order, also for one that is named twice [MQTT-3.8.4-5]", async () => {
  await start({ subscribing: { perSecond: 0.001, burst: 3 } });
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);
  await peer.login({ id: "hub-1", token: TOKEN });
  const [own, long] = ["devices/hub-1/commands/#", `devices/hub-1/commands/${"x".repeat(300)}`];
  const asked = [own, "#", long, "devices/hub-1/notices", `${long}y`, "#", own, own];
  const subscriptions = asked.map((topic, index) => ({ topic, qos: index === 0 ? (0 as const) : (1 as const) }));
  peer.send({ cmd: "subscribe", messageId: 9, subscriptions });
  peer.send({ cmd: "unsubscribe", messageId: 10, unsubscriptions: ["devices/hub-1/notices"] });
  await until("both are answered", () => peer.packets.some(({ cmd }) => cmd === "unsuback") || peer.closed);
  // As often as it may ask, which is three times.
  expect(peer.packets[1]).toMatchObject({ cmd: "suback", messageId: 9, granted: [0, 128, 128, 1, 128, 128, 1, 128] });
  // The last one that was granted counts, and is one subscription.
  const ref = refOf("hub-1");
  ingress.broker.devices.command(ref, commandOf("light"));
  ingress.broker.devices.notify({ ref, id: "hub-1" as DeviceId }, Buffer.from("on"));
  ingress.broker.devices.command(ref, commandOf("end"));
  const heard = () => peer.packets.flatMap((one) => (one.cmd === "publish" ? [`${one.topic} ${one.qos}`] : []));
  await until("they came", () => heard().length === 2);
  expect(heard()).toEqual(["devices/hub-1/commands/light 1", "devices/hub-1/commands/end 1"]);
});

it("a SUBSCRIBE with a filter that is too deep ends the connection", async () => {
  await start({ broker: { maxTopicLevels: 4 } });
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);
  await peer.login({ id: "hub-1", token: TOKEN });
  peer.send({ cmd: "subscribe", messageId: 9, subscriptions: [{ topic: "devices/hub-1/commands/a/b", qos: 0 }] });
  await peer.gone();
  expect(peer.packets).toHaveLength(1);
});

describe("asking", () => {
  it("for filters too often is refused, and reconnecting does not help", async () => {
    await start({ subscribing: { perSecond: 0.001, burst: 3 } });
    const device = await ingress.device("hub-1");
    expect(await granted(device, ...commands(1, 2))).toEqual([1, 1]);
    await device.endAsync();
    const again = await ingress.device("hub-1");
    expect(await granted(again, ...commands(1, 2))).toEqual([1, 128]);
    const other = await ingress.device("hub-2");
    expect(await granted(other, "devices/hub-2/notices")).toEqual([1]);
  });

  it("for notices again and again looks no further into consent than the rate allows", async () => {
    await start({ subscribing: { perSecond: 0.001, burst: 2 } });
    let looked = 0;
    const silent = { info: () => {}, warn: () => {}, error: () => {} };
    ingress.behind.notices = new Notices({
      connected: () => [],
      standings: async (devices) => {
        looked += devices.length;
        return [];
      },
      policyChange: async () => undefined,
      send: () => undefined,
      counted: () => undefined,
      log: silent,
    });
    const device = await ingress.device("hub-1");
    for (let time = 0; time < 5; time += 1) await granted(device, "devices/hub-1/notices");
    expect([looked, refusals()]).toEqual([2, 3]);
  });
});

it("what is current is not open where nothing is kept for services", async () => {
  await start({});
  const service = await ingress.service();
  expect(await granted(service, "processed/scene/$current", "processed/scene/#")).toEqual([128, 1]);
  expect(ingress.events.filter((event) => event === "acl-denied")).toHaveLength(1);
});
