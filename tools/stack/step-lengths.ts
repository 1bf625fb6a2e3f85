/**
 * How long the shortened steps of a demonstration or a test are. Apart from the gateway that is run with them: a test that only waits for
 * such a step need not load a whole gateway.
 */
import type { Overrides } from "../../src/gateway.ts";

/** Seconds in place of minutes, for runs that cannot wait. Sizes of crowds, noise and everything else are the product's. */
export const SHORT_STEPS = {
  placeStepMs: 1_000,
  digestMs: 1_000,
  network: { stepMs: 100, roundMs: 500 },
  steps: { cellActivityMs: 3_000, weatherMs: 3_000 },
} as const satisfies Overrides;
