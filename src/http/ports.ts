/**
 * What the HTTP interface needs from the rest of the gateway, and nothing more. It learns ids from
 * paths, turns them into keyed hashes at once, and hands only those on.
 */
import type { Credentials } from "../consent/credentials.ts";
import type { Leases } from "../consent/fence/leases.ts";
import type { Ledger } from "../consent/ledger/ledger.ts";
import type { Policies } from "../consent/policy/policies.ts";
import type { WatchEnd } from "../model/centre.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { HttpRefusal } from "../model/outcome.ts";
import type { DevicesSuspended } from "../model/policy-document.ts";
import type { PlainProperty } from "../model/property.ts";
import type { Lookup } from "../platform/keys/lookup.ts";
import type { Seal } from "../platform/keys/seal.ts";
import type { Disclosures } from "../rights/access/disclosures.ts";
import type { Exports } from "../rights/access/export.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import type { MinorPurge } from "../rights/erasure/minor-purge.ts";
import type { LegalHolds } from "../rights/holds/legal-holds.ts";
import type { KeptAnswers } from "../rights/kept-answers.ts";
import type { ReceiptKeys } from "../rights/receipts/keys.ts";
import type { ReceiptSigner } from "../rights/receipts/signer.ts";

/** Publishing takes more than the policies themselves: what others make of a new one. */
export interface PoliciesPort extends Pick<Policies, "publish" | "get" | "list" | "floors"> {
  /** As of the last count. */
  devicesSuspended(): Promise<DevicesSuspended>;
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
  /** What readings are, in plain words, and what becomes of each. */
  readonly properties: readonly PlainProperty[];
  readonly linkSeconds: number;
  readonly sessionMinutes: number;
  readonly sessionMaxMinutes: number;
  /** Where people reach the gateway; absent: where it listens. */
  readonly publicUrl: string | undefined;
}

export interface HttpPorts {
  readonly lookup: Pick<Lookup, "deviceKey" | "subjectTag">;
  readonly credentials: Pick<Credentials, "issue">;
  readonly ledger: Pick<Ledger, "bind" | "unbind" | "give" | "refuse" | "request" | "withdraw" | "record">;
  readonly policies: PoliciesPort;
  readonly audit: Pick<AuditTrail, "append" | "note" | "list">;
  readonly erasures: Pick<Erasures, "request" | "status" | "open">;
  /** Every key that receipts were ever signed with, the present one first. */
  readonly receiptKeys: Pick<ReceiptKeys, "all">;
  readonly signer: Pick<ReceiptSigner, "signConsent">;
  /** As of all that was handed over here; of other gateways as of some seconds ago. */
  readonly disclosures: Pick<Disclosures, "of" | "totals">;
  readonly exports: Pick<Exports, "begin" | "summary">;
  readonly keptAnswers: Pick<KeptAnswers, "begin">;
  readonly holds: Pick<LegalHolds, "place" | "release" | "list">;
  readonly minors: Pick<MinorPurge, "purgeIfDue">;
  readonly leases: Pick<Leases, "drain">;
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
