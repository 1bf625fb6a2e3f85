/**
 * The three ways in, TCP, TLS and WebSocket, lead to the same place, and a peer that does not speak the
 * language of a listener harms no one.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { until } from "../fixtures/eventually.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { type SelfSigned, selfSigned } from "../fixtures/self-signed.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let device: Device;
let certificate: SelfSigned;

beforeAll(async () => {
  certificate = await selfSigned();
  const { certFile, keyFile } = certificate;
  const mqtt = {
    tls: { enabled: true, port: 0, certFile, keyFile },
    ws: { enabled: true, port: 0 },
    connectTimeoutMs: 8_000,
  };
  system = await startSystem({ mqtt, properties: [{ name: "way", kind: "word", words: Object.keys(url) }] });
  device = await system.device();
});
afterAll(async () => {
  await system?.stop();
  await certificate?.remove();
});

const port = (listener: "mqtt-tcp" | "mqtt-tls" | "mqtt-ws") => system.stack.gateway.port(listener);
const url = {
  tcp: () => `mqtt://127.0.0.1:${port("mqtt-tcp")}`,
  tls: () => `mqtts://127.0.0.1:${port("mqtt-tls")}`,
  ws: () => `ws://127.0.0.1:${port("mqtt-ws")}/mqtt`,
};

async function publishesThrough(way: keyof typeof url, protocolVersion: 4 | 5): Promise<void> {
  const before = await system.books();
  const client = await system.connect(device, { ca: certificate.ca, protocolVersion }, url[way]());
  for (let seq = 0; seq < 50; seq += 1) {
    await client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ way, seq }), { qos: 1 });
  }
  // More than one packet in a frame, and packets cut apart by frames.
  const burst = Array.from({ length: 200 }, (_, seq) =>
    client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ way, seq: 50 + seq }), { qos: 1 }),
  );
  await Promise.all(burst);
  await disconnectMqtt(client);
  const books = await system.settled();
  expect(books.stored - before.stored).toBe(250);
  const rows = (await system.rows("device_status")).filter((row) => row.way === way);
  expect(new Set(rows.map(({ seq }) => seq)).size).toBe(250);
}

test("QoS 1 through TCP, TLS and WebSocket", async () => {
  await publishesThrough("tcp", 4);
  await publishesThrough("tls", 5);
  await publishesThrough("ws", 5);
});

test.each(["tcp", "tls", "ws"] as const)("the reason for the end of a connection arrives through %s", async (way) => {
  const options = { ca: certificate.ca, protocolVersion: 5 } as const;
  const first = await system.connect(device, options, url[way]());
  const told = new Promise<number | undefined>((resolve) =>
    first.once("disconnect", ({ reasonCode }) => resolve(reasonCode)),
  );
  const closed = new Promise<"nothing">((resolve) => first.once("close", () => resolve("nothing")));
  const second = await system.connect(device, options, url[way]());
  expect(await Promise.race([told, closed])).toBe(0x8e);
  await disconnectMqtt(second);
});

test("the TLS certificate is the gateway's own, and an older protocol than TLS 1.2 is refused", async () => {
  await expect(system.connect(device, {}, url.tls())).rejects.toThrow(/self.signed|verify/i);
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  const fault = await new Promise<NodeJS.ErrnoException>((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port: port("mqtt-tls"), ca: certificate.ca, ...old }, () =>
      reject(new Error("let in")),
    );
    socket.once("error", resolve);
  });
  expect(fault.code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
});

/** What a peer may get wrong, each on a connection of its own that the gateway must end. */
const STRANGERS: readonly [what: string, come: () => Promise<void>][] = [
  [
    "plain MQTT on the TLS port",
    async () => {
      const peer = RawPeer.to(`mqtt://127.0.0.1:${port("mqtt-tls")}`);
      expect(await peer.login(device)).toBe("closed");
    },
  ],
  ["nothing at all on the TLS port", () => RawPeer.to(`mqtt://127.0.0.1:${port("mqtt-tls")}`).gone()],
  [
    "a TLS greeting on the TCP port",
    async () => {
      const peer = RawPeer.to(url.tcp());
      peer.bytes([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
      await peer.gone();
    },
  ],
  [
    "bytes that are no HTTP on the WebSocket port",
    async () => {
      const socket = connect(port("mqtt-ws"), "127.0.0.1");
      socket.on("error", () => {}).on("data", () => {});
      socket.write(Buffer.alloc(512, 0xfe));
      await new Promise((resolve) => socket.once("close", resolve));
    },
  ],
  ["garbage in a frame", () => closedAfter((socket) => socket.send(Buffer.alloc(1_000, 0xfe)))],
  ["text instead of bytes", () => closedAfter((socket) => socket.send("let me in"))],
  ["a frame of 1 MB", () => closedAfter((socket) => socket.send(Buffer.alloc(1 << 20)))],
  ["a broken frame", () => closedAfter((socket) => rawSocketOf(socket).write(Buffer.alloc(64, 0xff)))],
  [
    "a connection cut in the middle of a frame",
    () =>
      closedAfter((socket) => {
        rawSocketOf(socket).write(Buffer.from([0x82, 0xfe, 0x0f, 0xff, 1, 2, 3, 4, 5]), () =>
          rawSocketOf(socket).destroy(),
        );
      }),
  ],
];

async function closedAfter(act: (socket: WebSocket) => void): Promise<void> {
  const socket = new WebSocket(url.ws(), ["mqtt"]);
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await new Promise((resolve) => socket.once("open", resolve));
  act(socket);
  await closed;
}

function rawSocketOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}

test("a peer that speaks something else is cut off, and its neighbours go on", async () => {
  const neighbours = await Promise.all((["tcp", "tls", "ws"] as const).map((way) => neighbour(way)));
  for (const [, come] of STRANGERS) await come();
  for (const { client, target, publish } of neighbours) {
    await publish();
    expect(client.connected, target).toBe(true);
    client.end(true);
  }
  await until("all connections are gone", async () => (await system.metric("connections", '{kind="device"}')) === 0);
  expect(system.stack.gateway.running).toBe(true);
});

async function neighbour(way: keyof typeof url) {
  const own = await system.device();
  const client = await system.connect(own, { ca: certificate.ca }, url[way]());
  const publish = () => client.publishAsync(`devices/${own.id}/status`, '{"power_on":true}', { qos: 1 });
  await publish();
  return { client, publish, target: way };
}
