/** One client on a bare socket: publishes with QoS 1, many at once, says when each was acknowledged, and may listen as well. */
import { connect, type Socket } from "node:net";
import mqttPacket from "mqtt-packet";
import { AckParser, encodeConnect, encodePublish, encodeSubscribe, type Version } from "../../tools/wire/mqtt-wire.ts";

const KEEP_ALIVE_S = 65_535;
const MESSAGE_IDS = 65_535;
const CONNECT_DEADLINE_MS = 30_000;
/** Of a packet of fewer than 128 bytes. */
const HEADER_BYTES = 2;

export class DeviceConnection {
  readonly #id: string;
  readonly #version: Version;
  readonly #waiting = new Map<
    number,
    { readonly done: (bytes: number) => void; readonly lost: (error: Error) => void }
  >();
  #socket: Socket | undefined;
  #messageId = 0;
  readonly #hears = new Map<string, (payload: Buffer) => void>();
  readonly #granted: (() => void)[] = [];
  #listening: ((bytes: Buffer) => void) | undefined;

  constructor(id: string, version: Version = 4) {
    this.#id = id;
    this.#version = version;
  }

  open(port: number, token: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error("no CONNACK in time")), CONNECT_DEADLINE_MS);
      const settle = (error?: Error) => {
        clearTimeout(deadline);
        if (error === undefined) resolve();
        else reject(error);
      };
      const parser = new AckParser({
        connack: (code) => settle(code === 0 ? undefined : new Error(`CONNACK return code ${code}`)),
        puback: (id, bytes) => this.#acknowledged(id, bytes),
      });
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("connect", () =>
        socket.write(
          encodeConnect({ id: this.#id, password: token, keepAliveSeconds: KEEP_ALIVE_S, version: this.#version }),
        ),
      );
      socket.on("data", (bytes) => {
        if (this.#listening === undefined) parser.feed(bytes, bytes.length);
        else this.#listening(bytes);
      });
      socket.once("error", () => socket.destroy());
      socket.once("close", () => {
        const error = new Error("the gateway closed the connection of a device");
        settle(error);
        for (const { lost } of this.#waiting.values()) lost(error);
      });
      this.#socket = socket;
    });
  }

  /** Resolves with the size of the acknowledgement. */
  publish(payload: unknown, topic = `devices/${this.#id}/telemetry`): Promise<number> {
    this.#messageId = (this.#messageId % MESSAGE_IDS) + 1;
    const id = this.#messageId;
    const body = Buffer.from(JSON.stringify(payload));
    const bytes = encodePublish(topic, id, body, this.#version);
    return new Promise((done, lost) => {
      this.#waiting.set(id, { done, lost });
      this.#socket?.write(bytes);
    });
  }

  /** Hears what is sent to it by this filter of its own, which ends with a name or `#`. Resolves once that is granted. */
  listen(filter: string, heard: (payload: Buffer) => void): Promise<void> {
    const own = `devices/${this.#id}/${filter}`;
    this.#hears.set(own, heard);
    this.#listening ??= this.#listener();
    return new Promise((granted) => {
      this.#granted.push(granted);
      this.#socket?.write(encodeSubscribe(own, this.#version));
    });
  }

  #acknowledged(id: number, bytes: number): void {
    this.#waiting.get(id)?.done(bytes);
    this.#waiting.delete(id);
  }

  /** The parser of acknowledgements takes nothing else. */
  #listener(): (bytes: Buffer) => void {
    const parser = mqttPacket.parser({ protocolVersion: this.#version });
    parser.on("packet", (packet) => {
      if (packet.cmd === "publish") this.#heard(packet.topic, Buffer.from(packet.payload));
      else if (packet.cmd === "puback") this.#acknowledged(packet.messageId ?? 0, HEADER_BYTES + (packet.length ?? 0));
      else if (packet.cmd === "suback") this.#granted.shift()?.();
    });
    return (bytes) => void parser.parse(bytes);
  }

  #heard(topic: string, payload: Buffer): void {
    for (const [filter, heard] of this.#hears)
      if (topic === filter || (filter.endsWith("#") && topic.startsWith(filter.slice(0, -1)))) heard(payload);
  }

  close(): void {
    this.#socket?.destroy();
  }
}
