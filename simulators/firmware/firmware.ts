/**
 * What the firmware of a real device is, seen from outside: how it connects, what it says at the start, what it goes on to
 * say, and what may be kept of each publication. Written apart from the tables of the dialects, which it is there to check.
 */
import type { Refusal } from "../../src/model/outcome.ts";
import type { Canary } from "../canary-forms.ts";
import type { MessagePart } from "../expectation.ts";
import type { Household } from "../population.ts";
import type { Random } from "../random.ts";
import type { SimulatedDialect } from "./firmwares.ts";
import type { Kept } from "./kept.ts";
import type { HomeNetwork } from "./network.ts";

/** A device as the gateway knows it, and what it is called on the wire. */
export interface DialectDevice {
  readonly id: string;
  readonly alias: string;
  /** Behind a hub that is another person's; without it, of the home it is in. */
  readonly owner?: Household;
}

/** A home whose devices speak as their firmware does: one connection, and the devices behind it if it is a hub. */
export interface DialectHome {
  readonly dialect: SimulatedDialect;
  readonly household: Household;
  readonly device: DialectDevice;
  readonly children: readonly DialectDevice[];
  readonly network: HomeNetwork;
  readonly random: Random;
  /** MQTT password; set when the device is provisioned. */
  token: string;
}

/** What must become of a publication in a home that consents to everything. */
export type Fate = Taken | LeftOut;

interface Taken {
  readonly kind: "taken";
  readonly device: DialectDevice;
  readonly parts: readonly MessagePart[];
  /** Its row of `device_status`, when there is a status in it. */
  readonly kept?: Kept;
}

/** Whatever the person decided, nothing of it may be kept; which of the reasons it is, is for the tables to say. */
interface LeftOut {
  readonly kind: "left-out";
  readonly reasons: readonly Refusal[];
  /** It speaks for a device behind the hub, and is not looked at unless that one is known. */
  readonly behind?: DialectDevice;
}

export interface Publication {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly fate: Fate;
  /** What in it must never be found again, beyond the canaries of the firmware. */
  readonly canaries?: readonly Canary[];
  /** A rule of a scene service should answer it with a command. */
  readonly needsAnswer?: boolean;
}

export interface Firmware {
  readonly clientId: string;
  readonly will: Publication;
  readonly subscriptions: readonly string[];
  /** Names, networks, addresses and codes that stand in what it says. */
  readonly canaries: readonly Canary[];
  start(): readonly Publication[];
  next(): Publication;
  /** What it says once it has done as it was told; nothing when it does nothing. */
  told?(topic: string, payload: string): readonly Publication[];
}

export interface FirmwareKind {
  /** What its connection is called. */
  alias(random: Random, household: Household): string;
  /** What the devices behind it are called; none unless it is a hub. */
  children?(random: Random, household: Household): readonly string[];
  /** Asked for with the credential: the gateway says itself that the device is there. */
  readonly presence?: true;
  make(home: DialectHome): Firmware;
}

/** Of a topic that the family is known for, and there is nothing to take. */
export const NOT_TAKEN: LeftOut = { kind: "left-out", reasons: ["not-taken"] };
/** Names, descriptions and free text, on topics of their own. */
export const NOT_ITS_TOPIC: LeftOut = { kind: "left-out", reasons: ["invalid-topic", "not-taken"] };
export const BROKEN: LeftOut = { kind: "left-out", reasons: ["invalid-payload"] };

export function statusOf(device: DialectDevice, kept: Kept, more: readonly MessagePart[] = []): Fate {
  return { kind: "taken", device, parts: ["status", ...more], kept };
}

/** The given name in an account's address, as people put it into the names of their things. */
export function givenName({ email }: Household): string {
  return email.slice(0, email.indexOf("."));
}
