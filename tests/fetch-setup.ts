/**
 * A request of a test goes out on no connection that the server has closed meanwhile. The gateway closes one that was idle for five
 * seconds, and the client throws it away a second before; but a test that computes for longer hears of neither, and would ask on it. So
 * the event loop has a whole turn before each request, in which what has come is heard.
 */
import { setImmediate as turn } from "node:timers/promises";

const { fetch } = globalThis;

globalThis.fetch = async (...request) => {
  // The first ends the turn in progress, whose events were fetched before; the second comes behind those of the next.
  await turn();
  await turn();
  return await fetch(...request);
};
