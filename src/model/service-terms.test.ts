/** Every combination of what a service is and what the policy says about its purposes. */
import { describe, expect, it } from "vitest";
import type { PolicyDocument, PolicyTerms } from "./policy-document.ts";
import { CATEGORIES, type Category, SERVICE_PURPOSES, type ServicePurpose } from "./purposes.ts";
import {
  categoriesOf,
  categoryBreaches,
  SERVICE_RELATIONS,
  type ServiceTerms,
  type TermsRule,
  termsBreaches,
} from "./service-terms.ts";

const terms = (more: Partial<PolicyTerms> = {}): PolicyTerms => ({
  description: "What it is for.",
  basis: "consent",
  categories: ["status"],
  recipients: ["scene services"],
  retentionDays: 0,
  regions: ["IN"],
  ...more,
});
const policy = (purposes: PolicyDocument["purposes"]) => ({ purposes });
const service = (more: Partial<ServiceTerms> = {}): ServiceTerms => ({
  purposes: ["scene"],
  region: "IN",
  relation: "third-party",
  recipient: "scene services",
  ...more,
});

const RECIPIENTS = [
  [["scene services"], true],
  [["scene services", "others"], true],
  [["others"], false],
  [["Scene services"], false],
  [[], false],
] as const;
const REGIONS = [
  ["IN", ["IN"], true],
  ["IN-KA", ["IN"], true],
  ["IN", ["DE", "IN"], true],
  ["DE", ["IN"], false],
  ["DE-BE", ["IN"], false],
  ["IN", [], false],
] as const;
const CONTRACTS = [undefined, "dpa:2026-7"] as const;

describe("a service is covered", () => {
  it("by naming it as a recipient, naming its region, and a contract where it is a processor: every combination", () => {
    for (const relation of SERVICE_RELATIONS)
      for (const [recipients, named] of RECIPIENTS)
        for (const [region, regions, inside] of REGIONS)
          for (const contractRef of CONTRACTS) {
            const wanted: TermsRule[] = [];
            if (!named) wanted.push("recipient-not-in-policy");
            if (!inside) wanted.push("region-not-in-policy");
            if (relation === "processor" && contractRef === undefined) wanted.push("contract-missing");
            const about = policy({ scene: terms({ recipients: [...recipients], regions: [...regions] }) });
            const found = termsBreaches(service({ relation, region, contractRef }), about);
            expect(
              found.map(({ rule }) => rule),
              JSON.stringify([relation, recipients, region, regions, contractRef]),
            ).toEqual(wanted);
          }
  });

  it("for each of its purposes apart", () => {
    const about = policy({
      scene: terms(),
      weather: terms({ recipients: ["scene services"], regions: ["DE"] }),
    });
    expect(termsBreaches(service({ purposes: ["scene", "weather", "network"] }), about)).toEqual([
      { purpose: "weather", option: "region", rule: "region-not-in-policy" },
      { purpose: "network", option: "purposes", rule: "purpose-not-in-policy" },
    ]);
  });

  it("by nothing, when the policy names no purpose", () => {
    expect(termsBreaches(service(), policy({}))).toEqual([
      { purpose: "scene", option: "purposes", rule: "purpose-not-in-policy" },
    ]);
  });
});

describe("categories of a service", () => {
  it.each<[ServicePurpose[], Category[] | undefined, string[]]>([
    [["scene"], undefined, []],
    [["scene"], ["status"], []],
    [["scene"], ["status", "model"], []],
    [["network"], ["ip"], []],
    [["network"], ["model"], []],
    [["scene", "network"], ["status", "ip"], []],
    [["weather"], ["location", "status"], []],
    [["scene"], ["status", "ip"], ["ip not-of-purpose"]],
    [["scene"], ["model"], ["status needed-by-purpose"]],
    [["weather"], ["location"], ["status needed-by-purpose"]],
    [["network"], ["status"], ["status not-of-purpose", "model needed-by-purpose", "ip needed-by-purpose"]],
    [[], ["status"], ["status not-of-purpose"]],
  ])("%j within %j: %j", (purposes, categories, expected) => {
    expect(categoryBreaches(purposes, categories).map(({ category, rule }) => `${category} ${rule}`)).toEqual(expected);
  });

  it("never widen what a purpose uses", () => {
    for (const purpose of SERVICE_PURPOSES)
      expect(categoriesOf(purpose, CATEGORIES)).toBe(categoriesOf(purpose, undefined));
  });
});
