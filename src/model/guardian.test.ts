import fc from "fast-check";
import { expect, test } from "vitest";
import { ACTORS } from "./consent-record.ts";
import { isForeignGuardian } from "./guardian.ts";

const ref = fc.constantFrom("guardian:1", "guardian:2", undefined);
const onFile = fc.record({ verified: fc.boolean(), method: fc.constant("id-check"), evidenceRef: ref, at: fc.nat() });
const claim = fc.record({
  by: fc.constantFrom(...ACTORS),
  guardian: fc.option(fc.record({ evidenceRef: ref }), { nil: undefined }),
  guardianRef: ref,
});

test("only the guardian on file can act as one, or name another one", () => {
  fc.assert(
    fc.property(onFile, claim, ({ evidenceRef, ...known }, { by, guardian, guardianRef }) => {
      const file = evidenceRef === undefined ? known : { ...known, evidenceRef };
      const comparable = known.verified && evidenceRef !== undefined;
      const claims = by === "guardian" || guardian !== undefined;
      const named = guardianRef ?? guardian?.evidenceRef;
      expect(isForeignGuardian(file, { by, guardian, guardianRef })).toBe(
        comparable && claims && named !== evidenceRef,
      );
    }),
  );
});

test("with nobody on file there is nobody to be mistaken for", () => {
  fc.assert(fc.property(claim, (one) => !isForeignGuardian(undefined, one)));
});
