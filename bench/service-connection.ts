/** One service that listens: a socket with one subscription, which counts what it is sent and looks at nothing else. */
import { connect, type Socket } from "node:net";
import { encodeConnect, encodeSubscribe, SubscriberParser } from "../tools/wire/mqtt-wire.ts";

export interface ServiceConnectionOptions {
  readonly port: number;
  /** The client id. */
  readonly id: string;
  readonly userName: string;
  readonly password: string;
  readonly topic: string;
  readonly keepAliveSeconds: number;
  lost(): void;
}

/** As in `load-connection.ts`: one buffer serves every socket. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);
const ANSWER_DEADLINE_MS = 30_000;

export class ServiceConnection {
  /** Processed messages that have arrived. */
  heard = 0;
  readonly #options: ServiceConnectionOptions;

  constructor(options: ServiceConnectionOptions) {
    this.#options = options;
  }

  /** Resolves with the SUBACK; rejects on a refusal, an error or after 30 s. */
  open(): Promise<void> {
    const { port, topic, lost } = this.#options;
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error("no SUBACK in time")), ANSWER_DEADLINE_MS);
      const answered = (what: string, code: number, then: () => void) =>
        code === 0 ? then() : reject(new Error(`${what} ${code}`));
      const parser = new SubscriberParser({
        connack: (code) => answered("CONNACK return code", code, () => socket.write(encodeSubscribe(topic))),
        suback: (code) => answered("SUBACK return code", code, resolve),
        publish: () => {
          this.heard += 1;
        },
      });
      const callback = (bytes: number): boolean => {
        parser.feed(READ_BUFFER, bytes);
        return true;
      };
      const socket: Socket = connect({
        port,
        host: "127.0.0.1",
        noDelay: true,
        onread: { buffer: READ_BUFFER, callback },
      });
      socket.once("connect", () => socket.write(encodeConnect(this.#options)));
      socket.once("error", () => socket.destroy());
      socket.once("close", () => {
        clearTimeout(deadline);
        reject(new Error("the broker closed the connection"));
        lost();
      });
    });
  }
}
