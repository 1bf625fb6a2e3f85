/** Wires the names by which services address devices: of scene services for commands, of network services for notices. */
import type { Keyring } from "../deidentify/keyring.ts";
import { AddressableNames, type AddressableNamesOptions } from "../ingress/services/addressable-names.ts";
import { type CheckConsent, IP, MODEL, STATUS } from "../model/consent.ts";
import { DAY_MS } from "../model/durations.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { Base } from "./base.ts";

export interface Addressable {
  readonly scene: AddressableNames;
  readonly network: AddressableNames;
  /** These names lead to no device any more. */
  forget(names: readonly Pseudonym[]): void;
}

const REMEMBERED_DEVICES = 200_000;

export function createAddressable(
  { config }: Base,
  { check, keyring }: { readonly check: CheckConsent; readonly keyring: Pick<Keyring, "pseudonym"> },
): Addressable {
  const epochMs = config.deidentify.epochDays * DAY_MS;
  const namesOf = (options: Pick<AddressableNamesOptions, "purpose" | "categories">) =>
    new AddressableNames(
      { ...options, remembered: REMEMBERED_DEVICES },
      {
        checkConsent: check,
        pseudonym: ({ deviceKey }, wrappedKey) =>
          keyring.pseudonym(wrappedKey, deviceKey, options.purpose, Math.floor(Date.now() / epochMs)),
      },
    );
  const scene = namesOf({ purpose: "scene", categories: STATUS });
  const network = namesOf({ purpose: "network", categories: MODEL | IP });
  return {
    scene,
    network,
    forget: (names) => {
      scene.forget(names);
      network.forget(names);
    },
  };
}
