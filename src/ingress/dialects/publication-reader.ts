/**
 * From a publication of a dialect to messages of the native contract, each with the device it is about. Steps that native
 * messages have in admission come here in the order that suits a hub: address, rate, text, payload.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { fittingNone, type Mapped, readPayload, readTopic } from "../../dialects/read.ts";
import type { Hint, HintedDevice } from "../../model/hint.ts";
import { bareJson } from "../../model/json.ts";
import type { DropReason, Refusal, SecurityEvent } from "../../model/outcome.ts";
import type { Publisher } from "../admission/publisher.ts";
import type { DialectCount } from "./dialect-counts.ts";
import type { DialectSender } from "./sender.ts";

export interface Read {
  readonly publisher: Publisher;
  readonly message: Mapped | undefined;
  /** Without a message. */
  readonly refusal: Refusal | undefined;
  /** Of the dialect, that refused it. */
  readonly rule?: number | undefined;
}

export interface ReaderPorts {
  propertyDropped(why: DropReason): void;
  securityEvent(kind: SecurityEvent): void;
  /** For the owner of the device: never a key or a value from outside. */
  hint(device: HintedDevice, what: Hint): void;
  counted(dialect: string, what: DialectCount): void;
}

export class PublicationReader {
  readonly #maxPayloadBytes: number;
  readonly #ports: ReaderPorts;

  constructor(maxPayloadBytes: number, ports: ReaderPorts) {
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#ports = ports;
  }

  /** At least one; `payload` is `undefined` when there was more of it than anything is taken of. */
  read(sender: DialectSender, topic: string, payload: Buffer | undefined): readonly Read[] {
    const reads = this.#read(sender, topic, payload);
    for (const { refusal } of reads) this.#ports.counted(sender.dialect.name, countOf(refusal));
    return reads;
  }

  #read(sender: DialectSender, topic: string, payload: Buffer | undefined): readonly Read[] {
    if (payload === undefined || payload.length > this.#maxPayloadBytes)
      return [this.#refused(sender.own, sender.dialect.large ? "not-taken" : "too-large")];
    const addressed = readTopic(sender.dialect, sender, topic);
    if (addressed.rules.length === 0) {
      const { refused, rule } = fittingNone(sender.dialect, sender, addressed);
      return [this.#refused(sender.own, refused, rule)];
    }
    const publisher = this.#publisher(sender, addressed.child);
    if (!publisher.bucket.take(Date.now())) return [this.#refused(publisher, "over-rate")];
    const text = textOf(payload);
    if (text === undefined) return [this.#refused(publisher, "invalid-payload")];
    const read = readPayload(sender.dialect, addressed, sender, text, (why, rule, path) => {
      this.#ports.propertyDropped(why);
      this.#ports.counted(sender.dialect.name, "dropped");
      // What nothing names is every other key of a real device: no news to anybody.
      if (why !== "unknown") this.#ports.hint(publisher, { reason: why, rule, path });
    });
    if (!("refused" in read)) return read.map((message) => this.#message(sender, message, publisher));
    if (read.account === true) this.#ports.securityEvent("account-key");
    return [this.#refused(publisher, read.refused, read.rule)];
  }

  #message(sender: DialectSender, message: Mapped, paid: Publisher): Read {
    const publisher = this.#publisher(sender, message.child);
    // One token was taken for the publication; each further device pays for itself.
    if (publisher !== paid && !publisher.bucket.take(Date.now())) return this.#refused(publisher, "over-rate");
    return { publisher, message, refusal: undefined };
  }

  #publisher(sender: DialectSender, alias: string | undefined): Publisher {
    return (alias === undefined ? undefined : sender.child(alias)) ?? sender.own;
  }

  #refused(publisher: Publisher, refusal: Refusal, rule?: number): Read {
    return { publisher, message: undefined, refusal, rule };
  }
}

function countOf(refusal: Refusal | undefined): DialectCount {
  if (refusal === undefined) return "taken";
  return refusal === "not-taken" ? "ignored" : "refused";
}

function textOf(payload: Buffer): string | undefined {
  if (isAscii(payload)) return bareJson(payload.toString("latin1"));
  return isUtf8(payload) ? bareJson(payload.toString("utf8")) : undefined;
}
