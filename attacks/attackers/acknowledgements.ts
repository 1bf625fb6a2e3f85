/** A12: why a message was refused, by when and how long its acknowledgement came; holds on open metrics. */
import { auc } from "../measure/auc.ts";
import type { Ack, AckClass } from "../recording/format.ts";
import type { Attack } from "./attack.ts";

/** What was stored against what was refused for a reason that concerns a person. */
const REFUSED: readonly AckClass[] = ["no-consent", "withdrawn", "held", "unbound"];
const HOLD_TOLD = /legal-hold/;
const GOAL = 0.55;

export const refusalByAcknowledgement: Attack = {
  name: "A12",
  what: "a refusal, by time and size of its acknowledgement (AUC); a hold, on open metrics",
  goal: GOAL,
  run({ recording: { acks, metrics } }) {
    const detail: Record<string, number | boolean> = {};
    let worst = { value: 0.5, low: 0.5, high: 1 };
    for (const protocol of new Set(acks.map((ack) => ack.protocol))) {
      const valuesOf = (one: AckClass, value: (ack: Ack) => number) =>
        acks.filter((ack) => ack.class === one && ack.protocol === protocol).map(value);
      for (const one of REFUSED) {
        const byTime = auc(
          valuesOf("stored", ({ ms }) => ms),
          valuesOf(one, ({ ms }) => ms),
        );
        const bySize = auc(
          valuesOf("stored", ({ bytes }) => bytes),
          valuesOf(one, ({ bytes }) => bytes),
        );
        const found = byTime.value >= bySize.value ? byTime : bySize;
        detail[`${protocol}: ${one}`] = found.value;
        if (found.value > worst.value || worst.high === 1) worst = found;
      }
    }
    const toldOpenly = HOLD_TOLD.test(metrics);
    detail["hold on open metrics"] = toldOpenly;
    const measured = toldOpenly
      ? { rate: 1, low: 1, high: 1 }
      : { rate: worst.value, low: worst.low, high: worst.high };
    const trials = Math.min(...REFUSED.map((one) => acks.filter((ack) => ack.class === one).length));
    return { hits: 0, trials, control: 0.5, measured, detail };
  },
};
