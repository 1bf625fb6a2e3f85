/** The gateway as it races, with nothing taken away. */
import { runRacing } from "./racing.ts";

await runRacing(process.env);
