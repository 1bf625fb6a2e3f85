/**
 * The sockets: MQTT over TCP, TLS and WebSocket. Each hands a plain stream to the broker and knows
 * nothing else. A proxy's word about the remote address is never taken.
 */
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { Log } from "../model/log.ts";

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
  readonly handshakeTimeoutMs: number;
}

export type Accept = (stream: Duplex, remoteAddress: string) => void;

const WS_PROTOCOLS = ["mqtt", "mqttv3.1"];

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #accept: Accept;
  readonly #log: Log;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: ListenersOptions, accept: Accept, log: Log) {
    this.#options = options;
    this.#accept = accept;
    this.#log = log;
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
    this.#accept(socket, socket.remoteAddress ?? "");
  };

  #tlsServer(): Server {
    const { tls, handshakeTimeoutMs } = this.#options;
    const server = createTlsServer(
      {
        cert: readFileSync(tls.certFile ?? ""),
        key: readFileSync(tls.keyFile ?? ""),
        minVersion: "TLSv1.2",
        handshakeTimeout: handshakeTimeoutMs,
        noDelay: true,
      },
      this.#stream,
    );
    // A failed handshake ends that socket; without a listener it would end the process.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  }

  #wsServer(): Server {
    const { ws, maxPacketBytes, handshakeTimeoutMs } = this.#options;
    const http = createHttpServer(
      { requestTimeout: handshakeTimeoutMs, headersTimeout: handshakeTimeoutMs },
      (_, response) => {
        response.writeHead(426, { connection: "close" }).end();
      },
    );
    const sockets = new WebSocketServer({
      server: http,
      path: ws.path,
      // A frame may hold a few packets; the parser's own limit decides about each of them.
      maxPayload: maxPacketBytes * 4,
      perMessageDeflate: false,
      handleProtocols: (offered) => WS_PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
    });
    sockets.on("connection", (socket, request) => {
      const stream = createWebSocketStream(socket);
      socket.on("error", () => stream.destroy());
      this.#accept(stream, request.socket.remoteAddress ?? "");
    });
    sockets.on("wsClientError", (_error, socket) => socket.destroy());
    return http;
  }

  async #listen(listener: string, options: ListenerOptions, server: Server): Promise<void> {
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.host, () => {
        server.off("error", reject);
        server.on("error", () => this.#log.error("listener failed", { listener }));
        resolve();
      });
    });
    this.#servers.push(server);
    this.#log.info("listening", { listener, host: options.host, port: (server.address() as AddressInfo).port });
  }
}
