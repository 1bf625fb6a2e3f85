/** A session from login to close: one for each device, whatever comes in which order, none once it was ended, nothing said that is not so. */
import { type EventEmitter, once } from "node:events";
import { connect } from "node:net";
import mqttPacket from "mqtt-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import { type IngressFixture, SERVICE_TOKEN, startIngress, TOKEN } from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";
import type { DeviceKey } from "../../model/ids.ts";

let ingress: IngressFixture;
beforeEach(async () => {
  ingress = await startIngress();
});
afterEach(() => ingress.stop());

const STATUS = '{"status":{"power_on":true}}';
const peer = () => RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);
/** Its socket is open, so that the next packet is read at once. */
const connectedPeer = async () => {
  const one = peer();
  await once(one.socket, "connect");
  return one;
};
const device = (id: string) => ({ id, token: TOKEN });
const keyOf = (id: string) => `key-${id}` as DeviceKey;
const counted = (event: string) => ingress.events.filter((one) => one === event).length;
const open = (kind: "device" | "service") => counted(`opened:${kind}`) - counted(`closed:${kind}`);

async function subscribed(one: RawPeer, ...filters: string[]): Promise<void> {
  one.send({ cmd: "subscribe", messageId: 1, subscriptions: filters.map((topic) => ({ topic, qos: 1 as const })) });
  await until("the subscription is answered", () => one.packets.some(({ cmd }) => cmd === "suback"));
}

describe("two connections that come in one breath while an older one closes", () => {
  it("leave the device one, and that one can be ended", async () => {
    for (let round = 0; round < 10; round += 1) {
      const id = `hub-${round}`;
      const first = peer();
      await first.login(device(id));
      await subscribed(first, `devices/${id}/commands/#`, `devices/${id}/notices`);
      const peers = [first, await connectedPeer(), await connectedPeer()];
      await Promise.all(peers.slice(1).map((one) => one.login(device(id))));
      await until("one is left", () => peers.filter(({ closed }) => !closed).length === 1);
      const left = peers.find(({ closed }) => !closed);
      left?.publish(`devices/${id}/telemetry`, STATUS, 7);
      expect(await left?.answered(7)).toBe("acknowledged");
      ingress.broker.endDevice(keyOf(id));
      await left?.gone();
    }
    await until("no one is counted as connected", () => open("device") === 0);
    expect(ingress.broker.devices.connected()).toEqual([]);
  });

  it("leave a service one, and nothing listens once that is gone", async () => {
    const login = (one: RawPeer) => one.login({ id: "services", token: SERVICE_TOKEN }, { clientId: "svc" });
    const peers = [peer(), await connectedPeer(), await connectedPeer()] as const;
    await login(peers[0]);
    await subscribed(peers[0], "processed/scene/#");
    await Promise.all([login(peers[1]), login(peers[2])]);
    await until("one is left", () => peers.filter(({ closed }) => !closed).length === 1);
    const left = peers.find(({ closed }) => !closed) ?? peers[0];
    await subscribed(left, "processed/scene/#");
    left.end();
    await until("no one is counted as connected", () => open("service") === 0);
    expect(ingress.fanOut.listening("scene")).toBe(false);
  });
});

describe("a connection that goes while its messages are in flight", () => {
  it.each(["drop", "takeover"] as const)("by %s breaks no rule of the protocol", async (how) => {
    const durable: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => durable.push(resolve));
    const one = peer();
    await one.login(device("hub-1"));
    for (let id = 1; id <= 20; id += 1) one.publish("devices/hub-1/telemetry", STATUS, id);
    await until("all of them came", () => ingress.counts.received === 20);
    if (how === "drop") one.end();
    else await peer().login(device("hub-1"));
    await until("it is gone", () => counted("closed:device") === 1);
    ingress.behind.enqueue = async () => undefined;
    for (const resolve of durable) resolve();
    await until("they are admitted all the same", () => ingress.admitted.length === 20);
    expect(counted("protocol")).toBe(0);
    expect(counted("takeover")).toBe(how === "takeover" ? 1 : 0);
  });
});

describe("packets that come right behind the CONNECT", () => {
  const burst = async (count: number) => {
    const one = peer();
    one.socket.cork();
    const login = one.login(device("hub-1"));
    for (let id = 1; id <= count; id += 1) one.publish("devices/hub-1/status", '{"power_on":true}', id);
    one.socket.uncork();
    return { one, answer: await login };
  };

  it("are read when it is answered, and as many as may be in flight at a time", async () => {
    const { one, answer } = await burst(600);
    expect(answer).toBe(0);
    expect(await one.answered(600)).toBe("acknowledged");
    expect(one.acknowledged).toHaveLength(600);
  });

  it("are not looked at when it is refused", async () => {
    const one = peer();
    one.socket.cork();
    const login = one.login({ id: "hub-1", token: "wrong" });
    one.publish("devices/hub-1/status", '{"power_on":true}', 1);
    one.socket.uncork();
    expect(await login).toBe(4);
    await one.gone();
    expect(ingress.counts.received).toBe(0);
  });
});

describe("a gateway that stops", () => {
  it("reads no further message and makes no telemetry of wills; what it had taken is settled", async () => {
    await ingress.stop();
    ingress = await startIngress({ flow: { inFlightPerConnection: 4 } });
    const durable: (() => void)[] = [];
    ingress.behind.enqueue = () => new Promise((resolve) => durable.push(resolve));
    const one = peer();
    const will = { topic: "devices/hub-1/status", payload: Buffer.from('{"online":false}'), qos: 1, retain: false };
    await one.login(device("hub-1"), { will });
    for (let id = 1; id <= 4_000; id += 1) one.publish("devices/hub-1/telemetry", STATUS, id);
    await until("it is not read any more", () => ingress.flow.pausedConnections === 1 && durable.length > 0);
    const { received } = ingress.counts;
    expect(received).toBeLessThan(4_000);
    ingress.broker.quiesce();
    ingress.behind.enqueue = async () => undefined;
    for (const resolve of durable) resolve();
    await until("what was taken is acknowledged", () => one.acknowledged.length === received);
    expect(counted("closed:device")).toBe(0);
    await ingress.stop();
    await one.gone();
    expect(ingress.counts.received).toBe(received);
    expect(ingress.admitted).toHaveLength(received);
    expect(ingress.flow.messages).toBe(0);
  });
});

it("a retained message is one like any other, and the will of a service is counted", async () => {
  const one = peer();
  await one.login(device("hub-1"));
  one.publish("devices/hub-1/telemetry", STATUS, 1, { retain: true });
  expect(await one.answered(1)).toBe("acknowledged");
  expect(ingress.admitted).toHaveLength(1);
  const will = { topic: "devices/hub-1/telemetry", payload: Buffer.from(STATUS), qos: 1, retain: true };
  const service = peer();
  expect(await service.login({ id: "services", token: SERVICE_TOKEN }, { clientId: "svc", will })).toBe(0);
  service.end();
  await until("it is gone", () => counted("closed:service") === 1);
  expect(counted("service-will")).toBe(1);
  expect(ingress.counts.received).toBe(1);
});

it("a fault of the broker itself is told to anyone who runs it", () => {
  (ingress.broker as EventEmitter).emit("error", new Error("lost"));
  expect(ingress.events).toContain("failed:lost");
});

describe("the end of a device's session", () => {
  it("closes its connection and no one else's, and what it sends afterwards is not admitted", async () => {
    const [one, other] = [peer(), peer()];
    await one.login(device("hub-1"));
    await other.login(device("hub-2"));
    ingress.broker.endDevice(keyOf("hub-1"));
    one.publish("devices/hub-1/telemetry", STATUS, 1);
    await one.gone();
    other.publish("devices/hub-2/telemetry", STATUS, 1);
    expect(await other.answered(1)).toBe("acknowledged");
    expect(ingress.admitted.map(({ ref }) => ref.deviceKey)).toEqual([keyOf("hub-2")]);
    expect(ingress.broker.devices.connected().map(({ id }) => id)).toEqual(["hub-2"]);
  });

  it("holds for a login whose credential was read before, and not for the next", async () => {
    let answer: () => void = () => undefined;
    ingress.behind.credentials = () => new Promise((resolve) => (answer = resolve));
    const one = peer();
    const login = one.login(device("hub-1"));
    await until("the credential is read", () => answer.length === 1);
    ingress.broker.endDevice(keyOf("hub-1"));
    answer();
    expect(await login).toBe(3);
    ingress.behind.credentials = async () => undefined;
    expect(await peer().login(device("hub-1"))).toBe(0);
  });
});

it("a peer that vanishes around its CONNACK leaves no session behind", async () => {
  const leaving = ["at once", "politely", "at the answer"] as const;
  for (let round = 0; round < 60; round += 1) {
    const how = leaving[round % leaving.length];
    const socket = connect(ingress.port, "127.0.0.1").on("error", () => undefined);
    const [clientId, password] = [`hub-${round}`, Buffer.from(TOKEN)];
    const login = { clientId, username: clientId, password, clean: true, keepalive: 9 };
    const packet = mqttPacket.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, ...login });
    const gone = new Promise((resolve) => socket.once("close", resolve));
    if (how === "at once") socket.write(packet, () => socket.destroy());
    else if (how === "politely") socket.resume().end(packet);
    else socket.once("data", () => socket.destroy()).write(packet);
    await gone;
  }
  // The last to come is served after them all.
  const last = peer();
  expect(await last.login(device("last"))).toBe(0);
  await until("only the last is counted as connected", () => open("device") === 1);
  expect(ingress.broker.devices.connected().map(({ id }) => id)).toEqual(["last"]);
});
