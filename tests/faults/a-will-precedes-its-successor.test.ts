/**
 * What a replaced connection leaves behind is taken before anything of the one that replaces it, however close behind
 * its CONNECT that publishes [MQTT-3.1.4-2] [MQTT-3.1.2-8].
 */
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { type IngressFixture, startIngress, TOKEN } from "../fixtures/ingress.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";

let ingress: IngressFixture;
beforeEach(async () => {
  ingress = await startIngress();
});
afterEach(() => ingress.stop());

const TOPIC = "devices/hub-1/model";
const said = (text: string): string => JSON.stringify({ model: text });
const texts = (): string[] => ingress.admitted.map(({ text }) => JSON.parse(text).model as string);
const peer = () => RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`);

function will(text: string) {
  return { will: { topic: TOPIC, payload: Buffer.from(said(text)), qos: 1 as const, retain: false } };
}

/** CONNECT and PUBLISH in one write. */
function pipelined(name: string, qos: 0 | 1 | 2): RawPeer {
  const one = peer();
  one.socket.cork();
  void one.login({ id: "hub-1", token: TOKEN }, will(`${name}'s will`));
  one.publish(TOPIC, said(name), 1, { qos });
  one.socket.uncork();
  return one;
}

async function withWill(name: string): Promise<RawPeer> {
  const one = peer();
  expect(await one.login({ id: "hub-1", token: TOKEN }, will(`${name}'s will`))).toBe(0);
  return one;
}

test.each([0, 1, 2] as const)("a connection that is open, with QoS %i", async (qos) => {
  for (let round = 0; round < 5; round += 1) {
    const before = ingress.admitted.length;
    const first = await withWill("first");
    const second = pipelined("second", qos);
    await until("both are taken", () => ingress.admitted.length === before + 2);
    expect(texts().slice(before)).toEqual(["first's will", "second"]);
    await first.gone();
    second.send({ cmd: "disconnect" });
    await second.gone();
    await until("it is gone", () => ingress.broker.devices.connected().length === 0);
  }
});

test("a connection that is just being lost", async () => {
  for (let round = 0; round < 5; round += 1) {
    const before = ingress.admitted.length;
    const first = await withWill("first");
    first.socket.resetAndDestroy();
    const second = pipelined("second", 1);
    await until("both are taken", () => ingress.admitted.length === before + 2);
    expect(texts().slice(before)).toEqual(["first's will", "second"]);
    second.send({ cmd: "disconnect" });
    await second.gone();
    await until("it is gone", () => ingress.broker.devices.connected().length === 0);
  }
});

test("a connection whose own messages still wait to become durable", async () => {
  const durable: (() => void)[] = [];
  ingress.behind.enqueue = () => new Promise((resolve) => durable.push(resolve));
  const first = await withWill("first");
  first.publish(TOPIC, said("first"), 1);
  await until("it waits", () => durable.length === 1);
  pipelined("second", 1);
  await until("all came", () => ingress.counts.received === 3);
  ingress.behind.enqueue = async () => undefined;
  for (const resolve of durable) resolve();
  await until("all are taken", () => ingress.admitted.length === 3);
  expect(texts()).toEqual(["first", "first's will", "second"]);
});

test("a connection that is not read because too much of it is in flight", async () => {
  await ingress.stop();
  ingress = await startIngress({ flow: { inFlightPerConnection: 2 } });
  const durable: (() => void)[] = [];
  ingress.behind.enqueue = () => new Promise((resolve) => durable.push(resolve));
  const first = await withWill("first");
  for (let id = 1; id <= 4; id += 1) first.publish(TOPIC, said(`first ${id}`), id);
  await until("it is not read any more", () => ingress.flow.pausedConnections === 1);
  pipelined("second", 1);
  await until("the will and the new message came", () => ingress.counts.received === 4);
  ingress.behind.enqueue = async () => undefined;
  for (const resolve of durable) resolve();
  await until("all are taken", () => ingress.admitted.length === 4);
  expect(texts()).toEqual(["first 1", "first 2", "first's will", "second"]);
});

test("a connection whose stream takes its time to close, as one of WebSocket does", async () => {
  const [gateway, device] = duplexPair();
  const closing: (() => void)[] = [];
  gateway._destroy = (error, callback) => void closing.push(() => callback(error));
  ingress.broker.accept(gateway, "");
  const first = new RawPeer(device as Socket);
  expect(await first.login({ id: "hub-1", token: TOKEN }, will("first's will"))).toBe(0);
  pipelined("second", 1);
  await until("both are taken", () => ingress.admitted.length === 2);
  expect(texts()).toEqual(["first's will", "second"]);
  for (const close of closing) close();
  await until("it is gone", () => ingress.events.includes("closed:device"));
  expect(ingress.admitted).toHaveLength(2);
});

test("one after the other, each will is followed by its successor", async () => {
  await withWill("first");
  for (let turn = 0; turn < 4; turn += 1) {
    pipelined(`turn ${turn}`, 1);
    await until("it is taken", () => texts().includes(`turn ${turn}`));
  }
  expect(texts()).toEqual([
    "first's will",
    "turn 0",
    "turn 0's will",
    "turn 1",
    "turn 1's will",
    "turn 2",
    "turn 2's will",
    "turn 3",
  ]);
});

test("one that took its leave says nothing more", async () => {
  const first = await withWill("first");
  first.send({ cmd: "disconnect" });
  await first.gone();
  pipelined("second", 1);
  await until("it is taken", () => ingress.admitted.length === 1);
  expect(texts()).toEqual(["second"]);
});
