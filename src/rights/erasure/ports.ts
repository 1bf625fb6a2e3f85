/** What an erasure needs from the rest of the gateway. */
import type { Leases } from "../../consent/fence/leases.ts";
import type { SubjectErasure } from "../../consent/ledger/subject-erasure.ts";
import type { Contact } from "../../model/contact.ts";
import type { TellDamage } from "../../model/damage.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureOutcome } from "../../model/erasure.ts";
import type { NamedService } from "../../model/forwarded-name.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Sink } from "../../model/sink.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { ReceiptSigner } from "../receipts/signer.ts";
import type { ForwardedNames } from "./forwarded-names.ts";
import type { KeyRemnants } from "./key-remnants.ts";
import type { NameKeyring } from "./names-ever-given.ts";
import type { ErasureRecord } from "./reading.ts";

/** A store that rows can be looked for in, and perhaps deleted from. */
export type ErasableSink = Pick<Sink, "name" | "region" | "rowDelete" | "countRows" | "removeDevices">;

export interface ErasurePorts {
  readonly ledger: Pick<SubjectErasure, "begin" | "destroyKey" | "beginNewChain" | "facts">;
  readonly leases: Pick<Leases, "acquire" | "drain">;
  /** Ids of all batches that are still queued. */
  readonly backlog: { batches(): Promise<readonly string[]> };
  readonly keyring: NameKeyring & { forget(device: DeviceKey): void };
  /** The name of the home that a device is of, where scene services are told it. Throws SUBJECT_KEY_UNREADABLE. */
  readonly homeName?: ((wrappedSubjectKey: string, device: DeviceKey, epoch: number) => Pseudonym) | undefined;
  readonly sinks: readonly ErasableSink[];
  readonly deadLetters: { purge(tag: SubjectTag, devices: readonly DeviceKey[] | "all"): Promise<unknown> };
  /** Sealed records of devices, of every kind: where each is, and what network services hear of it. */
  readonly records: readonly { forget(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<void> }[];
  /** What of the subject waits for the end of a step, to be told as a part of a crowd. */
  readonly readings: { forget(tag: SubjectTag): Promise<void> };
  /** The account of whom the subject's data went to. */
  readonly disclosures: {
    of(tag: SubjectTag): Promise<readonly Pick<Disclosure, "recipient" | "purpose">[]>;
    /** Deletes it, up to when this erasure was asked for. */
    erase(tag: SubjectTag, id: string): Promise<void>;
  };
  /** Ends what a device is registered as, a hub or a child of one, while it is the subject's. */
  readonly registrations: { forget(tag: SubjectTag, device: DeviceKey): Promise<void> };
  readonly remnants: Pick<KeyRemnants, "mark">;
  /** Drops what memory holds under these names, of any purpose. */
  forgetNames(names: readonly Pseudonym[]): void;
  seal(text: string): string;
  /** Throws ENVELOPE_UNREADABLE when the key of the seal is gone. */
  open(sealed: string): string;
  /** Names of all services of a purpose, connected or not. */
  services(purpose: ServicePurpose): readonly string[];
  /** The list of names that went to services. */
  readonly forwarded: Pick<ForwardedNames, "of" | "forget" | "since">;
  /** What tells services which names to forget, of several people at once. */
  readonly digests: {
    join(record: Pick<ErasureRecord, "id" | "tag">, services: readonly NamedService[]): Promise<void>;
  };
  hold(tag: SubjectTag): Promise<StandingHold | undefined>;
  /** Records, outside Redis, that this subject's data must not come back with a backup. */
  journal(tag: SubjectTag, id: string, what: "asked" | "destroyed"): Promise<void>;
  readonly signer: Pick<ReceiptSigner, "sign">;
  readonly audit: Pick<AuditTrail, "note">;
  readonly metrics: { erasureCompleted(outcome: ErasureOutcome, durationMs: number): void };
  /** Whether a key that does not open may be as it was: because no key opens, by a wrong master key. Absent: never. */
  keyIsWhole?(wrappedSubjectKey: string): Promise<boolean>;
  readonly damaged?: TellDamage;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

/** All standing legal holds combined. */
export interface StandingHold {
  /** Unix ms when the last of them is due to end; it stands until its release. */
  readonly until: number;
  /** Absent: all devices of the subject. */
  readonly devices?: ReadonlySet<DeviceKey> | undefined;
}

export interface ErasureOptions {
  readonly controller: string;
  /** Whom people write to now. Absent, or answered with none: no one is named. */
  readonly contact?: () => Promise<Contact | undefined>;
  /** Longer than the store may take to apply a write it has received. */
  readonly sweepAfterMs: number;
  /** How long the first receipt waits for the services. */
  readonly acknowledgeWaitMs: number;
  /** How long services are reminded. */
  readonly acknowledgeDeadlineMs: number;
  /** Within this time the names to forget leave. */
  readonly digestMs: number;
}
