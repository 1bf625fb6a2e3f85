/** A place is told under the name of the status, as soon as it is known, also of one person alone. */
import { Keyring } from "../../../src/deidentify/keyring.ts";
import type { Removal } from "./removal.ts";

/** Shorter than any time between two messages of a device; a shorter one only costs time. */
const AT_ONCE_MS = 5_000;

export const places: Removal = {
  take: () => {
    const pseudonym = Keyring.prototype.pseudonym;
    Keyring.prototype.pseudonym = function (wrappedSubjectKey, device, purpose, epoch) {
      return pseudonym.call(this, wrappedSubjectKey, device, purpose === "place" ? "analytics" : purpose, epoch);
    };
  },
  overrides: { placeStepMs: AT_ONCE_MS, placeSubjects: 1 },
};
