/**
 * Writes the PUBACKs of a settled batch: for each connection one write, in the order the messages
 * came. Aedes would make one write and one turn of the event loop for each message; handing it the
 * packet as QoS 0 afterwards tells it that this acknowledgement is already done.
 */
import type { Client } from "aedes";
import type { Attempt } from "./attempt.ts";

const PUBACK = 0x40;
const REMAINING_LENGTH = 2;
const PUBACK_BYTES = 4;

/** A peer that publishes and never reads its acknowledgements is cut off here. */
const MAX_UNREAD_BYTES = 64 * 1024;

export const NOT_DURABLE = "not durable";
const notDurable = new Error(NOT_DURABLE);

export function acknowledge(batch: readonly Attempt[]): void {
  const byClient = new Map<Client, Attempt[]>();
  // From its first message that could not be made durable on, a client gets no acknowledgement, so that none overtakes.
  const cutOff = new Set<Client>();
  for (const attempt of batch) {
    const { session, packet, refusal } = attempt;
    if (packet === undefined || packet.qos === 0) continue;
    if (refusal === "not-durable") cutOff.add(session.client);
    if (packet.qos !== 1 || cutOff.has(session.client)) continue;
    const attempts = byClient.get(session.client);
    if (attempts === undefined) byClient.set(session.client, [attempt]);
    else attempts.push(attempt);
  }
  for (const [client, attempts] of byClient) writePubacks(client, attempts);
  for (const attempt of batch) finish(attempt, cutOff.has(attempt.session.client));
}

function writePubacks(client: Client, attempts: readonly Attempt[]): void {
  const { conn } = client;
  if (conn.destroyed || !conn.writable) return;
  const bytes = Buffer.allocUnsafe(attempts.length * PUBACK_BYTES);
  let offset = 0;
  for (const { packet } of attempts) {
    if (packet?.messageId === undefined) continue;
    bytes[offset] = PUBACK;
    bytes[offset + 1] = REMAINING_LENGTH;
    bytes[offset + 2] = packet.messageId >> 8;
    bytes[offset + 3] = packet.messageId & 0xff;
    offset += PUBACK_BYTES;
    packet.qos = 0;
  }
  if (conn.writableLength > MAX_UNREAD_BYTES) conn.destroy();
  else conn.write(bytes.subarray(0, offset));
}

/** QoS 2 goes on to Aedes with a blank payload, which sends its PUBREC; QoS 0 was never going to be acknowledged. */
function finish({ packet, done }: Attempt, cutOff: boolean): void {
  // An error makes Aedes close the connection without acknowledging: the device keeps the message and sends it again.
  done(cutOff && packet !== undefined && packet.qos > 0 ? notDurable : null);
}
