/**
 * A way to the store that takes its time: what the gateway sends arrives `delayMs` later, also when the
 * gateway has hung up or died meanwhile. Answers come back at once.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export class SlowStore {
  readonly #target: number;
  readonly #delayMs: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  /** `target`: port of the store on this machine. */
  constructor(target: number, delayMs: number) {
    this.#target = target;
    this.#delayMs = delayMs;
  }

  /** Resolves with the address to give to the gateway. */
  start(): Promise<string> {
    const server = createServer((client) => this.#carry(client));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") return reject(new Error("no port"));
        resolve(`http://127.0.0.1:${address.port}`);
      });
    });
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
  }

  #carry(client: Socket): void {
    const store = connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
    for (const socket of [client, store]) {
      this.#sockets.add(socket);
      socket.once("error", () => socket.destroy());
      socket.once("close", () => this.#sockets.delete(socket));
    }
    client.on("data", (bytes) => setTimeout(() => store.writable && store.write(bytes), this.#delayMs));
    // A beat later than the last bytes, which must arrive.
    client.once("close", () => setTimeout(() => store.end(), this.#delayMs + 1));
    store.pipe(client);
  }
}
