/**
 * A client of MQTT 5 for as long as it is connected: what it asked for in its CONNECT, the topics behind its aliases, and what
 * it has not acknowledged. Nothing of it outlives the connection.
 */
import { randomUUID } from "node:crypto";
import mqttPacket, { type IConnectPacket, type IPublishPacket } from "mqtt-packet";
import { ALIAS, NONE, type Properties } from "./properties.ts";
import { FAILURE } from "./reason-codes.ts";

/** Topics for which a client may have a number. */
const TOPIC_ALIASES = 32;
const NO_LIMIT = 0xffff_ffff;
const DEFAULT_RECEIVE_MAXIMUM = 65_535;
const V5 = { protocolVersion: 5 } as const;

export interface Served {
  /** Unacknowledged messages that the client may send. */
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  readonly sharedSubscriptionAvailable: boolean;
}

export class Peer5 {
  /** Why its login was refused, in a word of the gateway, and with which code. */
  refusal: { readonly code: number; readonly reason: string } | undefined;
  /** Seconds; where the gateway does not keep to what the client asked for. */
  serverKeepAlive: number | undefined;
  /** It has got a CONNACK that lets it in: from here on it may be told that it is disconnected [MQTT-3.14.0-1]. */
  isIn = false;
  readonly #maximumPacketSize: number;
  readonly #receiveMaximum: number;
  readonly #wantsReasons: boolean;
  readonly #sessionExpiry: number;
  readonly #assignedId: string | undefined;
  readonly #aliases = new Map<number, string>();
  readonly #unacknowledged = new Set<number>();

  /** Leaves the CONNECT as one of MQTT 3.1.1 that begins a session of its own. */
  constructor(packet: IConnectPacket) {
    const asked = (packet.properties ?? NONE) as Properties;
    this.#maximumPacketSize = asked.maximumPacketSize ?? NO_LIMIT;
    this.#receiveMaximum = asked.receiveMaximum ?? DEFAULT_RECEIVE_MAXIMUM;
    this.#wantsReasons = asked.requestProblemInformation !== 0;
    this.#sessionExpiry = asked.sessionExpiryInterval ?? 0;
    this.#assignedId = packet.clientId === "" ? randomUUID() : undefined;
    packet.clientId = this.#assignedId ?? packet.clientId;
    packet.protocolVersion = 4;
    delete packet.properties;
    if (packet.will) delete packet.will.properties;
  }

  /** CONNACK (3.2). That nothing is retained and that wildcards are read is left out: with 0 a client might not send what it has. */
  connack(served: Served): Buffer {
    const { code, reason } = this.refusal ?? { code: 0, reason: undefined };
    this.isIn = code < FAILURE;
    const properties = this.isIn
      ? {
          ...(this.#sessionExpiry > 0 && { sessionExpiryInterval: 0 }),
          ...(this.#assignedId !== undefined && { assignedClientIdentifier: this.#assignedId }),
          ...(this.serverKeepAlive !== undefined && { serverKeepAlive: this.serverKeepAlive }),
          ...served,
          topicAliasMaximum: TOPIC_ALIASES,
          subscriptionIdentifiersAvailable: false,
        }
      : undefined;
    return this.#withReason(reason, (texts) =>
      mqttPacket.generate(
        { cmd: "connack", reasonCode: code, sessionPresent: false, properties: { ...properties, ...texts } },
        V5,
      ),
    );
  }

  /** DISCONNECT (3.14). */
  disconnect(code: number, reason: string): Buffer {
    return this.#withReason(reason, (properties) =>
      mqttPacket.generate({ cmd: "disconnect", reasonCode: code, properties }, V5),
    );
  }

  /** Puts the topic in where the packet has its number; answers with the statement that was broken. */
  resolve(packet: IPublishPacket): string | undefined {
    const { topicAlias, subscriptionIdentifier } = (packet.properties ?? NONE) as Properties;
    if (subscriptionIdentifier !== undefined) return "MQTT-3.3.4-6";
    if (topicAlias === undefined) return undefined;
    if (topicAlias > TOPIC_ALIASES) return ALIAS;
    if (packet.topic !== "") this.#aliases.set(topicAlias, packet.topic);
    else packet.topic = this.#aliases.get(topicAlias) ?? "";
    return undefined;
  }

  /** DISCONNECT may not ask for a session that the CONNECT did not (3.14.2.2.2). */
  mayExpireAfter(seconds = 0): boolean {
    return this.#sessionExpiry > 0 || seconds === 0;
  }

  /** A packet that is longer than what it takes is not sent [MQTT-3.1.2-24]. */
  takes(bytes: number): boolean {
    return bytes <= this.#maximumPacketSize;
  }

  /** Whether one more message may be sent that it has to acknowledge [MQTT-3.3.4-9]; with an identifier that is free. */
  mayExpect(messageId: number): boolean {
    if (this.#unacknowledged.size >= this.#receiveMaximum || this.#unacknowledged.has(messageId)) return false;
    this.#unacknowledged.add(messageId);
    return true;
  }

  acknowledged(messageId: number): void {
    this.#unacknowledged.delete(messageId);
  }

  /** A text of the gateway, where the client wants it and has room for it [MQTT-3.2.2-19] [MQTT-3.14.2-3]. */
  #withReason(reason: string | undefined, made: (properties: { reasonString?: string }) => Buffer): Buffer {
    const bytes = reason === undefined || !this.#wantsReasons ? made({}) : made({ reasonString: reason });
    return this.takes(bytes.length) ? bytes : made({});
  }
}
