/** A PUBLISH in a dialect: acknowledged once all messages that were read out of it are finished. */
import type { Client } from "aedes";
import type { IPublishPacket } from "mqtt-packet";
import type { DeviceKey } from "../../model/ids.ts";
import { AFTER_CONSENT, type Refusal } from "../../model/outcome.ts";
import type { Publisher } from "../admission/publisher.ts";
import type { Read } from "../dialects/publication-reader.ts";
import { ReadMessage } from "../dialects/read-message.ts";
import type { Answerable } from "./answerable.ts";
import { expiryMs } from "./device-publish.ts";
import type { Received } from "./received-ids.ts";
import type { DeviceSession } from "./session.ts";
import { SUCCESS } from "./v5/reason-codes.ts";

export class Publication implements Answerable {
  readonly client: Client;
  readonly device: DeviceKey;
  readonly qos: 0 | 1 | 2;
  readonly messageId: number | undefined;
  readonly received: Received | undefined;
  readonly done: () => void;
  readonly messages: readonly ReadMessage[];
  refusal: Refusal | undefined;
  reason = SUCCESS;
  readonly #finished: Answerable[];
  readonly #outcomes: (Refusal | undefined)[] = [];

  /** Once it is finished it joins `finished`. */
  constructor(
    { client, publisher }: DeviceSession,
    packet: Pick<IPublishPacket, "qos" | "messageId" | "properties">,
    received: Received | undefined,
    reads: readonly Read[],
    done: () => void,
    finished: Answerable[],
  ) {
    this.client = client;
    this.device = publisher.key;
    this.qos = packet.qos;
    this.messageId = packet.messageId;
    this.received = received;
    this.done = done;
    this.#finished = finished;
    const options = { expiresAfterMs: expiryMs(packet), isAnswered: packet.qos > 0 };
    this.messages = reads.map(
      (read) => new ReadMessage(read, (refusal) => this.#finish(toldTo(publisher, read.publisher, refusal)), options),
    );
  }

  #finish(refusal: Refusal | undefined): void {
    this.#outcomes.push(refusal);
    if (this.#outcomes.length < this.messages.length) return;
    // Sent again, those of it that are durable overwrite themselves.
    this.refusal = this.#outcomes.includes("not-durable")
      ? "not-durable"
      : this.#outcomes.includes(undefined)
        ? undefined
        : this.#outcomes[0];
    this.#finished.push(this);
  }
}

/** What another person has decided on a device behind a hub is not for anyone who runs the hub. */
function toldTo(hub: Publisher, of: Publisher, refusal: Refusal | undefined): Refusal | undefined {
  const isOthers = of.ref?.subjectTag !== hub.ref?.subjectTag;
  return isOthers && refusal !== undefined && AFTER_CONSENT.has(refusal) ? undefined : refusal;
}
