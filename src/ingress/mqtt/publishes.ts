/**
 * What clients publish, from PUBLISH to PUBACK, or to PUBREC, PUBREL and PUBCOMP: telemetry of devices goes to
 * admission, what services publish are commands and answers. Aedes, which would acknowledge first and keep every packet
 * of QoS 2, has no part in it.
 */
import type { IPublishPacket } from "mqtt-packet";
import type { Admission } from "../admission/admission.ts";
import type { PublicationReader } from "../dialects/publication-reader.ts";
import { ReadMessage } from "../dialects/read-message.ts";
import type { Commands } from "../services/commands.ts";
import type { ErasedTopics } from "../services/erased-topics.ts";
import type { Answerable } from "./answerable.ts";
import { DevicePublish, DeviceWill, takePayload } from "./device-publish.ts";
import { wasSkipped } from "./packet-reader.ts";
import { acknowledge, NOT_DURABLE, writeAcknowledgements, writePubcomp } from "./puback.ts";
import { Publication } from "./publication.ts";
import { type Received, type ReceivedIds, TOO_MANY_UNRELEASED } from "./received-ids.ts";
import type { DeviceSession, ServiceSession, Session, Will } from "./session.ts";
import { levelsOf, TOO_DEEP } from "./topics.ts";

export interface PublishesPorts {
  readonly admission: Pick<Admission, "submit" | "submitRead" | "afterBatch">;
  readonly reader: Pick<PublicationReader, "read">;
  readonly commands: Pick<Commands, "submit">;
  readonly erased: Pick<ErasedTopics, "submit">;
  readonly received: ReceivedIds;
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
      client.emit("error", new Error(deep ? TOO_DEEP : NOT_DURABLE));
      return;
    }
    const received = packet.qos === 2 ? this.#ports.received.receive(session, packet) : undefined;
    if (received === "full") {
      // MQTT 3.1.1 has no way to tell a client how many it may send, nor to refuse one.
      client.emit("error", new Error(TOO_MANY_UNRELEASED));
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
    const { client, sender, topics } = session;
    const { topic } = packet;
    const isNative = topics.has(topic);
    if (!isNative) this.#ports.foreign(session, topic);
    if (isNative || sender === undefined) {
      this.#ports.admission.submit(new DevicePublish(session, packet, received, done, this.#finished));
      return;
    }
    const reads = this.#ports.reader.read(sender, topic, wasSkipped(packet) ? undefined : takePayload(packet));
    const publication = new Publication(client, packet, received, reads, done, this.#finished);
    this.#ports.admission.submitRead(publication.messages);
  }

  /** PUBREL: from here on the identifier stands for a new message [MQTT-4.3.3-2]. */
  release(session: Session, messageId: number): void {
    this.#ports.received.release(session, messageId);
    writePubcomp(session.client, messageId);
  }

  #acknowledge(batch: readonly Answerable[]): void {
    acknowledge(batch);
    for (const { received, refusal, done } of batch) {
      if (received !== undefined) this.#ports.received.finish(received, refusal === undefined);
      done();
    }
  }

  /** In the order in which they are handled, which is that of their arrival for all of one kind. */
  #ofService(session: ServiceSession, packet: IPublishPacket, received: Received | undefined, done: () => void): void {
    const { topic } = packet;
    const payload = takePayload(packet);
    const finish = (taken: boolean): void => {
      if (received !== undefined) this.#ports.received.finish(received, taken);
      const answers = new Map([[session.client, 1]]);
      // Of a repeat that came over a later connection the answer goes there.
      const { client = session.client, repeats = 0 } = received ?? {};
      if (repeats > 0) answers.set(client, (answers.get(client) ?? 0) + repeats);
      for (const [to, count] of answers) {
        // Without an acknowledgement the service sends it again.
        if (!taken) {
          if (!to.closed) to.emit("error", new Error(NOT_DURABLE));
        } else if (packet.qos > 0) writeAcknowledgements(to, new Array<IPublishPacket>(count).fill(packet));
      }
      done();
    };
    const { erased, commands } = this.#ports;
    if (!erased.submit(session, topic, payload, finish)) commands.submit(session, topic, payload, finish);
  }
}
