/** Whether a service may be given data at all: what is configured about it, held against what the policy says. Pure. */
import { type CategoryMask, IP, LOCATION, MODEL, PURPOSE_USES, STATUS } from "./consent.ts";
import type { PolicyDocument } from "./policy-document.ts";
import { CATEGORIES, type Category, type ServicePurpose } from "./purposes.ts";
import { liesIn } from "./region.ts";

export const SERVICE_RELATIONS = ["processor", "third-party"] as const;
/** A processor works for the controller, under a contract; a third party works for itself, with consent to that. */
export type ServiceRelation = (typeof SERVICE_RELATIONS)[number];

export interface ServiceTerms {
  readonly purposes: readonly ServicePurpose[];
  /** ISO 3166 country, optionally with a subdivision. */
  readonly region: string;
  readonly relation: ServiceRelation;
  /** Which of the recipients that the policy names this service is. */
  readonly recipient: string;
  readonly contractRef?: string | undefined;
}

export type TermsRule =
  | "purpose-not-in-policy"
  | "recipient-not-in-policy"
  | "region-not-in-policy"
  | "contract-missing";

export interface TermsBreach {
  readonly purpose: ServicePurpose;
  /** Option of the service that is not covered. */
  readonly option: "purposes" | "recipient" | "region" | "contractRef";
  readonly rule: TermsRule;
}

/**
 * Every way in which the policy does not cover the service; for a purpose without a breach it may be given data.
 * Consent to a policy is consent to the recipients and regions it names, third parties included; a
 * processor needs a contract besides.
 */
export function termsBreaches(service: ServiceTerms, policy: Pick<PolicyDocument, "purposes">): TermsBreach[] {
  return service.purposes.flatMap((purpose) => {
    const terms = policy.purposes[purpose];
    if (terms === undefined) return [{ purpose, option: "purposes" as const, rule: "purpose-not-in-policy" as const }];
    const found: TermsBreach[] = [];
    if (!terms.recipients.includes(service.recipient)) {
      found.push({ purpose, option: "recipient", rule: "recipient-not-in-policy" });
    }
    if (!terms.regions.some((region) => liesIn(service.region, region))) {
      found.push({ purpose, option: "region", rule: "region-not-in-policy" });
    }
    if (service.relation === "processor" && service.contractRef === undefined) {
      found.push({ purpose, option: "contractRef", rule: "contract-missing" });
    }
    return found;
  });
}

export type CategoryRule =
  /** None of the purposes uses it. */
  | "not-of-purpose"
  /** A purpose has nothing to tell without it. */
  | "needed-by-purpose";

export interface CategoryBreach {
  readonly category: Category;
  readonly rule: CategoryRule;
}

/** What has to be left, so that a purpose tells something at all: all of the first, and one of the second. */
const TELLS: Readonly<Record<ServicePurpose, { readonly all: CategoryMask; readonly some: CategoryMask }>> = {
  weather: { all: LOCATION | STATUS, some: LOCATION | STATUS },
  scene: { all: STATUS, some: STATUS },
  network: { all: 0, some: MODEL | IP },
};

/** What a service is given for a purpose: no more than the purpose uses. Without a list all of that. */
export function categoriesOf(purpose: ServicePurpose, categories: readonly Category[] | undefined): CategoryMask {
  return categories === undefined ? PURPOSE_USES[purpose] : PURPOSE_USES[purpose] & maskOf(categories);
}

/** Every way in which a list of categories does not fit the purposes: it may narrow what they give, and never widen it. */
export function categoryBreaches(
  purposes: readonly ServicePurpose[],
  categories: readonly Category[] | undefined,
): CategoryBreach[] {
  if (categories === undefined) return [];
  const used = purposes.reduce((mask, purpose) => mask | PURPOSE_USES[purpose], 0);
  const beyond = [...new Set(categories)].filter((category) => (maskOf([category]) & used) === 0);
  let missing = 0;
  for (const purpose of purposes) {
    const left = categoriesOf(purpose, categories);
    missing |= TELLS[purpose].all & ~left;
    if ((left & TELLS[purpose].some) === 0) missing |= TELLS[purpose].some;
  }
  return [
    ...beyond.map((category) => ({ category, rule: "not-of-purpose" as const })),
    ...CATEGORIES.filter((category) => (maskOf([category]) & missing) !== 0).map((category) => ({
      category,
      rule: "needed-by-purpose" as const,
    })),
  ];
}

function maskOf(categories: readonly Category[]): CategoryMask {
  return categories.reduce((mask, category) => mask | (1 << CATEGORIES.indexOf(category)), 0);
}
