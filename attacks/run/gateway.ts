/** The gateway as it is, with a clock that is set from outside. */
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { CLOCK_PORT, followClock } from "./set-clock.ts";

await followClock(Number(process.env[CLOCK_PORT]));
await runAltered();
