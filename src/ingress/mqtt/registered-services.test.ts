/** Services that are registered, changed and removed while they are connected, over a real socket. */
import type { Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../../tests/fixtures/eventually.ts";
import {
  type IngressFixture,
  type IngressOverrides,
  refOf,
  startIngress,
  TOKEN,
} from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";
import { directoryOn, SERVICE_KEY } from "../../../tests/fixtures/services.ts";
import { keyspaceOf } from "../../platform/keyspace.ts";
import { EntryText, type RegistryEntry } from "../../services/entry-text.ts";

const text = new EntryText(SERVICE_KEY);
const FIRST = text.newToken();
const SECOND = text.newToken();
const token = (number: number, value: string, name = "scenes") => ({
  number,
  issuedAt: 1,
  mac: text.tokenMac(name, value),
});

let ingress: IngressFixture;
let revision = 0;
afterEach(() => ingress.stop());

async function start(overrides: IngressOverrides = {}) {
  const services = directoryOn({} as never, keyspaceOf("t"), { changed: () => ingress?.broker.servicesChanged() });
  ingress = await startIngress({ ...overrides, services });
  const put = (more: Partial<RegistryEntry> = {}): void => {
    revision += 1;
    services.learn({
      name: "scenes",
      purposes: ["scene", "network"],
      former: [],
      region: "IN",
      relation: "third-party",
      recipient: "scene services",
      maxConnections: 2,
      publishesPerSecond: 100,
      tokens: [token(1, FIRST, more.name), token(2, SECOND, more.name)],
      lastToken: 2,
      revision,
      ...more,
    });
  };
  return { put, services };
}

function peer(version: 4 | 5 = 4): RawPeer {
  return RawPeer.to(`mqtt://127.0.0.1:${ingress.port}`, version);
}

async function loggedIn(value = FIRST, clientId = "one", version: 4 | 5 = 4): Promise<RawPeer> {
  const one = peer(version);
  expect(await one.login({ id: "scenes", token: value }, { clientId })).toBe(0);
  return one;
}

async function suback(one: RawPeer, ...topics: string[]): Promise<unknown> {
  const before = one.packets.length;
  one.send({ cmd: "subscribe", messageId: 7, subscriptions: topics.map((topic) => ({ topic, qos: 0 as const })) });
  await until("the SUBACK is there", () => one.packets.slice(before).some(({ cmd }) => cmd === "suback"));
  return (one.packets.slice(before).find(({ cmd }) => cmd === "suback") as { granted: unknown }).granted;
}

const disconnects = (one: RawPeer) =>
  one.packets.filter((packet): packet is Packet & { cmd: "disconnect" } => packet.cmd === "disconnect");
const published = (one: RawPeer) => one.packets.filter(({ cmd }) => cmd === "publish").length;

describe("a service", () => {
  it("logs in as soon as it is registered, with either of its tokens, and not before", async () => {
    const { put } = await start();
    expect(await peer().login({ id: "scenes", token: FIRST })).toBe(4);
    put();
    await loggedIn(FIRST, "one");
    await loggedIn(SECOND, "two");
    expect(await peer().login({ id: "scenes", token: text.newToken() })).toBe(4);
  });

  it("that is removed is cut off at once, on all its connections, and told why in MQTT 5", async () => {
    const { put } = await start();
    put();
    const [one, two] = [await loggedIn(FIRST, "one"), await loggedIn(SECOND, "two", 5)];
    await suback(one, "processed/scene/#");
    await suback(two, "processed/scene/#");
    expect(ingress.forward("scene", "abc", "{}")).toBe(1);
    put({ purposes: [], tokens: [], ended: 1 });
    expect(ingress.fanOut.listening("scene")).toBe(false);
    expect(ingress.forward("scene", "abc", "{}")).toBe(0);
    await Promise.all([one.gone(), two.gone()]);
    expect([published(one), published(two)]).toEqual([1, 1]);
    expect(disconnects(two).map(({ reasonCode }) => reasonCode)).toEqual([0x87]);
    expect(ingress.events.filter((event) => event === "service-ended")).toHaveLength(2);
    expect(await peer().login({ id: "scenes", token: FIRST })).toBe(4);
  });

  it("that is removed in the middle of a message gets no more of it", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn();
    await suback(one, "processed/scene/#");
    // Handed over and not written yet: the batch is still being handed out.
    expect(ingress.hand("scene", "abc", "{}")).toBe(1);
    put({ purposes: [], tokens: [], ended: 1 });
    void ingress.fanOut.left(new AbortController().signal);
    await one.gone();
    expect(published(one)).toBe(0);
  });

  it("that does not read is cut off with everything that waits for it", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn();
    await suback(one, "processed/scene/#");
    one.socket.pause();
    const big = "x".repeat(60_000);
    for (let sent = 0; !ingress.events.includes("forward-dropped") && sent < 1_000; sent += 1) {
      ingress.forward("scene", "abc", big);
      await new Promise(setImmediate);
    }
    expect(ingress.events).toContain("forward-dropped");
    put({ tokens: [token(2, SECOND)] });
    expect(ingress.fanOut.listening("scene")).toBe(false);
    await until("its connection is closed here", () => ingress.events.includes("closed:service"));
    one.socket.resume();
    await one.gone();
  });

  it("loses the connections of a token that is revoked, and no others", async () => {
    const { put } = await start();
    put();
    const [one, two] = [await loggedIn(FIRST, "one"), await loggedIn(SECOND, "two")];
    put({ tokens: [token(2, SECOND)] });
    await one.gone();
    await suback(two, "processed/scene/#");
    expect(two.closed).toBe(false);
    expect(await peer().login({ id: "scenes", token: FIRST })).toBe(4);
  });

  it("that is removed while its login is in progress does not come in", async () => {
    const { put, services } = await start();
    put();
    const login = services.login.bind(services);
    services.login = (name, given) => {
      const found = login(name, given);
      expect(found?.token).toBe(1);
      // Between the look at its token and the begin of its session.
      put({ purposes: [], tokens: [], ended: 1 });
      return found;
    };
    expect(await peer().login({ id: "scenes", token: FIRST })).toBe(4);
    expect(ingress.events).not.toContain("opened:service");
  });

  it("whose purposes are narrowed stays connected, keeps what is left and gets nothing of the rest", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn();
    expect(await suback(one, "processed/scene/#", "processed/network/#", "privacy/erased/network")).toEqual([0, 0, 0]);
    put({ purposes: ["scene"], former: ["network"] });
    expect(await suback(one, "processed/network/+", "privacy/erased/network", "processed/scene/+")).toEqual([
      128, 0, 0,
    ]);
    one.publish("privacy/erased/network/ack", JSON.stringify({ id: "11111111-1111-4111-8111-111111111111" }), 9);
    await one.answered(9);
    expect(ingress.events).toContain("answered:network:scenes");
  });

  it("that loses scenes sends no command any more, not even one that is being looked at", async () => {
    const { put } = await start();
    put();
    ingress.rememberScene("key-lamp-1____________", refOf("lamp-1"));
    const lamp = await ingress.device("lamp-1");
    await lamp.subscribeAsync("devices/lamp-1/commands/#");
    const one = await loggedIn();
    const check = ingress.behind.checkConsent;
    ingress.behind.checkConsent = (devices) => {
      put({ purposes: ["network"], former: ["scene"] });
      return check(devices);
    };
    for (const id of [1, 2]) {
      one.publish("commands/key-lamp-1____________/power", '{"value":"on"}', id);
      await one.answered(id);
    }
    expect(ingress.commands).toEqual(["acl-denied", "acl-denied"]);
  });

  it("whose token is revoked while its command is looked at does not reach the device", async () => {
    const { put } = await start();
    put();
    ingress.rememberScene("key-lamp-1____________", refOf("lamp-1"));
    const lamp = await ingress.device("lamp-1");
    const heard: string[] = [];
    lamp.on("message", (topic) => heard.push(topic));
    await lamp.subscribeAsync("devices/lamp-1/commands/#");
    const one = await loggedIn();
    const check = ingress.behind.checkConsent;
    ingress.behind.checkConsent = (devices) => {
      put({ tokens: [token(2, SECOND)] });
      return check(devices);
    };
    one.publish("commands/key-lamp-1____________/power", '{"value":"on"}', 1);
    await until("it has its outcome", () => ingress.commands.length === 1);
    expect([ingress.commands, heard]).toEqual([["acl-denied"], []]);
  });

  it("has no more connections than it may, and one that takes the place of its own is none more", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn(FIRST, "one");
    await loggedIn(FIRST, "two");
    expect(await peer().login({ id: "scenes", token: FIRST }, { clientId: "three" })).toBe(3);
    expect(await peer(5).login({ id: "scenes", token: FIRST }, { clientId: "three" })).toBe(0x97);
    expect(ingress.events.filter((event) => event === "refused:too-many-of-service")).toHaveLength(2);
    await loggedIn(FIRST, "one");
    await one.gone();
    put({ maxConnections: 3 });
    await loggedIn(FIRST, "three");
  });

  it("publishes no faster than it may, and is told so in MQTT 5", async () => {
    const { put } = await start();
    put({ publishesPerSecond: 1 });
    const one = await loggedIn(FIRST, "one", 5);
    for (const id of [1, 2, 3]) {
      one.publish("commands/unknown_unknown_unknow/power", '{"value":"on"}', id);
      await one.answered(id);
    }
    expect(ingress.commands).toEqual(["unknown-device", "unknown-device", "over-rate"]);
    expect(one.packets.find(({ cmd, messageId }) => cmd === "puback" && messageId === 3)).toMatchObject({
      reasonCode: 0x97,
    });
    one.publish("privacy/erased/scene/ack", JSON.stringify({ id: "11111111-1111-4111-8111-111111111111" }), 4);
    await one.answered(4);
    expect(ingress.events).toContain("answer-denied");
  });

  it("that subscribes and unsubscribes in a loop is refused after its limit, also on a new connection", async () => {
    const { put } = await start({ subscribing: { perSecond: 0.001, burst: 5 } });
    put();
    const one = await loggedIn();
    const answers: unknown[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      answers.push(...((await suback(one, "processed/scene/#")) as number[]));
      one.send({ cmd: "unsubscribe", messageId: 8, unsubscriptions: ["processed/scene/#"] });
    }
    expect(answers).toEqual([0, 0, 0, 0, 0, 128, 128, 128]);
    expect(await suback(await loggedIn(), "processed/scene/#")).toEqual([128]);
    expect(ingress.fanOut.listening("scene")).toBe(false);
  });

  it("by the name of a device takes nothing from the device: whose token it is tells them apart", async () => {
    const { put } = await start();
    put({ name: "lamp-1" });
    const lamp = peer();
    expect(await lamp.login({ id: "lamp-1", token: TOKEN })).toBe(0);
    const service = peer();
    expect(await service.login({ id: "lamp-1", token: FIRST })).toBe(0);
    expect(await suback(service, "processed/scene/#", "devices/lamp-1/notices")).toEqual([0, 128]);
    expect(await suback(lamp, "devices/lamp-1/notices", "processed/scene/#")).toEqual([0, 128]);
    expect([lamp.closed, service.closed]).toEqual([false, false]);
  });
});

describe("a shared subscription", () => {
  const names = (one: RawPeer) =>
    one.packets.flatMap((packet) => (packet.cmd === "publish" ? [packet.topic.split("/").at(-1) ?? ""] : []));
  const all = Array.from({ length: 60 }, (_, n) => `name-${n}`);
  const forward = () => all.map((name) => ingress.forward("scene", name, JSON.stringify({ name })));

  it.each([4, 5] as const)("gives each message to one connection of the group, MQTT version %i", async (version) => {
    const { put } = await start();
    put({ maxConnections: 5 });
    const [one, two, own] = [
      await loggedIn(FIRST, "one", version),
      await loggedIn(SECOND, "two", version),
      await loggedIn(FIRST, "own", version),
    ];
    for (const member of [one, two]) expect(await suback(member, "$share/g/processed/scene/#")).toEqual([0]);
    expect(await suback(own, "processed/scene/#")).toEqual([0]);
    expect(forward()).toEqual(all.map(() => 1));
    await until(
      "all are there",
      () => names(one).length + names(two).length === all.length && names(own).length === 60,
    );
    expect([...names(one), ...names(two)].sort()).toEqual([...all].sort());
    expect(Math.min(names(one).length, names(two).length)).toBeGreaterThan(10);
    const before = names(two);
    one.end();
    await until("it is gone", () => ingress.events.includes("closed:service"));
    two.packets.length = 0;
    forward();
    await until("the other has them all", () => names(two).length === all.length);
    expect(names(two).filter((name) => before.includes(name))).toEqual(before);
  });

  it("hands over what a connection that does not read would get, and drops nothing", async () => {
    const { put } = await start();
    put();
    const [slow, quick] = [await loggedIn(FIRST, "slow"), await loggedIn(SECOND, "quick")];
    for (const member of [slow, quick]) await suback(member, "$share/g/processed/scene/+");
    forward();
    await until("all are there", () => names(slow).length + names(quick).length === all.length);
    const [name = ""] = names(slow);
    slow.socket.pause();
    const big = "x".repeat(100_000);
    await until("its names come to the other", () => {
      expect(ingress.forward("scene", name, big)).toBe(1);
      return names(quick).includes(name);
    });
    expect(ingress.events).not.toContain("forward-dropped");
    slow.end();
  });

  it("goes with its service, and with the purpose", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn();
    await suback(one, "$share/g/processed/scene/#", "$share/g/processed/scene/abc");
    // Two subscriptions: with another filter behind it the group is another one.
    ingress.forward("scene", "abc", "{}");
    await until("both are served", () => published(one) === 2);
    one.send({ cmd: "unsubscribe", messageId: 9, unsubscriptions: ["$share/g/processed/scene/#"] });
    await until("it is answered", () => one.packets.some(({ cmd }) => cmd === "unsuback"));
    ingress.forward("scene", "abc", "{}");
    await until("one is left", () => published(one) === 3);
    put({ purposes: [], tokens: [], ended: 1 });
    expect(ingress.forward("scene", "abc", "{}")).toBe(0);
    expect(ingress.fanOut.listening("scene")).toBe(false);
  });

  it.each([
    ["a group with a wildcard", "$share/+/processed/scene/#", 0x8f],
    ["no group", "$share//processed/scene/#", 0x8f],
    ["nothing behind the group", "$share/g/", 0x8f],
    ["no filter", "$share/g", 0x8f],
    ["what is told to each", "$share/g/privacy/erased/scene", 0x87],
    ["a purpose that is not its own", "$share/g/processed/weather/#", 0x87],
    ["a wider filter", "$share/g/processed/#", 0x87],
    ["a share of a share", "$share/g/$share/h/processed/scene/#", 0x87],
    ["a topic of a device", "$share/g/devices/lamp-1/notices", 0x87],
  ])("of %s is refused: %s", async (_what, filter, code) => {
    const { put } = await start();
    put();
    expect(await suback(await loggedIn(FIRST, "five", 5), filter)).toEqual([code]);
    expect(await suback(await loggedIn(FIRST, "four", 4), filter)).toEqual([128]);
  });

  it("of a group with a wildcard that is no level of its own ends the connection, as does No Local", async () => {
    const { put } = await start();
    put();
    for (const [subscription, code] of [
      [{ topic: "$share/a+b/processed/scene/#", qos: 0 as const }, 0x8f],
      [{ topic: "$share/#/processed/scene/#", qos: 0 as const }, 0x8f],
      [{ topic: "$share/g/processed/scene/#", qos: 0 as const, nl: true }, 0x82],
    ] as const) {
      const one = await loggedIn(FIRST, "one", 5);
      one.send({ cmd: "subscribe", messageId: 7, subscriptions: [subscription] });
      await one.gone();
      expect(disconnects(one).map(({ reasonCode }) => reasonCode)).toEqual([code]);
    }
  });

  it("is said to be there in the CONNACK of a service, and not in that of a device", async () => {
    const { put } = await start();
    put();
    const one = await loggedIn(FIRST, "one", 5);
    const lamp = peer(5);
    await lamp.login({ id: "lamp-1", token: TOKEN });
    const told = [one, lamp].map(({ packets: [connack] }) =>
      connack?.cmd === "connack" ? connack.properties?.sharedSubscriptionAvailable : "none",
    );
    expect(told).toEqual([true, false]);
    expect(await suback(lamp, "$share/g/devices/lamp-1/notices")).toEqual([0x9e]);
  });
});
