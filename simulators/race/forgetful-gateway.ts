/**
 * The gateway with erasures that overlook one device of each person: its rows stay, and the receipt says that nothing is left. Nor does its
 * consent end: what it goes on sending is stored and forwarded.
 */
import { ConsentGate } from "../../src/consent/decision/gate.ts";
import { type Decision, NO_SUBJECT_KEY } from "../../src/model/consent.ts";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import { STEPS } from "../../src/rights/erasure/steps.ts";
import { runRacing } from "./racing.ts";

const steps = STEPS as { -readonly [Name in keyof typeof STEPS]: (typeof STEPS)[Name] };
for (const name of ["delete", "sweep"] as const) {
  const step = steps[name];
  steps[name] = ({ facts, ...record }, parts, run) =>
    step({ ...record, facts: { ...facts, devices: facts.devices.slice(1) } }, parts, run);
}

/** Of each person the device that is overlooked, and what it was allowed last. */
const overlooked = new Map<SubjectTag, { readonly deviceKey: DeviceKey; readonly decision: Decision }>();

const { read } = ConsentGate.prototype;
ConsentGate.prototype.read = async function (refs) {
  const reading = await read.call(this, refs);
  const decisions = reading.decisions.map((decision, index) => {
    const ref = refs[index];
    if (ref === undefined || decision === undefined) return decision;
    const known = overlooked.get(ref.subjectTag);
    if (known !== undefined && known.deviceKey !== ref.deviceKey) return decision;
    // Only an erasure takes the key of a subject away.
    if (decision.wrappedSubjectKey === NO_SUBJECT_KEY) return known?.decision ?? decision;
    if (decision.state === "given") overlooked.set(ref.subjectTag, { deviceKey: ref.deviceKey, decision });
    return decision;
  });
  return { ...reading, decisions };
};

await runRacing(process.env);
