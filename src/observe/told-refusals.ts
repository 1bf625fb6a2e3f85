/** Refusals as they are told to those who may not know what a person has decided, or a court: where few send, a single one would say it. */
import { BY_CONSENT, REFUSAL_REASONS, type Refusal } from "../model/outcome.ts";

/** Stands for every reason that says what a person has decided, or what a court has. */
export const NOT_PERMITTED = "not-permitted";

export type ToldRefusal = Refusal | typeof NOT_PERMITTED;

const HELD: Refusal = "legal-hold";

export const TOLD_REFUSALS: readonly ToldRefusal[] = [...REFUSAL_REASONS.filter(isTold), NOT_PERMITTED];

export function toldRefusals(refused: Readonly<Record<Refusal, number>>): Record<ToldRefusal, number> {
  const told = Object.fromEntries(TOLD_REFUSALS.map((reason) => [reason, 0])) as Record<ToldRefusal, number>;
  for (const reason of REFUSAL_REASONS) told[toldReason(reason)] += refused[reason];
  return told;
}

/** Of a reason of any kind. */
export function toldReason<Reason extends string>(reason: Reason): Reason | typeof NOT_PERMITTED {
  return isTold(reason) ? reason : NOT_PERMITTED;
}

function isTold(reason: string): boolean {
  return !BY_CONSENT.has(reason) && reason !== HELD;
}
