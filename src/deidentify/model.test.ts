import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dialectNamed, dialects } from "../../tests/fixtures/dialects.ts";
import { threadMs } from "../../tests/fixtures/thread-time.ts";
import { globMatches, ModelFamilies } from "./model.ts";

describe("ModelFamilies", () => {
  const families = new ModelFamilies([
    { match: "HB-1*", as: "hub-old" },
    { match: "HB-*", as: "hub" },
    { match: "bulb ?", as: "bulb" },
  ]);

  it.each([
    ["HB-100", "hub-old"],
    ["hb-200", "hub"],
    ["Bulb 7", "bulb"],
    ["Bulb 77", "other"],
    ["", "other"],
    ["prototype of one", "other"],
  ])("%j is %s", (model, family) => {
    expect(families.familyOf(model)).toBe(family);
    expect(families.familyOf(model)).toBe(family);
  });

  it("only ever answers with a name from its rules", () => {
    fc.assert(
      fc.property(fc.string(), (model) => ["hub-old", "hub", "bulb", "other"].includes(families.familyOf(model))),
    );
  });
});

describe("globMatches", () => {
  it("agrees with the regular expression of the same meaning", () => {
    const glyph = fc.constantFrom("a", "b", "*", "?");
    const letter = fc.constantFrom("a", "b", "c");
    fc.assert(
      fc.property(
        fc.string({ unit: glyph, maxLength: 8 }),
        fc.string({ unit: letter, maxLength: 10 }),
        (glob, text) => {
          const pattern = new RegExp(`^${glob.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
          expect(globMatches(glob, text)).toBe(pattern.test(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("takes characters of regular expressions as they are", () => {
    expect(globMatches("a.c+(1)", "a.c+(1)")).toBe(true);
    expect(globMatches("a.c", "abc")).toBe(false);
  });

  it("stays quick on a pattern that makes backtracking matchers explode", () => {
    const started = threadMs();
    expect(globMatches("*a*a*a*a*a*a*a*a*b", "a".repeat(64))).toBe(false);
    // They would try some thousand million ways.
    expect(threadMs() - started).toBeLessThan(1_000);
  });
});

describe("rules that come with dialects", () => {
  it("say enough to name a family's own devices alone", () => {
    expect(dialects.models.filter(({ match }) => match.replaceAll(/[*?]/g, "").length < 3)).toEqual([]);
  });

  it.each(dialects.names)("of %s are not answered by those of another", (name) => {
    const own = new ModelFamilies(dialectNamed(name).models);
    const all = new ModelFamilies([], dialects);
    const models = dialectNamed(name).models.flatMap(({ match }) =>
      ["", "x1", " 7"].map((rest) => match.replaceAll("*", rest)),
    );
    expect(models.map((model) => [model, all.familyOf(model)])).toEqual(
      models.map((model) => [model, own.familyOf(model)]),
    );
  });
});
