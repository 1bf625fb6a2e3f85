/** What a service publishes, a command or the answer that it has forgotten: answered in the order of its arrival [MQTT-4.6.0-2]. */
import type { Client } from "aedes";
import type { IPublishPacket } from "mqtt-packet";
import type { Answerable } from "./answerable.ts";
import type { Received } from "./received-ids.ts";
import type { ServiceSession } from "./session.ts";
import { SUCCESS } from "./v5/reason-codes.ts";

export class ServicePublish implements Answerable {
  readonly client: Client;
  readonly device = undefined;
  readonly qos: 0 | 1 | 2;
  readonly messageId: number | undefined;
  readonly received: Received | undefined;
  readonly done: () => void;
  refusal: "not-durable" | undefined = undefined;
  reason = SUCCESS;
  isFinished = false;

  constructor(
    { client }: ServiceSession,
    { qos, messageId }: Pick<IPublishPacket, "qos" | "messageId">,
    received: Received | undefined,
    done: () => void,
  ) {
    this.client = client;
    this.qos = qos;
    this.messageId = messageId;
    this.received = received;
    this.done = done;
  }
}

/** What one session has published and is not answered, oldest first. */
export class ServiceLine {
  readonly #line: ServicePublish[] = [];

  add(publish: ServicePublish): void {
    this.#line.push(publish);
  }

  /** All that can be answered once this one can. */
  finish(publish: ServicePublish, reason: number | "not-durable"): readonly ServicePublish[] {
    if (reason === "not-durable") publish.refusal = reason;
    else publish.reason = reason;
    publish.isFinished = true;
    const waiting = this.#line.findIndex(({ isFinished }) => !isFinished);
    return this.#line.splice(0, waiting === -1 ? this.#line.length : waiting);
  }
}
