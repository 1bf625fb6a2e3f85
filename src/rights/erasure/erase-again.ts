/** Begins an erasure that is in the journal but, after a rollback of Redis, not in the ledger. */
import type { SubjectErasure } from "../../consent/ledger/subject-erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { erasureIdsIn } from "./in-ledger.ts";
import type { ErasureRecords } from "./record.ts";

/**
 * `events`: the whole ledger, including what precedes a new chain. True when the erasure had to be begun. Throws
 * REDIS_ROLLED_BACK when nothing of the ledger is left, REDIS_UNAVAILABLE.
 */
export async function eraseAgain(
  events: readonly string[],
  records: Pick<ErasureRecords, "register" | "unregister">,
  ledger: Pick<SubjectErasure, "begin">,
  tag: SubjectTag,
  id: string,
): Promise<boolean> {
  if (events.length === 0) throw new GatewayError("REDIS_ROLLED_BACK", "subjects");
  if (erasureIdsIn(events).includes(id)) return false;
  await records.register(id, tag);
  const begun = await ledger.begin(tag, { id, by: "controller", method: "restore" });
  if (begun.refused === undefined && begun.id === id) return true;
  await records.unregister(id);
  return false;
}
