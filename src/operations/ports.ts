/** What operations need of the gateway: the parts that carry them out. HTTP, or a command, hands over what it has. */
import type { Leases } from "../consent/fence/leases.ts";
import type { Ledger } from "../consent/ledger/ledger.ts";
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import type { MinorPurge } from "../rights/erasure/minor-purge.ts";
import type { LegalHolds } from "../rights/holds/legal-holds.ts";

/** Needed after every change to a ledger. */
export interface ChangePorts {
  readonly leases: Pick<Leases, "drain">;
  /** Takes away what is noted of devices and consent does not cover any more. */
  tidyRecords(concerned: SubjectTag | DeviceKey, silenced: readonly Silenced[]): Promise<void>;
  purgeDeadLetters(subject: SubjectTag, devices: readonly DeviceKey[]): Promise<unknown>;
  /** Live views of the privacy centre; absent: switched off. */
  readonly centre?:
    | {
        /** Resolves when live views here that are no longer allowed have ended; other gateways are informed. */
        recordChanged(concerned: SubjectTag | DeviceKey): Promise<void>;
        readonly samples: { endSubject(subject: SubjectTag): void };
      }
    | undefined;
}

export interface SubjectPorts extends ChangePorts {
  readonly ledger: Pick<Ledger, "give" | "refuse" | "request" | "withdraw" | "record">;
  readonly erasures: Pick<Erasures, "request">;
  readonly minors: Pick<MinorPurge, "purgeIfDue">;
  readonly metrics: {
    /** From the request to a truthful answer. */
    withdrawalAnswered(durationMs: number): void;
  };
}

export interface DevicePorts extends ChangePorts {
  readonly ledger: Pick<Ledger, "bind" | "unbind">;
}

export interface HoldPorts extends ChangePorts {
  readonly holds: Pick<LegalHolds, "place">;
}
