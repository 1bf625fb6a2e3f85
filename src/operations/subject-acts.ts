/**
 * What can be done about a subject's consent and data, the same for each caller: each act takes keyed hashes and answers only when
 * what it says is true.
 */
import type {
  GiveInput,
  LedgerAnswer,
  LedgerRefusal,
  RefuseInput,
  RequestInput,
  WithdrawInput,
} from "../model/consent-change.ts";
import type { Actor, ConsentRecord } from "../model/consent-record.ts";
import type { ErasureStatus } from "../model/erasure.ts";
import { refusedAsGuardian } from "../model/guardian.ts";
import type { SubjectTag } from "../model/ids.ts";
import { afterChange } from "./after-change.ts";
import type { SubjectPorts } from "./ports.ts";

export interface Refused {
  readonly refused: LedgerRefusal | "not-drained";
}
export type Done<T> = T & { readonly refused?: undefined };

export type Statement =
  | { readonly state: "given"; readonly input: GiveInput }
  | { readonly state: "refused"; readonly input: RefuseInput }
  | { readonly state: "requested"; readonly input: RequestInput };

/** Records that consent was given, refused or asked for; what a minor left behind as an adult begins to be erased. */
export async function stateConsent(
  ports: SubjectPorts,
  tag: SubjectTag,
  statement: Statement,
): Promise<Refused | Done<{ record: ConsentRecord; recorded: boolean }>> {
  const change = await say(ports, tag, statement);
  if (change.refused !== undefined) return { refused: change.refused };
  if (statement.state === "refused") ports.centre?.samples.endSubject(tag);
  const { drained } = await afterChange(ports, tag, [{ subject: tag, devices: change.silenced }]);
  if (!drained) return { refused: "not-drained" };
  let record = await ports.ledger.record(tag);
  if (record?.minor && (await ports.minors.purgeIfDue(tag))) {
    // The purge withdrew this statement too, so it is recorded again; what was stored before it is erased.
    const again = await say(ports, tag, {
      ...statement,
      input: { ...statement.input, basedOn: undefined },
    } as Statement);
    if (again.refused !== undefined) return { refused: again.refused };
    record = await ports.ledger.record(tag);
  }
  return record === undefined ? { refused: "unknown-subject" } : { record, recorded: change.repeated !== true };
}

function say(ports: SubjectPorts, tag: SubjectTag, { state, input }: Statement): Promise<LedgerAnswer> {
  if (state === "given") return ports.ledger.give(tag, input);
  return state === "refused" ? ports.ledger.refuse(tag, input) : ports.ledger.request(tag, input);
}

export async function withdrawConsent(
  ports: SubjectPorts,
  tag: SubjectTag,
  input: WithdrawInput,
): Promise<Refused | Done<{ waitedMs: number; fence: number }>> {
  const startedAt = performance.now();
  const change = await ports.ledger.withdraw(tag, input);
  if (change.refused !== undefined) return { refused: change.refused };
  if (input.purposes === undefined && input.categories === undefined) ports.centre?.samples.endSubject(tag);
  const { drained, waitedMs } = await afterChange(ports, tag, [{ subject: tag, devices: change.silenced }]);
  if (!drained) return { refused: "not-drained" };
  ports.metrics.withdrawalAnswered(performance.now() - startedAt);
  return { waitedMs, fence: change.fence };
}

export interface ErasureAct {
  readonly by: Actor;
  readonly method: string;
  readonly guardianRef?: string | undefined;
  readonly evidenceRef?: string | undefined;
}

export async function requestErasure(
  ports: SubjectPorts,
  tag: SubjectTag,
  act: ErasureAct,
): Promise<Refused | Done<{ status: ErasureStatus }>> {
  const onFile = act.by === "guardian" ? (await ports.ledger.record(tag))?.guardian : undefined;
  const foreign = refusedAsGuardian(onFile, act);
  if (foreign !== undefined) return { refused: foreign };
  const requested = await ports.erasures.request(tag, act);
  if (requested.refused !== undefined) return { refused: requested.refused };
  ports.centre?.samples.endSubject(tag);
  // The erasure goes on in any case. Only the answer waits, because it says that nothing is used any more.
  const { drained } = await afterChange(ports, tag, []);
  return drained ? { status: requested.status } : { refused: "not-drained" };
}
