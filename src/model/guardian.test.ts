import fc from "fast-check";
import { expect, test } from "vitest";
import { ACTORS, type Guardian } from "./consent-record.ts";
import { endsMinority, knownGuardian, refusedAsGuardian } from "./guardian.ts";

const ref = fc.constantFrom("guardian:1", "guardian:2", undefined);
const onFile: fc.Arbitrary<Guardian | undefined> = fc.option(
  fc
    .record({ status: fc.constantFrom("verified" as const, "unverified" as const), tokenRef: ref, at: fc.nat() })
    .map(({ tokenRef, ...one }) => ({ ...one, verificationMethod: "id-check", ...(tokenRef && { tokenRef }) })),
  { nil: undefined },
);
const claim = fc.record({
  by: fc.constantFrom(...ACTORS),
  guardian: fc.option(fc.record({ verified: fc.boolean(), evidenceRef: ref }), { nil: undefined }),
  guardianRef: ref,
});

test("only the guardian on file can act as one, or name another one", () => {
  fc.assert(
    fc.property(onFile, claim, (file, one) => {
      const known = knownGuardian(file);
      fc.pre(known !== undefined);
      const claims = one.by === "guardian" || one.guardian !== undefined;
      const named = one.guardianRef ?? one.guardian?.evidenceRef;
      expect(refusedAsGuardian(file, one)).toBe(claims && named !== known ? "guardian-mismatch" : undefined);
    }),
  );
});

test("with no one on file who could be compared, no one acts as guardian but the person whom the statement itself verifies", () => {
  fc.assert(
    fc.property(onFile, claim, (file, one) => {
      fc.pre(knownGuardian(file) === undefined);
      const verified = one.guardian?.verified === true ? one.guardian.evidenceRef : undefined;
      const stands = one.by !== "guardian" || (verified !== undefined && (one.guardianRef ?? verified) === verified);
      expect(refusedAsGuardian(file, one)).toBe(stands ? undefined : "guardian-not-on-file");
    }),
  );
});

test("a minority ends by the word of the account service with evidence, and by no consent", () => {
  for (const by of ACTORS) {
    for (const type of ["given", "reconfirmed", "refused", "requested", "withdrawn"]) {
      const service = type === "requested" && (by === "controller" || by === "authority");
      expect(endsMinority({ type, by, evidenceRef: "age:1" })).toBe(service);
      expect(endsMinority({ type, by })).toBe(false);
    }
  }
});
