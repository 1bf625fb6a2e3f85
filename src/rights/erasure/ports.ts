/** What an erasure needs from the rest of the gateway. */
import type { SubjectErasure } from "../../consent/ledger/subject-erasure.ts";
import type { AuditAct } from "../../model/audit.ts";
import type { ServicePurpose } from "../../model/consent.ts";
import type { TellDamage } from "../../model/damage.ts";
import type { Disclosure } from "../../model/disclosure.ts";
import type { ErasureOutcome, Receipt, SignedReceipt } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { Sink } from "../../model/sink.ts";
import type { NamedPurpose } from "./names-ever-given.ts";

/** A store that rows can be looked for in, and perhaps deleted from. */
export type ErasableSink = Pick<Sink, "name" | "region" | "rowDelete" | "countRows" | "removeDevices">;

export interface ErasurePorts {
  readonly ledger: Pick<SubjectErasure, "begin" | "destroyKey" | "beginNewChain" | "facts">;
  drain(tag: SubjectTag): Promise<{ readonly drained: boolean }>;
  /** Ids of all batches not settled yet. */
  queuedBatches(): Promise<readonly string[]>;
  pseudonym(wrappedSubjectKey: string, device: DeviceKey, purpose: NamedPurpose, epoch: number): Pseudonym;
  readonly sinks: readonly ErasableSink[];
  purgeDeadLetters(tag: SubjectTag, devices: readonly DeviceKey[] | "all"): Promise<unknown>;
  /** Whom the subject's data went to, by the account. */
  disclosed(tag: SubjectTag): Promise<readonly Pick<Disclosure, "recipient" | "purpose">[]>;
  /** Deletes the account of whom the subject's data went to, up to when this erasure was asked for. */
  eraseDisclosures(tag: SubjectTag, id: string): Promise<void>;
  /** The key is deleted; what is left of it in files may go now. */
  keyDeleted(): Promise<void>;
  /** Drops what memory holds about these devices, and under these names of theirs. */
  forget(devices: readonly DeviceKey[], names: readonly Pseudonym[]): void;
  seal(text: string): string;
  /** Throws ENVELOPE_UNREADABLE when the key it was sealed with is gone. */
  open(sealed: string): string;
  /** Names of all services of a purpose, connected or not. */
  services(purpose: ServicePurpose): readonly string[];
  /** Sends to the services that listen and are not in `acknowledged`; answers whom it was sent to just now. */
  tell(notice: Notice): readonly string[];
  hold(tag: SubjectTag): Promise<StandingHold | undefined>;
  /** Keeps back the answer to whoever places a hold on this subject, until it is released: asked for after it, `hold` tells of every hold that was answered. */
  claim(tag: SubjectTag): Promise<{ release(): Promise<void> }>;
  /** Notes down, outside Redis, that this subject's data must not come back with a backup. */
  journal(tag: SubjectTag, id: string, what: "asked" | "destroyed"): Promise<void>;
  sign(receipt: Receipt): SignedReceipt;
  audit(act: AuditAct): Promise<unknown>;
  completed(outcome: ErasureOutcome, durationMs: number): void;
  /** Whether a key that does not open may be as it was: because no key opens, by a wrong master key. Absent: never. */
  keyIsWhole?(wrappedSubjectKey: string): Promise<boolean>;
  readonly damaged?: TellDamage;
  /** Unix ms. */
  now(): number;
  readonly log: Log;
}

/** Legal holds that stand, taken together. */
export interface StandingHold {
  /** Unix ms when the last of them is due to end; until its release it holds. */
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
  /** Longer than the store may take over a write it has received. */
  readonly sweepAfterMs: number;
  /** How long the first receipt waits for the services. */
  readonly acknowledgeWaitMs: number;
  /** How long services are reminded. */
  readonly acknowledgeDeadlineMs: number;
}
