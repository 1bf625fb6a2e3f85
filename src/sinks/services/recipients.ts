/**
 * Services as recipients: what each may be given for each of its purposes, while the policy covers it. Services come and go and
 * change; a recipient that the account of disclosures may still count for stays known.
 */

import type { Recipient } from "../../model/disclosure.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Entitlement, NamedService } from "../../model/service.ts";
import { categoriesOf } from "../../model/service-terms.ts";

export type RecipientService = Pick<NamedService, "name" | "purposes" | "region" | "contractRef" | "categories">;

/** Each has a place in the account of every subject that is remembered. */
const MAX_RECIPIENTS = 10_000;

export class Recipients {
  /** Grows only. */
  readonly all: Recipient[] = [];
  /** By everything that a line of the account says of one. */
  readonly #known = new Map<string, Recipient>();
  readonly #coverage: { covers(service: string, purpose: ServicePurpose): boolean };
  #entitled: ReadonlyMap<string, Entitlement> = new Map();

  constructor(coverage: { covers(service: string, purpose: ServicePurpose): boolean }) {
    this.#coverage = coverage;
  }

  /** From here on these are all there are. False: some can't be told apart any more before a restart, and get nothing. */
  use(services: readonly RecipientService[]): boolean {
    const entitled = new Map<string, Entitlement>();
    let complete = true;
    for (const service of services) {
      for (const purpose of service.purposes) {
        const recipient = this.#recipient(service, purpose);
        if (recipient === undefined) complete = false;
        else {
          const categories = categoriesOf(purpose, service.categories);
          entitled.set(`${service.name}|${purpose}`, { recipient, categories });
        }
      }
    }
    this.#entitled = entitled;
    return complete;
  }

  /** `undefined`: it may be given nothing for this purpose now. */
  entitlement(service: string, purpose: ServicePurpose): Entitlement | undefined {
    return this.#coverage.covers(service, purpose) ? this.#entitled.get(`${service}|${purpose}`) : undefined;
  }

  /** Whether there is a service that may be given something for this purpose now, connected or not. */
  anyFor(purpose: ServicePurpose): boolean {
    for (const { recipient } of this.#entitled.values()) {
      if (recipient.purpose === purpose && this.#coverage.covers(recipient.name, purpose)) return true;
    }
    return false;
  }

  #recipient({ name, region, contractRef }: RecipientService, purpose: ServicePurpose): Recipient | undefined {
    const about = [name, purpose, region, contractRef].join("|");
    let recipient = this.#known.get(about);
    if (recipient === undefined && this.all.length < MAX_RECIPIENTS) {
      recipient = { index: this.all.length, name, purpose, region, contract: contractRef };
      this.#known.set(about, recipient);
      this.all.push(recipient);
    }
    return recipient;
  }
}
