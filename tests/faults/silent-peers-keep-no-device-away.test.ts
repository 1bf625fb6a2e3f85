/**
 * Promise: however many connections are held to MQTT by peers that do not log in, silent, in the middle of a handshake
 * or of a CONNECT, devices log in and are heard, on every listener; and those that are there stay.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { type SelfSigned, selfSigned } from "../fixtures/self-signed.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

const MAX = 24;

let system: TestSystem;
let certificate: SelfSigned;
const held: Socket[] = [];

beforeAll(async () => {
  certificate = await selfSigned();
  const { certFile, keyFile } = certificate;
  const tls = { enabled: true, port: 0, certFile, keyFile };
  // Long enough that only their yielding makes room.
  system = await startSystem({
    mqtt: { tls, ws: { enabled: true, port: 0 }, maxConnections: MAX, connectTimeoutMs: 60_000 },
  });
});
afterEach(() => {
  for (const socket of held.splice(0)) socket.destroy();
});
afterAll(async () => {
  await system?.stop();
  await certificate?.remove();
});

type Listener = "mqtt-tcp" | "mqtt-tls" | "mqtt-ws";
const port = (listener: Listener) => system.stack.gateway.port(listener);

async function hold(listener: Listener, said: Buffer | "in TLS", count = 3 * MAX): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const to = { host: "127.0.0.1", port: port(listener) };
      const socket = said === "in TLS" ? connectTls({ ...to, ca: certificate.ca }) : connect(to);
      held.push(socket);
      socket.on("error", () => {}).resume();
      await new Promise<void>((resolve) => {
        socket.once(said === "in TLS" ? "secureConnect" : "connect", () => resolve());
        socket.once("close", () => resolve());
      });
      if (said !== "in TLS") socket.write(said);
    }),
  );
}

async function devicesAreHeard(): Promise<void> {
  const ways = [`mqtt://127.0.0.1:${port("mqtt-tcp")}`, `mqtts://127.0.0.1:${port("mqtt-tls")}`];
  for (const way of [...ways, `ws://127.0.0.1:${port("mqtt-ws")}/mqtt`]) {
    const device = await system.device();
    const client = await system.connect(device, { ca: certificate.ca }, way);
    await client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ battery: 85 }), { qos: 1 });
    await client.endAsync();
  }
}

const NOTHING = Buffer.alloc(0);
test.each<[string, Listener, Buffer | "in TLS"]>([
  ["that say nothing", "mqtt-tcp", NOTHING],
  ["whose CONNECT does not end", "mqtt-tcp", Buffer.from([0x10, 0x7f, 0x00, 0x04, 0x4d])],
  ["that begin no TLS", "mqtt-tls", NOTHING],
  ["that say nothing within TLS", "mqtt-tls", "in TLS"],
  ["that ask for no upgrade", "mqtt-ws", NOTHING],
  ["whose upgrade does not end", "mqtt-ws", Buffer.from("GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Slow: ")],
])("connections %s yield (%s)", async (_name, listener, said) => {
  const device = await system.device();
  const there = await system.connect(device);
  await hold(listener, said);
  await until("no more than there may be are left", () => held.filter(({ closed }) => !closed).length < MAX);
  await devicesAreHeard();
  expect(there.connected).toBe(true);
  await there.publishAsync(`devices/${device.id}/status`, JSON.stringify({ battery: 80 }), { qos: 1 });
  await there.endAsync();
});

test("where all that are there have logged in, one more is turned away", async () => {
  const there = await Promise.all((await system.devices(MAX)).map((device) => system.connect(device)));
  await expect(system.connect(await system.device())).rejects.toThrow();
  expect(there.every(({ connected }) => connected)).toBe(true);
  await Promise.all(there.map((client) => client.endAsync()));
});
