/**
 * A message of QoS 2 is taken once, however often its PUBLISH comes [MQTT-4.3.3-2], and what is not taken may come again.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { type IngressFixture, SERVICE_TOKEN, startIngress, TOKEN } from "../fixtures/ingress.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { startSystem } from "../fixtures/system.ts";

let ingress: IngressFixture;
beforeEach(async () => {
  ingress = await startIngress();
});
afterEach(() => ingress.stop());

const TOPIC = "devices/hub-1/status";
const DUP = { dup: true };
/** Like all here, without an id and without a time of its own. */
const ON = '{"power_on":true}';
const OFF = '{"power_on":false}';

class Sender extends RawPeer {
  static async in(id = "hub-1", more: object = {}): Promise<Sender> {
    const one = Sender.to(`mqtt://127.0.0.1:${ingress.port}`);
    expect(await one.login({ id, token: TOKEN }, more)).toBe(0);
    return one;
  }

  static override to(url: string): Sender {
    return new Sender(RawPeer.to(url).socket);
  }

  exactlyOnce(payload: string, messageId: number, more: object = {}): void {
    this.publish(TOPIC, payload, messageId, { qos: 2, ...more });
  }

  /** Resolves with the answers of this kind once there are so many. */
  async answers(cmd: "pubrec" | "pubcomp", count: number): Promise<number[]> {
    const ids = () => this.packets.filter((one) => one.cmd === cmd).map(({ messageId }) => messageId ?? 0);
    await until(`there are ${count} ${cmd}`, () => ids().length >= count || this.closed);
    return ids();
  }

  release(messageId: number): void {
    this.send({ cmd: "pubrel", messageId });
  }
}

const texts = (): string[] => ingress.admitted.map(({ text }) => text);

/** From here on nothing becomes durable before the returned function is called, or fails then. */
function holdBack(): (how?: "durable" | "lost") => void {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  ingress.behind.enqueue = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  return (how = "durable") => {
    ingress.behind.enqueue = async () => undefined;
    for (const { resolve, reject } of waiting) how === "durable" ? resolve() : reject(new Error("away"));
  };
}

describe("a PUBLISH that comes again before its PUBREL", () => {
  test("is acknowledged and not taken, with the DUP flag and without, also when it says something else", async () => {
    const one = await Sender.in();
    one.exactlyOnce(ON, 7);
    await one.answers("pubrec", 1);
    one.exactlyOnce(ON, 7, DUP);
    one.exactlyOnce(ON, 7);
    one.exactlyOnce(OFF, 7);
    expect(await one.answers("pubrec", 4)).toEqual([7, 7, 7, 7]);
    one.release(7);
    one.release(7);
    expect(await one.answers("pubcomp", 2)).toEqual([7, 7]);
    expect(texts()).toEqual([ON]);
  });

  test("while the first waits to become durable is answered when that is, not before", async () => {
    const settle = holdBack();
    const one = await Sender.in();
    one.socket.cork();
    one.exactlyOnce(ON, 7);
    one.exactlyOnce(ON, 7, DUP);
    one.socket.uncork();
    await until("the first waits", () => ingress.counts.received === 1);
    one.exactlyOnce(ON, 7, DUP);
    one.send({ cmd: "pingreq" });
    await until("the repeats were read", () => one.packets.some(({ cmd }) => cmd === "pingresp"));
    expect(await one.answers("pubrec", 0)).toEqual([]);
    settle();
    expect(await one.answers("pubrec", 3)).toEqual([7, 7, 7]);
    expect(texts()).toEqual([ON]);
    expect(ingress.counts.received).toBe(1);
  });

  test("of another device or another identifier is a message of its own", async () => {
    const [one, other] = [await Sender.in(), await Sender.in("hub-2")];
    one.exactlyOnce(ON, 7);
    other.publish("devices/hub-2/status", ON, 7, { qos: 2 });
    one.exactlyOnce(ON, 8);
    await Promise.all([one.answers("pubrec", 2), other.answers("pubrec", 1)]);
    expect(texts()).toHaveLength(3);
  });

  test("of a service sends its command once", async () => {
    const device = await ingress.device("hub-1");
    const received: string[] = [];
    device.on("message", (_topic, payload) => received.push(payload.toString()));
    await device.subscribeAsync("devices/hub-1/commands/#", { qos: 1 });
    const pseudonym = "key-hub-1".padEnd(22, "_");
    ingress.rememberScene(pseudonym, { deviceKey: "key-hub-1", subjectTag: "tag-key-hub-1" });
    const service = Sender.to(`mqtt://127.0.0.1:${ingress.port}`);
    await service.login({ id: "services", token: SERVICE_TOKEN });
    const send = (payload: string) => service.publish(`commands/${pseudonym}/power`, payload, 7, { qos: 2 });
    for (const payload of ['{"value":"on"}', '{"value":"on"}']) send(payload);
    expect(await service.answers("pubrec", 2)).toEqual([7, 7]);
    service.release(7);
    await service.answers("pubcomp", 1);
    send('{"value":"off"}');
    await until("the next one came", () => received.at(-1) === '{"value":"off"}');
    expect(received).toEqual(['{"value":"on"}', '{"value":"off"}']);
  });
});

test("a command of a service that comes again on a later connection is answered there", async () => {
  let noted: () => void = () => undefined;
  ingress.behind.acknowledged = () => new Promise((resolve) => (noted = resolve));
  const answer = '{"id":"0d9f6f1e-7c1b-4b9e-9d53-3f6a4f0c2b11"}';
  const login = async (): Promise<Sender> => {
    const service = Sender.to(`mqtt://127.0.0.1:${ingress.port}`);
    expect(await service.login({ id: "services", token: SERVICE_TOKEN })).toBe(0);
    return service;
  };
  const first = await login();
  first.publish("privacy/erased/scene/ack", answer, 7, { qos: 2 });
  first.send({ cmd: "pingreq" });
  await until("it was read", () => first.packets.some(({ cmd }) => cmd === "pingresp"));
  const second = await login();
  await first.gone();
  second.publish("privacy/erased/scene/ack", answer, 7, { qos: 2, dup: true });
  second.send({ cmd: "pingreq" });
  await until("it was read", () => second.packets.some(({ cmd }) => cmd === "pingresp"));
  expect(await second.answers("pubrec", 0)).toEqual([]);
  noted();
  expect(await second.answers("pubrec", 1)).toEqual([7]);
});

describe("an identifier is free again", () => {
  test("once it is released", async () => {
    const one = await Sender.in();
    for (const payload of [ON, OFF, ON]) {
      one.exactlyOnce(payload, 7);
      one.release(7);
    }
    await one.answers("pubcomp", 3);
    await until("all are taken", () => ingress.admitted.length === 3);
    expect(texts()).toEqual([ON, OFF, ON]);
  });

  test("once it is released before its message was settled, and is the next one's then", async () => {
    const settle = holdBack();
    const one = await Sender.in();
    // Both flushes there are wait; what comes behind them waits in line.
    for (const id of [1, 2]) {
      one.exactlyOnce(ON, id);
      await until("it waits", () => ingress.counts.received === id);
    }
    one.exactlyOnce("not json", 7);
    one.release(7);
    one.exactlyOnce(ON, 7);
    await until("all came", () => ingress.counts.received === 4);
    settle();
    await one.answers("pubrec", 4);
    one.exactlyOnce(ON, 7, DUP);
    await one.answers("pubrec", 5);
    expect(texts()).toEqual([ON, ON, ON]);
  });

  test("at once when its message is refused", async () => {
    const one = await Sender.in();
    one.exactlyOnce("not json", 7);
    await one.answers("pubrec", 1);
    one.exactlyOnce(ON, 7);
    await one.answers("pubrec", 2);
    expect(texts()).toEqual([ON]);
  });

  test("when its message could not be made durable: it is taken when it is sent again", async () => {
    const settle = holdBack();
    const one = await Sender.in();
    one.exactlyOnce(ON, 7);
    await until("it waits", () => ingress.counts.received === 1);
    settle("lost");
    await one.gone();
    expect(await one.answers("pubrec", 0)).toEqual([]);
    const next = await Sender.in();
    next.exactlyOnce(ON, 7, DUP);
    await next.answers("pubrec", 1);
    expect(texts()).toEqual([ON]);
  });
});

describe("a message sent again after its connection was lost", () => {
  test.each([true, false])("is known by its DUP flag, identifier and content (clean session: %s)", async (clean) => {
    const first = await Sender.in("hub-1", { clean });
    first.exactlyOnce(ON, 7);
    await first.answers("pubrec", 1);
    first.end();
    const second = await Sender.in("hub-1", { clean });
    expect(second.packets[0]).toMatchObject({ cmd: "connack", sessionPresent: false });
    second.exactlyOnce(ON, 7, DUP);
    second.exactlyOnce(ON, 7, DUP);
    expect(await second.answers("pubrec", 2)).toEqual([7, 7]);
    second.release(7);
    await second.answers("pubcomp", 1);
    expect(texts()).toEqual([ON]);
  });

  test("while it still waits to become durable is answered when it is", async () => {
    const settle = holdBack();
    const first = await Sender.in();
    first.exactlyOnce(ON, 7);
    await until("it waits", () => ingress.counts.received === 1);
    const second = await Sender.in();
    await first.gone();
    second.exactlyOnce(ON, 7, DUP);
    second.send({ cmd: "pingreq" });
    await until("it was read", () => second.packets.some(({ cmd }) => cmd === "pingresp"));
    settle();
    expect(await second.answers("pubrec", 1)).toEqual([7]);
    expect(texts()).toEqual([ON]);
  });

  test("and does not become durable after all ends the connection that waits for it", async () => {
    const settle = holdBack();
    const first = await Sender.in();
    first.exactlyOnce(ON, 7);
    await until("it waits", () => ingress.counts.received === 1);
    const second = await Sender.in();
    await first.gone();
    second.exactlyOnce(ON, 7, DUP);
    second.send({ cmd: "pingreq" });
    await until("it was read", () => second.packets.some(({ cmd }) => cmd === "pingresp"));
    settle("lost");
    await second.gone();
    expect(await second.answers("pubrec", 0)).toEqual([]);
    const third = await Sender.in();
    third.exactlyOnce(ON, 7, DUP);
    await third.answers("pubrec", 1);
    expect(texts()).toEqual([ON]);
  });

  test("is a new one without the flag, with other content, and once it was released", async () => {
    const first = await Sender.in();
    for (const id of [7, 8, 9]) first.exactlyOnce(ON, id);
    await first.answers("pubrec", 3);
    first.release(9);
    await first.answers("pubcomp", 1);
    first.end();
    const second = await Sender.in();
    second.exactlyOnce(ON, 7);
    second.exactlyOnce(OFF, 8, DUP);
    second.exactlyOnce(ON, 9, DUP);
    await second.answers("pubrec", 3);
    expect(texts()).toHaveLength(6);
  });
});

test("a client may have as many unreleased as may be in flight; one more ends it, and its neighbour goes on", async () => {
  await ingress.stop();
  ingress = await startIngress({ broker: { inFlightPerConnection: 8 } });
  const [one, neighbour] = [await Sender.in(), await Sender.in("hub-2")];
  for (let id = 1; id <= 8; id += 1) one.exactlyOnce(ON, id);
  await one.answers("pubrec", 8);
  one.release(3);
  one.exactlyOnce(ON, 9);
  expect((await one.answers("pubrec", 9)).at(-1)).toBe(9);
  one.exactlyOnce(ON, 10);
  await one.gone();
  neighbour.publish("devices/hub-2/status", ON, 1);
  expect(await neighbour.answered(1)).toBe("acknowledged");
  expect(texts()).toHaveLength(10);
});

test("when all together have too many, the one who has most is ended, and not who has one more to send", async () => {
  await ingress.stop();
  ingress = await startIngress({ broker: { inFlightPerConnection: 8, inFlightMessages: 10 } });
  const [one, neighbour] = [await Sender.in(), await Sender.in("hub-2")];
  for (let id = 1; id <= 8; id += 1) one.exactlyOnce(ON, id);
  await one.answers("pubrec", 8);
  for (let id = 1; id <= 3; id += 1) neighbour.publish("devices/hub-2/status", ON, id, { qos: 2 });
  expect(await neighbour.answers("pubrec", 3)).toEqual([1, 2, 3]);
  await one.gone();
});

test("what one device leaves behind pushes out nothing of what another did", async () => {
  const neighbour = await Sender.in("hub-2");
  neighbour.publish("devices/hub-2/status", ON, 7, { qos: 2 });
  await neighbour.answers("pubrec", 1);
  neighbour.end();
  const each = 250;
  for (let id = 1; id <= 10_000; id += each) {
    const one = await Sender.in();
    one.socket.cork();
    for (let next = id; next < id + each; next += 1) one.exactlyOnce(ON, next);
    one.socket.uncork();
    await one.answers("pubrec", each);
    one.end();
  }
  const back = await Sender.in("hub-2");
  back.publish("devices/hub-2/status", ON, 7, { qos: 2, dup: true });
  await back.answers("pubrec", 1);
  expect(texts()).toHaveLength(10_001);
});

test("one message, one row", async () => {
  const system = await startSystem();
  try {
    const device = await system.device();
    const peer = RawPeer.to(system.stack.mqttUrl);
    await peer.login(device);
    for (const dup of [false, true, true]) {
      peer.publish(`devices/${device.id}/status`, ON, 7, { qos: 2, dup });
    }
    peer.send({ cmd: "pubrel", messageId: 7 });
    await until("it is released", () => peer.packets.some(({ cmd }) => cmd === "pubcomp"));
    await system.settled();
    expect(await system.rows("device_status")).toHaveLength(1);
    peer.end();
  } finally {
    await system.stop();
  }
});
