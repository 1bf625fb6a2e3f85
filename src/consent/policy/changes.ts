/** What changes from one policy version to the next, and which consents remain valid. Pure. */
import { COMMAND_NAMES } from "../../model/command.ts";
import { allOf, type Decision, type PolicyFloors } from "../../model/consent.ts";
import { DAY_MS } from "../../model/durations.ts";
import type {
  PolicyDocument,
  PolicyStanding,
  PolicyTerms,
  Reconfirmation,
  Suspension,
} from "../../model/policy-document.ts";
import { PURPOSES, type Purpose } from "../../model/purposes.ts";
import { type FloorPlan, floorsAt } from "./floors.ts";

export type WideningKind =
  | "purpose"
  | "categories"
  | "recipients"
  | "regions"
  | "retention"
  | "basis"
  | "commands"
  | "homes";
export interface Widening {
  readonly purpose: Purpose;
  readonly what: WideningKind;
}

/** Everything `after` allows and `before` did not. Empty: no data are used for more than before. */
export function widenings(before: PolicyDocument, after: PolicyDocument): Widening[] {
  return PURPOSES.flatMap((purpose) => {
    const now = after.purposes[purpose];
    if (now === undefined) return [];
    const was = before.purposes[purpose];
    if (was === undefined) return [{ purpose, what: "purpose" as const }];
    return widened(was, now).map((what) => ({ purpose, what }));
  });
}

function widened(was: PolicyTerms, now: PolicyTerms): WideningKind[] {
  const kinds: WideningKind[] = [];
  if (now.categories.some((category) => !was.categories.includes(category))) kinds.push("categories");
  if (now.recipients.some((recipient) => !was.recipients.includes(recipient))) kinds.push("recipients");
  if (now.regions.some((region) => !was.regions.includes(region))) kinds.push("regions");
  if (now.retentionDays > was.retentionDays) kinds.push("retention");
  if (now.basis !== was.basis) kinds.push("basis");
  if (commandsOf(now).some((command) => !commandsOf(was).includes(command))) kinds.push("commands");
  if (now.homes === true && was.homes !== true) kinds.push("homes");
  return kinds;
}

function commandsOf({ commands = COMMAND_NAMES }: PolicyTerms): readonly string[] {
  return commands;
}

/** The purposes for which consent to an earlier version stops counting with `after`. */
export function suspendedBy(before: PolicyDocument | undefined, after: PolicyDocument): Purpose[] {
  if (before === undefined) return [...PURPOSES];
  const suspended = new Set<Purpose>(widenings(before, after).map(({ purpose }) => purpose));
  // A purpose the policy no longer names has no legal basis left, however the change is labelled.
  for (const purpose of PURPOSES) if (after.purposes[purpose] === undefined) suspended.add(purpose);
  if (after.change.kind === "material") for (const purpose of after.change.affects ?? PURPOSES) suspended.add(purpose);
  return PURPOSES.filter((purpose) => suspended.has(purpose));
}

/** What a `reconfirm` change asks for, beyond what `after` suspends at once. */
export function reconfirmation(before: PolicyDocument | undefined, after: PolicyDocument): Reconfirmation | undefined {
  const { kind, affects = PURPOSES, confirmBy } = after.change;
  if (kind !== "reconfirm" || confirmBy === undefined) return undefined;
  const suspended = suspendedBy(before, after);
  const purposes = PURPOSES.filter((purpose) => affects.includes(purpose) && !suspended.includes(purpose));
  return purposes.length === 0 ? undefined : { purposes, until: Date.parse(confirmBy) + DAY_MS };
}

/**
 * The lowest version of the policy from which on each one says that scene services hear which devices are of one home; `undefined`
 * when the newest does not. Who consented to that version or a later one agreed to it.
 */
export function homesSince(versions: readonly PolicyDocument[]): number | undefined {
  const last = versions.findLastIndex(({ purposes }) => purposes.scene?.homes !== true);
  return versions[last + 1]?.version;
}

export function standingOf(decision: Decision | undefined, plan: FloorPlan, nowMs: number): PolicyStanding {
  const floors = floorsAt(plan, nowMs);
  const suspended = suspensionOf(decision, floors, nowMs);
  for (const { at } of plan.later.toSorted((one, other) => one.at - other.at)) {
    const then = suspensionOf(decision, floorsAt(plan, at), nowMs);
    const purposes = then?.purposes.filter((purpose) => !suspended?.purposes.includes(purpose)) ?? [];
    if (then !== undefined && purposes.length > 0)
      return { suspended, toConfirm: { version: then.version, purposes, until: at } };
  }
  return { suspended, toConfirm: undefined };
}

/** The purposes of a device's consent that do not count under these floors; `undefined` when all count. */
export function suspensionOf(
  decision: Decision | undefined,
  floors: PolicyFloors,
  nowMs: number,
): Suspension | undefined {
  if (decision?.state !== "given" || !(decision.expiresAt > nowMs)) return undefined;
  const { grants, policyVersion } = decision;
  const purposes = PURPOSES.filter(
    (purpose) =>
      (grants & allOf([purpose])) !== 0 && policyVersion < floors[purpose] && Number.isFinite(floors[purpose]),
  );
  if (purposes.length === 0) return undefined;
  return { version: Math.max(...purposes.map((purpose) => floors[purpose])), purposes };
}

/** Floors after all versions, oldest first. No consent reaches a purpose that the newest version does not name. */
export function floorsOf(versions: readonly PolicyDocument[]): FloorPlan {
  const floors: Record<Purpose, number> = { analytics: 1, weather: 1, scene: 1, network: 1 };
  const later: FloorPlan["later"][number][] = [];
  let before: PolicyDocument | undefined;
  for (const document of versions) {
    for (const purpose of suspendedBy(before, document)) floors[purpose] = document.version;
    const asked = reconfirmation(before, document);
    if (asked !== undefined) {
      const raised: Record<Purpose, number> = { analytics: 0, weather: 0, scene: 0, network: 0 };
      for (const purpose of asked.purposes) raised[purpose] = document.version;
      later.push({ at: asked.until, floors: raised });
    }
    before = document;
  }
  return { floors, later };
}

/**
 * The longest time that data of a purpose may be kept now, in days: the limit of the newest version and of every
 * earlier one under which data may still exist. `undefined` when none sets a limit.
 */
export function retentionLimitDays(
  versions: readonly PolicyDocument[],
  purpose: Purpose,
  nowMs: number,
): number | undefined {
  const limits = versions.flatMap(({ purposes }, index) => {
    const days = purposes[purpose]?.retentionDays;
    const supersededAt = Date.parse(versions[index + 1]?.effectiveFrom ?? "9999-12-31");
    return days === undefined || nowMs >= supersededAt + days * DAY_MS ? [] : [days];
  });
  return limits.length === 0 ? undefined : Math.min(...limits);
}
