// @ts-check
/** How many agreed to what, in tens; and what withdrawing takes. */
import { el } from "../shared/dom.js";
import { milliseconds, moment, whole } from "./figures.js";
import { card, facts, mark, Part, table, view } from "./parts.js";
import { PURPOSE } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */

export function consentView() {
  const coverage = new Part();
  const withdrawals = new Part();
  return {
    element: view(
      "Consent",
      "Counted in tens, and not at all below ten: a smaller number could be one person.",
      card("Coverage", coverage.element),
      card("Withdrawals", withdrawals.element),
    ),
    /** @param {Overview} overview */
    show({ frame: { consent } }) {
      coverage.show([consent.purposes, consent.policyVersion, consent.countedAt], () => [
        el(
          "p",
          { class: "about" },
          consent.policyVersion === undefined
            ? "No policy was published."
            : `Of policy version ${consent.policyVersion}. `,
          consent.countedAt === undefined ? "Not counted yet." : `Counted ${moment(consent.countedAt, Date.now())}.`,
        ),
        table(
          "Devices by purpose",
          ["Purpose", "#Consented", "#Suspended until agreed again"],
          consent.purposes.map(({ purpose, consented, suspended }) => [
            PURPOSE[purpose] ?? purpose,
            tens(consented),
            suspended === null ? tens(suspended) : mark("warn", tens(suspended)),
          ]),
        ),
      ]);
      withdrawals.show([consent.withdrawals, consent.withdrawalP99Ms], () =>
        facts([
          ["Through this gateway since its start", tens(consent.withdrawals)],
          ["99 % answered within", milliseconds(consent.withdrawalP99Ms)],
        ]),
      );
    },
  };
}

/** @param {number | null} count */
function tens(count) {
  return count === null ? "fewer than 10" : `about ${whole(count)}`;
}
