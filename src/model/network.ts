/**
 * What is noted of a device for network services: the record that waits, sealed, for the teller. No address: a prefix and a family,
 * and no history.
 */
import type { DeviceRef } from "./ids.ts";

/** What a message says of it, as far as it may be told. */
export interface NetworkSaid {
  /** Family of the model. */
  readonly model?: string | undefined;
  readonly ipPrefix?: string | undefined;
}

export const NETWORK_PARTS = ["model", "ipPrefix"] as const satisfies readonly (keyof NetworkSaid)[];
export type NetworkPart = (typeof NETWORK_PARTS)[number];

export interface SaidValue {
  readonly text: string;
  /** Time of the message that said it last, to an hour if it said the same. Unix ms. */
  readonly at: number;
  /** The state of the subject's ledger under which that message was admitted. */
  readonly revision: number;
}

export interface NetworkNote extends Partial<Readonly<Record<NetworkPart, SaidValue | undefined>>> {
  /** Since when it says this, by the clock of the gateway that noted it. Unix ms. */
  readonly since: number;
  readonly told?: ToldNetwork | undefined;
}

/** What services were told last, under the name of an epoch. */
export interface ToldNetwork extends NetworkSaid {
  /** Unix ms. */
  readonly epochStart: number;
  /** Begin of the step in which it was told; and of the last one in which that was because something had changed, else 0. Unix ms. */
  readonly at: number;
  readonly changedAt: number;
}

/** What a message says, to be noted. */
export interface NotedNetwork {
  readonly device: DeviceRef;
  readonly wrappedSubjectKey: string;
  readonly revision: number;
  readonly said: NetworkSaid;
  /** Unix ms. */
  readonly at: number;
}
