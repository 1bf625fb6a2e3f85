/**
 * What clients publish, from PUBLISH to PUBACK, or to PUBREC, PUBREL and PUBCOMP: telemetry of devices goes to
 * admission, what services publish are commands, forecasts and answers. Aedes, which would acknowledge first and keep every packet
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
import type { ForecastTopics } from "../services/forecast-topics.ts";
import type { NetworkNotices } from "../services/network-notices.ts";
import type { Answerable } from "./answerable.ts";
import { DevicePublish, DeviceWill, expiryMs, takePayload } from "./device-publish.ts";
import { endFaulty, endForBreach } from "./ends.ts";
import { wasSkipped } from "./packet-reader.ts";
import { writeAcknowledgements, writePubcomp } from "./packets-out.ts";
import { peer5 } from "./peers.ts";
import { acknowledge } from "./puback.ts";
import { Publication } from "./publication.ts";
import type { Received, ReceivedIds } from "./received-ids.ts";
import type { RefusalReasons } from "./refusal-reasons.ts";
import { levelsOf, TOPIC_TOO_DEEP } from "./rules/strings.ts";
import { ServiceLine, ServicePublish } from "./service-publish.ts";
import type { DeviceSession, ServiceSession, Session, Will } from "./session.ts";
import { NONE, type Properties } from "./v5/properties.ts";
import { COMMAND_CODES, FAILURE, FORECAST_CODES, NETWORK_NOTICE_CODES, NO_TEXT, SUCCESS } from "./v5/reason-codes.ts";

export interface PublishesPorts {
  readonly admission: Pick<Admission, "submit" | "submitRead" | "afterBatch">;
  readonly reader: Pick<PublicationReader, "read">;
  readonly commands: Pick<Commands, "submit">;
  readonly erased: Pick<ErasedTopics, "submit">;
  readonly forecastTopics: Pick<ForecastTopics, "submit">;
  readonly networkNotices: Pick<NetworkNotices, "submit">;
  readonly received: ReceivedIds;
  readonly reasons: RefusalReasons;
  /** A device publishes to a topic that is another's. */
  readonly foreign: (session: DeviceSession, topic: string) => void;
}

export class Publishes {
  readonly #maxLevels: number;
  readonly #ports: PublishesPorts;
  readonly #finished: Answerable[] = [];
  readonly #lines = new WeakMap<ServiceSession, ServiceLine>();
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
      if (deep) endForBreach(client, TOPIC_TOO_DEEP);
      else endFaulty(client, "not-durable");
      return;
    }
    const received = packet.qos === 2 ? this.#ports.received.receive(session, packet) : undefined;
    if (received === "full" || received === "crowded") {
      // MQTT 3.1.1 has no way to tell a client how many it may send, nor to refuse one.
      endFaulty(client, received === "full" ? "unreleased" : received);
    } else if (typeof received === "string") {
      if (received === "answer") writeAcknowledgements(client, [packet]);
      done();
    } else if (session.kind === "service") {
      this.#ofService(session, packet, received, done);
    } else {
      this.#ofDevice(session, packet, received, done);
    }
  }

  /** What a device left behind at the end of its connection: there is no one to acknowledge it to. */
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
    // What says that it is text and is none may be nothing that the dialect looks at.
    const noText = isNoText(packet);
    const payload = wasSkipped(packet) ? undefined : takePayload(packet);
    const reads = noText
      ? [{ publisher: sender.own, message: undefined, refusal: "invalid-payload" as const }]
      : this.#ports.reader.read(sender, topic, payload);
    const publication = new Publication(session, packet, received, reads, done, this.#finished);
    this.#ports.admission.submitRead(publication.messages);
  }

  /** PUBREL: from here on the identifier stands for a new message [MQTT-4.3.3-2]. */
  release(session: Session, messageId: number): void {
    writePubcomp(session.client, messageId, this.#ports.received.release(session, messageId));
  }

  #acknowledge(batch: readonly Answerable[]): void {
    for (const publish of batch) {
      const { refusal, device, qos } = publish;
      if (refusal === undefined || refusal === "not-durable" || device === undefined || qos === 0) continue;
      if (peer5(toldOf(publish)) !== undefined) publish.reason = this.#ports.reasons.of(refusal, device);
    }
    acknowledge(batch);
    for (const publish of batch) {
      if (publish.received !== undefined) this.#ports.received.finish(publish.received, isKept(publish));
      publish.done();
    }
  }

  #ofService(session: ServiceSession, packet: IPublishPacket, received: Received | undefined, done: () => void): void {
    const { topic } = packet;
    const expiresAt = performance.now() + expiryMs(packet);
    const noText = isNoText(packet);
    const payload = takePayload(packet);
    const line = this.#lines.get(session) ?? new ServiceLine();
    this.#lines.set(session, line);
    const publish = new ServicePublish(session, packet, received, done);
    line.add(publish);
    const finish = (reason: number | "not-durable"): void => this.#acknowledge(line.finish(publish, reason));
    if (noText) {
      finish(NO_TEXT);
      return;
    }
    const { erased, forecastTopics, networkNotices, commands } = this.#ports;
    const message = { topic, payload, expiresAt };
    const answered =
      erased.submit(session, topic, payload, (taken) => finish(taken ? SUCCESS : "not-durable")) ||
      forecastTopics.submit(session, message, (outcome) => finish(FORECAST_CODES[outcome])) ||
      networkNotices.submit(session, message, (outcome) => finish(NETWORK_NOTICE_CODES[outcome]));
    if (!answered) commands.submit(session, message, (outcome) => finish(COMMAND_CODES[outcome]));
  }
}

/** The connection that gets the acknowledgement; the message may have come over an earlier one. */
function toldOf({ received, client }: Answerable): Client {
  return received?.client ?? client;
}

/** Whether a payload says that it is text and is none. */
function isNoText({ properties, payload }: IPublishPacket): boolean {
  const { payloadFormatIndicator = 0 } = (properties ?? NONE) as Properties;
  return payloadFormatIndicator === 1 && typeof payload !== "string" && !isUtf8(payload);
}

/**
 * With QoS 2: whether its packet identifier is kept until the PUBREL. In MQTT 5 until there is one to come, because the PUBREC did not
 * end the flow [MQTT-4.3.3-4]; of what MQTT 3.1.1 has refused nothing is kept, because it may come again.
 */
function isKept(publish: Answerable): boolean {
  const { refusal, reason } = publish;
  if (refusal === "not-durable") return false;
  return peer5(toldOf(publish)) === undefined ? refusal === undefined : reason < FAILURE;
}
