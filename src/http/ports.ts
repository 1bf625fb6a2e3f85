/**
 * What the HTTP interface needs from the rest of the gateway, and nothing more. It reads ids in paths, turns them into keyed
 * hashes at once, and passes only those on.
 */
import type { Credentials } from "../consent/credentials.ts";
import type { DeviceConnections } from "../consent/device-connections.ts";
import type { Hubs } from "../consent/hubs.ts";
import type { Ledger } from "../consent/ledger/ledger.ts";
import type { Suspensions } from "../consent/ledger/suspensions.ts";
import type { Policies } from "../consent/policy/policies.ts";
import type { CentrePlaces, Viewing } from "../model/centre.ts";
import type { Hint } from "../model/hint.ts";
import type { DeviceId, DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { HttpRefusal } from "../model/outcome.ts";
import type { PlainProperty } from "../model/property.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import type { Readiness } from "../model/readiness.ts";
import type { Reloaded } from "../model/reload.ts";
import type { Seen, SeenHere } from "../model/seen.ts";
import type { TrialOutcome } from "../model/trial.ts";
import type { DevicePorts, HoldPorts, SubjectPorts } from "../operations/ports.ts";
import type { Lookup } from "../platform/keys/lookup.ts";
import type { Seal } from "../platform/keys/seal.ts";
import type { Disclosures } from "../rights/access/disclosures.ts";
import type { Exports } from "../rights/access/export.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import type { LegalHolds } from "../rights/holds/legal-holds.ts";
import type { KeptAnswers } from "../rights/kept-answers.ts";
import type { ReceiptKeys } from "../rights/receipts/keys.ts";
import type { ReceiptSigner } from "../rights/receipts/signer.ts";
import type { ServiceDirectory } from "../services/directory.ts";
import type { ServiceRegistry } from "../services/registry.ts";
import type { TokenDirectory } from "../tokens/directory.ts";

/** Live views of the messages of one device. */
export interface SamplesPort {
  /** `undefined`: there are too many live views already. The function returned ends it. */
  watch(viewing: Viewing): (() => void) | undefined;
  endSubject(subject: SubjectTag): void;
  endSession(session: string): void;
  stop(): void;
}

/** What is noted and stored of where devices are. */
export interface PlacesPort {
  /** Of this subject's own devices alone, in the order asked. Throws REDIS_UNAVAILABLE, SUBJECT_KEY_UNREADABLE. */
  of(
    subject: SubjectTag,
    devices: readonly DeviceKey[],
  ): Promise<readonly Omit<CentrePlaces["places"][number], "devices">[]>;
  readonly rules: Omit<CentrePlaces, "places">;
}

export interface CentrePort {
  readonly links: Seal;
  readonly sessions: Seal;
  readonly spentLinks: {
    /** True the first time a link is used. */
    spend(nonce: string, forMs: number): Promise<boolean>;
  };
  readonly leftSessions: {
    /** Ends a session on every gateway. `forMs`: until it would end by itself. */
    leave(session: string, forMs: number): Promise<void>;
    has(session: string): Promise<boolean>;
  };
  readonly samples: SamplesPort;
  /** What readings are, in plain words, and what becomes of each. */
  readonly properties: readonly PlainProperty[];
  readonly places: PlacesPort;
  /** Resolves when live views here that are no longer allowed have ended; other gateways are informed. */
  recordChanged(concerned: SubjectTag | DeviceKey): Promise<void>;
  readonly linkSeconds: number;
  readonly sessionMinutes: number;
  readonly sessionMaxMinutes: number;
  /** Where people reach the gateway; absent: where it listens. */
  readonly publicUrl: string | undefined;
}

export interface HttpPorts extends SubjectPorts, DevicePorts, HoldPorts {
  readonly lookup: Pick<Lookup, "deviceKey" | "subjectTag" | "aliasMac">;
  /** The named tokens that are good. */
  readonly tokens: Pick<TokenDirectory, "find" | "stands" | "onLook">;
  readonly credentials: Pick<Credentials, "issue">;
  readonly hubs: Pick<Hubs, "register" | "remove" | "load" | "dialectOf">;
  /** How the devices of a subject reach the gateway. */
  readonly deviceConnections: Pick<DeviceConnections, "of">;
  readonly dialects: {
    has(name: string): boolean;
    get(name: string): { readonly hub: boolean } | undefined;
  };
  readonly ledger: Pick<Ledger, "bind" | "unbind" | "give" | "refuse" | "request" | "withdraw" | "record">;
  readonly policies: Pick<Policies, "get" | "list" | "floors" | "contact">;
  /** Also brings what depends on the newest policy up to date. */
  readonly publishPolicy: Policies["publish"];
  /** As of the last count. */
  readonly suspensions: Pick<Suspensions, "counts">;
  readonly audit: Pick<AuditTrail, "append" | "note" | "list">;
  readonly erasures: Pick<Erasures, "request" | "status" | "open">;
  /** Every key that receipts were ever signed with, the present one first. */
  readonly receiptKeys: Pick<ReceiptKeys, "all">;
  readonly signer: Pick<ReceiptSigner, "signConsent">;
  /** Counts include everything this gateway has handed over; those of other gateways may be some seconds old. */
  readonly disclosures: Pick<Disclosures, "of" | "totals">;
  readonly exports: Pick<Exports, "begin" | "summary">;
  readonly services: {
    readonly registry: Pick<ServiceRegistry, "put" | "remove" | "issueToken" | "revokeToken">;
    readonly directory: Pick<ServiceDirectory, "all" | "get" | "refresh">;
    readonly coverage: {
      /** Whether the newest policy lets it be given anything for the purpose. */
      covers(service: string, purpose: ServicePurpose): boolean;
    };
  };
  readonly keptAnswers: Pick<KeptAnswers, "begin">;
  readonly holds: Pick<LegalHolds, "place" | "release" | "list">;
  readonly refusals: {
    /** Of the last hour, the oldest first. */
    of(device: DeviceKey): readonly (Hint & { readonly at: number })[];
  };
  /** Which devices are connected, and when each was heard last. */
  readonly seen: {
    of(device: DeviceRef): Seen;
    here(): SeenHere;
  };
  /** What would become of a publication; `undefined` for a device behind a hub. */
  check(device: DeviceId, topic: string, payload: Buffer): Promise<TrialOutcome | undefined>;
  /** Reads the configuration again, by an order over HTTP. Throws REDIS_UNAVAILABLE. */
  reload(): Promise<Reloaded>;
  /** The privacy centre; absent: switched off. */
  readonly centre?: CentrePort | undefined;
  readiness(): Readiness;
  /** What services receive and may publish over MQTT. */
  asyncApi(): Readonly<Record<string, unknown>>;
  readonly metrics: SubjectPorts["metrics"] & {
    /** Prometheus text format; `open` as anybody may read it. */
    text(view: "open" | "full"): Promise<string>;
    httpRefused(reason: HttpRefusal): void;
  };
  readonly log: Log;
}
