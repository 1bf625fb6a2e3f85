/** Number of subjects under a legal hold, and the age of the oldest hold. */
import type { ConsentEvent, LegalHold } from "../../model/consent-record.ts";
import type { SubjectTag } from "../../model/ids.ts";

/** The ledgers of at most this many subjects are read; all subjects are counted. */
const READ = 200;

type Held = {
  readonly events: readonly ConsentEvent[];
  readonly state: { readonly holds: ReadonlyMap<string, LegalHold> };
};

/** `read` throws for an unreadable ledger, which has its own alarm. */
export async function holdSurvey(
  tags: readonly SubjectTag[],
  read: (tag: SubjectTag) => Promise<Held>,
  now: number,
): Promise<{ readonly open: number; readonly oldestMs: number }> {
  let oldestAt = now;
  for (const tag of tags.slice(0, READ)) {
    const ledger = await read(tag).catch(() => undefined);
    for (const event of ledger?.events ?? []) {
      if (event.type === "held" && ledger?.state.holds.has(event.ref)) oldestAt = Math.min(oldestAt, event.at);
    }
  }
  return { open: tags.length, oldestMs: now - oldestAt };
}
