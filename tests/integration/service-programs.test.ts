/**
 * The services of `examples/services` as programs, each with two instances: scenes and the network against a gateway, the weather against
 * Mosquitto. They share what is told, come back when the gateway does, forget what they are told to, and print no payload.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { latLngToCell } from "h3-js";
import type { MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connectMqtt, disconnectMqtt } from "../../tools/wire/connection.ts";
import { until } from "../fixtures/eventually.ts";
import { describeMosquitto } from "../fixtures/mosquitto.ts";
import { type SelfSigned, selfSigned } from "../fixtures/self-signed.ts";
import { ServiceProgram } from "../fixtures/service-program.ts";
import { consentTo, type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const running: ServiceProgram[] = [];
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-programs-"));
});
/** Each starts programs of its own, which takes seconds where others are at work. */
const LONG_MS = 300_000;
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.ends("SIGKILL")));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function start(...args: readonly (string | number)[]): ServiceProgram {
  const program = new ServiceProgram(...args, "--longest-pause", 0.5);
  running.push(program);
  return program;
}

async function fileOf(name: string, text: string): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

interface Said {
  readonly topic: string;
  readonly text: string;
}

async function listen(client: MqttClient, filter: string): Promise<Said[]> {
  const heard: Said[] = [];
  client.on("message", (topic, payload) => heard.push({ topic, text: String(payload) }));
  await client.subscribeAsync(filter, { qos: 1 });
  return heard;
}

describe("against a gateway", () => {
  let system: TestSystem;
  let certificate: SelfSigned;
  beforeAll(async () => {
    certificate = await selfSigned();
    const { certFile, keyFile } = certificate;
    system = await startSystem({ mqtt: { tls: { enabled: true, port: 0, certFile, keyFile } } }, { shortSteps: true });
  });
  afterAll(async () => {
    await system?.stop();
    await certificate?.remove();
  });

  async function startService(purpose: "scene" | "network", ...more: readonly (string | number)[]) {
    const { name, token } = system.stack.serviceCredential(purpose);
    const tokenFile = await fileOf(`${purpose}.token`, token);
    const login = ["--broker", system.stack.mqttUrl, "--name", name, "--token-file", tokenFile, "--instances", 2];
    const program = start(purpose, ...login, ...more);
    await program.connected(2);
    return program;
  }

  const rules = (...given: object[]) => fileOf("rules.json", JSON.stringify({ rules: given }));
  const WELCOME = {
    name: "light when someone comes",
    when: { and: [{ "===": [{ var: "said.occupancy" }, true] }, { "===": [{ var: "target.power_on" }, false] }] },
    do: { command: "power", value: "on" },
    coolDownS: 1,
  };
  const SOMEONE = { status: { occupancy: true, power_on: false } };

  test(
    "scenes: each device gets its command once, whichever instance hears it; also after the gateway was away",
    async () => {
      const program = await startService("scene", "--rules", await rules(WELCOME));
      const devices = await system.devices(16, { consent: consentTo({ scene: ["status"] }) });
      const say = async () => {
        const clients = await Promise.all(devices.map((device) => system.connect(device)));
        const heard = await Promise.all(
          clients.map((client, index) => listen(client, `devices/${(devices[index] as Device).id}/commands/#`)),
        );
        await Promise.all(
          clients.map((client, index) =>
            client.publishAsync(`devices/${(devices[index] as Device).id}/telemetry`, JSON.stringify(SOMEONE), {
              qos: 1,
            }),
          ),
        );
        await until("each has its command", () => {
          expect(heard.map(({ length }) => length)).toEqual(devices.map(() => 1));
          return true;
        });
        for (const [index, [command]] of heard.entries()) {
          expect(command?.topic).toBe(`devices/${(devices[index] as Device).id}/commands/power`);
          expect(command?.text).toMatch(/"value":"on"|^on$/i);
        }
        await Promise.all(clients.map((client) => disconnectMqtt(client)));
      };
      await say();
      // What was handed over and is still in the queue when the gateway is killed would come a second time, and be commanded again.
      await system.settled();
      await system.stack.gateway.kill("SIGKILL");
      await system.stack.startGateway();
      await system.ready();
      await program.connected(4);
      // The cool-down of the rule is over by then: each of them was away for longer.
      await say();

      const { subject } = devices[0] as Device;
      await system.erase(subject);
      await until(
        "the service has answered that it has forgotten",
        async () => (await system.metric("erasure_answers_total", '{outcome="accepted"}')) > 0,
      );
      expect(await program.ends("SIGTERM")).toBe(0);
      const { summary } = program;
      expect(summary).toMatchObject({
        service: "scene",
        instances: 2,
        rules: 1,
        connects: 4,
        commands: 32,
        notSent: 0,
      });
      expect(summary.digests).toBeGreaterThan(0);
      expect(summary.devices).toBe(15);
      expect(summary.unreadable).toBe(0);
      expect(Math.min(...summary.heardBy)).toBeGreaterThan(0);
      expect(program.text).not.toMatch(/occupancy|processed\/scene\/[\w-]{22}/);
    },
    LONG_MS,
  );

  test(
    "scenes: two rules that switch each other end",
    async () => {
      const [on, off] = [true, false].map((said) => ({
        name: `when it is ${said}`,
        when: { "===": [{ var: "said.power_on" }, said] },
        do: { command: "power", value: said ? "off" : "on" },
        coolDownS: 1,
      }));
      const program = await startService("scene", "--rules", await rules(on as object, off as object));
      const device = await system.device({ consent: consentTo({ scene: ["status"] }) });
      const client = await system.connect(device);
      const heard = await listen(client, `devices/${device.id}/commands/#`);
      // It does as it is told, and says so; for longer than the rules may go on.
      for (let turn = 0; turn < 8; turn += 1) {
        const before = heard.length;
        const isOn = heard.at(-1)?.text.includes("off") !== true;
        const status = JSON.stringify({ power_on: isOn, battery: turn });
        await client.publishAsync(`devices/${device.id}/status`, status, { qos: 1 });
        if (turn < 2) await until("a command has come", () => heard.length > before);
      }
      await system.settled();
      expect(await program.ends("SIGTERM")).toBe(0);
      expect(heard.length).toBeGreaterThanOrEqual(2);
      expect(heard.length).toBeLessThanOrEqual(5);
      expect(program.summary.commands).toBe(heard.length);
    },
    LONG_MS,
  );

  test(
    "the network: devices of a line that is out are told, and of those who take consent back no one is",
    async () => {
      const wires = await system.listen("network");
      const program = await startService("network", "--silent-after", 6, "--check-every", 0.5);
      const consent = consentTo({ network: ["model", "ip"] });
      const [first, second, ...gone] = await system.devices(5, { consent });
      const elsewhere = await system.device({ consent });
      const there = [first, second] as Device[];
      for (const device of [...there, ...(gone as Device[])])
        await system.say(device, { model: "HB-200", ip: "203.0.113.7" });
      await system.say(elsewhere, { model: "HB-200", ip: "198.51.100.9" });
      const clients = await Promise.all(there.map((device) => system.connect(device)));
      const heard = await Promise.all(
        clients.map((client, index) => listen(client, `devices/${(there[index] as Device).id}/notices/network`)),
      );
      await until("all have been told", () => wires.newest.length === 6);
      await system.networkTold();
      for (const { subject } of gone as Device[]) await system.stack.api.withdraw(subject);
      await until("both hear that their line is out", () => heard.every((notices) => notices.some(isOutage)));
      for (const notices of heard)
        expect(JSON.parse(notices.find(isOutage)?.text ?? "")).toEqual({
          type: "outage",
          since: expect.any(Number),
          prefix: "203.0.0.0/16",
        });
      await until(
        "three were refused for want of consent",
        async () => (await system.metric("network_notices_total", '{outcome="no-consent"}')) === 3,
      );
      await wires.stop();
      expect(await program.ends("SIGINT")).toBe(0);
      const { summary } = program;
      expect(summary).toMatchObject({ service: "network", names: 6, linesOut: 1, notSent: 0, refused: 0 });
      expect([summary.unreachable, summary.outage]).toEqual([expect.any(Number), expect.any(Number)]);
      expect(program.text).not.toMatch(/203\.0|198\.51/);
    },
    LONG_MS,
  );

  test(
    "over TLS: with the CA that signed the gateway it is let in, with another one it sends no token",
    async () => {
      const { name, token } = system.stack.serviceCredential("network");
      const tokenFile = await fileOf("tls.token", token);
      const stranger = await selfSigned();
      try {
        const broker = `mqtts://127.0.0.1:${system.stack.gateway.port("mqtt-tls")}`;
        const login = ["--broker", broker, "--name", name, "--token-file", tokenFile];
        const trusting = start("network", ...login, "--ca", certificate.certFile);
        await trusting.connected(1);
        const careful = start("network", ...login, "--ca", stranger.certFile, "--for", 3);
        expect(await careful.ends()).toBe(0);
        expect(careful.summary).toMatchObject({ connects: 0, heard: 0 });
        expect(careful.summary.losses).toBeGreaterThan(0);
        expect(await trusting.ends("SIGTERM")).toBe(0);
        expect(trusting.summary).toMatchObject({ connects: 1, losses: 0 });
        expect(trusting.text + careful.text).not.toContain(token);
      } finally {
        await stranger.remove();
      }
    },
    LONG_MS,
  );

  test(
    "a wrong token is tried again seldom, and a right one that comes later is taken",
    async () => {
      const { name, token } = system.stack.serviceCredential("network");
      const tokenFile = await fileOf("wrong.token", "x".repeat(43));
      const program = start("network", "--broker", system.stack.mqttUrl, "--name", name, "--token-file", tokenFile);
      await until("it was refused", () => program.lines.some((line) => /not authorized|bad user/i.test(line)));
      await fileOf("wrong.token", token);
      await program.connected(1);
    },
    LONG_MS,
  );
});

function isOutage({ text }: Said): boolean {
  return text.includes('"outage"');
}

describe("used wrongly", () => {
  test.each([
    [["storm"], "one of weather, scene, network"],
    [["weather", "--broker", "mqtt://example.org", "--name", "w", "--token-file", "t"], "mqtts:// beyond this machine"],
    [["weather", "--broker", "mqtt://127.0.0.1:1", "--name", "w"], "--token-file is missing"],
    [["scene", "--broker", "mqtt://127.0.0.1:1", "--name", "s", "--token-file", "t"], "--rules is missing"],
  ])("%j says so and ends with 2", async (args, why) => {
    const program = start(...args);
    expect(await program.ends()).toBe(2);
    expect(program.lines[0]).toContain(why);
  });

  test("a token that others can read is not sent", async () => {
    const tokenFile = await fileOf("open.token", "x");
    await rm(tokenFile);
    await writeFile(tokenFile, "x", { mode: 0o644 });
    const program = start("weather", "--broker", "mqtt://127.0.0.1:1", "--name", "w", "--token-file", tokenFile);
    expect(await program.ends()).toBe(1);
    expect(program.lines.join()).toContain("chmod 600");
  });
});

describeMosquitto("the weather, on Mosquitto", "service-programs.test.ts", (url) => {
  const CELLS = [
    [12.97, 77.59],
    [52.5, 13.4],
    [-33.9, 18.4],
  ].map(([lat = 0, lon = 0]) => latLngToCell(lat, lon, 6));
  const STEP_MS = 300_000;
  const AT = Date.UTC(2026, 10, 30, 10);

  test("a forecast for each cell that is told, once in a step, the same for the same", async () => {
    const tokenFile = await fileOf("weather.token", "any");
    const program = start(
      ...["weather", "--broker", url(), "--name", "weather", "--token-file", tokenFile],
      ...["--instances", 2, "--hours", 48],
    );
    await program.connected(2);
    const client = await connectMqtt(url(), { clientId: "gateway" });
    try {
      const heard = await listen(client, "weather/+");
      const tell = async (at: number) => {
        for (const cell of CELLS) {
          const told = { cell, center: { lat: 0, lon: 0 }, at, status: { temperature: 21.5 }, subjects: "5+" };
          await client.publishAsync(`processed/weather/${cell}`, JSON.stringify(told), { qos: 1 });
        }
      };
      await client.publishAsync(`processed/weather/${CELLS[0]}`, "no JSON", { qos: 1 });
      await client.publishAsync(`processed/weather/${CELLS[0]}`, JSON.stringify({ cell: "nowhere", at: 1 }), {
        qos: 1,
      });
      for (const at of [AT, AT, AT - STEP_MS, AT + STEP_MS]) await tell(at);
      await until("two steps are forecast", () => heard.length >= 6);
      expect(await program.ends("SIGTERM")).toBe(0);
      expect(heard.map(({ topic }) => topic).toSorted()).toEqual(
        [...CELLS, ...CELLS].map((cell) => `weather/${cell}`).toSorted(),
      );
      for (const { topic, text } of heard) {
        expect(text.length).toBeLessThanOrEqual(4_096);
        const { at, until: end, hours } = JSON.parse(text);
        expect([at, at + STEP_MS]).toContain(AT + STEP_MS);
        expect(hours.length).toBeGreaterThanOrEqual(24);
        expect(hours[0].at).toBe(AT);
        expect(end).toBe(hours.at(-1).at + 3_600_000);
        expect(Math.abs(hours[0].temperature - 21.5)).toBeLessThan(0.5);
        expect(topic).toMatch(/^weather\/8/);
      }
      const { summary } = program;
      expect(summary).toMatchObject({ cells: 3, forecasts: 6, repeated: 6, unreadable: 2, heard: 14 });
      expect(summary.model).toMatch(/synthetic/);
      expect(Math.min(...summary.heardBy)).toBeGreaterThan(0);
      expect(program.lines.join("\n")).toMatch(/do not dress for it/);
      expect(program.text).not.toContain(CELLS[0]);
    } finally {
      await disconnectMqtt(client);
    }
  });
});
