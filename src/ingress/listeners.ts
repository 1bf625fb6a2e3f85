/**
 * The sockets: MQTT over TCP, TLS and WebSocket. Each hands a plain stream to the broker and knows
 * nothing else. A proxy's word about the remote address is never taken.
 */
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { Log } from "../model/log.ts";
import { listenFailed, optionUnusable, readOptionFile } from "../platform/start-faults.ts";

export interface ListenerOptions {
  readonly enabled: boolean;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
}

export interface ListenersOptions {
  readonly tcp: ListenerOptions;
  readonly tls: ListenerOptions & { readonly certFile?: string | undefined; readonly keyFile?: string | undefined };
  readonly ws: ListenerOptions & { readonly path: string };
  readonly maxPacketBytes: number;
  /** Of all listeners together; handshakes count from their first packet. */
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
}

export interface ListenersPorts {
  readonly accept: (stream: Duplex, remoteAddress: string) => void;
  readonly refused: (reason: "too-many" | "protocol") => void;
  readonly log: Log;
}

const MAX_FRAGMENTS = 256;
const MAX_CHUNKS = 2_048;
const MAX_UNREAD_PONGS = 64 * 1024;
const WS_PROTOCOLS = ["mqtt", "mqttv3.1"];

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #ports: ListenersPorts;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: ListenersOptions, ports: ListenersPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  async start(): Promise<void> {
    const { tcp, tls, ws } = this.#options;
    if (tcp.enabled) await this.#listen("mqtt-tcp", tcp, createTcpServer({ noDelay: true }, this.#stream));
    if (tls.enabled) await this.#listen("mqtt-tls", tls, this.#tlsServer());
    if (ws.enabled) await this.#listen("mqtt-ws", ws, this.#wsServer());
  }

  /** Takes no more connections; those that are there stay until the broker closes them. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  async stop(): Promise<void> {
    this.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#servers.length = 0;
  }

  readonly #stream = (socket: Socket): void => {
    if (!socket.destroyed) this.#ports.accept(socket, socket.remoteAddress ?? "");
  };

  #tlsServer(): Server {
    const { tls, handshakeTimeoutMs } = this.#options;
    const cert = readOptionFile("mqtt.tls.certFile", tls.certFile ?? "");
    const key = readOptionFile("mqtt.tls.keyFile", tls.keyFile ?? "");
    const options = { cert, key, minVersion: "TLSv1.2", handshakeTimeout: handshakeTimeoutMs, noDelay: true } as const;
    let server: Server;
    try {
      server = createTlsServer(options, this.#stream);
    } catch (error) {
      throw optionUnusable("mqtt.tls", error);
    }
    // A failed handshake ends that socket; without a listener it would end the process.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  }

  #wsServer(): Server {
    const { ws, maxPacketBytes, handshakeTimeoutMs } = this.#options;
    const limits = {
      requestTimeout: handshakeTimeoutMs,
      headersTimeout: handshakeTimeoutMs,
      // How often Node looks; every half minute unless told otherwise.
      connectionsCheckingInterval: handshakeTimeoutMs / 2,
    };
    const http = createHttpServer(limits, (_, response) => {
      response.writeHead(426, { connection: "close" }).end();
    });
    const sockets = new WebSocketServer({
      server: http,
      path: ws.path,
      // A frame may hold a few packets; the parser's own limit decides about each of them.
      maxPayload: maxPacketBytes * 2,
      // Each piece of an unfinished frame or message is an object of its own, whatever it holds.
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      autoPong: false,
      perMessageDeflate: false,
      verifyClient: ({ req }, answer) => {
        const speaksMqtt = offersMqtt(req);
        if (!speaksMqtt) this.#ports.refused("protocol");
        answer(speaksMqtt, 400);
      },
      handleProtocols: (offered) => WS_PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
    });
    sockets.on("connection", (socket, request) => {
      const stream = createWebSocketStream(socket);
      socket.on("error", () => stream.destroy());
      // Every ping is answered, for a peer that reads the answers.
      socket.on("ping", (data) => {
        if (socket.bufferedAmount > MAX_UNREAD_PONGS) socket.terminate();
        else socket.pong(data);
      });
      this.#ports.accept(stream, request.socket.remoteAddress ?? "");
    });
    // It repeats what the HTTP server says, which is heard there.
    sockets.on("error", () => undefined);
    sockets.on("wsClientError", (_error, socket) => socket.destroy());
    return http;
  }

  async #listen(listener: string, options: ListenerOptions, server: Server): Promise<void> {
    // Before the server's own: a connection too many is gone before anything is set up for it.
    server.prependListener("connection", (socket: Socket) => this.#count(socket));
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => reject(listenFailed(listener, error));
      server.once("error", failed);
      server.listen(options.port, options.host, () => {
        server.off("error", failed);
        server.on("error", () => this.#ports.log.error("listener failed", { listener }));
        resolve();
      });
    });
    this.#servers.push(server);
    this.#ports.log.info("listening", { listener, host: options.host, port: (server.address() as AddressInfo).port });
  }

  #count(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#sockets.size >= this.#options.maxConnections) {
      this.#ports.refused("too-many");
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** A client must offer it [MQTT-6.0.0-3]; `handleProtocols` is not asked when nothing is offered. */
function offersMqtt({ headers }: IncomingMessage): boolean {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((protocol) => protocol.trim());
  return WS_PROTOCOLS.some((protocol) => offered.includes(protocol));
}
