/**
 * Clients that others have written speak MQTT 5 with the gateway: MQTT.js, mosquitto_pub and mosquitto_sub, paho. Each is told why a
 * message was refused, and sends again what could not be made durable.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPythonWithPaho } from "../../tools/private-servers/service-binaries.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const PAHO = fileURLToPath(new URL("../fixtures/paho-mqtt5.py", import.meta.url));
/** Short for the tests in which Redis stands still, and longer than a busy machine needs in all others. */
const DEADLINE_MS = 4_000;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ mqtt: { enqueueDeadlineMs: DEADLINE_MS } });
});
afterAll(() => system?.stop());

interface Program {
  readonly lines: string[];
  readonly ended: Promise<number>;
  stop(): void;
}

function run(command: string, args: readonly string[]): Program {
  // What is written into a pipe would otherwise come once the program has ended.
  const child = spawn("stdbuf", ["-oL", command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  const ended = once(child, "close").then(([code]) => code as number);
  return { lines, ended, stop: () => child.kill() };
}

function mosquitto(program: "pub" | "sub", { id, token }: Pick<Device, "id" | "token">, ...args: string[]): Program {
  const { hostname, port } = new URL(system.stack.mqttUrl);
  const login = ["-V", "mqttv5", "-h", hostname, "-p", port, "-i", `${id}-5`, "-u", id, "-P", token, "-q", "1"];
  return run(`mosquitto_${program}`, [...login, ...args]);
}

/** Redis does not answer while `act` runs. */
async function withoutRedis(act: () => Promise<void>): Promise<void> {
  process.kill(system.stack.redis.pid, "SIGSTOP");
  try {
    await act();
  } finally {
    process.kill(system.stack.redis.pid, "SIGCONT");
  }
}

/** How often this charge is stored; it is stored in steps of 5, and each test has its own. */
async function storedTimes(battery: number): Promise<number> {
  await system.settled();
  const { influxUrl, database } = system.stack;
  return (await influxRows(influxUrl, database, `SELECT battery FROM device_status WHERE battery = ${battery}`)).length;
}

describe("MQTT.js", () => {
  test("is told why, and sends again what was not durable", async () => {
    const device = await system.device();
    const again = { protocolVersion: 5, reconnectPeriod: 100, reconnectOnConnackError: true } as const;
    const client = await system.connect(device, again);
    const topic = `devices/${device.id}/telemetry`;
    await expect(client.publishAsync(topic, "no json", { qos: 1 })).rejects.toMatchObject({ code: 0x99 });
    await expect(client.publishAsync("devices/other/status", "{}", { qos: 2 })).rejects.toMatchObject({ code: 0x90 });
    const reasons: (number | undefined)[] = [];
    client.on("disconnect", ({ reasonCode }) => reasons.push(reasonCode));
    let published: Promise<unknown> | undefined;
    await withoutRedis(async () => {
      published = client.publishAsync(topic, JSON.stringify({ status: { battery: 70 } }), { qos: 1 });
      await until("it is told that the server is busy", () => reasons.length > 0);
    });
    await published;
    expect(reasons[0]).toBe(0x89);
    await disconnectMqtt(client);
    expect(await storedTimes(70)).toBe(1);
  });
});

describe("mosquitto", () => {
  test("publishes with every property there is, and is told why a message was refused", async () => {
    const device = await system.device();
    const topic = `devices/${device.id}/telemetry`;
    const properties = [
      ...["-D", "connect", "session-expiry-interval", "3600", "-D", "connect", "user-property", "owner", "me"],
      ...["-D", "publish", "user-property", "owner", "me", "-D", "publish", "content-type", "application/json"],
      ...["-D", "publish", "response-topic", "answers/here", "-D", "publish", "correlation-data", "x"],
      ...["-D", "publish", "message-expiry-interval", "60", "-D", "publish", "payload-format-indicator", "1"],
      ...["-D", "publish", "topic-alias", "3"],
    ];
    const good = mosquitto("pub", device, ...properties, "-d", "-t", topic, "-m", '{"status":{"battery":75}}');
    expect([await good.ended, good.lines.some((line) => /received PUBACK \(Mid: 1, RC:0\)/.test(line))]).toEqual([
      0,
      true,
    ]);
    const bad = mosquitto("pub", device, "-t", "devices/other/telemetry", "-m", "{}");
    await bad.ended;
    expect(bad.lines.join()).toContain("Topic Name invalid");
    expect(await storedTimes(75)).toBe(1);
  });

  test("does not end well where nothing could be made durable, and does when it is run again", async () => {
    const device = await system.device();
    const say = () =>
      mosquitto("pub", device, "-d", "-t", `devices/${device.id}/telemetry`, "-m", '{"status":{"battery":80}}');
    const client = await system.connect(device, { protocolVersion: 5 });
    await disconnectMqtt(client);
    await withoutRedis(async () => {
      const first = say();
      await first.ended;
      expect(first.lines.some((line) => line.includes("received PUBACK"))).toBe(false);
    });
    expect(await say().ended).toBe(0);
    expect(await storedTimes(80)).toBe(1);
  });

  test("hears what a service may hear, and which filters are not granted", async () => {
    const device = await system.device();
    const { name, token } = system.stack.serviceCredential("scene");
    const filters = ["-t", "processed/scene/#", "-t", "$share/group/processed/scene/#", "-t", "#"];
    const service = mosquitto("sub", { id: name, token }, "-d", ...filters);
    await until("it is subscribed", () => service.lines.some((line) => line.startsWith("Subscribed")));
    expect(service.lines.find((line) => line.startsWith("Subscribed"))).toMatch(/: 1, 1, 135$/);
    await system.say(device, { status: { battery: 85 } });
    await until("it hears", () => service.lines.some((line) => line.includes('"battery":85')));
    service.stop();
    await service.ended;
  });
});

describe("paho", () => {
  test("sends again what was not durable, and loses nothing", async () => {
    const device = await system.device();
    const { hostname, port } = new URL(system.stack.mqttUrl);
    const client = run(findPythonWithPaho() ?? "", [PAHO, hostname, port, device.id, device.token, "90"]);
    const said = (): unknown[] => client.lines.map((line) => JSON.parse(line) as unknown);
    await until("it is connected", () => client.lines.length > 0);
    expect(said()[0]).toEqual({ connect: 0, receiveMaximum: 256 });
    await until("it has published", () => client.lines.length > 1);
    await withoutRedis(() =>
      until("it is told that the server is busy", () => client.lines.includes('{"disconnect": 137}')),
    );
    expect(await client.ended).toBe(0);
    expect(client.lines).toContain('{"published": 20}');
    expect(await storedTimes(90)).toBe(20);
  });
});
