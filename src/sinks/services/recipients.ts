/** Configured services as recipients: one for each purpose of each, and given data only while the policy covers them. */
import type { ServicePurpose } from "../../model/consent.ts";
import type { Recipient } from "../../model/disclosure.ts";

export interface ConfiguredService {
  readonly name: string;
  readonly purposes: readonly ServicePurpose[];
  readonly region: string;
  readonly contractRef?: string | undefined;
}

export class Recipients {
  readonly all: readonly Recipient[];
  readonly #byName: ReadonlyMap<string, Recipient>;
  readonly #coverage: { covers(service: string, purpose: ServicePurpose): boolean };

  constructor(
    services: readonly ConfiguredService[],
    coverage: { covers(service: string, purpose: ServicePurpose): boolean },
  ) {
    this.all = services
      .flatMap((service) => [...new Set(service.purposes)].map((purpose) => ({ service, purpose })))
      .map(({ service: { name, region, contractRef }, purpose }, index) => ({
        index,
        name,
        purpose,
        region,
        contract: contractRef,
      }));
    this.#byName = new Map(this.all.map((one) => [`${one.name}|${one.purpose}`, one]));
    this.#coverage = coverage;
  }

  /** `undefined`: it may be given nothing for this purpose now. */
  recipient(service: string, purpose: ServicePurpose): Recipient | undefined {
    return this.#coverage.covers(service, purpose) ? this.#byName.get(`${service}|${purpose}`) : undefined;
  }
}
