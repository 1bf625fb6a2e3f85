import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COMMAND_NAMES } from "../../model/command.ts";
import { grantsOf, PURPOSE_USES } from "../../model/consent.ts";
import type { PolicyDocument, PolicyTerms } from "../../model/policy-document.ts";
import { CATEGORIES, PURPOSES, type Purpose } from "../../model/purposes.ts";
import {
  floorsOf,
  homesSince,
  reconfirmation,
  retentionLimitDays,
  standingOf,
  suspendedBy,
  widenings,
} from "./changes.ts";
import { DENY_ALL_FLOORS, decodeFloors, encodeFloors, floorsAt } from "./floors.ts";
import { parsePolicy } from "./policies.ts";

const anyTerms: fc.Arbitrary<PolicyTerms> = fc.record({
  description: fc.constant("text"),
  basis: fc.constantFrom("consent" as const, "contract" as const),
  categories: fc.uniqueArray(fc.constantFrom(...CATEGORIES), { minLength: 1 }),
  recipients: fc.uniqueArray(fc.constantFrom("controller", "partner", "city")),
  retentionDays: fc.nat(3),
  regions: fc.uniqueArray(fc.constantFrom("IN", "DE"), { minLength: 1 }),
});
const anyPurposes = fc.record(
  { analytics: anyTerms, weather: anyTerms, scene: anyTerms, network: anyTerms },
  { requiredKeys: [] },
);
const anyChange: fc.Arbitrary<PolicyDocument["change"]> = fc
  .record(
    {
      kind: fc.constantFrom("minor" as const, "material" as const, "reconfirm" as const),
      summary: fc.constant("text"),
      affects: fc.uniqueArray(fc.constantFrom(...PURPOSES), { minLength: 1 }),
    },
    { requiredKeys: ["kind", "summary"] },
  )
  .map((change) => (change.kind === "reconfirm" ? { ...change, confirmBy: "2026-12-31" } : change));
const anyDocument = fc.record({ purposes: anyPurposes, change: anyChange }).map(
  (parts): PolicyDocument => ({
    schemaVersion: 1,
    version: 1,
    effectiveFrom: "2026-01-01",
    language: "en",
    title: "Policy",
    statements: [],
    ...parts,
  }),
);

function numbered(documents: readonly PolicyDocument[]): PolicyDocument[] {
  return documents.map((document, index) => ({ ...document, version: index + 1 }));
}

function document(change: Partial<PolicyTerms>, purposes: readonly Purpose[] = ["scene"]): PolicyDocument {
  const terms: PolicyTerms = {
    description: "text",
    basis: "consent",
    categories: ["status"],
    recipients: ["controller"],
    retentionDays: 30,
    regions: ["IN"],
    ...change,
  };
  return {
    schemaVersion: 1,
    version: 1,
    effectiveFrom: "2026-01-01",
    language: "en",
    title: "Policy",
    change: { kind: "minor", summary: "text" },
    statements: [],
    purposes: Object.fromEntries(purposes.map((purpose) => [purpose, terms])),
  };
}

test("a document lists commands of the table for scenes alone", async () => {
  const shipped = JSON.parse(await readFile(new URL("../../../config/policies/1.json", import.meta.url), "utf8"));
  const parsed = (purpose: Purpose, commands: unknown) => {
    const purposes = { ...shipped.purposes, [purpose]: { ...shipped.purposes[purpose], commands } };
    return parsePolicy(Buffer.from(JSON.stringify({ ...shipped, purposes })));
  };
  expect(parsed("scene", ["power"])?.document.purposes.scene?.commands).toEqual(["power"]);
  for (const commands of [["unlock"], "power", [1]]) expect(parsed("scene", commands)).toBeUndefined();
  expect(parsed("network", ["power"])).toBeUndefined();
});

describe("widening", () => {
  test.each([
    ["categories", { categories: ["status", "model"] }],
    ["recipients", { recipients: ["controller", "partner"] }],
    ["recipients", { recipients: ["partner"] }],
    ["regions", { regions: ["IN", "DE"] }],
    ["retention", { retentionDays: 31 }],
    ["basis", { basis: "legitimate-interest" }],
  ] as const)("of %s is seen", (what, change) => {
    expect(widenings(document({}), document(structuredClone(change) as Partial<PolicyTerms>))).toEqual([
      { purpose: "scene", what },
    ]);
  });

  test("of the commands of scene services is seen; without a list there are all of them", () => {
    const named = (commands: PolicyTerms["commands"]) => document({ commands });
    const commands = [{ purpose: "scene", what: "commands" }];
    expect(widenings(named(["power"]), named(["power", "cover"]))).toEqual(commands);
    expect(widenings(named([]), document({}))).toEqual(commands);
    expect(widenings(document({}), named(["power"]))).toEqual([]);
    expect(widenings(named([...COMMAND_NAMES]), document({}))).toEqual([]);
  });

  test("of homes is seen, and counts for those who agreed to it or to a later version that says it too", () => {
    const [without, told] = [document({}), document({ homes: true })];
    expect(widenings(without, told)).toEqual([{ purpose: "scene", what: "homes" }]);
    expect(widenings(told, without)).toEqual([]);
    expect(homesSince([])).toBeUndefined();
    expect(homesSince(numbered([told, told]))).toBe(1);
    expect(homesSince(numbered([without, told, told]))).toBe(2);
    expect(homesSince(numbered([told, without]))).toBeUndefined();
    expect(homesSince(numbered([told, without, told]))).toBe(3);
    expect(homesSince(numbered([told, document({}, [])]))).toBeUndefined();
  });

  test("detects an added purpose", () => {
    expect(widenings(document({}), document({}, ["scene", "network"]))).toEqual([
      { purpose: "network", what: "purpose" },
    ]);
  });

  test("does not report terms that narrow or only change their wording", () => {
    const wide = document({ categories: ["status", "model"], regions: ["IN", "DE"] }, ["scene", "weather"]);
    const narrow = document({ recipients: [], retentionDays: 1, description: "other words" });
    expect(widenings(wide, narrow)).toEqual([]);
  });

  test("never reports a version compared with itself; two versions widen nothing both ways only if they are equivalent", () => {
    fc.assert(
      fc.property(anyDocument, anyDocument, (one, other) => {
        expect(widenings(one, one)).toEqual([]);
        for (const { purpose } of widenings(one, other)) expect(suspendedBy(one, other)).toContain(purpose);
      }),
    );
  });
});

describe("suspension", () => {
  test("covers everything with the first version, nothing with a minor one that keeps the terms", () => {
    expect(suspendedBy(undefined, document({}))).toEqual([...PURPOSES]);
    const all = document({}, PURPOSES);
    expect(suspendedBy(all, all)).toEqual([]);
  });

  test("covers the purposes that a material version names, or all if it names none", () => {
    const all = document({}, PURPOSES);
    const material = (affects?: Purpose[]): PolicyDocument => ({
      ...all,
      change: { kind: "material", summary: "text", ...(affects && { affects }) },
    });
    expect(suspendedBy(all, material(["network"]))).toEqual(["network"]);
    expect(suspendedBy(all, material())).toEqual([...PURPOSES]);
  });

  test("always includes a purpose that the policy no longer names", () => {
    expect(suspendedBy(document({}, PURPOSES), document({}, ["scene", "weather", "network"]))).toEqual(["analytics"]);
  });
});

describe("floors", () => {
  test("only rise, and never above the newest version", () => {
    fc.assert(
      fc.property(fc.array(anyDocument, { minLength: 1, maxLength: 6 }), anyDocument, (documents, next) => {
        const before = floorsOf(numbered(documents));
        const after = floorsOf(numbered([...documents, next]));
        for (const now of [0, Number.MAX_SAFE_INTEGER]) {
          for (const purpose of PURPOSES) {
            expect(floorsAt(after, now)[purpose]).toBeGreaterThanOrEqual(floorsAt(before, now)[purpose]);
            expect(floorsAt(after, now)[purpose]).toBeLessThanOrEqual(documents.length + 1);
          }
        }
      }),
    );
  });

  test("rise at the end of the day by which consent must be reconfirmed", () => {
    const first = document({}, PURPOSES);
    const asking: PolicyDocument = {
      ...first,
      change: { kind: "reconfirm", summary: "text", affects: ["scene", "network"], confirmBy: "2026-03-31" },
    };
    const until = Date.parse("2026-04-01");
    expect(reconfirmation(first, asking)).toEqual({ purposes: ["scene", "network"], until });
    const plan = floorsOf(numbered([first, asking]));
    expect(floorsAt(plan, until - 1)).toEqual({ analytics: 1, weather: 1, scene: 1, network: 1 });
    expect(floorsAt(plan, until)).toEqual({ analytics: 1, weather: 1, scene: 2, network: 2 });
    expect(floorsAt(plan, Number.NaN)).toEqual(floorsAt(plan, until));
  });

  test("encode and decode without loss; any other text decodes to deny all", () => {
    fc.assert(
      fc.property(fc.array(anyDocument, { minLength: 1, maxLength: 6 }), fc.string(), (documents, text) => {
        const floors = floorsOf(numbered(documents));
        expect(decodeFloors(encodeFloors(floors))).toEqual(floors);
        if (!/^\d{1,9}(,\d{1,9}){3}$/.test(text)) expect(decodeFloors(text).floors).toEqual(DENY_ALL_FLOORS);
      }),
    );
    const short = [null, undefined, "", "1,1,1", "1,1,1,1,1", "1,1,1,-1", " 1,1,1,1", "1,1,1,1e3"];
    for (const text of [...short, "1,1,1,1;", "1,1,1,1;5", "1,1,1,1;5:1,1,1", "1,1,1,1;x:1,1,1,1"]) {
      expect(floorsAt(decodeFloors(text), 0)).toEqual(DENY_ALL_FLOORS);
    }
  });
});

describe("the shipped first version", () => {
  test("offers each purpose exactly the categories it can use, in India, on the basis of consent", async () => {
    const policy = parsePolicy(await readFile(new URL("../../../config/policies/1.json", import.meta.url)));
    for (const purpose of PURPOSES) {
      const terms = policy?.document.purposes[purpose];
      const bits = grantsOf({ [purpose]: terms?.categories ?? [] }) >> (PURPOSES.indexOf(purpose) * CATEGORIES.length);
      expect(bits).toBe(PURPOSE_USES[purpose]);
      expect(terms).toMatchObject({ basis: "consent", regions: ["IN"] });
    }
    expect(policy?.document).toMatchObject({ version: 1, change: { kind: "first" } });
  });
});

describe("the retention limit", () => {
  const DAY_MS = 86_400_000;
  const versions = [30, 90, 10].map((retentionDays, index) => ({
    ...document({ retentionDays }),
    version: index + 1,
    effectiveFrom: ["2026-01-01", "2026-06-01", "2026-07-01"][index] ?? "",
  }));
  const at = (date: string) => Date.parse(date);

  test.each([
    ["2026-03-01", 1, 30],
    // Data collected under the first version must be gone after its retention days, whatever the second says.
    ["2026-06-02", 2, 30],
    ["2026-06-30", 2, 30],
    ["2026-07-01", 2, 90],
    ["2026-07-02", 3, 10],
    ["2027-07-02", 3, 10],
  ])("on %s with %i versions: %i days", (date, count, days) => {
    expect(retentionLimitDays(versions.slice(0, count), "scene", at(date))).toBe(days);
  });

  test("is undefined when no version names the purpose", () => {
    expect(retentionLimitDays(versions, "network", at("2026-03-01"))).toBeUndefined();
  });

  test("never exceeds the newest version, nor any version under which data may still exist", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 5 }), fc.nat(900), (list, day) => {
        const documents = list.map((retentionDays, index) => ({
          ...document({ retentionDays }),
          effectiveFrom: new Date(at("2026-01-01") + index * 100 * DAY_MS).toISOString().slice(0, 10),
        }));
        const now = at("2026-01-01") + day * DAY_MS;
        const limit = retentionLimitDays(documents, "scene", now) ?? Number.NaN;
        expect(limit).toBeLessThanOrEqual(list.at(-1) ?? 0);
        for (const [index, days] of list.entries()) {
          const lastCollected = at("2026-01-01") + (index + 1) * 100 * DAY_MS;
          const last = index === list.length - 1;
          // Data collected on a version's last day are kept no longer than that version promised.
          if (!last && now < lastCollected + days * DAY_MS) expect(limit).toBeLessThanOrEqual(days);
        }
      }),
    );
  });
});

describe("the suspension of a device", () => {
  const decision = {
    state: "given" as const,
    fence: 0,
    expiresAt: 1_000,
    policyVersion: 2,
    grants: grantsOf({ scene: ["status"], network: ["ip"] }),
    minor: false,
    guardianVerified: false,
    held: false,
    revision: 0,
    since: "",
    wrappedSubjectKey: "key",
  };
  const floors = { floors: { analytics: 5, weather: 1, scene: 3, network: 4 }, later: [] };
  const suspensionOf = (...given: Parameters<typeof standingOf>) => standingOf(...given).suspended;

  test("lists the consented purposes below their floor, with the latest version that raised one", () => {
    expect(suspensionOf(decision, floors, 0)).toEqual({ version: 4, purposes: ["scene", "network"] });
    expect(suspensionOf({ ...decision, policyVersion: 3 }, floors, 0)).toEqual({ version: 4, purposes: ["network"] });
    expect(suspensionOf({ ...decision, policyVersion: 4 }, floors, 0)).toBeUndefined();
  });

  test("grows when the day of reconfirmation has passed", () => {
    const later = [{ at: 500, floors: { analytics: 0, weather: 0, scene: 5, network: 5 } }];
    const plan = { ...floors, later };
    const newer = { ...decision, policyVersion: 3 };
    expect(standingOf(newer, plan, 499)).toEqual({
      suspended: { version: 4, purposes: ["network"] },
      toConfirm: { version: 5, purposes: ["scene"], until: 500 },
    });
    expect(standingOf(newer, plan, 500)).toEqual({
      suspended: { version: 5, purposes: ["scene", "network"] },
      toConfirm: undefined,
    });
    expect(standingOf({ ...decision, policyVersion: 5 }, plan, 499).toConfirm).toBeUndefined();
  });

  test("is empty without consent that otherwise counts, or while floors are unknown", () => {
    expect(suspensionOf(undefined, floors, 0)).toBeUndefined();
    expect(suspensionOf({ ...decision, state: "withdrawn" }, floors, 0)).toBeUndefined();
    expect(suspensionOf(decision, floors, 1_000)).toBeUndefined();
    expect(suspensionOf(decision, { floors: DENY_ALL_FLOORS, later: [] }, 0)).toBeUndefined();
  });
});
