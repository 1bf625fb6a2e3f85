/** The gateway with short steps, for demonstrations and tests; configuration cannot shorten a step. */
import { runAltered, SHORT_STEPS } from "./altered-gateway.ts";

await runAltered(() => SHORT_STEPS);
