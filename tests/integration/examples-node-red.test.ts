/** The flow of `examples/node-red` is whole, and what its function nodes make of a sensor's words is stored, once, by a real gateway. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onPath } from "../../tools/private-servers/service-binaries.ts";
import { until } from "../fixtures/eventually.ts";
import { type FlowNode, FlowRun, type Message, readFlow } from "../fixtures/node-red-flow.ts";
import { type Certificates, certificates } from "../fixtures/private-ca.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const flow = readFlow(fileURLToPath(new URL("../../examples/node-red/flow.json", import.meta.url)));

function only(type: string): FlowNode {
  const [node, ...others] = flow.filter((one) => one.type === type);
  if (node === undefined || others.length > 0) throw new Error(`there is not one ${type}`);
  return node;
}

/** As Node-RED writes one of the environment. */
const variable = (name: string) => `$\{${name}}`;

describe("the flow", () => {
  const ids = new Set(flow.map(({ id }) => id));

  test("names every node once, and wires, scopes and settings lead to nodes that are there", () => {
    expect(ids.size).toBe(flow.length);
    const named = flow.flatMap((node) => [
      ...(node.wires ?? []).flat(),
      ...(node.type === "tab" ? [] : [node.z]),
      ...(Array.isArray(node.scope) ? (node.scope as string[]) : []),
      ...[node.broker, node.tls].filter((id) => typeof id === "string" && !id.startsWith("$")),
    ]);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((id) => !ids.has(String(id)))).toEqual([]);
  });

  test("needs nothing beside Node-RED, holds no secret, and connects by TLS alone", () => {
    const core = ["tab", "tls-config", "mqtt-broker", "mqtt out", "inject", "function", "delay", "complete", "status"];
    expect(flow.map(({ type }) => type).filter((type) => !core.includes(type))).toEqual([]);
    const broker = only("mqtt-broker");
    expect(broker.credentials).toEqual({ user: variable("DEVICE"), password: variable("DEVICE_TOKEN") });
    expect(broker).toMatchObject({
      usetls: true,
      tls: only("tls-config").id,
      protocolVersion: "4",
      cleansession: true,
    });
    expect(only("tls-config")).toMatchObject({ ca: variable("CA_FILE"), verifyservercert: true });
    expect(only("mqtt out")).toMatchObject({ qos: "1", retain: "false", broker: broker.id });
  });
});

/** The flow at work: its mqtt node publishes with MQTT.js, as Node-RED does, as long as there is a connection. */
class Running {
  /** Payloads, in the order in which they came to the mqtt node. */
  readonly out: string[] = [];
  readonly run: FlowRun;
  #client: MqttClient | undefined;

  constructor(env: Readonly<Record<string, string>>) {
    this.run = new FlowRun(flow, env, (node, message) => this.#arrive(node, message));
  }

  senses(payload: Message): void {
    this.run.send(only("inject"), { payload });
  }

  connected(client: MqttClient): void {
    this.#client = client;
    this.run.send(only("status"), { status: { fill: "green", text: "node-red:common.status.connected" } });
  }

  disconnected(): void {
    this.#client = undefined;
    this.run.send(only("status"), { status: { fill: "red", text: "node-red:common.status.disconnected" } });
  }

  #arrive(node: FlowNode, message: Message): void {
    if (node.type === "delay") {
      this.run.send(node, message);
      return;
    }
    const { topic, payload } = message;
    this.out.push(String(payload));
    // What Node-RED does without a connection: nothing at all.
    if (this.#client === undefined) return;
    const client = this.#client;
    const acknowledged = () => {
      // A PUBACK that came when the line was cut.
      if (client === this.#client) this.run.send(only("complete"), message);
    };
    client.publishAsync(String(topic), String(payload), { qos: 1 }).then(acknowledged, () => {});
  }
}

const openssl = onPath("openssl") !== undefined;

describe.skipIf(!openssl)("what its nodes make of a sensor's words", () => {
  let pki: Certificates;
  let system: TestSystem;
  let device: Device;
  let running: Running;
  beforeAll(async () => {
    pki = await certificates();
    const { certFile, keyFile } = pki;
    system = await startSystem({ mqtt: { tls: { enabled: true, port: 0, certFile, keyFile } } });
    device = await system.device();
    const env = { DEVICE: device.id, DEVICE_TOKEN: device.token, CA_FILE: pki.ca, GATEWAY: "localhost" };
    running = new Running(env);
  });
  afterAll(async () => {
    await system?.stop();
    await pki?.remove();
  });

  /** Connects with what the nodes of the flow say. */
  async function connect(): Promise<MqttClient> {
    const broker = only("mqtt-broker");
    const { user, password } = broker.credentials as Record<string, string>;
    const value = (text: unknown) => running.run.value(text);
    const port = system.stack.gateway.port("mqtt-tls");
    const options = { ca: await readFile(value(only("tls-config").ca)) };
    const login = { id: value(broker.clientid), subject: device.subject, token: value(password) };
    expect(value(user)).toBe(login.id);
    return await system.connect(login, options, `mqtts://${value(broker.broker)}:${port}`);
  }

  test("is stored, in order, also what was said while there was no connection, and what is said twice once", async () => {
    running.senses({ t: 21.47, rh: 48, bat: 87, contact: "closed" });
    running.senses({ t: 18.2 });
    running.senses({ contact: "open" });
    running.senses({ lux: 12 });
    expect(running.out).toEqual([]);
    running.connected(await connect());
    await until("three are stored", async () => (await system.books()).stored === 3);
    const said = running.out.map((text) => JSON.parse(text) as { status: unknown; id: string });
    expect(said.map(({ status }) => status)).toEqual([
      { temperature: 21.47, humidity: 48, battery: 87, open: false },
      { temperature: 18.2 },
      { open: true },
    ]);
    expect(new Set(said.map(({ id }) => id)).size).toBe(3);

    // The next one goes out, and the line is cut before the PUBACK.
    running.senses({ t: 19.5 });
    running.disconnected();
    await until("the gateway has it", async () => (await system.books()).stored === 4);
    running.senses({ t: 19.6 });
    running.connected(await connect());
    await until("the repeat and the next one are stored", async () => (await system.books()).stored === 6);
    expect(running.out.slice(3).map((text) => (JSON.parse(text) as { status: unknown }).status)).toEqual([
      { temperature: 19.5 },
      { temperature: 19.5 },
      { temperature: 19.6 },
    ]);
    expect(running.out[4]).toBe(running.out[3]);

    await system.settled();
    expect(await system.stack.api.metrics()).not.toMatch(/^consentry_properties_dropped_total\S* [1-9]/m);
    const rows = (await system.rows("device_status")).map(({ temperature, humidity, battery, open }) =>
      [temperature, humidity, battery, open].join(),
    );
    expect(rows.toSorted()).toEqual([",,,true", "18.2,,,", "19.5,,,", "19.6,,,", "21.5,48,85,false"]);
  });

  test("is bounded: of more than it keeps the oldest go", async () => {
    running.disconnected();
    for (let t = 0; t <= 2_000; t += 1) running.senses({ t: t / 100 });
    const before = running.out.length;
    running.connected(await connect());
    await until("one goes out", () => running.out.length > before);
    running.disconnected();
    expect((JSON.parse(running.out[before] ?? "") as { status: unknown }).status).toEqual({ temperature: 0.01 });
  });
});
