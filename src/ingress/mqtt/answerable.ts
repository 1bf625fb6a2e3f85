/** A PUBLISH that is to be acknowledged: of one message of the native contract, a publication of a dialect with all of its messages, or of a service. */
import type { Client } from "aedes";
import type { DeviceKey } from "../../model/ids.ts";
import type { Refusal } from "../../model/outcome.ts";
import type { Received } from "./received-ids.ts";

export interface Answerable {
  readonly client: Client;
  /** Whose connection it is; `undefined` for that of a service. */
  readonly device: DeviceKey | undefined;
  readonly qos: 0 | 1 | 2;
  readonly messageId: number | undefined;
  /** Its packet identifier, with QoS 2. */
  readonly received: Received | undefined;
  /** To be called once it is acknowledged, or will never be. */
  readonly done: () => void;
  readonly refusal: Refusal | undefined;
  /** What a client of MQTT 5 is told of it. */
  reason: number;
}
