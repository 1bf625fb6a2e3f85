/** Under which names an export looks for what is stored of somebody, and whether that can be all there is. */
import { damageIn } from "../../model/damage.ts";
import { ERASURE_STEPS, type ErasureFacts } from "../../model/erasure.ts";
import type { DeviceKey, Pseudonym } from "../../model/ids.ts";
import { type LiveNamesInput, liveNames } from "../erasure/names-ever-given.ts";
import type { ErasureRecord } from "../erasure/record.ts";
import type { ExportPorts, KeyedFacts } from "./ports.ts";

/** What may name a key: the ledger of the subject, and records of erasures on their way. */
type Keyed = KeyedFacts & Partial<Pick<ErasureRecord, "step">>;

export interface ExportNames {
  /** Whose each name is; names of one device together, oldest first. */
  readonly names: ReadonlyMap<Pseudonym, DeviceKey>;
  /** Something may be stored under a key that is gone, or that does not open. */
  readonly keyLost: boolean;
}

/** Throws SUBJECT_KEY_UNREADABLE when ours may be the wrong master key, REDIS_UNAVAILABLE. */
export async function namesFor(
  under: readonly (Keyed | undefined)[],
  when: Pick<LiveNamesInput, "times" | "nowMs">,
  { keyring, keyIsWhole }: Pick<ExportPorts, "keyring" | "keyIsWhole">,
): Promise<ExportNames> {
  const names = new Map<Pseudonym, DeviceKey>();
  const keyed = under.filter((one) => one !== undefined && mayHaveRows(one.facts)) as readonly Keyed[];
  let keyLost = keyed.some(isKeyLost);
  // Each key once: the same one may have been found in two places.
  const sources = new Map(keyed.map((one) => [one.wrappedSubjectKey, one.facts] as const));
  for (const [wrappedSubjectKey, facts] of sources) {
    if (wrappedSubjectKey === undefined) continue;
    try {
      for (const device of facts.devices) {
        const input = { ...when, facts: { ...facts, devices: [device] }, wrappedSubjectKey, keyring };
        for (const name of await liveNames({ ...input, purpose: "analytics" })) names.set(name, device);
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

/** An erasure that has destroyed its key has deleted what was stored under it, or its receipt says that it could not. */
function isKeyLost({ facts, wrappedSubjectKey, step }: Keyed): boolean {
  if (facts.keyLost === true) return true;
  const destroyed = step !== undefined && ERASURE_STEPS.indexOf(step) > ERASURE_STEPS.indexOf("destroy-key");
  return wrappedSubjectKey === undefined && !destroyed;
}
