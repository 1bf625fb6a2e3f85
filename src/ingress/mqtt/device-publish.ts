/** What a device publishes as admission takes it: a PUBLISH with all that its acknowledgement needs, or its will. */
import type { Client } from "aedes";
import type { IPublishPacket } from "mqtt-packet";
import type { DeviceKey } from "../../model/ids.ts";
import { Inbound, NOTHING } from "../admission/inbound.ts";
import type { Answerable } from "./answerable.ts";
import type { Received } from "./received-ids.ts";
import type { DeviceSession } from "./session.ts";
import { NONE, type Properties } from "./v5/properties.ts";
import { SUCCESS } from "./v5/reason-codes.ts";

export class DevicePublish extends Inbound implements Answerable {
  readonly client: Client;
  readonly device: DeviceKey;
  readonly qos: 0 | 1 | 2;
  readonly messageId: number | undefined;
  /** Its packet identifier, with QoS 2. */
  readonly received: Received | undefined;
  /** To be called once it is acknowledged, or will never be. */
  readonly done: () => void;
  reason = SUCCESS;
  readonly #finished: Answerable[];

  /** Once it is finished it joins `finished`. */
  constructor(
    session: DeviceSession,
    packet: IPublishPacket,
    received: Received | undefined,
    done: () => void,
    finished: Answerable[],
  ) {
    super(session.publisher, partOf(session, packet.topic), takePayload(packet));
    this.client = session.client;
    this.device = session.publisher.key;
    this.expiresAt = this.startedAt + expiryMs(packet);
    this.qos = packet.qos;
    this.messageId = packet.messageId;
    this.received = received;
    this.done = done;
    this.#finished = finished;
  }

  get isAnswered(): boolean {
    return this.qos > 0;
  }

  finish(): void {
    this.#finished.push(this);
  }
}

/** Telemetry that the device left behind: it takes the same path, and there is no one left to acknowledge it to. */
export class DeviceWill extends Inbound {
  readonly isAnswered = false;

  constructor(session: DeviceSession, topic: string, payload: Buffer) {
    super(session.publisher, partOf(session, topic), payload);
  }

  finish(): void {}
}

const SECOND_MS = 1000;

/** For how long its sender wants it to wait; with MQTT 5 alone. What may not wait at all has the time that an admission takes. */
export function expiryMs({ properties }: Pick<IPublishPacket, "properties">): number {
  const { messageExpiryInterval: seconds = Number.POSITIVE_INFINITY } = (properties ?? NONE) as Properties;
  return Math.max(1, seconds) * SECOND_MS;
}

/** From here on the packet itself is blank: wherever it may be put, there is nothing in it. */
export function takePayload(packet: IPublishPacket): Buffer {
  const { payload } = packet;
  packet.payload = NOTHING;
  packet.retain = false;
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}

/** Index into `PARTS`; -1 for a topic that is not the device's own. */
function partOf({ topics }: DeviceSession, topic: string): number {
  return topics.get(topic) ?? -1;
}
