/** Everything that must be in the journal before it is confirmed, each with its line. All throw JOURNAL_UNWRITABLE. */
import { randomBytes } from "node:crypto";
import type { AuditHead } from "../../model/audit.ts";
import type { LegalHold, PartyStatement } from "../../model/consent-record.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { PublishResult } from "../../model/policy-document.ts";
import type { ErasureJournal } from "./journal.ts";

export type JournalNotes = ReturnType<typeof journalNotes>;

/** `destroyed`: a subject's key is gone and must be removed from every archive. */
export function journalNotes(
  file: Pick<ErasureJournal, "record">,
  destroyed: { mark(tag: SubjectTag): Promise<unknown> },
) {
  return {
    narrowing: (tag: SubjectTag, fence: number) => file.record({ what: "narrowed", tag, fence }),
    minority: (tag: SubjectTag, party: PartyStatement) => file.record({ what: "minority", tag, ...party }),
    /** Without terms the hold ends. */
    holding: (tag: SubjectTag, ref: string, hold: LegalHold | undefined) =>
      file.record(hold === undefined ? { what: "released", tag, ref } : { what: "held", tag, hold }),
    erasure: async (tag: SubjectTag, erasure: string, what: "asked" | "destroyed"): Promise<void> => {
      await file.record({ what: what === "asked" ? "erasure-asked" : "erased", tag, erasure });
      if (what === "destroyed") await destroyed.mark(tag);
    },
    tokenIssued: (device: DeviceKey, mac: string, number: number) =>
      file.record({ what: "token-issued", device, mac, number }),
    // Without one that stands, recorded as a token that was given to no device: the one in a backup differs and is not restored.
    tokenEnded: (device: DeviceKey, number: number, standing = randomBytes(32).toString("base64url")) =>
      file.record({ what: "token-issued", device, mac: standing, number }),
    serviceChanged: (service: string, hash: string, revision: number) =>
      file.record({ what: "service-changed", service, hash, revision }),
    audited: (head: AuditHead) => file.record({ what: "audited", ...head }),
    published: async (result: PublishResult): Promise<PublishResult> => {
      if (result.refused === undefined) await file.record({ what: "policy-published", version: result.version });
      return result;
    },
  };
}
