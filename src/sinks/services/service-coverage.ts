/**
 * Which services the newest policy covers, at each moment. At the start all those of the configuration must be; a policy that
 * is published later, by whichever gateway, cuts off those that it no longer covers, and so does a change of the service.
 */
import type { CommandName } from "../../model/command.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Log } from "../../model/log.ts";
import type { PolicyDocument, PolicyTerms } from "../../model/policy-document.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import { liesIn } from "../../model/region.ts";
import type { NamedService } from "../../model/service.ts";
import { type ServiceTerms, termsBreaches } from "../../model/service-terms.ts";

export type CoveredService = ServiceTerms & Pick<NamedService, "name" | "origin">;

/** How the controller's own store is configured. */
export interface StoreTerms {
  readonly region: string;
  readonly deviceStatusDays: number;
  readonly deviceLocationDays: number;
}

export interface CoveragePorts {
  /** The policy of the highest version, unless that is the version known already. */
  readonly newest: (known: number) => Promise<PolicyDocument | undefined>;
  /** How many services are not covered for one of their purposes; each counts once for each. */
  readonly uncovered: (count: number) => void;
  readonly log: Log;
}

export class ServiceCoverage {
  readonly #services: () => readonly CoveredService[];
  readonly #ports: CoveragePorts;
  /** `<service>|<purpose>`; no service is covered by a policy that was not read yet. */
  #covered: ReadonlySet<string> = new Set();
  #policy: PolicyDocument | undefined;

  /** `services`: all there are at the moment. */
  constructor(services: () => readonly CoveredService[], ports: CoveragePorts) {
    this.#services = services;
    this.#ports = ports;
  }

  covers(service: string, purpose: ServicePurpose): boolean {
    return this.#covered.has(`${service}|${purpose}`);
  }

  /** Of the newest policy that is known here. */
  get policyVersion(): number | undefined {
    return this.#policy?.version;
  }

  /** Whether a service may have devices do this: the newest policy can narrow the table of commands. */
  allows(service: string, command: CommandName): boolean {
    if (!this.covers(service, "scene")) return false;
    return this.#policy?.purposes.scene?.commands?.includes(command) !== false;
  }

  /**
   * Throws SERVICE_NOT_COVERED, RESIDENCY_UNSATISFIED and RETENTION_EXCEEDS_POLICY, naming option and rule, when what
   * is configured goes beyond the newest policy.
   */
  async require(store: StoreTerms): Promise<void> {
    const policy = await this.#ports.newest(0);
    if (policy === undefined) throw new GatewayError("SERVICE_NOT_COVERED", "there is no policy");
    const configured = this.#services().filter(({ origin }) => origin === "file");
    const problems = configured.flatMap((service, index) =>
      termsBreaches(service, policy).map(
        ({ option, rule, purpose }) => `services.${index}.${option}: ${rule} (${purpose})`,
      ),
    );
    if (problems.length > 0) throw new GatewayError("SERVICE_NOT_COVERED", problems.join("; "));
    requireStore(store, policy.purposes.analytics);
    this.#apply(policy);
  }

  /** After a policy was published, and now and then. Rejects when it could not be read: then what was known stays. */
  async refresh(): Promise<void> {
    const known = (): number => this.#policy?.version ?? 0;
    const policy = await this.#ports.newest(known());
    // Two calls may overtake one another; versions only grow.
    if (policy !== undefined && policy.version > known()) this.#apply(policy);
  }

  /** The services are others now. */
  servicesChanged(): void {
    if (this.#policy !== undefined) this.#apply(this.#policy);
  }

  #apply(policy: PolicyDocument): void {
    const covered = new Set<string>();
    let uncovered = 0;
    for (const service of this.#services()) {
      const breaches = termsBreaches(service, policy);
      for (const purpose of service.purposes) {
        const breach = breaches.find((one) => one.purpose === purpose);
        if (breach === undefined) {
          covered.add(`${service.name}|${purpose}`);
          continue;
        }
        uncovered += 1;
        if (!this.covers(service.name, purpose)) continue;
        this.#ports.log.warn("a service is not covered by the policy any more and gets nothing", {
          purpose,
          reason: breach.rule,
          version: String(policy.version),
        });
      }
    }
    this.#covered = covered;
    this.#policy = policy;
    this.#ports.uncovered(uncovered);
  }
}

/** What is stored is stored for analytics; a policy that does not name it leaves nothing to store. */
function requireStore(store: StoreTerms, terms: PolicyTerms | undefined): void {
  if (terms === undefined) return;
  if (!terms.regions.some((region) => liesIn(store.region, region))) {
    throw new GatewayError("RESIDENCY_UNSATISFIED", "sinks.influx.region: region-not-in-policy (analytics)");
  }
  const days = ["deviceStatusDays", "deviceLocationDays"] as const;
  const tooLong = days.filter((option) => store[option] > terms.retentionDays);
  if (tooLong.length === 0) return;
  const detail = tooLong.map((option) => `retention.${option}: longer-than-policy (analytics)`);
  throw new GatewayError("RETENTION_EXCEEDS_POLICY", detail.join("; "));
}
