/** Up to when data has been kept long enough, each moment by two clocks and by what the policies promise. */
import { DAY_MS } from "../../model/durations.ts";
import type { AgreedClock } from "../../platform/agreed-clock.ts";

export class Cutoffs {
  readonly #clock: Pick<AgreedClock, "compare" | "earliest">;
  readonly #policies: { retentionLimitDays(purpose: "analytics", nowMs: number): Promise<number | undefined> };

  constructor(
    clock: Pick<AgreedClock, "compare" | "earliest">,
    policies: { retentionLimitDays(purpose: "analytics", nowMs: number): Promise<number | undefined> },
  ) {
    this.#clock = clock;
    this.#policies = policies;
  }

  /** What goes does not come back: a clock ahead alone lets nothing go early. Unix ms; throws REDIS_UNAVAILABLE. */
  async now(): Promise<number> {
    await this.#clock.compare();
    return this.#clock.earliest();
  }

  async before(days: number): Promise<number> {
    return (await this.now()) - days * DAY_MS;
  }

  /** What is configured may be less than what the policy promises, never more. */
  async promised(days: number): Promise<number> {
    const limit = await this.#policies.retentionLimitDays("analytics", await this.now());
    return this.before(Math.min(days, limit ?? days));
  }
}
