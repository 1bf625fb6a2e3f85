/**
 * Names of devices are made by the clocks of gateways. Where one differs from that of Redis, names can have been given
 * for epochs that no other clock would look for: so by how much is remembered, like every window that admission ever
 * allowed, and erasure, export and holds look that much further, for good. The same where the clock shows less than one
 * of ours has shown before: it was ahead then, perhaps together with that of Redis.
 */
import { DAY_MS, LONGEST_KEPT_MS } from "../../model/durations.ts";
import type { Log } from "../../model/log.ts";
import { AgreedClock } from "../../platform/agreed-clock.ts";
import type { ErasureRecords } from "./record.ts";

/** Clocks that are kept right differ by less. */
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
    if (differs) this.#log.error("our clock and that of Redis differ", { durationMs: differenceMs });
    const behindMs = await this.#records.behindLatest(this.#own());
    const widerMs = widened(Math.max(differenceMs, behindMs));
    if ((!differs && behindMs < TOLERATED_MS) || widerMs <= this.#widestMs) return;
    if (!differs) this.#log.error("a clock of ours was ahead of what it shows now", { durationMs: behindMs });
    const { clockWindowPastMs, clockWindowFutureMs } = this.#window;
    await this.#records.useClockWindow(clockWindowPastMs + widerMs, clockWindowFutureMs + widerMs);
    this.#widestMs = widerMs;
  }
}

/** One of few, so that what is remembered stays small: a day, doubled until it is enough. */
function widened(differenceMs: number): number {
  let wider = DAY_MS;
  while (wider < differenceMs) wider *= 2;
  return Math.min(wider, LONGEST_KEPT_MS);
}
