/**
 * What clients publish, from PUBLISH to PUBACK, or to PUBREC, PUBREL and PUBCOMP: telemetry of devices goes to
 * admission, what services publish are commands and answers. Aedes, which would acknowledge first and keep every packet
 * of QoS 2, has no part in it.
 */
import { isUtf8 } from "node:buffer";
import type { Client } from "aedes";
import type { IPublishPacket } from "mqtt-packet";
import type { Admission } from "../admission/admission.ts";
import type { PublicationReader } from "../dialects/publication-reader.ts";
import { ReadMessage } from "../dialects/read-message.ts";
import type { Commands } from "../services/commands.ts";
import type { ErasedTopics } from "../services/erased-topics.ts";
import type { Answerable } from "./answerable.ts";
import { DevicePublish, DeviceWill, takePayload } from "./device-publish.ts";
import { endFaulty, endForBreach } from "./ends.ts";
import { wasSkipped } from "./packet-reader.ts";
import { type Acknowledged, writeAcknowledgements, writePubcomp } from "./packets-out.ts";
import { peer5 } from "./peers.ts";
import { acknowledge } from "./puback.ts";
import { Publication } from "./publication.ts";
import type { Received, ReceivedIds } from "./received-ids.ts";
import type { RefusalReasons } from "./refusal-reasons.ts";
import { levelsOf, TOO_MANY_LEVELS } from "./rules/strings.ts";
import type { DeviceSession, ServiceSession, Session, Will } from "./session.ts";
import { NONE, type Properties } from "./v5/properties.ts";
import { COMMAND_CODES, FAILURE, NO_TEXT, SUCCESS } from "./v5/reason-codes.ts";

export interface PublishesPorts {
  readonly admission: Pick<Admission, "submit" | "submitRead" | "afterBatch">;
  readonly reader: Pick<PublicationReader, "read">;
  readonly commands: Pick<Commands, "submit">;
  readonly erased: Pick<ErasedTopics, "submit">;
  readonly received: ReceivedIds;
  readonly reasons: RefusalReasons;
  /** A device publishes to a topic that is another's. */
  readonly foreign: (session: DeviceSession, topic: string) => void;
}

export class Publishes {
  readonly #maxLevels: number;
  readonly #ports: PublishesPorts;
  readonly #finished: Answerable[] = [];
  #quiet = false;

  constructor(maxLevels: number, ports: PublishesPorts) {
    this.#maxLevels = maxLevels;
    this.#ports = ports;
    ports.admission.afterBatch(() => this.#acknowledge(this.#finished.splice(0)));
  }

  /** From here on nothing is taken. */
  quiesce(): void {
    this.#quiet = true;
  }

  /** `done` is called once it is acknowledged, or will never be. */
  take(session: Session, packet: IPublishPacket, done: () => void): void {
    const { client } = session;
    // A dialect names its topics, and what it does not name is refused.
    const deep =
      (session.kind === "service" || session.sender === undefined) && levelsOf(packet.topic) > this.#maxLevels;
    if (this.#quiet || deep) {
      if (deep) endForBreach(client, TOO_MANY_LEVELS);
      else endFaulty(client, "not-durable");
      return;
    }
    const received = packet.qos === 2 ? this.#ports.received.receive(session, packet) : undefined;
    if (received === "full") {
      // MQTT 3.1.1 has no way to tell a client how many it may send, nor to refuse one.
      endFaulty(client, "unreleased");
    } else if (typeof received === "string") {
      if (received === "answer") writeAcknowledgements(client, [packet]);
      done();
    } else if (session.kind === "service") {
      this.#ofService(session, packet, received, done);
    } else {
      this.#ofDevice(session, packet, received, done);
    }
  }

  /** What a device left behind at the end of its connection: there is nobody to acknowledge it to. */
  will(session: DeviceSession, { topic, payload }: Will): void {
    const { sender } = session;
    if (sender === undefined || session.topics.has(topic))
      this.#ports.admission.submit(new DeviceWill(session, topic, payload));
    else {
      const reads = this.#ports.reader.read(sender, topic, payload);
      this.#ports.admission.submitRead(reads.map((read) => new ReadMessage(read, () => undefined)));
    }
  }

  #ofDevice(session: DeviceSession, packet: IPublishPacket, received: Received | undefined, done: () => void): void {
    const { sender, topics } = session;
    const { topic } = packet;
    const isNative = topics.has(topic);
    if (!isNative) this.#ports.foreign(session, topic);
    if (isNative || sender === undefined) {
      this.#ports.admission.submit(new DevicePublish(session, packet, received, done, this.#finished));
      return;
    }
    const reads = this.#ports.reader.read(sender, topic, wasSkipped(packet) ? undefined : takePayload(packet));
    const publication = new Publication(session, packet, received, reads, done, this.#finished);
    this.#ports.admission.submitRead(publication.messages);
  }

  /** PUBREL: from here on the identifier stands for a new message [MQTT-4.3.3-2]. */
  release(session: Session, messageId: number): void {
    writePubcomp(session.client, messageId, this.#ports.received.release(session, messageId));
  }

  #acknowledge(batch: readonly Answerable[]): void {
    for (const publish of batch) if (publish.qos > 0) publish.reason = this.#reasonOf(publish);
    acknowledge(batch);
    for (const publish of batch) {
      if (publish.received !== undefined) this.#ports.received.finish(publish.received, isKept(publish));
      publish.done();
    }
  }

  #reasonOf(publish: Answerable): number {
    if (publish.refusal === undefined || peer5(publish.client) === undefined) return SUCCESS;
    return this.#ports.reasons.of(publish);
  }

  /** In the order in which they are handled, which is that of their arrival for all of one kind. */
  #ofService(session: ServiceSession, packet: IPublishPacket, received: Received | undefined, done: () => void): void {
    const { topic } = packet;
    const payload = takePayload(packet);
    const finish = (reason: number | "not-durable"): void => {
      const taken = reason !== "not-durable";
      if (received !== undefined) this.#ports.received.finish(received, taken && !endsFlow(session.client, reason));
      const { qos, messageId } = packet;
      const answers = new Map([[session.client, 1]]);
      // Of a repeat that came over a later connection the answer goes there.
      const { client = session.client, repeats = 0 } = received ?? {};
      if (repeats > 0) answers.set(client, (answers.get(client) ?? 0) + repeats);
      for (const [to, count] of answers) {
        // Without an acknowledgement the service sends it again.
        if (!taken) {
          if (!to.closed) endFaulty(to, "not-durable");
        } else if (qos > 0) writeAcknowledgements(to, new Array<Acknowledged>(count).fill({ qos, messageId, reason }));
      }
      done();
    };
    const { payloadFormatIndicator = 0 } = (packet.properties ?? NONE) as Properties;
    if (payloadFormatIndicator === 1 && !isUtf8(payload)) {
      finish(NO_TEXT);
      return;
    }
    const { erased, commands } = this.#ports;
    const answered = erased.submit(session, topic, payload, (taken) => finish(taken ? SUCCESS : "not-durable"));
    if (!answered) commands.submit(session, topic, payload, (outcome) => finish(COMMAND_CODES[outcome]));
  }
}

/** With QoS 2: whether no PUBREL is to come, because the PUBREC says that it failed [MQTT-4.3.3-4]; in MQTT 3.1.1 none can. */
function endsFlow(client: Client, reason: number): boolean {
  return reason >= FAILURE && peer5(client) !== undefined;
}

/** Of a message that MQTT 3.1.1 has refused nothing is kept: it may come again. */
function isKept({ refusal, reason, client }: Answerable): boolean {
  if (refusal === undefined) return true;
  return refusal !== "not-durable" && peer5(client) !== undefined && !endsFlow(client, reason);
}
