/**
 * When it is asked whether Redis is still what it was: before anything is served, whenever the connection was lost, and
 * whenever Redis does not remember this gateway's last word. Until it is answered nothing goes through.
 */
import { setTimeout as delay } from "node:timers/promises";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import type { Part } from "../platform/lifecycle.ts";

export interface ProvingPorts {
  /** Throws REDIS_ROLLED_BACK when more is lost than can be taken back, anything else when that is not known yet. */
  check(): Promise<void>;
  /** The connection is lost: what Redis has confirmed so far is to be noted. Never throws. */
  lost(): void;
  readonly fatal: (error: Error) => void;
  readonly log: Log;
}

export type ProvenRedis = Pick<HeldRedis, "held" | "hold" | "release" | "status"> & {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
};

export class Proving implements Part {
  readonly name = "proof";
  readonly #redis: ProvenRedis;
  readonly #ports: ProvingPorts;
  readonly #againMs: number;
  #losses = 0;
  #asking = false;
  #stopped = false;

  constructor(redis: ProvenRedis, ports: ProvingPorts, againMs = 200) {
    this.#redis = redis;
    this.#ports = ports;
    this.#againMs = againMs;
  }

  async start(): Promise<void> {
    // Before the first look: what is lost while that is taken is looked at again.
    this.#redis.on("close", this.#lost);
    this.#redis.on("ready", this.#back);
    await this.#ports.check();
  }

  stop(): void {
    this.#stopped = true;
    this.#redis.off("close", this.#lost);
    this.#redis.off("ready", this.#back);
    this.#redis.release();
  }

  /** To be called when Redis does not remember what it was told. */
  doubt(): void {
    if (this.#redis.held) return;
    this.#lost();
    this.#back();
  }

  readonly #lost = (): void => {
    if (this.#stopped) return;
    this.#losses += 1;
    this.#redis.hold();
    this.#ports.lost();
  };

  readonly #back = (): void => void this.#ask();

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    while (this.#redis.held && !this.#stopped && this.#redis.status === "ready") {
      const before = this.#losses;
      try {
        await this.#ports.check();
        if (before === this.#losses) this.#redis.release();
      } catch (error) {
        const code = error instanceof GatewayError ? error.code : "FAULT";
        if (error instanceof GatewayError && code === "REDIS_ROLLED_BACK") return this.#ports.fatal(error);
        this.#ports.log.warn("not known whether Redis is what it was, nothing is served", { code });
        await delay(this.#againMs);
      }
    }
    this.#asking = false;
  }
}
