/** What must not be answered before it is in the journal, each as the line it makes. All of them throw JOURNAL_UNWRITABLE. */
import { randomBytes } from "node:crypto";
import type { AuditHead } from "../../model/audit.ts";
import type { LegalHold, PartyStatement } from "../../model/consent-record.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { PublishResult } from "../../model/policy-document.ts";
import type { ErasureJournal } from "./journal.ts";

export type JournalNotes = ReturnType<typeof journalNotes>;

/** `destroyed`: the key of a subject is gone, and must be found in no archive. */
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
    // As one that nobody was given: what a backup holds is another one, and is not restored.
    tokenEnded: (device: DeviceKey, number: number) =>
      file.record({ what: "token-issued", device, mac: randomBytes(32).toString("base64url"), number }),
    audited: (head: AuditHead) => file.record({ what: "audited", ...head }),
    published: async (result: PublishResult): Promise<PublishResult> => {
      if (result.refused === undefined) await file.record({ what: "policy-published", version: result.version });
      return result;
    },
  };
}
