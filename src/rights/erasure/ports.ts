/** What an erasure needs from the rest of the gateway. */
import type { SubjectErasure } from "../../consent/ledger/subject-erasure.ts";
import type { AuditAct } from "../../model/audit.ts";
import type { ServicePurpose } from "../../model/consent.ts";
import type { TellDamage } from "../../model/damage.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureOutcome, Receipt, SignedReceipt } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { NamedPurpose } from "./names-ever-given.ts";

/** A store in which rows can be searched and perhaps deleted. Every call may throw SINK_UNAVAILABLE or SINK_DENIED. */
export interface ErasableSink {
  readonly name: string;
  readonly region: string;
  /** Known after the store's first answer; until then the store is asked. */
  ability(signal: AbortSignal): Promise<"sync" | "async" | "none">;
  /** `undefined` when the store does not allow queries. */
  countRows(devices: readonly Pseudonym[], signal: AbortSignal): Promise<number | undefined>;
  removeDevices(devices: readonly Pseudonym[], signal: AbortSignal): Promise<"verified" | "accepted" | "unsupported">;
}

export interface ErasurePorts {
  readonly ledger: Pick<SubjectErasure, "begin" | "destroyKey" | "beginNewChain" | "facts">;
  drain(tag: SubjectTag): Promise<{ readonly drained: boolean }>;
  /** Ids of all batches not yet completed. */
  queuedBatches(): Promise<readonly string[]>;
  pseudonym(wrappedSubjectKey: string, device: DeviceKey, purpose: NamedPurpose, epoch: number): Pseudonym;
  readonly sinks: readonly ErasableSink[];
  purgeDeadLetters(tag: SubjectTag, devices: readonly DeviceKey[] | "all"): Promise<unknown>;
  /** Recipients of the subject's data according to the account. */
  disclosed(tag: SubjectTag): Promise<readonly Pick<Disclosure, "recipient" | "purpose">[]>;
  /** Deletes the account of disclosures of the subject's data up to this erasure's request. */
  eraseDisclosures(tag: SubjectTag, id: string): Promise<void>;
  /** The key is deleted; its remnants in files may be removed now. */
  keyDeleted(): Promise<void>;
  /** Removes from memory everything about these devices and these names of theirs. */
  forget(devices: readonly DeviceKey[], names: readonly Pseudonym[]): void;
  seal(text: string): string;
  /** Throws ENVELOPE_UNREADABLE when the key of the seal is gone. */
  open(sealed: string): string;
  /** Names of all services of a purpose, connected or not. */
  services(purpose: ServicePurpose): readonly string[];
  /** Sends to the connected services not in `acknowledged`; returns the services it was sent to. */
  tell(notice: Notice): readonly string[];
  hold(tag: SubjectTag): Promise<StandingHold | undefined>;
  /**
   * Delays the answer to anyone placing a hold on this subject until released: asked afterwards, `hold` returns every
   * hold that was confirmed.
   */
  claim(tag: SubjectTag): Promise<{ release(): Promise<void> }>;
  /** Records outside Redis that this subject's data must not return with a backup. */
  journal(tag: SubjectTag, id: string, what: "asked" | "destroyed"): Promise<void>;
  sign(receipt: Receipt): SignedReceipt;
  audit(act: AuditAct): Promise<unknown>;
  completed(outcome: ErasureOutcome, durationMs: number): void;
  /**
   * Whether a key that does not unwrap may be intact, because the master key is wrong and none unwraps. Absent: never.
   */
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

export interface Notice {
  readonly id: string;
  readonly purpose: ServicePurpose;
  readonly payloads: readonly string[];
  readonly acknowledged: ReadonlySet<string>;
}

export interface ErasureOptions {
  readonly controller: string;
  /** Longer than the store may take to apply a write it has received. */
  readonly sweepAfterMs: number;
  /** How long the first receipt waits for the services. */
  readonly acknowledgeWaitMs: number;
  /** How long services are reminded. */
  readonly acknowledgeDeadlineMs: number;
}
