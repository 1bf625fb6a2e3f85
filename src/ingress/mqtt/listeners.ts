/**
 * The sockets: MQTT over TCP, TLS and WebSocket. Each hands a plain stream to the broker and knows
 * nothing else. A proxy's word about the remote address is never taken.
 */
import { X509Certificate } from "node:crypto";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { Log } from "../../model/log.ts";
import { listenFailed, optionUnusable, type Place, readOptionFile } from "../../platform/start-faults.ts";
import { Doorstep } from "./doorstep.ts";

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
  /** Of all listeners together, from their first packet on; above it a connection that has not logged in yields. */
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
}

export interface ListenersPorts {
  /** `loggedIn` is to be called once it is known who is there. */
  readonly accept: (stream: Duplex, remoteAddress: string, loggedIn: () => void) => void;
  readonly refused: (reason: "too-many" | "protocol") => void;
  readonly log: Log;
}

/** A peer that has gone without a word is found out, also one that need not say anything for a long time. */
const ACCEPTED = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;
const LEAST_TLS = "TLSv1.2";
const MAX_FRAGMENTS = 256;
const MAX_CHUNKS = 2_048;
const MAX_UNREAD_PONGS = 64 * 1024;
const WS_PROTOCOLS = ["mqtt", "mqttv3.1"];

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #ports: ListenersPorts;
  readonly #servers: Server[] = [];
  #tls: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #doorstep = new Doorstep();
  /** What a listener hands over of TLS or HTTP is not the socket that was counted, but has its ends. */
  readonly #byEnds = new Map<string, Socket>();

  constructor(options: ListenersOptions, ports: ListenersPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Open sockets of all listeners. */
  get connections(): number {
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    const { tcp, tls, ws } = this.#options;
    if (tcp.enabled)
      await this.#listen("mqtt-tcp", { ...tcp, option: "mqtt.tcp" }, createTcpServer(ACCEPTED, this.#stream));
    if (tls.enabled) await this.#listen("mqtt-tls", { ...tls, option: "mqtt.tls" }, this.#tlsServer());
    if (ws.enabled) await this.#listen("mqtt-ws", { ...ws, option: "mqtt.ws" }, this.#wsServer());
  }

  /** For the next connections over TLS; those that are there live on under the one before. The pair has been read and fits. */
  useCertificate({ cert, key }: Certificate): void {
    this.#tls?.setSecureContext({ cert, key, minVersion: LEAST_TLS });
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
    if (!socket.destroyed) this.#accept(socket, socket);
  };

  #accept(stream: Duplex, socket: Socket): void {
    const counted = this.#byEnds.get(endsOf(socket));
    this.#ports.accept(stream, socket.remoteAddress ?? "", () => {
      if (counted !== undefined) this.#doorstep.remove(counted);
    });
  }

  #tlsServer(): Server {
    const { tls, handshakeTimeoutMs } = this.#options;
    const options = { ...readCertificate(tls), minVersion: LEAST_TLS, ...ACCEPTED } as const;
    const server = createTlsServer({ ...options, handshakeTimeout: handshakeTimeoutMs }, this.#stream);
    this.#tls = server;
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
      ...ACCEPTED,
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
      // [MQTT-6.0.0-1]; first, so that not a byte of it is read.
      socket.prependListener("message", (_, isBinary) => {
        if (!isBinary) stream.destroy(new Error("text frame"));
      });
      this.#accept(stream, request.socket);
    });
    // It repeats what the HTTP server says, which is heard there.
    sockets.on("error", () => undefined);
    sockets.on("wsClientError", (_error, socket) => socket.destroy());
    return http;
  }

  async #listen(listener: string, place: Place, server: Server): Promise<void> {
    // Before the server's own: a connection too many is gone before anything is set up for it.
    server.prependListener("connection", (socket: Socket) => this.#count(socket));
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => reject(listenFailed(listener, error, place));
      server.once("error", failed);
      server.listen(place.port, place.host, () => {
        server.off("error", failed);
        server.on("error", () => this.#ports.log.error("listener failed", { listener }));
        resolve();
      });
    });
    this.#servers.push(server);
    this.#ports.log.info("listening", { listener, host: place.host, port: (server.address() as AddressInfo).port });
  }

  #count(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#sockets.size >= this.#options.maxConnections) {
      const leaving = this.#doorstep.giveWay(socket.remoteAddress);
      this.#ports.refused("too-many");
      (leaving ?? socket).destroy();
      if (leaving === undefined) return;
      this.#sockets.delete(leaving);
    }
    const ends = endsOf(socket);
    this.#sockets.add(socket);
    this.#doorstep.add(socket);
    this.#byEnds.set(ends, socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#doorstep.remove(socket);
      if (this.#byEnds.get(ends) === socket) this.#byEnds.delete(ends);
    });
  }
}

function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}

/** A chain and the key that fits it, in PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws `CONFIG_INVALID` naming the one of the two files that cannot be used. */
export function readCertificate({ certFile = "", keyFile = "" }: ListenersOptions["tls"]): Certificate {
  const cert = readOptionFile("mqtt.tls.certFile", certFile);
  const key = readOptionFile("mqtt.tls.keyFile", keyFile);
  usable("mqtt.tls.certFile", () => createSecureContext({ cert }));
  // What is no key, and what is one of another certificate.
  usable("mqtt.tls.keyFile", () => createSecureContext({ cert, key }));
  return { cert, key };
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Unix ms at which the first certificate of the chain is good no longer. */
export function certificateEnd({ cert }: Certificate): number {
  const ends = (cert.toString("latin1").match(PEM) ?? []).map((pem) => Date.parse(new X509Certificate(pem).validTo));
  return Math.min(...ends);
}

function usable(option: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw optionUnusable(option, error);
  }
}

/** A client must offer it [MQTT-6.0.0-3]; `handleProtocols` is not asked when nothing is offered. */
function offersMqtt({ headers }: IncomingMessage): boolean {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((protocol) => protocol.trim());
  return WS_PROTOCOLS.some((protocol) => offered.includes(protocol));
}
