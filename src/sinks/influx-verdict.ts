/** What an HTTP status of InfluxDB means for the lines that were sent, in one place. */
import { GatewayError } from "../model/errors.ts";
import type { Answer } from "./influx-http.ts";

/** `halve`: some of the lines are not stored, or it is unknown which. */
export type Verdict = "stored" | "halve" | "all-refused";

/** Throws SINK_UNAVAILABLE or SINK_DENIED when nothing can be said about the lines. */
export function judge({ status, retryAfterMs, dropped }: Answer, lineCount: number): Verdict {
  switch (status) {
    case 204:
      return "stored";
    case 400:
    case 422:
      // A server that dropped as many as came leaves nothing to look for.
      return dropped === lineCount ? "all-refused" : "halve";
    // InfluxDB Cloud says "created" when it took only some of the lines.
    case 201:
    case 413:
      return "halve";
    case 408:
    case 425:
    case 429:
      throw unavailable(status, retryAfterMs);
    default:
      if (status === 0 || status >= 500) throw unavailable(status, retryAfterMs);
      // Anything else, a 200 from a proxy's sign-in page included, has not stored anything.
      throw new GatewayError("SINK_DENIED", `http ${status}`);
  }
}

/** Without a cause: the client's own error carries the server's text, and that repeats the lines. */
function unavailable(status: number, retryAfterMs: number | undefined): GatewayError {
  const detail = status === 0 ? "no answer" : `http ${status}`;
  return new GatewayError("SINK_UNAVAILABLE", detail, retryAfterMs === undefined ? {} : { retryAfterMs });
}
