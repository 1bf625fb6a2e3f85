/** Placing a legal hold: one that stands is answered only when nothing it covers is being used or deleted any more. */
import type { LegalHold } from "../model/consent-record.ts";
import { DELETION_OF_ALL, deletionOf } from "../model/erasure.ts";
import type { SubjectTag } from "../model/ids.ts";
import type { HoldAnswer } from "../rights/holds/legal-holds.ts";
import { afterChange } from "./after-change.ts";
import type { HoldPorts } from "./ports.ts";

export async function placeHold(
  ports: HoldPorts,
  tag: SubjectTag,
  hold: LegalHold,
  approver: string,
): Promise<HoldAnswer | { readonly refused: "not-drained" }> {
  const answer = await ports.holds.place(tag, hold, approver);
  if (answer.refused !== undefined || answer.state === "proposed") return answer;
  const deletions = [deletionOf(tag), DELETION_OF_ALL].map((concerned) => ports.leases.drain(concerned));
  const ended = await Promise.all([afterChange(ports, tag, []), ...deletions]);
  return ended.every(({ drained }) => drained) ? answer : { refused: "not-drained" };
}
