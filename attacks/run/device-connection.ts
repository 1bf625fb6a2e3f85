/** One client on a bare socket: publishes with QoS 1, many at once, says when each was acknowledged, and may listen in the end. */
import { connect, type Socket } from "node:net";
import mqttPacket from "mqtt-packet";
import { AckParser, encodeConnect, encodePublish, encodeSubscribe, type Version } from "../../tools/wire/mqtt-wire.ts";

const KEEP_ALIVE_S = 65_535;
const MESSAGE_IDS = 65_535;
const CONNECT_DEADLINE_MS = 30_000;

export class DeviceConnection {
  readonly #id: string;
  readonly #version: Version;
  readonly #waiting = new Map<
    number,
    { readonly done: (bytes: number) => void; readonly lost: (error: Error) => void }
  >();
  #socket: Socket | undefined;
  #messageId = 0;
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
        puback: (id, bytes) => {
          this.#waiting.get(id)?.done(bytes);
          this.#waiting.delete(id);
        },
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

  /** From here on it publishes no more, and hears what is sent to it on this topic of its own. Resolves once that is granted. */
  listen(topic: string, heard: (payload: Buffer) => void): Promise<void> {
    return new Promise((granted) => {
      const parser = mqttPacket.parser({ protocolVersion: this.#version });
      parser.on("packet", (packet) => {
        if (packet.cmd === "publish") heard(Buffer.from(packet.payload));
        else if (packet.cmd === "suback") granted();
      });
      this.#listening = (bytes) => void parser.parse(bytes);
      this.#socket?.write(encodeSubscribe(`devices/${this.#id}/${topic}`, this.#version));
    });
  }

  close(): void {
    this.#socket?.destroy();
  }
}
