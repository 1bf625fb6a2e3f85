/** What a connection that ends with an error has done wrong, if anything. */

import { OVERSIZE } from "./packet-reader.ts";
import { NOT_DURABLE } from "./puback.ts";

/** Errors that Aedes or the ingress itself raises for reasons other than a breach of the protocol. */
const COUNTED_ELSEWHERE: ReadonlySet<string> = new Set([
  OVERSIZE,
  NOT_DURABLE,
  "keep alive timeout",
  "drain timeout",
  // For each message that was in flight when the connection went.
  "connection closed",
]);

/** What MQTT or WebSocket forbids, told apart from a lost connection and from what has a counter of its own. */
export function breachOf(error: Error): "oversize" | "protocol" | undefined {
  if (!("code" in error)) return COUNTED_ELSEWHERE.has(error.message) ? undefined : "protocol";
  if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return "oversize";
  return String(error.code).startsWith("WS_ERR_") ? "protocol" : undefined;
}
