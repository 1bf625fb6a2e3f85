/** A service as the gateway knows it, whether the configuration file names it or it was registered while the gateway runs. */

import type { Recipient } from "./disclosure.ts";
import type { Category, ServicePurpose } from "./purposes.ts";
import type { ServiceTerms } from "./service-terms.ts";

/** Also an MQTT user name and a level of no topic: no wildcard, no `$`, no `/`. */
export const SERVICE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
export const MAX_SERVICES = 1_000;
/** While one takes the place of the other. */
export const MAX_TOKENS = 2;

export const MAX_CONNECTIONS = { lowest: 1, usual: 64, highest: 10_000 } as const;
export const PUBLISHES_PER_SECOND = { lowest: 1, usual: 1_000, highest: 100_000 } as const;

/** What an operator says of a service. */
export interface ServiceEntry extends ServiceTerms {
  /** Of what its purposes may use it gets these; absent: all of it. */
  readonly categories?: readonly Category[] | undefined;
  /** At one time, to one gateway. */
  readonly maxConnections: number;
  /** Commands and answers, on all of its connections to one gateway. */
  readonly publishesPerSecond: number;
}

export const SERVICE_ORIGINS = ["file", "registry"] as const;
/** Which of the two says what holds. */
export type ServiceOrigin = (typeof SERVICE_ORIGINS)[number];

export interface NamedService extends ServiceEntry {
  readonly name: string;
  readonly origin: ServiceOrigin;
  /** Purposes it had before: it gets nothing for them any more, and is still told which names to forget. */
  readonly former: readonly ServicePurpose[];
  /** That it can log in with; empty for one of the file, of whose token nothing is said. */
  readonly tokens: readonly ServiceToken[];
  /** Absent for one of the file. */
  readonly revision?: number | undefined;
}

/** What a service may be given for a purpose, and as whom that stands on the account. */
export interface Entitlement {
  readonly recipient: Recipient;
  /** Bit set of categories, see consent.ts. */
  readonly categories: number;
}

/** One token of a registered service, as an operator sees it. */
export interface ServiceToken {
  readonly number: number;
  /** Unix ms. */
  readonly issuedAt: number;
}

/** Why a change of the registry is refused: codes of problems. */
export type ServiceRefusal =
  /** The configuration file names it, and what stands there holds. */
  | "service-in-file"
  | "unknown-service"
  | "unknown-token"
  /** Both places are taken: one has to be revoked first. */
  | "two-tokens"
  /** The entry is not the one that the request expected. */
  | "revision-differs"
  /** Another change came in between. */
  | "conflict"
  | "too-many-services"
  /** The account of disclosures knows another recipient under this name. */
  | "recipient-differs"
  | "service-not-covered";

/** Which part of an entry does not go together with the rest, or with the newest policy. */
export interface EntryFault {
  readonly path: string;
  readonly code: string;
}
