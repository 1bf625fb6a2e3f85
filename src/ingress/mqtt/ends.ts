/**
 * Why the gateway ends a connection: from one table, with the reason code that a client of MQTT 5 is told and whether it is
 * counted as a breach of the protocol.
 */
import type { Client } from "aedes";
import { peer5 } from "./peers.ts";
import { faultCode, RECEIVE_MAXIMUM } from "./v5/reason-codes.ts";

interface Row {
  readonly text: string;
  readonly code: number;
  /** Of those without it the cause is counted where it is found. */
  readonly isBreach?: boolean;
}

/** In the words of Aedes. */
const KEEP_ALIVE = "keep alive timeout";

const ENDS = {
  "not-durable": { text: "not durable", code: 0x89 },
  oversize: { text: "packet too large", code: 0x95 },
  unreleased: { text: "too many messages without PUBREL", code: faultCode(RECEIVE_MAXIMUM), isBreach: true },
  // Of all connections together: this one has done nothing wrong.
  crowded: { text: "too many messages without PUBREL on all connections", code: 0x97 },
  unread: { text: "what was sent was not read", code: 0x97 },
  unfinished: { text: "packet left unfinished", code: 0x97, isBreach: true },
  "keep-alive": { text: KEEP_ALIVE, code: 0x8d },
  "taken-over": { text: "another connection of the same has come", code: 0x8e },
  "session-ended": { text: "log in again", code: 0x98 },
  "not-authorized": { text: "the service or its token is no longer valid", code: 0x87 },
  stopping: { text: "the gateway stops", code: 0x8b },
} as const satisfies Readonly<Record<string, Row>>;

export type End = keyof typeof ENDS;

class ConnectionEnded extends Error {
  readonly isBreach: boolean;

  constructor(text: string, isBreach = false) {
    super(text);
    this.isBreach = isBreach;
  }
}

/** Ends a connection as a fault does: everything behind it is told that it was one. */
export function endFaulty(client: Client, why: End): void {
  sayWhy(client, why);
  const { text, isBreach }: Row = ENDS[why];
  client.emit("error", new ConnectionEnded(text, isBreach));
}

/** The same for a statement of the protocol that was broken. */
export function endForBreach(client: Client, statement: string): void {
  send(client, goodbye(client, faultCode(statement), statement));
  client.emit("error", new ConnectionEnded(statement, true));
}

/** Ends a connection that has done nothing wrong. */
export function endOrderly(client: Client, why: End): void {
  sayWhy(client, why);
  client.close();
}

/** To be called right before a connection is ended, by whatever. */
export function sayWhy(client: Client, why: End): void {
  send(client, lastWords(client, why));
}

/** The DISCONNECT that says why, to be written with whatever is in front of it; a second write might not leave any more. */
export function lastWords(client: Client, why: End): Buffer | undefined {
  return goodbye(client, ENDS[why].code, ENDS[why].text);
}

/** For a client that knows what it says, once [MQTT-3.14.0-1]. */
function goodbye(client: Client, code: number, text: string): Buffer | undefined {
  const peer = peer5(client);
  if (peer === undefined || !peer.isIn) return undefined;
  peer.isIn = false;
  return peer.disconnect(code, text);
}

function send({ conn, closed }: Client, bytes: Buffer | undefined): void {
  if (bytes !== undefined && !closed && !conn.destroyed && conn.writable) conn.write(bytes);
}

/** Errors that Aedes raises for reasons other than a breach of the protocol. */
const NO_BREACH: ReadonlySet<string> = new Set([
  KEEP_ALIVE,
  "drain timeout",
  // For each message that was in flight when the connection went.
  "connection closed",
]);

/** What MQTT or WebSocket forbids, told apart from a lost connection and from what has a counter of its own. */
export function breachOf(error: Error): "oversize" | "protocol" | undefined {
  if (error instanceof ConnectionEnded) return error.isBreach ? "protocol" : undefined;
  if (!("code" in error)) return NO_BREACH.has(error.message) ? undefined : "protocol";
  if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return "oversize";
  return String(error.code).startsWith("WS_ERR_") ? "protocol" : undefined;
}
