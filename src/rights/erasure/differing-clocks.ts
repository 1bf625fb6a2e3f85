/**
 * Device names depend on the clocks of gateways. If a clock differs from that of Redis, names may belong to epochs that
 * no other clock would look for. So the difference is stored for good, like every admission window ever configured, and
 * erasure, export and holds look that much further. The same applies when a gateway's clock shows less than one showed
 * before: that one was ahead then, perhaps together with the clock of Redis.
 */
import { DAY_MS, LONGEST_KEPT_MS } from "../../model/durations.ts";
import type { Log } from "../../model/log.ts";
import { AgreedClock } from "../../platform/agreed-clock.ts";
import type { ErasureRecords } from "./record.ts";

/** Synchronised clocks (NTP) differ by less. */
const TOLERATED_MS = 60_000;

export interface ClockWindow {
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

export class DifferingClocks {
  readonly #clock: AgreedClock;
  readonly #records: Pick<ErasureRecords, "useClockWindow" | "behindLatest">;
  readonly #own: () => number;
  readonly #window: ClockWindow;
  readonly #log: Log;
  #widestMs = 0;

  constructor(
    redis: ConstructorParameters<typeof AgreedClock>[0],
    records: Pick<ErasureRecords, "useClockWindow" | "behindLatest">,
    window: ClockWindow,
    log: Log,
    own: () => number = Date.now,
  ) {
    this.#clock = new AgreedClock(redis, own);
    this.#records = records;
    this.#own = own;
    this.#window = window;
    this.#log = log;
  }

  /** Throws REDIS_UNAVAILABLE. */
  async note(): Promise<void> {
    const differenceMs = Math.abs(await this.#clock.compare());
    const differs = differenceMs >= TOLERATED_MS;
    if (differs) this.#log.error("clock differs from that of Redis", { durationMs: differenceMs });
    const behindMs = await this.#records.behindLatest(this.#own());
    const widerMs = widened(Math.max(differenceMs, behindMs));
    if ((!differs && behindMs < TOLERATED_MS) || widerMs <= this.#widestMs) return;
    if (!differs) this.#log.error("clock is behind an earlier reading", { durationMs: behindMs });
    const { clockWindowPastMs, clockWindowFutureMs } = this.#window;
    await this.#records.useClockWindow(clockWindowPastMs + widerMs, clockWindowFutureMs + widerMs);
    this.#widestMs = widerMs;
  }
}

/** One of few values, so that little is stored: a day, doubled until it is enough. */
function widened(differenceMs: number): number {
  let wider = DAY_MS;
  while (wider < differenceMs) wider *= 2;
  return Math.min(wider, LONGEST_KEPT_MS);
}
