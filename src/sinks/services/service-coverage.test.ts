/** Who the newest policy covers: none before it is read, all of them at the start, fewer when it says so. */
import { describe, expect, it } from "vitest";
import type { LogFields } from "../../model/log.ts";
import type { PolicyDocument, PolicyTerms } from "../../model/policy-document.ts";
import { type CoveredService, ServiceCoverage } from "./service-coverage.ts";

const KEPT = { region: "IN-KA", deviceStatusDays: 365, deviceLocationDays: 30 };
const SERVICES: CoveredService[] = [
  {
    name: "sky",
    origin: "file",
    purposes: ["weather"],
    region: "IN",
    relation: "third-party",
    recipient: "weather services",
  },
  {
    name: "both",
    origin: "file",
    purposes: ["weather", "scene"],
    region: "IN",
    relation: "processor",
    recipient: "partners",
    contractRef: "dpa:1",
  },
];

function terms(more: Partial<PolicyTerms> = {}): PolicyTerms {
  const recipients = ["weather services", "partners"];
  return {
    description: "d",
    basis: "consent",
    categories: ["status"],
    recipients,
    retentionDays: 0,
    regions: ["IN"],
    ...more,
  };
}

function policy(version: number, more: PolicyDocument["purposes"] = {}): PolicyDocument {
  return {
    schemaVersion: 1,
    version,
    effectiveFrom: "2026-01-01",
    language: "en",
    title: "t",
    change: { kind: version === 1 ? "first" : "minor", summary: "s" },
    purposes: { analytics: terms({ retentionDays: 365 }), weather: terms(), scene: terms(), ...more },
    statements: [],
  };
}

function coverage(first: PolicyDocument | undefined, services = SERVICES) {
  const logged: [string, LogFields | undefined][] = [];
  const self = { newest: first, uncovered: Number.NaN, services };
  const subject = new ServiceCoverage(() => self.services, {
    newest: async (known) => {
      if (self.newest === undefined && known > 0) throw new Error("Redis is away");
      return (self.newest?.version ?? 0) > known ? self.newest : undefined;
    },
    uncovered: (count) => {
      self.uncovered = count;
    },
    log: {
      info: () => {},
      error: () => {},
      warn: (event, fields) => void logged.push([event, fields]),
    },
  });
  const covered = () =>
    (["sky", "both"] as const).flatMap((name) =>
      (["weather", "scene", "network"] as const)
        .filter((purpose) => subject.covers(name, purpose))
        .map((purpose) => `${name} ${purpose}`),
    );
  return Object.assign(self, { subject, covered, logged });
}

const ALL = ["sky weather", "both weather", "both scene"];

describe("at the start", () => {
  it("none is covered before the policy is read, then all are", async () => {
    const test = coverage(policy(1));
    expect(test.covered()).toEqual([]);
    await test.subject.require(KEPT);
    expect([test.covered(), test.uncovered]).toEqual([ALL, 0]);
  });

  it("everything that does not fit is named, option by option", async () => {
    const test = coverage(policy(3, { weather: terms({ recipients: ["weather services"], regions: ["DE"] }) }));
    await expect(test.subject.require(KEPT)).rejects.toThrow(
      "SERVICE_NOT_COVERED: services.0.region: region-not-in-policy (weather); " +
        "services.1.recipient: recipient-not-in-policy (weather); services.1.region: region-not-in-policy (weather)",
    );
    expect(test.covered()).toEqual([]);
  });

  it("nothing may be kept for longer than the policy says, to the day", async () => {
    const analytics = (retentionDays: number) => coverage(policy(1, { analytics: terms({ retentionDays }) })).subject;
    await analytics(365).require(KEPT);
    await expect(analytics(364).require(KEPT)).rejects.toThrow(
      "RETENTION_EXCEEDS_POLICY: retention.deviceStatusDays: longer-than-policy (analytics)",
    );
    await expect(analytics(29).require(KEPT)).rejects.toThrow(
      "retention.deviceStatusDays: longer-than-policy (analytics); retention.deviceLocationDays: longer-than-policy",
    );
  });

  it("the store must lie in a region that the policy names for what is stored", async () => {
    const abroad = coverage(policy(1, { analytics: terms({ retentionDays: 365, regions: ["DE", "FR"] }) })).subject;
    await expect(abroad.require(KEPT)).rejects.toThrow(
      "RESIDENCY_UNSATISFIED: sinks.influx.region: region-not-in-policy (analytics)",
    );
    await abroad.require({ ...KEPT, region: "FR" });
    expect(abroad.covers("sky", "weather")).toBe(true);
  });

  it("a policy without analytics limits nothing: there is nothing to keep", async () => {
    const { analytics: _none, ...purposes } = policy(1).purposes;
    const test = coverage({ ...policy(1), purposes });
    await test.subject.require(KEPT);
    expect(test.covered()).toEqual(ALL);
  });

  it("without any policy it fails", async () => {
    await expect(coverage(undefined).subject.require(KEPT)).rejects.toThrow("SERVICE_NOT_COVERED: there is no policy");
  });
});

describe("a policy published later", () => {
  it("cuts off what it does not cover, says so once, and lets it in again when it does", async () => {
    const test = coverage(policy(1));
    await test.subject.require(KEPT);
    test.newest = policy(2, { weather: terms({ recipients: ["partners"] }), scene: terms({ regions: ["DE"] }) });
    await test.subject.refresh();
    await test.subject.refresh();
    expect([test.covered(), test.uncovered]).toEqual([["both weather"], 2]);
    test.newest = policy(3, { scene: terms({ regions: ["DE"] }) });
    await test.subject.refresh();
    expect([test.covered(), test.uncovered]).toEqual([["sky weather", "both weather"], 1]);
    expect(test.logged.map(([, fields]) => fields)).toEqual([
      { purpose: "weather", reason: "recipient-not-in-policy", version: "2" },
      { purpose: "scene", reason: "region-not-in-policy", version: "2" },
    ]);
  });

  it("that drops a purpose leaves no one in it", async () => {
    const test = coverage(policy(1));
    await test.subject.require(KEPT);
    const { weather: _gone, ...purposes } = policy(2).purposes;
    test.newest = { ...policy(2), purposes };
    await test.subject.refresh();
    expect(test.covered()).toEqual(["both scene"]);
  });

  it("that can't be read changes nothing yet", async () => {
    const test = coverage(policy(1));
    await test.subject.require(KEPT);
    test.newest = undefined;
    await expect(test.subject.refresh()).rejects.toThrow("Redis is away");
    expect(test.covered()).toEqual(ALL);
  });
});
