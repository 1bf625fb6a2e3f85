/**
 * What of the gateway is taken away for the race: places are told of one person too, or no cell could say whose phase it is of, and
 * in steps of a fraction of a second. The fence of the place writer, and of what network services hear, is raced all the harder.
 */
import type { Overrides } from "../../src/gateway.ts";
import { SHORT_STEPS } from "../../tools/stack/step-lengths.ts";

export const RACING: Overrides = {
  placeStepMs: 300,
  network: SHORT_STEPS.network,
  placeSubjects: 1,
  steps: { ...SHORT_STEPS.steps, weatherMs: 1_000 },
};
