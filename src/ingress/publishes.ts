/**
 * What clients publish, from PUBLISH to PUBACK, or to PUBREC, PUBREL and PUBCOMP: telemetry of devices goes to
 * admission, what services publish are commands and answers. Aedes, which would acknowledge first and keep every packet
 * of QoS 2, has no part in it.
 */
import { NOT_DURABLE, writeAcknowledgements, writePubcomp } from "./acknowledge.ts";
import type { Admission } from "./admission.ts";
import { attemptOf, type PublishPacket } from "./attempt.ts";
import type { Commands } from "./commands.ts";
import type { ErasedTopics } from "./erased-topics.ts";
import type { Received, ReceivedIds } from "./received-ids.ts";
import type { ServiceSession, Session } from "./session.ts";

export interface PublishesPorts {
  readonly admission: Pick<Admission, "submit">;
  readonly commands: Pick<Commands, "submit">;
  readonly erased: Pick<ErasedTopics, "submit">;
  readonly received: ReceivedIds;
  readonly retain: () => void;
}

export class Publishes {
  readonly #maxLevels: number;
  readonly #ports: PublishesPorts;
  #quiet = false;

  constructor(maxLevels: number, ports: PublishesPorts) {
    this.#maxLevels = maxLevels;
    this.#ports = ports;
  }

  /** From here on nothing is taken. */
  quiesce(): void {
    this.#quiet = true;
  }

  /** `settled` is called once it is acknowledged, or will never be. */
  take(session: Session, packet: PublishPacket, settled: () => void): void {
    const { client } = session;
    const fault = this.#quiet ? NOT_DURABLE : this.#fault(packet.topic);
    if (fault !== undefined) {
      client.emit("error", new Error(fault));
      return;
    }
    if (packet.retain) this.#ports.retain();
    const received = packet.qos === 2 ? this.#ports.received.receive(session, packet) : undefined;
    if (received === "full") {
      // MQTT 3.1.1 has no way to tell a client how many it may send, nor to refuse one.
      client.emit("error", new Error("too many messages without PUBREL"));
    } else if (typeof received === "string") {
      if (received === "answer") writeAcknowledgements(client, [packet]);
      settled();
    } else if (session.kind === "service") {
      this.#ofService(session, packet, received, settled);
    } else {
      const attempt = attemptOf(session, packet, received, ({ refusal }) => {
        if (received !== undefined) this.#ports.received.settle(received, refusal === undefined);
        settled();
      });
      this.#ports.admission.submit(attempt);
    }
  }

  /** PUBREL: from here on the identifier stands for a new message [MQTT-4.3.3-2]. */
  release(session: Session, messageId: number): void {
    this.#ports.received.release(session, messageId);
    writePubcomp(session.client, messageId);
  }

  #fault(topic: string): string | undefined {
    let levels = 1;
    for (let at = topic.indexOf("/"); at !== -1; at = topic.indexOf("/", at + 1)) levels += 1;
    return levels > this.#maxLevels ? "topic has too many levels" : undefined;
  }

  /** In the order in which they are handled, which is that of their arrival for all of one kind. */
  #ofService(
    session: ServiceSession,
    packet: PublishPacket,
    received: Received | undefined,
    settled: () => void,
  ): void {
    const { client } = session;
    const done = (error?: Error | null): void => {
      const answers = Array.from({ length: 1 + (received?.repeats ?? 0) }, () => packet);
      if (received !== undefined) this.#ports.received.settle(received, !error);
      if (error) client.emit("error", error);
      else if (packet.qos > 0) writeAcknowledgements(client, answers);
      settled();
    };
    if (!this.#ports.erased.submit(session, packet, done)) this.#ports.commands.submit(session, packet, done);
  }
}
