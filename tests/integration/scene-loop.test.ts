/**
 * The scene loop, closed: a service that knows pseudonyms alone hears what devices say and switches them, each in the words of its
 * firmware, while consent holds; it is told what became of it, and two rules that switch each other come to an end.
 */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Speech } from "../../tools/stack/account-service.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { type Device, name, startSystem, type TestSystem } from "../fixtures/system.ts";

interface Told {
  readonly topic: string;
  readonly outcome: string;
  readonly correlation?: string;
}

/** A device with its firmware: what it says, under which topics, and what it hears. */
interface Live {
  readonly device: Device;
  readonly client: MqttClient;
  readonly heard: string[];
  pseudonym: string;
}

let system: TestSystem;
let scene: Listener;
let lastTold = 0;
const told: Told[] = [];

beforeAll(async () => {
  system = await startSystem({ mqtt: { commandsPerMinute: 4 } });
  scene = await system.listen("scene");
  scene.client.on("message", (topic, payload) => {
    if (topic.endsWith("/outcome")) told.push({ topic, ...JSON.parse(payload.toString()) });
  });
  await scene.client.subscribeAsync("commands/+/+/outcome", { qos: 1 });
});
afterAll(async () => {
  await scene?.stop();
  await system?.stop();
});

/** Publishes, and finds the name under which scene services now hear the device. */
async function say(live: Live, topic: string, payload: string): Promise<Record<string, unknown>> {
  const before = scene.packets.length;
  await live.client.publishAsync(topic, payload, { qos: 1 });
  const heard = () => scene.packets.slice(before).find(({ topic: on }) => on.startsWith("processed/scene/"));
  await until("the scene service has heard it", () => heard() !== undefined);
  const record = JSON.parse(String(heard()?.payload)) as Record<string, unknown>;
  live.pseudonym = String(record.device);
  return record;
}

async function come(speech: Speech | undefined, filters: readonly string[], subject?: string): Promise<Live> {
  const device = await system.device({ ...(speech && { speech }), ...(subject && { subject }) });
  const client = await system.connect(device);
  const heard: string[] = [];
  client.on("message", (topic, payload) => heard.push(`${topic} ${payload}`));
  for (const filter of filters) await client.subscribeAsync(filter.replace("{id}", device.id), { qos: 1 });
  return { device, client, heard, pseudonym: "" };
}

const native = (): Promise<Live> => come(undefined, ["devices/{id}/commands/#"]);

/** Resolves with what the service is told of it. */
async function command(pseudonym: string, action: string, payload: object): Promise<string> {
  lastTold += 1;
  const correlation = `c-${lastTold}`;
  const whole = JSON.stringify({ correlation, ...payload });
  await scene.client.publishAsync(`commands/${pseudonym}/${action}`, whole, { qos: 1 });
  const mine = () => told.find((one) => one.correlation === correlation);
  await until("the outcome is told", () => mine() !== undefined);
  expect(mine()?.topic).toBe(`commands/${pseudonym}/${action}/outcome`);
  return String(mine()?.outcome);
}

describe("a service that knows pseudonyms alone", () => {
  test("switches a native device", async () => {
    const lamp = await native();
    await say(lamp, `devices/${lamp.device.id}/status`, '{"power_on":false}');
    expect(await command(lamp.pseudonym, "brightness", { value: 40 })).toBe("delivered");
    await until("the device has heard it", () => lamp.heard.length === 1);
    expect(lamp.heard).toEqual([
      `devices/${lamp.device.id}/commands/brightness {"value":40,"correlation":"c-${lastTold}"}`,
    ]);
  });

  test("switches a Tasmota device in the words of its firmware", async () => {
    const id = name("plug");
    const plug = await come({ dialect: "tasmota", alias: id }, [`cmnd/${id}/#`]);
    await say(plug, `stat/${id}/RESULT`, '{"POWER":"OFF"}');
    expect(await command(plug.pseudonym, "power", { value: "on" })).toBe("delivered");
    expect(await command(plug.pseudonym, "color_temperature", { value: 2700 })).toBe("delivered");
    await until("the device has heard both", () => plug.heard.length === 2);
    expect(plug.heard).toEqual([`cmnd/${id}/POWER ON`, `cmnd/${id}/CT 370`]);
    expect(await command(plug.pseudonym, "vacuum", { value: "start" })).toBe("unknown-device");
  });

  test("switches a device behind a Zigbee2MQTT hub, which it never hears of", async () => {
    const hub = await come({ dialect: "zigbee2mqtt" }, ["zigbee2mqtt/#"]);
    const lamp = name("lamp");
    await system.stack.api.bind(hub.device.subject, lamp);
    await system.stack.api.registerChildren(hub.device.id, [{ device: lamp, alias: "Anna/lamp" }]);
    await until("the hub may speak for it", async () => {
      const before = scene.packets.length;
      await hub.client.publishAsync("zigbee2mqtt/Anna/lamp", '{"state":"OFF","brightness":10}', { qos: 1 });
      await system.settled();
      await scene.caughtUp();
      return scene.packets.length > before;
    });
    const record = await say(hub, "zigbee2mqtt/Anna/lamp", '{"state":"ON","brightness":127}');
    expect(JSON.stringify(record)).not.toContain("Anna");
    expect(await command(hub.pseudonym, "power", { value: "on" })).toBe("delivered");
    expect(await command(hub.pseudonym, "brightness", { value: 50 })).toBe("delivered");
    await until("the hub has heard both", () => hub.heard.length === 2);
    expect(hub.heard).toEqual([
      'zigbee2mqtt/Anna/lamp/set {"state":"ON"}',
      'zigbee2mqtt/Anna/lamp/set {"brightness":127}',
    ]);
    // What it does then is said to follow from it.
    expect(await say(hub, "zigbee2mqtt/Anna/lamp", '{"state":"ON","brightness":127}')).toMatchObject({ cause: 1 });
  });
});

describe("two rules that switch each other", () => {
  /** Each rule: what one device says switches the other. */
  async function loop(repeatsCause: boolean): Promise<string> {
    const [one, two] = [await native(), await native()];
    for (const live of [one, two]) await say(live, `devices/${live.device.id}/status`, '{"power_on":false}');
    let cause: unknown;
    for (let turn = 0; turn < 100; turn += 1) {
      const live = turn % 2 === 0 ? one : two;
      const outcome = await command(live.pseudonym, "power", { value: "toggle", ...(repeatsCause && { cause }) });
      if (outcome !== "delivered") return `${outcome} ${turn}`;
      await until("it has switched", () => live.heard.length > turn / 2);
      ({ cause } = await say(live, `devices/${live.device.id}/status`, `{"power_on":${turn % 4 < 2}}`));
      expect(cause).toBe(repeatsCause ? turn + 1 : 1);
    }
    return "it goes on";
  }

  test("end with the fifth that follows", async () => {
    expect(await loop(true)).toBe("cause-chain 5");
  });

  test("end at the rate of a device where the service says nothing of causes", async () => {
    expect(await loop(false)).toBe("over-rate 8");
  });
});

describe("a device that may not be reached", () => {
  test.each<[string, (live: Live) => Promise<unknown>]>([
    ["withdrawn", ({ device }) => system.stack.api.withdraw(device.subject, { purposes: ["scene"] })],
    ["sold", ({ device }) => system.stack.api.bind(name("buyer"), device.id)],
    ["away", ({ client }) => client.endAsync()],
    ["erased", ({ device }) => system.erase(device.subject)],
  ])("is %s, and the service is told the same of each", async (_what, act) => {
    const lamp = await native();
    await say(lamp, `devices/${lamp.device.id}/status`, '{"power_on":false}');
    lamp.client.on("error", () => undefined);
    await act(lamp);
    expect(await command(lamp.pseudonym, "power", { value: "on" })).toBe("unknown-device");
    expect(lamp.heard).toEqual([]);
  });
});

test("a correlation is delivered once, and what is no command is told as such", async () => {
  const lamp = await native();
  await say(lamp, `devices/${lamp.device.id}/status`, '{"power_on":false}');
  const send = async (payload: string, action = "power"): Promise<string | undefined> => {
    const before = told.length;
    await scene.client.publishAsync(`commands/${lamp.pseudonym}/${action}`, payload, { qos: 1 });
    await until("the outcome is told", () => told.length > before);
    return told.at(-1)?.outcome;
  };
  expect(await send('{"value":"on","correlation":"mine"}')).toBe("delivered");
  expect(await send('{"value":"on","correlation":"mine"}')).toBe("repeated");
  expect(await send('{"value":1}')).toBe("invalid");
  expect(await send('{"value":"open"}', "lock")).toBe("invalid");
  expect(await send(`{"value":"on","expiresAt":${Date.now() - 1}}`)).toBe("expired");
  expect(await send(JSON.stringify({ value: "on" }).padEnd(20_000))).toBe("too-large");
  await until("the device has heard one", () => lamp.heard.length === 1);
});

test("a policy that leaves a command out takes it from every service at once", async () => {
  const lamp = await native();
  await say(lamp, `devices/${lamp.device.id}/status`, '{"power_on":false}');
  const document = (await system.stack.api.call("GET", "/v1/policies/{version}", ["1"])) as {
    purposes: { scene: object };
  };
  const policy = {
    ...document,
    version: 2,
    change: { kind: "minor", summary: "Services switch and dim, and do nothing else." },
    purposes: { ...document.purposes, scene: { ...document.purposes.scene, commands: ["power", "brightness"] } },
  };
  await system.stack.api.call("POST", "/v1/policies", [], policy);
  expect(await command(lamp.pseudonym, "cover", { value: "open" })).toBe("not-allowed");
  expect(await command(lamp.pseudonym, "power", { value: "on" })).toBe("delivered");
});
