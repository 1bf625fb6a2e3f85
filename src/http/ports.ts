/**
 * What the HTTP interface needs from the rest of the gateway, and nothing more. It learns ids from
 * paths, turns them into keyed hashes at once, and hands only those on.
 */
import type { AuditAct, AuditPage } from "../model/audit.ts";
import type { WatchEnd } from "../model/centre.ts";
import type { PolicyFloors } from "../model/consent.ts";
import type {
  GiveInput,
  LedgerAnswer,
  LedgerChange,
  LedgerRefusal,
  RefuseInput,
  RequestInput,
  Silenced,
  WithdrawInput,
} from "../model/consent-change.ts";
import type { ConsentReceipt, SignedConsentReceipt } from "../model/consent-receipt.ts";
import type { Actor, ConsentRecord, LegalHold } from "../model/consent-record.ts";
import type { DayRange, Disclosure } from "../model/disclosure.ts";
import type { ErasureStatus, ReceiptKey } from "../model/erasure.ts";
import type { BegunExport, ExportItem, ExportRequest } from "../model/export.ts";
import type { DeviceId, DeviceKey, DeviceRef, SubjectId, SubjectTag } from "../model/ids.ts";
import type { BegunAnswer } from "../model/kept-answer.ts";
import type { Log } from "../model/log.ts";
import type { HttpRefusal } from "../model/outcome.ts";
import type { DevicesSuspended, PolicySummary, PublishResult } from "../model/policy-document.ts";
import type { Seal } from "../platform/keys/seal.ts";

export interface LookupPort {
  deviceKey(id: DeviceId): DeviceKey;
  subjectTag(id: SubjectId): SubjectTag;
}

export interface LedgerPort {
  bind(subject: SubjectTag, device: DeviceKey): Promise<{ readonly silenced: readonly Silenced[] }>;
  unbind(subject: SubjectTag, device: DeviceKey): Promise<LedgerChange | undefined>;
  give(subject: SubjectTag, input: GiveInput): Promise<LedgerAnswer>;
  refuse(subject: SubjectTag, input: RefuseInput): Promise<LedgerAnswer>;
  request(subject: SubjectTag, input: RequestInput): Promise<LedgerAnswer>;
  withdraw(subject: SubjectTag, input: WithdrawInput): Promise<LedgerAnswer>;
  record(subject: SubjectTag): Promise<ConsentRecord | undefined>;
}

export interface PoliciesPort {
  publish(bytes: Uint8Array): Promise<PublishResult>;
  get(version: number): Promise<{ readonly text: string; readonly hash: string } | undefined>;
  list(): Promise<readonly PolicySummary[]>;
  floors(): Promise<PolicyFloors>;
  /** As of the last count. */
  devicesSuspended(): Promise<DevicesSuspended>;
}

export interface AuditPort {
  /** Resolves with the index of the line once it cannot be lost; rejects when the act must not happen. */
  append(act: AuditAct): Promise<number>;
  /** For what happened already. Never rejects. */
  note(act: AuditAct): Promise<void>;
  list(page: { readonly from: number; readonly limit: number }): Promise<AuditPage>;
}

export interface HoldsPort {
  place(
    subject: SubjectTag,
    hold: LegalHold,
    approver: string,
  ): Promise<
    | { readonly refused: LedgerRefusal | "hold-too-long" | "hold-terms-differ" }
    | { readonly refused?: undefined; readonly state: "proposed" | "standing" }
  >;
  release(subject: SubjectTag, reference: string): Promise<{ readonly refused?: LedgerRefusal }>;
  list(subject: SubjectTag): Promise<{
    readonly standing: readonly LegalHold[];
    readonly proposed: readonly (LegalHold & { readonly approver: string; readonly at: number })[];
  }>;
}

export interface ErasuresPort {
  request(
    subject: SubjectTag,
    input: {
      readonly by: Actor;
      readonly method: string;
      readonly evidenceRef?: string | undefined;
      readonly guardianRef?: string | undefined;
    },
  ): Promise<
    { readonly refused: "unknown-subject" } | { readonly refused?: undefined; readonly status: ErasureStatus }
  >;
  status(id: string): Promise<ErasureStatus | undefined>;
  /** All that are not at their end, oldest first. */
  open(state?: ErasureStatus["state"]): Promise<readonly ErasureStatus[]>;
  /** Every key that receipts were ever signed with, the present one first. */
  receiptKeys(): Promise<readonly [ReceiptKey, ...ReceiptKey[]]>;
}

export interface ExportsPort {
  /**
   * Makes sure first that everything can be read. Rejects with SINK_UNAVAILABLE, SINK_DENIED, CONSENT_UNREACHABLE;
   * so do the items, in whose middle a fault means that the export is not whole.
   */
  begin(subject: SubjectTag, request: ExportRequest): Promise<BegunExport>;
  /** The same in plain words, once all of it is read. */
  summary(items: AsyncIterable<ExportItem>): Promise<string>;
}

/** Looking on at the messages of one device; what is seen passes through here as text and is never looked into. */
export interface SamplesPort {
  /** `undefined`: too many look on already. The function returned ends it. */
  watch(watch: {
    readonly device: Pick<DeviceRef, "deviceKey" | "subjectTag">;
    readonly session: string;
    readonly forMs: number;
    /** Asked every few seconds, and when something about them changed. */
    stands(): Promise<boolean>;
    sample(json: string): void;
    ended(why: WatchEnd): void;
  }): (() => void) | undefined;
  endSubject(subject: SubjectTag): void;
  endSession(session: string): void;
  /** Resolves once those who may no longer look on here have ended; other gateways hear of it. */
  changed(concerned: SubjectTag | DeviceKey): Promise<void>;
  stop(): void;
}

export interface CentrePort {
  readonly links: Seal;
  readonly sessions: Seal;
  /** True the first time a link is shown. */
  spend(nonce: string, forMs: number): Promise<boolean>;
  /** Ends a session on every gateway. `forMs`: until it would end by itself. */
  leave(session: string, forMs: number): Promise<void>;
  left(session: string): Promise<boolean>;
  readonly samples: SamplesPort;
  readonly linkSeconds: number;
  readonly sessionMinutes: number;
  readonly sessionMaxMinutes: number;
  /** Where people reach the gateway; absent: where it listens. */
  readonly publicUrl: string | undefined;
}

export interface KeptAnswersPort {
  /** `address`: where the key counts; `request`: all that was asked there. Rejects with CONSENT_UNREACHABLE. */
  begin(address: string, key: string, request: string): Promise<BegunAnswer>;
}

export interface DisclosuresPort {
  /** Whom data of the subject was given to; oldest first, of other gateways as of some seconds ago. */
  of(subject: SubjectTag): Promise<readonly Disclosure[]>;
  /** The same of all subjects together. */
  totals(range: DayRange): Promise<readonly Disclosure[]>;
}

export interface Drain {
  readonly drained: boolean;
  readonly waitedMs: number;
}

export interface HttpPorts {
  readonly lookup: LookupPort;
  readonly credentials: { issue(device: DeviceKey): Promise<string> };
  readonly ledger: LedgerPort;
  readonly policies: PoliciesPort;
  readonly audit: AuditPort;
  readonly erasures: ErasuresPort;
  signConsent(receipt: ConsentReceipt): SignedConsentReceipt;
  readonly disclosures: DisclosuresPort;
  readonly exports: ExportsPort;
  readonly keptAnswers: KeptAnswersPort;
  readonly holds: HoldsPort;
  readonly minors: {
    /** Begins to delete what was stored while a minor counted as an adult, unless that has begun already. True: just begun. */
    purgeIfDue(subject: SubjectTag): Promise<boolean>;
  };
  /**
   * Waits for every batch that read its decisions before now; of those whose writes the store has not
   * confirmed, only for the ones that hold something of `concerned`.
   */
  readonly leases: { drain(concerned: SubjectTag | DeviceKey): Promise<Drain> };
  purgeDeadLetters(subject: SubjectTag, devices: readonly DeviceKey[]): Promise<unknown>;
  /** The privacy centre; absent: switched off. */
  readonly centre?: CentrePort | undefined;
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /** Prometheus text format. */
  metricsText(): Promise<string>;
  /** From the request to a truthful answer. */
  withdrawalAnswered(durationMs: number): void;
  /** Counted, without whose it was. */
  turnedAway(reason: HttpRefusal): void;
  readonly log: Log;
}
