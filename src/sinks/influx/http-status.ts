/** What an HTTP status of InfluxDB means for the lines that were sent, in one place. */
import { GatewayError } from "../../model/errors.ts";
import type { Answer } from "./http.ts";

/** `halve`: some of the lines are not stored, or it is unknown which. */
export type Verdict = "stored" | "halve" | "all-refused";

/** Throws SINK_UNAVAILABLE or SINK_DENIED when nothing can be said about the lines. */
export function judge(answer: Answer, lineCount: number): Verdict {
  const { status, dropped } = answer;
  switch (status) {
    case 204:
      return "stored";
    case 400:
    case 422:
      // Halved down to single lines, every one of them would be taken for malformed.
      if (answer.ofRequest) throw new GatewayError("SINK_DENIED", `http ${status}`);
      // A server that dropped as many as came leaves nothing to look for.
      return dropped === lineCount ? "all-refused" : "halve";
    // InfluxDB Cloud says "created" when it took only some of the lines.
    case 201:
    case 413:
      return "halve";
    case 408:
    case 425:
    case 429:
      throw unavailable(answer);
    default:
      if (status === 0 || status >= 500) throw unavailable(answer);
      // Anything else, a 200 from a proxy's sign-in page included, has not stored anything.
      throw new GatewayError("SINK_DENIED", `http ${status}`);
  }
}

/** Without a cause: the client's own error carries the server's text, and that repeats the lines. */
export function unavailable(answer: Answer): GatewayError {
  const { status, retryAfterMs } = answer;
  return new GatewayError("SINK_UNAVAILABLE", status === 0 ? "no answer" : `http ${status}`, {
    inDoubt: leavesDoubt(answer),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/**
 * A server that says 503 has not begun. Behind any other 5xx the write may go on: InfluxDB 1 says 500 when
 * it lost patience with its own shard writer, a proxy says 502 or 504 when it lost patience with InfluxDB.
 */
export function leavesDoubt({ status, inDoubt }: Answer): boolean {
  return inDoubt || (status >= 500 && status !== 503);
}

/** Passes by itself: whatever was asked may be asked again. */
export function isOutage({ status }: Answer): boolean {
  return status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
}
