/**
 * A gateway whose steps of places take a second or two instead of a quarter of an hour, so that they can be waited for. How many
 * people must be together stays as it is.
 */
import "../../src/platform/no-debug-output.ts";
import { runAltered } from "./altered-gateway.ts";

const STEP_MS = 1_000;

await runAltered(() => ({ placeStepMs: Number(process.env.PLACE_STEP_MS ?? STEP_MS) }));
