/** Whether a service may be given data at all: what is configured about it, held against what the policy says. Pure. */
import type { ServicePurpose } from "./consent.ts";
import type { PolicyDocument } from "./policy-document.ts";
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
 * Whoever consented to a policy consented to the recipients and regions it names, third parties included; a
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
