/**
 * A Redis connection that can be blocked. While it is unknown whether Redis still has its data, every command fails at
 * once, as in an outage, and nothing is sent.
 */
import { Redis } from "ioredis";

type Command = Parameters<Redis["sendCommand"]>[0];

/** Commands a connection sends to open itself again. */
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
