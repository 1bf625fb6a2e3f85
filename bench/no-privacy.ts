/**
 * The gateway with consent always granted and batches left readable, to see what the two cost. It exists
 * for the bench alone: the product has no switch for this, and everything else here is the product's own.
 */

import { Keyring } from "../src/deidentify/keyring.ts";
import type { Overrides } from "../src/gateway.ts";
import { grantsOf, type Verdict } from "../src/model/consent.ts";
import type { Keys } from "../src/platform/keys/files.ts";
import { runAltered } from "../tools/stack/altered-gateway.ts";

await runAltered(passThrough);

/** One subject key stands for all; pseudonyms still differ, because every device has a key of its own. */
function passThrough(keys: Keys): Overrides {
  const wrappedSubjectKey = new Keyring({ masterKey: keys.master, pepper: keys.pepper }).createSubjectKey();
  const grants = grantsOf({
    analytics: ["model", "location", "status"],
    weather: ["location", "status"],
    scene: ["model", "status"],
  });
  const granted: Verdict = { grants, wrappedSubjectKey };
  return {
    checkConsent: (devices) => Promise.resolve(devices.map(() => granted)),
    envelope: { seal: (text) => ({ k: "none", s: text }), open: ({ s }) => s },
  };
}
