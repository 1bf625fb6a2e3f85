/** What would become of a publication of a device, were it sent now. */
import type { Hint } from "./hint.ts";
import type { Refusal } from "./outcome.ts";

export interface TriedMessage {
  /** It is about a device behind this one. */
  readonly ofChild: boolean;
  /** None: it would be admitted. */
  readonly refusal: Refusal | undefined;
  /** Of the dialect, that refused it. */
  readonly rule: number | undefined;
  /** What was read out of it, counters as the totals they came as. */
  readonly read: object | undefined;
}

export interface TrialOutcome {
  readonly messages: readonly TriedMessage[];
  /** Parts that were left out, those that no table names without a path. */
  readonly leftOut: readonly Hint[];
}
