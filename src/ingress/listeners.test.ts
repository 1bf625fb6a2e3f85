/** The sockets before and around MQTT: handshakes end in time and count against the bound, WebSocket speaks MQTT or nothing. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqttPacket from "mqtt-packet";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { until } from "../../tests/fixtures/eventually.ts";
import { type IngressFixture, startIngress, TOKEN } from "../../tests/fixtures/ingress.ts";
import { RawPeer } from "../../tests/fixtures/raw-peer.ts";
import type { Log } from "../model/log.ts";
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
      handshakeTimeoutMs: 5_000,
      ...options,
    },
    {
      accept: (stream, address, loggedIn) => ingress.broker.accept(stream, address, loggedIn),
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
  expect(performance.now() - begun).toBeLessThan(10_000);
});

it("sockets count against the bound of connections from their first packet on, whatever listener they came to", async () => {
  await build({ tcp: on, ws: { ...on, path: "/mqtt" }, maxConnections: 1 }).start();
  const first = idle("mqtt-ws");
  await once(first.socket, "connect");
  const second = idle("mqtt-ws");
  // Whoever has not logged in gives way; whoever has, does not.
  await first.gone;
  const login = (id: string) => {
    const peer = RawPeer.to(`mqtt://127.0.0.1:${ports["mqtt-tcp"]}`);
    closing.push(() => peer.end());
    return peer.login({ id, token: TOKEN });
  };
  expect(await login("hub-1")).toBe(0);
  await second.gone;
  expect(await login("hub-2")).toBe("closed");
  expect(ingress.events.filter((event) => event === "refused:too-many")).toHaveLength(3);
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
