/** Every decision a record can hold, for property tests. */
import fc from "fast-check";
import type { Decision } from "../../src/model/consent.ts";

export const anyDecision: fc.Arbitrary<Decision> = fc.record({
  state: fc.constantFrom("given", "refused", "withdrawn", "expired", "requested"),
  fence: fc.nat(),
  expiresAt: fc.nat({ max: 9_999_999_999_999 }),
  policyVersion: fc.integer({ min: 1, max: 100_000 }),
  grants: fc.nat({ max: 0xffff }),
  minor: fc.boolean(),
  guardianVerified: fc.boolean(),
  held: fc.boolean(),
  revision: fc.nat({ max: 100_000 }),
  since: fc.stringMatching(/^([1-9]\d{0,4}\.[1-9]\d{0,3}(,[1-9]\d{0,4}\.[1-9]\d{0,3}){0,3})?$/),
  wrappedSubjectKey: fc.stringMatching(/^[A-Za-z0-9_-]{1,120}$/),
});
