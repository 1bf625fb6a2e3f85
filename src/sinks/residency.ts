/** The residency rule: what a message counts as stored in must include a store in every required region. */
import { GatewayError } from "../model/errors.ts";
import { liesIn } from "../model/region.ts";
import type { Sink } from "../model/sink.ts";

/** Throws RESIDENCY_UNSATISFIED when a required region has no sink. A subdivision lies in its country. */
export function requireResidency(sinks: readonly Pick<Sink, "region">[], required: readonly string[]): void {
  for (const region of required) {
    if (!sinks.some((sink) => liesIn(sink.region, region))) {
      throw new GatewayError("RESIDENCY_UNSATISFIED", `no sink in ${region}`);
    }
  }
}
