/**
 * Names of devices are made by the clocks of gateways. Where one differs from that of Redis, names can have been given
 * for epochs that no other clock would look for: so by how much is remembered, like every window that admission ever
 * allowed, and erasure, export and holds look that much further, for good.
 */
import { DAY_MS, LONGEST_KEPT_MS } from "../model/durations.ts";
import type { Log } from "../model/log.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import type { ErasureRecords } from "../rights/erasure-record.ts";

/** Clocks that are kept right differ by less. */
const TOLERATED_MS = 60_000;

export interface ClockWindow {
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

export class DifferingClocks {
  readonly #clock: AgreedClock;
  readonly #records: Pick<ErasureRecords, "useClockWindow">;
  readonly #window: ClockWindow;
  readonly #log: Log;
  #widestMs = 0;

  constructor(
    redis: ConstructorParameters<typeof AgreedClock>[0],
    records: Pick<ErasureRecords, "useClockWindow">,
    window: ClockWindow,
    log: Log,
    own: () => number = Date.now,
  ) {
    this.#clock = new AgreedClock(redis, own);
    this.#records = records;
    this.#window = window;
    this.#log = log;
  }

  /** Throws CONSENT_UNREACHABLE. */
  async note(): Promise<void> {
    const differenceMs = Math.abs(await this.#clock.compare());
    if (differenceMs < TOLERATED_MS) return;
    this.#log.error("our clock and that of Redis differ", { durationMs: differenceMs });
    const widerMs = widened(differenceMs);
    if (widerMs <= this.#widestMs) return;
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
