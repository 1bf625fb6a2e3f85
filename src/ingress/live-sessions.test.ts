/** One live session for each device, whatever comes in which order; and none once it was ended. */
import { once } from "node:events";
import { connect } from "node:net";
import mqttPacket from "mqtt-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../../tests/fixtures/eventually.ts";
import { type IngressFixture, SERVICE_TOKEN, startIngress, TOKEN } from "../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../tests/fixtures/raw-peer.ts";
import type { DeviceKey } from "../model/ids.ts";

let ingress: IngressFixture;
beforeEach(async () => {
  ingress = await startIngress();
});
afterEach(() => ingress.stop());

const STATUS = '{"status":{"power":"on"}}';
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
    await until("nobody is counted as connected", () => open("device") === 0);
    expect(ingress.broker.connectedDevices()).toEqual([]);
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
    await until("nobody is counted as connected", () => open("service") === 0);
    expect(ingress.fanOut.listening("scene")).toBe(false);
  });
});

describe("the end of a device's session", () => {
  it("closes its connection and nobody else's, and what it sends afterwards is not admitted", async () => {
    const [one, other] = [peer(), peer()];
    await one.login(device("hub-1"));
    await other.login(device("hub-2"));
    ingress.broker.endDevice(keyOf("hub-1"));
    one.publish("devices/hub-1/telemetry", STATUS, 1);
    await one.gone();
    other.publish("devices/hub-2/telemetry", STATUS, 1);
    expect(await other.answered(1)).toBe("acknowledged");
    expect(ingress.admitted.map(({ ref }) => ref.deviceKey)).toEqual([keyOf("hub-2")]);
    expect(ingress.broker.connectedDevices().map(({ id }) => id)).toEqual(["hub-2"]);
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
  expect(ingress.broker.connectedDevices().map(({ id }) => id)).toEqual(["last"]);
});
