/**
 * A connection that can be told to let nothing through. While it is not known whether Redis is still what it was,
 * whoever asks is answered as in an outage: at once, and with nothing.
 */
import { Redis } from "ioredis";

type Command = Parameters<Redis["sendCommand"]>[0];

/** What a connection says to open itself again. */
const HANDSHAKE: ReadonlySet<string> = new Set(["auth", "hello", "select", "info", "client", "quit"]);

export class HeldRedis extends Redis {
  #held = false;

  get held(): boolean {
    return this.#held;
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
  }

  override sendCommand(command: Command, stream?: Parameters<Redis["sendCommand"]>[1]): unknown {
    if (!this.#held || HANDSHAKE.has(command.name)) return super.sendCommand(command, stream);
    command.reject(Object.assign(new Error("held"), { code: "EHELD" }));
    return command.promise;
  }
}
