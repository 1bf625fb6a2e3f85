/** A decision in the words of an export: what was given, what of it is used, and why the rest is not. Pure. */
import { type Decision, type Grants, grantsOf, type PolicyFloors, usable } from "../../model/consent.ts";
import type { ExportLineOf } from "../../model/export.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { CATEGORIES, PURPOSES } from "../../model/purposes.ts";
import { suspensionOf } from "../policy/changes.ts";
import { decide } from "./decide.ts";

const EVERY_CATEGORY = (1 << CATEGORIES.length) - 1;

export function showDecision(
  device: DeviceKey,
  decision: Decision,
  floors: PolicyFloors,
  nowMs: number,
): ExportLineOf<"decision"> {
  const { state, grants, policyVersion, expiresAt, minor, guardianVerified, held } = decision;
  const verdict = decide(decision, floors, nowMs);
  return {
    kind: "decision",
    device,
    state,
    given: byPurpose(grants),
    used: verdict.refusal === undefined ? byPurpose(usableOf(verdict.grants)) : {},
    ...(verdict.refusal !== undefined && { refusal: verdict.refusal }),
    suspended: suspensionOf(decision, floors, nowMs)?.purposes ?? [],
    policyVersion,
    expiresAt,
    minor,
    guardianVerified,
    held,
  };
}

function byPurpose(grants: Grants): ExportLineOf<"decision">["given"] {
  const given: ExportLineOf<"decision">["given"] = {};
  for (const purpose of PURPOSES) {
    const categories = CATEGORIES.filter((category) => (grants & grantsOf({ [purpose]: [category] })) !== 0);
    if (categories.length > 0) given[purpose] = categories;
  }
  return given;
}

/** A purpose does not use what it does not need, whatever was granted. */
function usableOf(grants: Grants): Grants {
  return PURPOSES.reduce((used, purpose) => {
    const mask = usable(grants, purpose, EVERY_CATEGORY);
    return used | grantsOf({ [purpose]: CATEGORIES.filter((_, bit) => (mask & (1 << bit)) !== 0) });
  }, 0);
}
