/** The side of the tool: sets the clock of the one gateway that follows it, and reads it as the gateway does. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Setting } from "./set-clock.ts";

export class Clock {
  #base: number;
  #since = performance.now();
  #server: Server | undefined;
  #socket: Socket | undefined;
  readonly #answers: { readonly done: () => void; readonly gone: (error: Error) => void }[] = [];

  /** `at`: Unix ms at which the gateway starts. */
  constructor(at: number) {
    this.#base = at;
  }

  /** Resolves with the port that the gateway is to connect to. */
  async start(): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#socket = socket;
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        for (const { gone } of this.#answers.splice(0)) gone(new Error("the gateway is gone"));
      });
      createInterface({ input: socket }).on("line", () => this.#answers.shift()?.done());
      this.set(this.now(), false).catch(() => undefined);
    });
    this.#server = server;
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  }

  stop(): void {
    this.#socket?.destroy();
    this.#server?.close();
  }

  /** Unix ms, as the gateway reads it. */
  now(): number {
    return this.#base + performance.now() - this.#since;
  }

  /** Forward to `at`. Resolves when the gateway has it; with `turns`, when its recurring jobs that fell due are done. */
  async set(at: number, turns = true): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) throw new Error("no gateway follows the clock");
    this.#base = Math.max(at, this.now());
    this.#since = performance.now();
    const setting: Setting = { at: this.#base, turns };
    await new Promise<void>((done, gone) => {
      this.#answers.push({ done, gone });
      socket.write(`${JSON.stringify(setting)}\n`);
    });
  }
}
