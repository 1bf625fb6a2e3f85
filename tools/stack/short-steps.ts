/**
 * The gateway with short steps, for demonstrations and tests that cannot wait for a quarter of an hour. Sizes of crowds, noise and
 * everything else are the product's; configuration cannot shorten a step.
 */
import { runAltered } from "./altered-gateway.ts";

await runAltered(() => ({ steps: { cellActivityMs: 3_000, weatherMs: 3_000 } }));
