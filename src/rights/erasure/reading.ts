/** Reads the record of an erasure; whatever the gateway cannot have written is marked as damaged. */

import { deviceKey } from "../../model/consent-record.ts";
import { ERASURE_STEPS, type ErasureFacts, type ErasureStep } from "../../model/erasure.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { PURPOSES } from "../../model/purposes.ts";

export interface ErasureRecord {
  readonly id: string;
  readonly tag: SubjectTag;
  readonly requestedAt: number;
  /** Absent once everything is done. */
  readonly step: ErasureStep | undefined;
  /** The key that the erasure retired; absent when there was none, and once it is destroyed. */
  readonly wrappedSubjectKey: string | undefined;
  readonly facts: ErasureFacts;
  readonly fields: Readonly<Record<string, string>>;
  /** Request time, facts or step are unreadable: repair before it continues. */
  readonly damaged: boolean;
}

const NO_FACTS: ErasureFacts = { devices: [], purposes: [] };

/** `fields`: `undefined` when the value is no hash. Returns `undefined` for an erasure that was never begun. */
export function recordFrom(
  id: string,
  tag: SubjectTag,
  fields: Readonly<Record<string, string>> | undefined,
): ErasureRecord | undefined {
  if (fields === undefined)
    return {
      id,
      tag,
      requestedAt: 0,
      step: "drain",
      wrappedSubjectKey: undefined,
      facts: NO_FACTS,
      fields: {},
      damaged: true,
    };
  if (Object.keys(fields).length === 0) return undefined;
  const step = ERASURE_STEPS.find((one) => one === fields.step);
  const closed = fields.step === undefined && fields.completedAt !== undefined;
  const facts = factsFrom(fields.facts);
  const known = /^\d{1,15}$/.test(fields.requestedAt ?? "") && (closed || (step !== undefined && facts !== undefined));
  return {
    id,
    tag,
    requestedAt: Number(fields.requestedAt ?? 0) || 0,
    step: closed ? undefined : (step ?? "drain"),
    wrappedSubjectKey: fields.key,
    facts: facts ?? NO_FACTS,
    fields,
    damaged: !known,
  };
}

function factsFrom(text: string | undefined): ErasureFacts | undefined {
  try {
    const facts = JSON.parse(text ?? "") as ErasureFacts;
    const whole =
      facts.devices.every((device) => deviceKey.safeParse(device).success) &&
      facts.purposes.every((purpose) => PURPOSES.includes(purpose));
    return whole ? facts : undefined;
  } catch {
    return undefined;
  }
}
