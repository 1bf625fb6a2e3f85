/** A second version of the policy, that says in words that scene services hear which devices are of one home. */
import type { AccountService } from "../../tools/stack/account-service.ts";

interface Document {
  readonly version: number;
  readonly purposes: { readonly scene: object };
}

const WORDS =
  "Device states under a pseudonym, and which devices are of one home, let a scene service act on what happens at home. Anyone who gets these can recognize a home by its kinds of devices, also under its next name.";

/** Resolves with the version to consent to. */
export async function publishHomes(api: AccountService): Promise<number> {
  const before = (await api.call("GET", "/v1/policies/{version}", ["1"])) as Document;
  const version = before.version + 1;
  const scene = { ...before.purposes.scene, homes: true, description: WORDS };
  await api.call("POST", "/v1/policies", [], {
    ...before,
    version,
    change: { kind: "material", summary: "Scene services hear which devices are of one home.", affects: ["scene"] },
    purposes: { ...before.purposes, scene },
  });
  return version;
}
