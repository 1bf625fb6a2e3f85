/** The names under which an export looks for a subject's stored rows, and whether these names are complete. */
import { damageIn } from "../../model/damage.ts";
import { ERASURE_STEPS, type ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";
import { type LiveNamesInput, rowNames } from "../erasure/names-ever-given.ts";
import type { ErasureRecord } from "../erasure/record.ts";
import type { ExportPorts, KeyedFacts } from "./ports.ts";

/** Sources of a subject key: the subject's ledger, and the records of open erasures. */
type Keyed = KeyedFacts & Partial<Pick<ErasureRecord, "step">>;

export interface ExportNames {
  /** The device of each name; names of one device together, oldest first. */
  readonly names: ReadonlyMap<Pseudonym, DeviceKey>;
  /** Rows may be stored under a key that is lost or cannot be unwrapped. */
  readonly keyLost: boolean;
}

/** Throws SUBJECT_KEY_UNREADABLE when the configured master key may be wrong, REDIS_UNAVAILABLE. */
export async function namesFor(
  under: readonly (Keyed | undefined)[],
  when: Pick<LiveNamesInput, "times" | "nowMs">,
  { keyring, keyIsWhole }: Pick<ExportPorts, "keyring" | "keyIsWhole">,
): Promise<ExportNames> {
  const names = new Map<Pseudonym, DeviceKey>();
  const keyed = under.filter((one) => one !== undefined && mayHaveRows(one.facts)) as readonly Keyed[];
  let keyLost = keyed.some(isKeyLost);
  // Each key once: the same key may be found in two places.
  const sources = new Map(keyed.map((one) => [one.wrappedSubjectKey, one.facts] as const));
  for (const [wrappedSubjectKey, facts] of sources) {
    if (wrappedSubjectKey === undefined) continue;
    try {
      for (const device of facts.devices) {
        const input = { ...when, facts: { ...facts, devices: [device] }, wrappedSubjectKey, keyring };
        for (const name of await rowNames(input)) names.set(name, device);
      }
    } catch (error) {
      if (damageIn(error) !== "subject-key" || (await keyIsWhole(wrappedSubjectKey))) throw error;
      keyLost = true;
    }
  }
  return { names, keyLost };
}

function mayHaveRows({ since, purposes }: ErasureFacts): boolean {
  return since !== undefined && purposes.includes("analytics");
}

/** An erasure that destroyed its key has deleted the rows under it, or its receipt says that it could not. */
function isKeyLost({ facts, wrappedSubjectKey, step }: Keyed): boolean {
  if (facts.keyLost === true) return true;
  const destroyed = step !== undefined && ERASURE_STEPS.indexOf(step) > ERASURE_STEPS.indexOf("destroy-key");
  return wrappedSubjectKey === undefined && !destroyed;
}
