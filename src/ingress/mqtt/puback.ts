/**
 * The acknowledgements of a finished batch, PUBACK and PUBREC: for each connection one write, in the order the messages
 * came [MQTT-4.6.0-2] [MQTT-4.6.0-3].
 */
import type { Client } from "aedes";
import type { Answerable } from "./answerable.ts";
import { endFaulty, lastWords } from "./ends.ts";
import { type Acknowledged, writeAcknowledgements } from "./packets-out.ts";

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
  for (const [client, packets] of byClient)
    writeAcknowledgements(client, packets, cutOff.has(client) ? lastWords(client, "not-durable") : undefined);
  // An error closes the connection without an acknowledgement: the device keeps the message and sends it again.
  // Also one that only waited for the answer to a message that an earlier connection had sent.
  for (const client of cutOff) if (!client.closed) endFaulty(client, "not-durable");
}

function add(byClient: Map<Client, Acknowledged[]>, client: Client, packet: Acknowledged): void {
  const packets = byClient.get(client);
  if (packets === undefined) byClient.set(client, [packet]);
  else packets.push(packet);
}
