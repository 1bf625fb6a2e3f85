import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  anyEvent,
  anyState,
  DEVICES,
  FLOORS,
  givenEvent,
  HASH,
  heldEvent,
  NOW,
  requestedEvent,
  terms,
  withdrawnEvent,
} from "../../../tests/arbitraries/ledger.ts";
import type { Decision } from "../../model/consent.ts";
import {
  type ConsentEvent,
  consentEvent,
  type EventOf,
  isConsent,
  type PurposeTerms,
} from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import { CATEGORIES, PURPOSES } from "../../model/purposes.ts";
import { decide } from "../decision/decide.ts";
import { heldSince } from "../decision/uninterrupted.ts";
import { canonicalJson } from "../hash-chain.ts";
import { fold, foldAll } from "./fold.ts";
import { EMPTY_STATE, isHeld, materialise, type SubjectState } from "./subject-state.ts";

function grants(decision: Decision | undefined): number {
  return decide(decision, FLOORS, NOW).grants ?? 0;
}

/** What each device is allowed after every event, as bits. */
function allowed(state: SubjectState): number[] {
  const decisions = materialise(state, "key");
  return DEVICES.map((key) => grants(decisions.get(key)));
}

test("every event can be written to the ledger and read back", () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const text = canonicalJson(event);
      expect(canonicalJson(consentEvent.parse(JSON.parse(text)))).toBe(text);
    }),
  );
});

test("an unbound device has no decision, whatever was stated", () => {
  fc.assert(
    fc.property(anyState, (state) => {
      for (const key of materialise(state, "key").keys()) expect(state.devices.has(key)).toBe(true);
    }),
  );
});

describe("only consent given allows anything", () => {
  test("a withdrawal, a request, an unbinding and a hold only remove grants", () => {
    fc.assert(
      fc.property(anyState, anyEvent, (state, event) => {
        fc.pre(!["given", "reconfirmed", "bound", "released"].includes(event.type));
        // The old format let a refusal end a minority; that stays readable but is no longer written.
        fc.pre(event.type !== "refused" || event.minor !== false);
        // Under the same reference it takes the place of the hold before it, which may have covered more.
        fc.pre(event.type !== "held" || !state.holds.has(event.ref));
        const before = allowed(state);
        for (const [index, after] of allowed(fold(state, event)).entries())
          expect(after & ~(before[index] ?? 0)).toBe(0);
      }),
    );
  });

  test("without any consent there are no grants, in any order of the other events", () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        const state = foldAll(events.filter((event) => !isConsent(event)));
        expect(allowed(state)).toEqual([0, 0, 0]);
      }),
    );
  });
});

describe("the grants held since a revision", () => {
  const unheld = anyEvent.filter(({ type }) => type !== "held");

  test("are exactly those granted after every event since then", () => {
    fc.assert(
      fc.property(fc.array(unheld, { minLength: 1, maxLength: 15 }), (events) => {
        const states = [EMPTY_STATE];
        for (const event of events) states.push(fold(states.at(-1) ?? EMPTY_STATE, event));
        const last = materialise(states.at(-1) ?? EMPTY_STATE, "key");
        for (const [index, key] of DEVICES.entries()) {
          const decision = last.get(key);
          if (decision === undefined) continue;
          for (const admitted of states) {
            const later = states.slice(admitted.revision).map((state) => allowed(state)[index] ?? 0);
            const unbroken = later.reduce((bits, after) => bits & after, 0xffff);
            expect(heldSince(decision.since, admitted.revision)).toBe(unbroken);
          }
        }
      }),
    );
  });

  test.each([
    ["for all devices", undefined],
    ["for one", ["a".repeat(22) as DeviceKey]],
  ])("end when consent %s expired by the clock, even without an event", (_for, devices) => {
    const key = "a".repeat(22) as DeviceKey;
    const [any] = fc.sample(givenEvent, 1) as [EventOf<"given">];
    const [offered] = fc.sample(terms, 1) as [PurposeTerms];
    const given: EventOf<"given"> = {
      ...any,
      minor: false,
      devices,
      purposes: [{ ...offered, id: "scene" }],
    };
    const { schemaVersion, recordId, at, by, fence, prevHash } = given;
    const bound: ConsentEvent = { schemaVersion, recordId, at, by, fence, prevHash, type: "bound", device: key };
    const consented = foldAll([bound, given]);
    const anew = fold(consented, { ...given, at: NOW + 2_000, expiresAt: NOW + 9_000 });
    const { since = "" } = materialise(anew, "key").get(key) ?? {};
    expect(heldSince(since, consented.revision)).toBe(0);
    expect(heldSince(since, anew.revision)).not.toBe(0);
  });

  test.each(["", "1", "1.", ".1", "1.1,", "1.1,x", "1.1;2.2", "-1.1", "1.999999"])(
    "%j decodes to no grants",
    (text) => {
      expect(heldSince(text, 1_000)).toBe(0);
    },
  );
});

describe("a withdrawal", () => {
  test("of everything leaves nothing; of a purpose or category, nothing of it", () => {
    fc.assert(
      fc.property(anyState, withdrawnEvent, (state, event) => {
        const after = allowed(fold(state, event));
        for (const [index, key] of DEVICES.entries()) {
          if (event.devices !== undefined && !event.devices.includes(key)) continue;
          for (const [row, purpose] of PURPOSES.entries()) {
            for (const [column, category] of CATEGORIES.entries()) {
              const named =
                (event.purposes?.includes(purpose) ?? true) && (event.categories?.includes(category) ?? true);
              if (named) expect((after[index] ?? 0) & (1 << (row * CATEGORIES.length + column))).toBe(0);
            }
          }
        }
      }),
    );
  });

  test("leaves unchanged what it does not name", () => {
    fc.assert(
      fc.property(anyState, withdrawnEvent, (state, event) => {
        const before = allowed(state);
        for (const [index, after] of allowed(fold(state, event)).entries()) {
          const key = DEVICES[index];
          const spared = key !== undefined && event.devices !== undefined && !event.devices.includes(key);
          if (spared) expect(after).toBe(before[index]);
          for (const [row, purpose] of PURPOSES.entries()) {
            if (event.purposes === undefined || event.purposes.includes(purpose)) continue;
            const bits = 0xf << (row * CATEGORIES.length);
            expect(after & bits).toBe((before[index] ?? 0) & bits);
          }
        }
      }),
    );
  });
});

test("a minor never has analytics, and nothing at all without an approving guardian", () => {
  fc.assert(
    fc.property(anyState, (state) => {
      if (!state.minor) return;
      const decisions = materialise(state, "key");
      for (const [key, decision] of decisions) {
        expect(grants(decision) & 0xf).toBe(0);
        const consent = state.own.get(key) ?? state.general;
        if (!consent?.guardianApproved) expect(grants(decision)).toBe(0);
      }
    }),
  );
});

test("a hold freezes every device, a release restores the grants from before", () => {
  fc.assert(
    fc.property(anyState, fc.uuid(), (state, recordId) => {
      const stamp = {
        schemaVersion: 1,
        recordId,
        at: NOW,
        by: "authority",
        fence: state.fence,
        prevHash: HASH,
      } as const;
      const free = fold(state, { ...stamp, type: "released" });
      const held = fold(free, { ...stamp, type: "held", ref: "order:1", until: NOW });
      expect(allowed(held)).toEqual([0, 0, 0]);
      expect(allowed(fold(held, { ...stamp, type: "released" }))).toEqual(allowed(free));
    }),
  );
});

describe("a legal hold", () => {
  test("freezes exactly what it covers, whatever other holds exist", () => {
    fc.assert(
      fc.property(anyState, heldEvent, (state, event) => {
        const without = fold(state, { ...event, type: "released", ref: event.ref });
        const after = fold(state, event);
        for (const one of DEVICES) {
          const covered = event.devices?.includes(one) ?? true;
          expect(isHeld(after, one)).toBe(covered || isHeld(without, one));
        }
        for (const [one, decision] of materialise(after, "key")) {
          expect(decision.held).toBe(isHeld(after, one));
          if (decision.held) expect(decide(decision, FLOORS, NOW)).toEqual({ refusal: "legal-hold" });
        }
      }),
    );
  });

  test("placed and released leaves the state as before; a release without a reference ends all holds", () => {
    fc.assert(
      fc.property(anyState, heldEvent, (state, event) => {
        const ref = "order:9";
        const back = fold(fold(state, { ...event, ref }), { ...event, type: "released", ref });
        const { fence, revision } = state;
        expect(materialise({ ...back, fence, revision }, "key")).toEqual(materialise(state, "key"));
        const free = fold(state, { ...event, type: "released", ref: undefined });
        expect(DEVICES.some((one) => isHeld(free, one))).toBe(false);
      }),
    );
  });
});

test("expiry ends exactly the expired consent, and allows nothing new", () => {
  fc.assert(
    fc.property(anyState, fc.boolean(), (state, late) => {
      const at = late ? NOW + 1_000 : NOW + 999;
      const after = fold(state, {
        schemaVersion: 1,
        recordId: "",
        by: "controller",
        fence: 0,
        prevHash: HASH,
        type: "expired",
        at,
      });
      const decisions = materialise(after, "key");
      for (const [one, before] of materialise(state, "key")) {
        const ends = before.state === "given" && before.expiresAt <= at;
        expect(decisions.get(one)?.state).toBe(ends ? "expired" : before.state);
        expect(decisions.get(one)?.grants).toBe(before.grants);
      }
      expect(late ? allowed(after).every((bits) => bits === 0) : allowed(after)).toEqual(late ? true : allowed(state));
    }),
  );
});

test("folding events one by one or all at once gives the same state", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 20 }), (events) => {
      expect(foldAll(events)).toEqual(events.reduce(fold, EMPTY_STATE));
    }),
  );
});

describe("coming of age", () => {
  test("ends the child's statements and the guardian's approval, and asks for consent again", () => {
    fc.assert(
      fc.property(anyState, requestedEvent, (state, event) => {
        fc.pre(state.minor);
        const after = fold(state, { ...event, by: "controller", evidenceRef: "age:1", minor: false });
        expect(after).toMatchObject({ minor: false, guardian: undefined, general: { state: "requested" } });
        expect(after.own.size).toBe(0);
        expect(allowed(after)).toEqual([0, 0, 0]);
      }),
    );
  });
});

describe("the cost of a ledger", () => {
  const stamp = { schemaVersion: 2, recordId: "r", by: "subject", fence: 0, prevHash: HASH } as const;
  const [any] = fc.sample(givenEvent, 1) as [EventOf<"given">];
  const general: EventOf<"given"> = { ...any, minor: false, guardian: undefined, devices: undefined };

  /** How often the maps and sets of a state are written. */
  function writes(work: () => void): number {
    let count = 0;
    const counted = [Map.prototype, Set.prototype].flatMap((prototype) => {
      const methods = prototype === Set.prototype ? ["add"] : ["set"];
      return methods.map((method) => {
        const real = Reflect.get(prototype, method) as (...given: unknown[]) => unknown;
        Reflect.set(prototype, method, function (this: object, ...given: unknown[]) {
          count += 1;
          return real.apply(this, given);
        });
        return () => Reflect.set(prototype, method, real);
      });
    });
    try {
      work();
    } finally {
      for (const restore of counted) restore();
    }
    return count;
  }

  test.each([
    ["under the general statement", (_at: number) => general],
    ["each with its own statement", (at: number): ConsentEvent => ({ ...general, devices: [keyOf(at % 500)] })],
  ])("grows with the events, not with events times devices %s", (_what, event) => {
    const bound: ConsentEvent[] = Array.from({ length: 500 }, (_, at) => ({
      ...stamp,
      at: NOW,
      type: "bound",
      device: keyOf(at),
    }));
    const said = Array.from({ length: 1_000 }, (_, at) => event(at));
    const events = [...bound, ...said];
    expect(writes(() => foldAll(events))).toBeLessThan(10 * events.length);
  });

  function keyOf(at: number): DeviceKey {
    return String(at).padStart(22, "d") as DeviceKey;
  }
});
