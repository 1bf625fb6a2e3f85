/** What the page says holds is what the gate would let through: policy, expiry, minors and guardians included. */
import { describe, expect, it } from "vitest";
import type { Category, PolicyFloors } from "../../model/consent.ts";
import type { ConsentEvent, ConsentRecord } from "../../model/consent-record.ts";
import { devicesEver, standingOf, withMore } from "./standing.ts";

const FLOORS: PolicyFloors = { analytics: 1, weather: 1, scene: 1, network: 1 };
const asOf = { floors: FLOORS, now: 1_000, minor: false };
type Statement = NonNullable<ConsentRecord["consent"]>;

const terms = { basis: "consent" as const, recipients: [], retentionDays: 0, regions: [] };
const statement: Statement = {
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

function recordOf(...events: object[]): ConsentRecord {
  return { events: events as ConsentEvent[] } as Partial<ConsentRecord> as ConsentRecord;
}
const given = (more: object = {}) => ({ type: "given", recordId: "r1", by: "subject", ...more });
const guardian = { verified: true, method: "id-check" };

describe("what holds", () => {
  it("is what was given, in force", () => {
    const standing = standingOf(recordOf(given()), statement, asOf);
    expect(standing).toMatchObject({
      state: "given",
      used: { analytics: ["status"], weather: ["location", "status"] },
      waiting: {},
    });
  });

  it("is nothing without a statement, after a no, after a withdrawal and after its end", () => {
    expect(standingOf(recordOf(), undefined, asOf).state).toBe("none");
    for (const state of ["refused", "withdrawn"] as const) {
      expect(standingOf(recordOf(given()), { ...statement, state }, asOf)).toMatchObject({ state, used: {} });
    }
    expect(standingOf(recordOf(given()), statement, { ...asOf, now: 2_000 })).toMatchObject({
      state: "expired",
      used: {},
    });
  });

  it("leaves out what a newer policy suspended, and says what waits", () => {
    const floors = { ...FLOORS, weather: 2 };
    expect(standingOf(recordOf(given()), statement, { ...asOf, floors })).toMatchObject({
      used: { analytics: ["status"] },
      waiting: { weather: ["location", "status"] },
      suspended: ["weather"],
    });
  });
});

describe("of a minor", () => {
  const minor = { ...asOf, minor: true };

  it("nothing is used that no guardian agreed to", () => {
    expect(standingOf(recordOf(given()), statement, minor)).toMatchObject({
      state: "unapproved",
      used: {},
      waiting: { weather: ["location", "status"] },
    });
  });

  it("analytics is never used, guardian or not", () => {
    expect(standingOf(recordOf(given({ guardian })), statement, minor).used).toEqual({
      weather: ["location", "status"],
    });
  });

  it("a guardian on file agrees by saying it, and not by what the child says later", () => {
    const before = given({ recordId: "r0", guardian });
    expect(standingOf(recordOf(before, given({ by: "guardian" })), statement, minor).state).toBe("given");
    expect(standingOf(recordOf(before, given()), statement, minor).state).toBe("unapproved");
    expect(standingOf(recordOf(given({ guardian: { ...guardian, verified: false } })), statement, minor).state).toBe(
      "unapproved",
    );
  });
});

describe("agreeing to more", () => {
  const offer = (...categories: Category[]) => ({ description: "", ...terms, categories });
  const offers = {
    analytics: offer("status"),
    weather: offer("location", "status"),
    scene: offer("model", "status"),
  };
  const more = { scene: ["status" as const, "model" as const], weather: ["location" as const] };

  it("keeps what is used, and nothing that waits", () => {
    const standing = standingOf(recordOf(given()), statement, { ...asOf, floors: { ...FLOORS, analytics: 2 } });
    expect(withMore(standing, more, offers)).toEqual({ weather: ["location", "status"], scene: ["model", "status"] });
  });

  it("does not carry along what the newest policy no longer offers", () => {
    const standing = standingOf(recordOf(given()), statement, asOf);
    const fewer = { weather: offer("location"), scene: offer("model", "status") };
    expect(withMore(standing, more, fewer)).toEqual({ weather: ["location"], scene: ["model", "status"] });
  });
});

it("a device keeps its number, whatever is unbound or bound again", () => {
  const bound = (device: string) => ({ type: "bound", device });
  const events = [bound("a"), bound("b"), { type: "unbound", device: "a" }, bound("c"), bound("a")];
  expect(devicesEver(recordOf(...events))).toEqual(["a", "b", "c"]);
});
