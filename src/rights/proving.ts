/**
 * When Redis is verified against the journal: before anything is served, after every loss of the connection, and
 * whenever Redis does not know this gateway's last report. Nothing passes until that is done.
 */
import { setTimeout as delay } from "node:timers/promises";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import type { Part } from "../platform/lifecycle.ts";

export interface ProvingPorts {
  /** Throws REDIS_ROLLED_BACK when the loss cannot be repaired, any other error when the result is still unknown. */
  check(): Promise<void>;
  /** The connection is lost: record what Redis has confirmed so far. Never throws. */
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
    // Before the first check: a loss during the check triggers another one.
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

  /** Call when Redis does not know what was reported to it. */
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
        this.#ports.log.warn("Redis not verified yet, nothing is served", { code });
        await delay(this.#againMs);
      }
    }
    this.#asking = false;
  }
}
