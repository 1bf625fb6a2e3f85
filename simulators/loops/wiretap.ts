/** Stands between a service and the gateway and keeps every byte of both directions, but for the login, where the token belongs. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as open, type Server, type Socket } from "node:net";

/** One direction of one connection. */
interface Line {
  readonly beginsWithLogin: boolean;
  readonly chunks: Buffer[];
}

export class Wiretap {
  readonly #server: Server;
  readonly #lines: Line[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `url`: of a broker, `mqtt://host:port`. */
  static async before(url: string): Promise<Wiretap> {
    const { hostname, port } = new URL(url);
    const server = createServer({ noDelay: true });
    const wiretap = new Wiretap(server);
    server.on("connection", (near) => wiretap.#join(near, open({ host: hostname, port: Number(port), noDelay: true })));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return wiretap;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** All that was said so far, line by line. */
  bytes(): Buffer {
    return Buffer.concat(
      this.#lines.flatMap(({ beginsWithLogin, chunks }) => {
        const all = Buffer.concat(chunks);
        return [beginsWithLogin ? all.subarray(firstPacketBytes(all)) : all, Buffer.from("\n")];
      }),
    );
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to, beginsWithLogin] of [
      [near, far, true],
      [far, near, false],
    ] as const) {
      const line: Line = { beginsWithLogin, chunks: [] };
      this.#lines.push(line);
      this.#sockets.add(from);
      from.on("data", (chunk: Buffer) => line.chunks.push(chunk));
      // What the other end makes of it, it says by closing.
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}

const LENGTH_BYTES = 4;

/** Length of the first MQTT packet, header included; all of it when it is not whole. */
export function firstPacketBytes(bytes: Buffer): number {
  let length = 0;
  for (let index = 1; index <= LENGTH_BYTES; index += 1) {
    const byte = bytes[index];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 128 ** (index - 1);
    if (byte < 0x80) return Math.min(index + 1 + length, bytes.length);
  }
  return bytes.length;
}
