/**
 * Whether Redis accepts writes, tested by writing: a reply to a read does not show that. While it does not, nothing is
 * flushed, no device may connect, and waiting callers are notified as soon as it does again.
 */
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { redisErrorCode } from "../platform/redis.ts";
import { type WriteRefusal, writeRefusal } from "../platform/write-refusal.ts";
import type { Producer } from "./producer.ts";

export interface WritablePorts {
  readonly producer: Pick<Producer, "probe" | "lastWriteAt">;
  readonly log: Log;
}

export class Writable {
  readonly #everyMs: number;
  readonly #ports: WritablePorts;
  #refusal: WriteRefusal | undefined;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #probing: Promise<void> | undefined;
  #stopped = true;
  readonly #waiting = new Set<() => void>();

  /** `everyMs`: between two probes, as long as no batch is written either. */
  constructor(everyMs: number, ports: WritablePorts) {
    this.#everyMs = everyMs;
    this.#ports = ports;
  }

  /** Why Redis does not write; `undefined` while it does. */
  get refusal(): WriteRefusal | undefined {
    return this.#refusal;
  }

  /** Throws `NOT_WRITABLE` when Redis does not write. */
  async start(): Promise<void> {
    await this.#probe();
    if (this.#refusal !== undefined) throw new GatewayError("NOT_WRITABLE", this.#refusal);
    this.#stopped = false;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const tell of this.#waiting) tell();
  }

  /**
   * After a fault that stored nothing: true once it may be retried; false for any other fault, or when `signal` ends
   * the waiting.
   */
  async again(error: unknown, signal: AbortSignal): Promise<boolean> {
    if (!(error instanceof GatewayError) || error.code !== "NOT_WRITABLE" || signal.aborted) return false;
    // The refused caller may know it before the probe; from here on only the probe decides.
    if (this.#refusal === undefined) await this.#probe();
    if (this.#refusal !== undefined) await this.#change(signal);
    return !signal.aborted && !this.#stopped;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#turn(), this.#everyMs);
    this.#timer.unref();
  }

  async #turn(): Promise<void> {
    const proven = performance.now() - this.#ports.producer.lastWriteAt < this.#everyMs;
    if (this.#refusal !== undefined || !proven) await this.#probe();
    this.#schedule();
  }

  /** Never rejects; concurrent calls share one probe. */
  #probe(): Promise<void> {
    this.#probing ??= this.#try().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  async #try(): Promise<void> {
    try {
      await this.#ports.producer.probe();
      this.#found(undefined);
    } catch (error) {
      const refusal = writeRefusal(error) ?? (redisErrorCode(error) === "TIMEOUT" ? "TIMEOUT" : undefined);
      // A lost connection is reported as such; the earlier finding stays until it is back.
      if (refusal !== undefined) this.#found(refusal);
    }
  }

  #found(refusal: WriteRefusal | undefined): void {
    const before = this.#refusal;
    if (refusal === before) return;
    this.#refusal = refusal;
    if (refusal !== undefined) {
      if (before === undefined) this.#since = performance.now();
      const fields = { code: "NOT_WRITABLE", reason: refusal, stage: "queue" };
      this.#ports.log.error("redis rejects writes, devices wait", fields);
      return;
    }
    this.#ports.log.info("redis accepts writes again", { stage: "queue", durationMs: performance.now() - this.#since });
    for (const tell of [...this.#waiting]) tell();
  }
}
