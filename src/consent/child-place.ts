/** What a child's credential says of the hub it is behind, and which wishes of one request can stand beside each other. Pure. */
import type { AliasMac, DeviceKey, SubjectTag } from "../model/ids.ts";
import type { RegistrationOutcome } from "../model/registration.ts";
import { type Entry, MAX_CHILDREN } from "./children.ts";

export interface Wanted {
  readonly key: DeviceKey;
  readonly alias: AliasMac;
  /** It may be another subject's than the hub. */
  readonly otherSubject: boolean;
}

/** Fields of a credential, in the order in which `placeOf` takes them. */
export const PLACE_FIELDS = ["tag", "hub", "hubAlias", "hubTenure", "otherSubject", "holder"] as const;

export interface Place {
  readonly tag: SubjectTag | undefined;
  readonly hub: string | null | undefined;
  readonly alias: string | null | undefined;
  readonly tenure: string | null | undefined;
  readonly otherSubject: boolean;
  readonly holder: string | null | undefined;
}

export function placeOf(reply: unknown): Place {
  const [tag, hub, alias, tenure, other, holder] = (reply ?? []) as (string | null)[];
  return { tag: (tag as SubjectTag) || undefined, hub, alias, tenure, otherSubject: other === "1", holder };
}

export function isAt(said: Place, hub: DeviceKey, alias: AliasMac, tenure: string): boolean {
  return said.hub === hub && said.alias === alias && said.tenure === tenure;
}

/** What the child's own credential does not know: who else is under this hub, or in the same request. */
export function arranged(
  hub: DeviceKey,
  wanted: readonly Wanted[],
  living: readonly Entry[],
  asked: readonly RegistrationOutcome[],
): RegistrationOutcome[] {
  const byAlias = new Map(living.map(({ alias, key }) => [alias, key]));
  const children = new Set(living.map(({ key }) => key));
  const seen = new Set<DeviceKey>();
  return wanted.map(({ key, alias }, index) => {
    if (key === hub) return "itself";
    if (seen.has(key)) return "twice";
    seen.add(key);
    const outcome = asked[index] ?? "not-bound";
    if (outcome === "already" && byAlias.get(alias) === key) return outcome;
    // Also a child that says so while the list does not: it is listed again.
    if (outcome !== "registered" && outcome !== "already") return outcome;
    const holder = byAlias.get(alias);
    if (holder !== undefined && holder !== key) return "alias-taken";
    if (!children.has(key) && children.size >= MAX_CHILDREN) return "too-many-children";
    byAlias.set(alias, key);
    children.add(key);
    return "registered";
  });
}
