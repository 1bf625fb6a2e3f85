/** Names to forget leave as soon as they are known, for each person alone, in their order; they are worked out for every service. */
import { Digests } from "../../../src/rights/erasure/digests.ts";
import { ForwardedNames } from "../../../src/rights/erasure/forwarded-names.ts";
import type { Removal } from "./removal.ts";

export const erasureDigests: Removal = {
  take: () => {
    Digests.prototype.leavesAt = () => Date.now();
    Digests.prototype.peoplePerDigest = () => 1;
    Digests.prototype.mixed = (names) => names;
    ForwardedNames.prototype.since = async () => undefined;
    ForwardedNames.prototype.of = async () => [];
  },
};
