/**
 * The gateway as it races. Places are told of one person too, or no cell could say whose phase it is of, and steps are fractions of a second.
 * The fence of the place writer, and of what network services hear, is raced all the harder.
 */
import type { Overrides } from "../../src/gateway.ts";
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { SHORT_STEPS } from "../../tools/stack/step-lengths.ts";
import { delayTellings, TELLING_DELAY, WEATHER_STEP_MS } from "./late-tellings.ts";

const RACING: Overrides = {
  placeStepMs: 300,
  network: SHORT_STEPS.network,
  placeSubjects: 1,
  steps: { ...SHORT_STEPS.steps, weatherMs: WEATHER_STEP_MS },
};

/** `overrides`: what else is taken away. */
export async function runRacing(env: NodeJS.ProcessEnv, overrides: Overrides = {}): Promise<never> {
  delayTellings(Number(env[TELLING_DELAY] ?? 0));
  return runAltered(() => ({ ...RACING, ...overrides }));
}
