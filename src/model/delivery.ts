/** The door between what makes something for services and what delivers it: one object for each purpose. */
import type { CrowdTelling } from "./crowd.ts";
import type { Outgoing } from "./disclosure.ts";

export interface Delivery<Item, Done = unknown> {
  /** Whether a service that may be given something is there to hear it. Another gateway may have others. */
  listening(): boolean;
  /**
   * Writes every recipient to the account of disclosures. Resolves with the function that delivers, which says what was
   * delivered. Rejects with a retryable `GatewayError`: then nothing may be delivered.
   */
  announce(items: readonly Item[]): Promise<() => Done>;
  /**
   * What was delivered since the last call, whatever its purpose: resolves once it has left the process, or was discarded
   * when the signal fired. `undefined` when there is nothing to wait for.
   */
  left(signal: AbortSignal): Promise<void> | undefined;
}

/** Of single devices: for each item, whether a service got it. */
export type DeviceDelivery = Delivery<Outgoing, readonly boolean[]>;

export interface Deliveries {
  readonly scene: DeviceDelivery;
  readonly network: DeviceDelivery;
  /** Says how many were delivered to a service. */
  readonly weather: Delivery<CrowdTelling, number>;
}
