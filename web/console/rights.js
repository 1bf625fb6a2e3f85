// @ts-check
/** Erasures that have no receipt yet, and legal holds, by their ages. Of whom they are is told nowhere. */
import { el } from "../shared/dom.js";
import { age, whole } from "./figures.js";
import { card, facts, mark, Part, table, view } from "./parts.js";
import { ERASURE_STEP } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").Frame["rights"]} Rights */

const HOUR = 3_600;

export function rightsView() {
  const summary = new Part();
  const open = new Part();
  const holds = new Part();
  return {
    element: view(
      "Erasures and holds",
      "Of all gateways together. Each erasure goes on by itself; one that stays at a step waits for what is named.",
      el("div", { class: "cards" }, card("Erasures", summary.element), card("Legal holds", holds.element)),
      card("Open erasures, the oldest first", open.element),
    ),
    /** @param {Overview} overview */
    show({ frame: { rights } }) {
      const { erasures } = rights;
      summary.show({ ...erasures, open: [] }, () => erasureFacts(erasures));
      open.show(erasures.open, () => openErasures(erasures.open));
      holds.show(rights.holds, () => holdFacts(rights.holds));
    },
  };
}

/** @param {Rights["erasures"]} erasures */
function erasureFacts({
  running,
  held,
  oldestSeconds,
  completed,
  servicesUnanswered,
  noticesWaiting,
  noticesOverdueSeconds,
}) {
  const { deleted = 0, unlinkable = 0 } = completed;
  return facts([
    ["Running", whole(running)],
    ["Waiting for a legal hold", whole(held)],
    [
      "Oldest that could go on",
      oldestSeconds === 0 ? "none" : mark(oldestSeconds > HOUR ? "warn" : "good", age(oldestSeconds)),
    ],
    [
      "Completed here since the start",
      `${whole(deleted)}${unlinkable === 0 ? "" : `, and ${whole(unlinkable)} that could only be made unlinkable`}`,
    ],
    ["Answers of services missing", whole(servicesUnanswered)],
    [
      "People whose names to forget wait for a digest",
      noticesOverdueSeconds > 0
        ? mark("warn", `${whole(noticesWaiting)}, the first late by ${age(noticesOverdueSeconds)}`)
        : whole(noticesWaiting),
    ],
  ]);
}

/** @param {Rights["erasures"]["open"]} open */
function openErasures(open) {
  return table(
    "Open erasures",
    ["Age", "State", "Step", "Waits for"],
    open.map(({ state, step, ageSeconds, code }) => [
      age(ageSeconds),
      state === "held" ? mark("off", "held") : mark(ageSeconds > HOUR ? "warn" : "good", state),
      step === undefined ? "–" : (ERASURE_STEP[step] ?? step),
      code ?? "–",
    ]),
    "No erasure is open.",
  );
}

/** @param {Rights["holds"]} holds */
function holdFacts({ open, oldestSeconds }) {
  return facts([
    ["People under a hold", whole(open)],
    ["Oldest", oldestSeconds === 0 ? "none" : age(oldestSeconds)],
  ]);
}
