/** What a service is subscribed to on a bare socket: every packet is taken from the bytes in the turn that reads them. */
import { connect, type Socket } from "node:net";
import mqttPacket, { type Packet } from "mqtt-packet";
import type { Version } from "../../tools/wire/mqtt-wire.ts";
import type { ServiceCredential } from "../../tools/wire/service-subscriber.ts";

export interface ServiceListenerOptions {
  port(): number;
  readonly credential: ServiceCredential;
  readonly filters: readonly string[];
  readonly version: Version;
  /** A packet arrived. */
  heard(payload: Buffer, topic: string): void;
}

const RECONNECT_MS = 100;
const KEEP_ALIVE_S = 600;
const MESSAGE_IDS = 65_535;

export class ServiceListener {
  readonly #options: ServiceListenerOptions;
  readonly #asked = new Map<number, () => void>();
  #socket: Socket | undefined;
  #open = false;
  #stopped = false;
  #messageId = 0;
  #connected: (() => void) | undefined;

  constructor(options: ServiceListenerOptions) {
    this.#options = options;
  }

  /** Resolves once it is subscribed. Comes back by itself whenever the connection ends. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#connected = resolve;
      this.#connect();
    });
    await this.ask();
  }

  /** Subscribes once more: resolves with the answer, which comes after everything sent before it, or with the connection's end. */
  ask(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    return new Promise((resolve) => this.#subscribe(resolve));
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    const { credential, version: protocolVersion } = this.#options;
    const { name, token } = credential;
    const parser = mqttPacket.parser({ protocolVersion });
    parser.on("packet", (packet: Packet) => this.#packet(packet));
    parser.on("error", () => socket.destroy());
    const socket = connect({ port: this.#options.port(), host: "127.0.0.1", noDelay: true });
    socket.once("connect", () =>
      socket.write(
        this.#bytes({
          cmd: "connect",
          protocolId: "MQTT",
          protocolVersion,
          clean: true,
          clientId: `${name}-listener`,
          keepalive: KEEP_ALIVE_S,
          username: name,
          password: Buffer.from(token),
        }),
      ),
    );
    socket.on("data", (bytes) => parser.parse(bytes));
    socket.once("error", () => socket.destroy());
    socket.once("close", () => this.#closed());
    this.#socket = socket;
  }

  #packet(packet: Packet): void {
    if (packet.cmd === "publish") {
      this.#options.heard(Buffer.from(packet.payload), packet.topic);
    } else if (packet.cmd === "connack") {
      if ((packet.returnCode ?? packet.reasonCode) !== 0) return void this.#socket?.destroy();
      this.#open = true;
      this.#subscribe(() => undefined);
      this.#connected?.();
    } else if (packet.cmd === "suback" && packet.messageId !== undefined) {
      this.#asked.get(packet.messageId)?.();
      this.#asked.delete(packet.messageId);
    }
  }

  #subscribe(answered: () => void): void {
    this.#messageId = (this.#messageId % MESSAGE_IDS) + 1;
    this.#asked.set(this.#messageId, answered);
    const subscriptions = this.#options.filters.map((topic) => ({ topic, qos: 0 as const }));
    this.#socket?.write(this.#bytes({ cmd: "subscribe", messageId: this.#messageId, subscriptions }));
  }

  #bytes(packet: Packet): Buffer {
    return mqttPacket.generate(packet, { protocolVersion: this.#options.version });
  }

  #closed(): void {
    this.#open = false;
    for (const answered of this.#asked.values()) answered();
    this.#asked.clear();
    if (!this.#stopped) setTimeout(() => this.#stopped || this.#connect(), RECONNECT_MS);
  }
}
