/** The sockets before and around MQTT: handshakes end in time and count against the bound, WebSocket speaks MQTT or nothing. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import mqttPacket from "mqtt-packet";
import { generate } from "selfsigned";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { until } from "../../../tests/fixtures/eventually.ts";
import { type IngressFixture, startIngress, TOKEN } from "../../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../../tests/fixtures/raw-peer.ts";
import type { Log } from "../../model/log.ts";
import { Listeners, type ListenersOptions } from "./listeners.ts";

let ingress: IngressFixture;
let listeners: Listeners;
let ports: Record<string, number>;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  ingress = await startIngress();
  ports = {};
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await listeners.stop();
  await ingress.stop();
});

const off = { enabled: false, host: "127.0.0.1", port: 0 };
const on = { ...off, enabled: true };

function build(options: Partial<ListenersOptions>): Listeners {
  const log: Log = {
    info: (_, { listener, port }: { listener?: string; port?: number } = {}) => {
      ports[listener ?? ""] = port ?? 0;
    },
    warn: () => undefined,
    error: () => undefined,
  };
  listeners = new Listeners(
    {
      tcp: off,
      tls: off,
      ws: { ...off, path: "/mqtt" },
      maxPacketBytes: 65_536,
      maxConnections: 100,
      handshakeTimeoutMs: 60_000,
      ...options,
    },
    {
      accept: (stream, address, letIn) => ingress.broker.accept(stream, address, letIn),
      refused: (reason) => ingress.events.push(`refused:${reason}`),
      log,
    },
  );
  return listeners;
}

function idle(listener: string): { readonly socket: Socket; readonly gone: Promise<void> } {
  const socket = dial(ports[listener] ?? 0, "127.0.0.1").on("error", () => undefined);
  closing.push(() => socket.destroy());
  return { socket: socket.resume(), gone: new Promise((resolve) => socket.once("close", () => resolve())) };
}

/** The status of an upgrade that offers these subprotocols; 101 when it is let in. */
function upgrade(path: string, offered?: string): Promise<number> {
  const key = Buffer.alloc(16).toString("base64");
  const headers: Record<string, string> = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": key,
    ...(offered !== undefined && { "sec-websocket-protocol": offered }),
  };
  return new Promise((resolve, reject) => {
    const asked = request({ port: ports["mqtt-ws"], host: "127.0.0.1", path, headers });
    asked.once("response", (response) => resolve(response.resume().statusCode ?? 0));
    asked.once("upgrade", (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    asked.once("error", reject).end();
  });
}

it("a WebSocket peer that never speaks is gone within twice the handshake timeout", async () => {
  await build({ ws: { ...on, path: "/mqtt" }, handshakeTimeoutMs: 200 }).start();
  const begun = performance.now();
  await idle("mqtt-ws").gone;
  // Far from Node's own half minute; a busy machine may need longer than 400 ms.
  expect(performance.now() - begun).toBeLessThan(25_000);
});

const loginTo = (
  listener: string,
  id: string,
): { readonly peer: RawPeer; readonly answer: Promise<number | "closed"> } => {
  const peer = RawPeer.to(`mqtt://127.0.0.1:${ports[listener]}`);
  closing.push(() => peer.end());
  return { peer, answer: peer.login({ id, token: TOKEN }) };
};

it("sockets count against the bound of connections from their first packet on, whatever listener they came to", async () => {
  await build({ tcp: on, ws: { ...on, path: "/mqtt" }, maxConnections: 1 }).start();
  const first = loginTo("mqtt-tcp", "hub-1");
  expect(await first.answer).toBe(0);
  await idle("mqtt-ws").gone;
  expect(await loginTo("mqtt-tcp", "hub-2").answer).toBe("closed");
  expect(ingress.events.filter((event) => event === "refused:too-many")).toHaveLength(2);
  first.peer.end();
  await until("there is room again", async () => (await loginTo("mqtt-tcp", "hub-2").answer) === 0);
});

it.each(["mqtt-tcp", "mqtt-ws", "mqtt-tls"])(
  "above it the oldest on %s that has not logged in yields, and none that has",
  async (listener) => {
    const { cert, key } = await certificate();
    const tls = { ...on, certFile: cert, keyFile: key };
    await build({ tcp: on, tls, ws: { ...on, path: "/mqtt" }, maxConnections: 4 }).start();
    const device = loginTo("mqtt-tcp", "hub-1");
    expect(await device.answer).toBe(0);
    const strangers = [idle(listener), idle(listener), idle(listener)];
    await until("they are counted", () => listeners.connections === 4);
    for (const id of ["hub-2", "hub-3", "hub-4"]) {
      expect(await loginTo("mqtt-tcp", id).answer).toBe(0);
      await strangers.shift()?.gone;
    }
    expect(await loginTo("mqtt-tcp", "hub-5").answer).toBe("closed");
    device.peer.publish("devices/hub-1/status", '{"power_on":true}', 1);
    expect(await device.peer.answered(1)).toBe("acknowledged");
  },
);

it("over TLS too a connection that has logged in does not yield", async () => {
  const { cert, key } = await certificate();
  await build({ tcp: on, tls: { ...on, certFile: cert, keyFile: key }, maxConnections: 1 }).start();
  const device = await connectAsync(`mqtts://127.0.0.1:${ports["mqtt-tls"]}`, {
    clientId: "hub-1",
    username: "hub-1",
    password: TOKEN,
    rejectUnauthorized: false,
    reconnectPeriod: 0,
  });
  closing.push(() => device.end(true));
  expect(await loginTo("mqtt-tcp", "hub-2").answer).toBe("closed");
  await device.publishAsync("devices/hub-1/status", '{"power_on":true}', { qos: 1 });
});

it("a text frame ends a WebSocket connection, and nothing in it is read [MQTT-6.0.0-1]", async () => {
  await build({ ws: { ...on, path: "/mqtt" } }).start();
  const socket = new WebSocket(`ws://127.0.0.1:${ports["mqtt-ws"]}/mqtt`, ["mqtt"]);
  socket.on("error", () => undefined);
  const gone = once(socket, "close");
  await once(socket, "open");
  // The flags and this keepalive are a character of UTF-8 together: else the frame would be ill-formed as text.
  const login = { clientId: "hub-1", username: "hub-1", password: Buffer.from(TOKEN), clean: true, keepalive: 0x803c };
  socket.send(mqttPacket.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, ...login }), {
    binary: false,
  });
  await gone;
  await until("it is counted", () => ingress.events.length > 0);
  expect(ingress.events).toEqual(["refused:protocol"]);
});

it("WebSocket needs the path and the subprotocol of MQTT", async () => {
  await build({ ws: { ...on, path: "/mqtt" } }).start();
  expect(await upgrade("/mqtt", "mqtt")).toBe(101);
  expect(await upgrade("/mqtt", "chat, mqttv3.1")).toBe(101);
  expect(await upgrade("/other", "mqtt")).toBe(400);
  expect(await upgrade("/mqtt", "chat")).toBe(400);
  expect(await upgrade("/mqtt")).toBe(400);
  expect((await fetch(`http://127.0.0.1:${ports["mqtt-ws"]}/mqtt`)).status).toBe(426);
  expect(ingress.events.filter((event) => event === "refused:protocol")).toHaveLength(2);
});

it.each([
  ["a frame above the bound", "oversize", (socket: WebSocket) => socket.send(Buffer.alloc(1 << 20))],
  ["a broken frame", "protocol", (socket: WebSocket) => rawSocketOf(socket).write(Buffer.alloc(64, 0xff))],
] as const)("%s after login ends a WebSocket connection and is counted as %s", async (_what, event, act) => {
  await build({ ws: { ...on, path: "/mqtt" } }).start();
  const socket = new WebSocket(`ws://127.0.0.1:${ports["mqtt-ws"]}/mqtt`, ["mqtt"]);
  socket.on("error", () => undefined);
  const gone = once(socket, "close");
  await once(socket, "open");
  const login = { clientId: "hub-1", username: "hub-1", password: Buffer.from(TOKEN), clean: true, keepalive: 60 };
  socket.send(mqttPacket.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, ...login }));
  await once(socket, "message");
  act(socket);
  await gone;
  await until("it is counted", () => ingress.events.includes(event));
  expect(ingress.events.filter((one) => one === "oversize" || one === "protocol")).toEqual([event]);
});

/** Files of one for this machine. */
async function certificate(): Promise<{ readonly cert: string; readonly key: string }> {
  const dir = await mkdtemp(join(tmpdir(), "consentry-listeners-"));
  closing.push(() => rm(dir, { recursive: true }));
  const pems = await generate([{ name: "commonName", value: "127.0.0.1" }], { keySize: 2048 });
  const files = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  await Promise.all([writeFile(files.cert, pems.cert), writeFile(files.key, pems.private)]);
  return files;
}

function rawSocketOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}

it("a port in use, and files of TLS that can't be read or are none, are faults that say which", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  closing.push(() => taken.close());
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as { port: number };
  for (const [listener, options] of [
    ["mqtt-tcp", { tcp: { ...on, port } }],
    ["mqtt-ws", { ws: { ...on, port, path: "/mqtt" } }],
  ] as const)
    await expect(build(options).start()).rejects.toThrow(`LISTEN_FAILED: ${listener}: EADDRINUSE`);

  const dir = await mkdtemp(join(tmpdir(), "consentry-listeners-"));
  closing.push(() => rm(dir, { recursive: true }));
  const file = join(dir, "none.pem");
  await expect(build({ tls: { ...on, certFile: file, keyFile: file } }).start()).rejects.toThrow(
    "CONFIG_INVALID: mqtt.tls.certFile: ENOENT",
  );
  await writeFile(file, "no certificate");
  await expect(build({ tls: { ...on, certFile: file, keyFile: file } }).start()).rejects.toThrow(
    /^CONFIG_INVALID: mqtt\.tls\.certFile: ERR_OSSL/,
  );
});
