/** What the page shows as in force is what the gate lets through, including policy, expiry, minors and guardians. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyEvent, NOW, party, withdrawnEvent } from "../../../tests/arbitraries/ledger.ts";
import type { Standing } from "../../model/centre.ts";
import { grantsOf, type PolicyFloors } from "../../model/consent.ts";
import type { ConsentEvent } from "../../model/consent-record.ts";
import type { SubjectTag } from "../../model/ids.ts";
import { decide } from "../decision/decide.ts";
import { showRecord } from "./show-record.ts";
import { type ShownStatement, type StandingAsOf, standingsOf } from "./standing.ts";
import { stateAfter } from "./store.ts";
import { materialise } from "./subject-state.ts";

const FLOORS: PolicyFloors = { analytics: 1, weather: 1, scene: 1, network: 1 };
const asOf = { floors: FLOORS, now: 1_000, minor: false };

const terms = { basis: "consent" as const, recipients: [], retentionDays: 0, regions: [] };
const statement: ShownStatement = {
  state: "given",
  recordId: "r1",
  at: 1,
  controller: "vendor",
  policyVersion: 1,
  policyHash: "h",
  noticeLanguage: "en",
  jurisdiction: ["IN"],
  purposes: [
    { id: "analytics", categories: ["status"], ...terms },
    { id: "weather", categories: ["location", "status"], ...terms },
  ],
  expiresAt: 2_000,
};

const given = (more: object = {}) => ({ ...statement, type: "given", by: "subject", fence: 0, ...more });

function standingOf(events: object[], shown: ShownStatement | undefined, as: StandingAsOf): Standing {
  return standingsOf({ events: events as ConsentEvent[] }, as)(shown);
}
const guardian = { verified: true, method: "id-check" };

describe("the consent in force", () => {
  it("is what was given, in force", () => {
    const standing = standingOf([given()], statement, asOf);
    expect(standing).toMatchObject({
      state: "given",
      used: { analytics: ["status"], weather: ["location", "status"] },
      waiting: {},
    });
  });

  it("is empty without a statement, after a refusal, after a withdrawal and after expiry", () => {
    expect(standingOf([], undefined, asOf).state).toBe("none");
    for (const state of ["refused", "withdrawn"] as const) {
      expect(standingOf([given()], { ...statement, state }, asOf)).toMatchObject({ state, used: {} });
    }
    expect(standingOf([given()], statement, { ...asOf, now: 2_000 })).toMatchObject({
      state: "expired",
      used: {},
    });
  });

  it("leaves out what a newer policy suspended, and lists what awaits confirmation", () => {
    const floors = { ...FLOORS, weather: 2 };
    expect(standingOf([given()], statement, { ...asOf, floors })).toMatchObject({
      used: { analytics: ["status"] },
      waiting: { weather: ["location", "status"] },
      suspended: ["weather"],
    });
  });
});

describe("for a minor", () => {
  const minor = { ...asOf, minor: true };

  it("nothing is used without a guardian's approval", () => {
    expect(standingOf([given()], statement, minor)).toMatchObject({
      state: "unapproved",
      used: {},
      waiting: { weather: ["location", "status"] },
    });
  });

  it("analytics is never used, with or without a guardian", () => {
    expect(standingOf([given({ guardian })], statement, minor).used).toEqual({
      weather: ["location", "status"],
    });
  });

  it("a guardian on file approves only their own statement, not what the child states later", () => {
    const before = given({ recordId: "r0", guardian });
    expect(standingOf([before, given({ by: "guardian" })], statement, minor).state).toBe("given");
    expect(standingOf([before, given()], statement, minor).state).toBe("unapproved");
    expect(standingOf([given({ guardian: { ...guardian, verified: false } })], statement, minor).state).toBe(
      "unapproved",
    );
  });
});

it("a guardian from before the coming of age approves nothing afterwards, at the gate and on the page", () => {
  const minor = { ...asOf, minor: true };
  const events = [
    given({ recordId: "r0", minor: true, guardian }),
    { ...statement, type: "requested", recordId: "r2", by: "controller", evidenceRef: "e", fence: 0, minor: false },
    given({ minor: true, by: "guardian" }),
  ];
  expect(standingOf(events, statement, minor).state).toBe("unapproved");
});

describe("the page and the gate", () => {
  const version = fc.integer({ min: 0, max: 3 });
  const floors = fc.record({ analytics: version, weather: version, scene: version, network: version });
  // A restore withdraws and states the party in one event.
  const takenBack = fc.tuple(withdrawnEvent, fc.record(party)).map(([event, of]) => ({ ...event, ...of }));
  const events = fc.array(fc.oneof(anyEvent, takenBack), { maxLength: 16 });
  const moment = fc.constantFrom(NOW, NOW + 999, NOW + 1_000, NOW + 1_001);

  it("agree about every device of every ledger, except for legal holds", () => {
    fc.assert(
      fc.property(events, floors, moment, (all, under, now) => {
        const distinct = all.map((event, index) => ({ ...event, recordId: `r${index}` }));
        const state = stateAfter(distinct, distinct.length);
        const ledger = { tag: "t" as SubjectTag, head: "h", wrappedSubjectKey: undefined, events: distinct, state };
        const record = showRecord(ledger, { controller: "vendor", plan: { floors: under, later: [] }, now });
        const standing = standingsOf(record, { floors: under, now, minor: record.minor });
        const decisions = materialise(state, "key");
        for (const { device, consent } of record.devices) {
          const decision = decisions.get(device);
          const gate = decide(decision && { ...decision, held: false }, under, now);
          const page = standing(consent ?? record.consent);
          expect(grantsOf(page.used)).toBe(gate.grants ?? 0);
          expect(page.state === "expired").toBe(gate.refusal === "consent-expired");
          expect(page.state === "unapproved").toBe(gate.refusal === "guardian-missing");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
