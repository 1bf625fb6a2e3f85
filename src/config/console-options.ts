/** Options of the operator's console: the page on which a gateway is watched, and helped where that is possible. */
import { z } from "zod";
import { count, flag, port, text } from "./leaves.ts";

export const consoleOptions = z.strictObject({
  enabled: flag(
    false,
    "Serve the operator's console under `/operate/` on a listener of its own. It is opened with a token of scope `operate`.",
  ),
  host: text(
    "127.0.0.1",
    "Address that listener listens on. Beyond loopback it needs a proxy with TLS before it: over plain HTTP from elsewhere no browser keeps its session.",
  ),
  port: port(8082, "Its port; 0 takes a free one."),
  idleMinutes: count(
    1,
    30,
    1_440,
    "A session ends when for so long no person has done anything on the page.",
    "minutes",
  ),
  mostHours: count(1, 12, 24, "And after so long in any case.", "hours"),
  maxConnections: count(
    8,
    128,
    1_024,
    "Connections to that listener. When they are used up, those on which nothing is worked on are closed for new ones.",
    "connections",
  ),
});
