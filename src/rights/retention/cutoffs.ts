/** Retention limits as points in time, each from two clocks and from the promises of the policies. */
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

  /** Deletion cannot be undone: one clock that is ahead must not delete early. Unix ms; throws REDIS_UNAVAILABLE. */
  async now(): Promise<number> {
    await this.#clock.compare();
    return this.#clock.earliest();
  }

  async before(days: number): Promise<number> {
    return (await this.now()) - days * DAY_MS;
  }

  /** The configured time may be shorter than the policy promises, never longer. */
  async promised(days: number): Promise<number> {
    const limit = await this.#policies.retentionLimitDays("analytics", await this.now());
    return this.before(Math.min(days, limit ?? days));
  }
}
