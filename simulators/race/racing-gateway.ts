/** The gateway as it races: every phase of a device has a cell of its own, in steps that are short. */
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { RACING } from "./racing.ts";

await runAltered(() => RACING);
