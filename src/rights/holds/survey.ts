/** How many people are under a legal hold, and since when the oldest hold stands. */
import type { ConsentEvent, LegalHold } from "../../model/consent-record.ts";
import type { SubjectTag } from "../../model/ids.ts";

/** Of so many people the ledger is read; all are counted. */
const READ = 200;

type Held = {
  readonly events: readonly ConsentEvent[];
  readonly state: { readonly holds: ReadonlyMap<string, LegalHold> };
};

/** `read` throws for a ledger that cannot be read, which has an alarm of its own. */
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
