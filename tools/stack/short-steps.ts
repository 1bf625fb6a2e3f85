/**
 * The gateway with steps of seconds in place of minutes, for demonstrations and tests; configuration cannot shorten a step. How
 * many people make a crowd stays as it is.
 */
import { runAltered } from "./altered-gateway.ts";
import { SHORT_STEPS } from "./step-lengths.ts";

const { PLACE_STEP_MS } = process.env;

await runAltered(() =>
  PLACE_STEP_MS === undefined ? SHORT_STEPS : { ...SHORT_STEPS, placeStepMs: Number(PLACE_STEP_MS) },
);
