/** Events of a ledger in any order, and the states they lead to, for property tests. */
import fc from "fast-check";
import { foldAll } from "../../src/consent/ledger/fold.ts";
import type { ConsentEvent, PurposeTerms } from "../../src/model/consent-record.ts";
import type { DeviceKey } from "../../src/model/ids.ts";
import { CATEGORIES, PURPOSES } from "../../src/model/purposes.ts";

export const NOW = 1_700_000_000_000;
export const HASH = "h".repeat(43);
export const DEVICES = ["a", "b", "c"].map((letter) => letter.repeat(22) as DeviceKey);
export const FLOORS = { analytics: 1, weather: 1, scene: 1, network: 1 };

const common = {
  schemaVersion: fc.constantFrom(1 as const, 2 as const),
  recordId: fc.uuid(),
  at: fc.constant(NOW),
  by: fc.constantFrom("subject" as const, "guardian" as const),
  fence: fc.nat(1_000),
  prevHash: fc.constant(HASH),
};
export const device = fc.constantFrom(...DEVICES);
export const devices = fc.option(fc.uniqueArray(device, { minLength: 1 }), { nil: undefined });
export const categories = fc.uniqueArray(fc.constantFrom(...CATEGORIES), { minLength: 1 });
const notice = {
  controller: fc.constant("vendor"),
  policyVersion: fc.constant(1),
  policyHash: fc.constant(HASH),
  noticeLanguage: fc.constant("en"),
  jurisdiction: fc.constant<string[]>(["IN"]),
};
export const terms: fc.Arbitrary<PurposeTerms> = fc.record({
  id: fc.constantFrom(...PURPOSES),
  basis: fc.constant("consent" as const),
  categories,
  recipients: fc.constant<string[]>([]),
  retentionDays: fc.constant(0),
  regions: fc.constant<string[]>(["IN"]),
});
export const party = {
  minor: fc.option(fc.boolean(), { nil: undefined }),
  guardian: fc.option(fc.record({ verified: fc.boolean(), method: fc.constant("id-check") }), { nil: undefined }),
};
export const purposes = fc.uniqueArray(terms, { selector: ({ id }) => id });
export const consented = { ...common, ...notice, ...party, devices, purposes, expiresAt: fc.constant(NOW + 1_000) };
export const givenEvent = fc.record({ ...consented, type: fc.constant("given" as const) });
export const requestedEvent = fc.record({
  ...common,
  ...notice,
  ...party,
  type: fc.constant("requested" as const),
  devices,
  purposes,
});
export const withdrawnEvent = fc.record({
  ...common,
  type: fc.constant("withdrawn" as const),
  devices,
  purposes: fc.option(fc.uniqueArray(fc.constantFrom(...PURPOSES), { minLength: 1 }), { nil: undefined }),
  categories: fc.option(categories, { nil: undefined }),
});
const orderRef = fc.constantFrom("order:1", "order:2", "order:3");
export const heldEvent = fc.record({
  ...common,
  type: fc.constant("held" as const),
  ref: orderRef,
  until: fc.constant(NOW),
  devices,
});
export const anyEvent: fc.Arbitrary<ConsentEvent> = fc.oneof(
  fc.record({ ...common, type: fc.constant("bound" as const), device }),
  fc.record({ ...common, type: fc.constant("unbound" as const), device }),
  givenEvent,
  fc.record({ ...consented, type: fc.constant("reconfirmed" as const) }),
  requestedEvent,
  fc.record({ ...common, ...notice, ...party, type: fc.constant("refused" as const), devices }),
  fc.record({
    ...common,
    type: fc.constant("invalidated" as const),
    policyVersion: fc.constant(2),
    purposes: fc.uniqueArray(fc.constantFrom(...PURPOSES), { minLength: 1 }),
  }),
  withdrawnEvent,
  heldEvent,
  fc.record({ ...common, type: fc.constant("released" as const), ref: fc.option(orderRef, { nil: undefined }) }),
  fc.record({ ...common, type: fc.constant("expired" as const) }),
  fc.record({ ...common, type: fc.constant("erasure-requested" as const), erasure: fc.uuid() }),
  fc.record({ ...common, type: fc.constant("erased" as const), erasure: fc.uuid() }),
);
export const anyState = fc.array(anyEvent, { maxLength: 12 }).map((events) => foldAll(events));
