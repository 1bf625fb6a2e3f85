/**
 * Writes the acknowledgements of a finished batch, PUBACK and PUBREC: for each connection one write, in the order the
 * messages came [MQTT-4.6.0-2] [MQTT-4.6.0-3]; and what else is answered without Aedes.
 */
import type { Client } from "aedes";
import mqttPacket from "mqtt-packet";
import type { Answerable } from "./answerable.ts";

const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;
const REMAINING_LENGTH = 2;
const BYTES = 4;

/** A peer that publishes and never reads its acknowledgements is cut off here. */
const MAX_UNREAD_BYTES = 64 * 1024;

export const NOT_DURABLE = "not durable";

/** Of a PUBLISH. */
interface Acknowledged {
  readonly qos: 0 | 1 | 2;
  readonly messageId?: number | undefined;
}

export function acknowledge(batch: readonly Answerable[]): void {
  const byClient = new Map<Client, Acknowledged[]>();
  // From its first message that could not be made durable on, a client gets no acknowledgement, so that none overtakes.
  const cutOff = new Set<Client>();
  for (const publish of batch) {
    const { client, qos, received, refusal } = publish;
    if (qos === 0) continue;
    const waiting = received?.repeats ? received.client : undefined;
    if (refusal === "not-durable") {
      cutOff.add(client);
      if (waiting !== undefined) cutOff.add(waiting);
    }
    if (!cutOff.has(client)) add(byClient, client, publish);
    if (waiting === undefined || cutOff.has(waiting)) continue;
    for (let repeat = received?.repeats ?? 0; repeat > 0; repeat -= 1) add(byClient, waiting, publish);
  }
  for (const [client, packets] of byClient) writeAcknowledgements(client, packets);
  // An error closes the connection without an acknowledgement: the device keeps the message and sends it again.
  // Also one that only waited for the answer to a message that an earlier connection had sent.
  for (const client of cutOff) if (!client.closed) client.emit("error", new Error(NOT_DURABLE));
}

function add(byClient: Map<Client, Acknowledged[]>, client: Client, packet: Acknowledged): void {
  const packets = byClient.get(client);
  if (packets === undefined) byClient.set(client, [packet]);
  else packets.push(packet);
}

/** PUBACK or PUBREC of each. */
export function writeAcknowledgements(client: Client, packets: readonly Acknowledged[]): void {
  const bytes = Buffer.allocUnsafe(packets.length * BYTES);
  let offset = 0;
  for (const { qos, messageId } of packets) {
    if (qos > 0) offset = put(bytes, offset, qos === 1 ? PUBACK : PUBREC, messageId ?? 0);
  }
  write(client, bytes.subarray(0, offset));
}

/** One return code for each filter of the SUBSCRIBE, in their order [MQTT-3.8.4-5]. */
export function writeSuback(client: Client, messageId: number, granted: (0 | 1 | 2 | 128)[]): void {
  write(client, mqttPacket.generate({ cmd: "suback", messageId, granted }));
}

/** Answers every PUBREL, also one whose message nothing is known of: the client is done with it [MQTT-4.3.3-2]. */
export function writePubcomp(client: Client, messageId: number): void {
  const bytes = Buffer.allocUnsafe(BYTES);
  put(bytes, 0, PUBCOMP, messageId);
  write(client, bytes);
}

function put(bytes: Buffer, offset: number, type: number, messageId: number): number {
  bytes[offset] = type;
  bytes[offset + 1] = REMAINING_LENGTH;
  bytes[offset + 2] = messageId >> 8;
  bytes[offset + 3] = messageId & 0xff;
  return offset + BYTES;
}

function write({ conn }: Client, bytes: Buffer): void {
  if (conn.destroyed || !conn.writable) return;
  if (conn.writableLength > MAX_UNREAD_BYTES) conn.destroy();
  else conn.write(bytes);
}
