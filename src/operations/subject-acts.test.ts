/** An act is answered with what came of it, also of a part that is done again behind a purge. */
import { expect, test } from "vitest";
import type { LedgerAnswer } from "../model/consent-change.ts";
import type { SubjectTag } from "../model/ids.ts";
import type { SubjectPorts } from "./ports.ts";
import { stateConsent } from "./subject-acts.ts";

const TAG = "s".repeat(22) as SubjectTag;
const DONE: LedgerAnswer = { fence: 1, narrowed: true, silenced: [] };
const INPUT = {
  policyVersion: 1,
  purposes: {},
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
} as const;

function portsAnswering(...answers: readonly LedgerAnswer[]): SubjectPorts {
  const left = [...answers];
  const next = async () => left.shift();
  return {
    ledger: { give: next, refuse: next, request: next, record: async () => ({ minor: true }) },
    leases: { drain: async () => ({ drained: true, waitedMs: 0 }) },
    tidyRecords: async () => undefined,
    minors: { purgeIfDue: async () => true },
  } as unknown as SubjectPorts;
}

test.each(["given", "refused", "requested"] as const)(
  "what is %s and cannot be said again behind the purge of a minor is refused, not answered as said",
  async (state) => {
    const stated = stateConsent(portsAnswering(DONE, { refused: "policy-superseded" }), TAG, { state, input: INPUT });
    expect(await stated).toEqual({ refused: "policy-superseded" });
    expect((await stateConsent(portsAnswering(DONE, DONE), TAG, { state, input: INPUT })).refused).toBeUndefined();
  },
);
