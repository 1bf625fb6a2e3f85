// @ts-check
/** What is kept of each reading a device may tell: one list, asked for when somebody opens it. */
import { codeOf, readings } from "./api.js";
import { el, fill } from "./dom.js";
import { problemText } from "./words.js";

/** @typedef {import("../../src/model/property.ts").PlainProperty} Reading */

/** Built once, so that it stays open while the page around it is built anew. */
export function readingsTold() {
  const place = el("div", { "aria-live": "polite" });
  let known = false;
  const details = el(
    "details",
    {
      class: "told-readings",
      ontoggle: async () => {
        if (!details.open || known) return;
        try {
          fill(place, list(await readings()));
          known = true;
        } catch (error) {
          fill(place, el("p", {}, problemText(codeOf(error))));
        }
      },
    },
    el("summary", { id: "readings-more" }, "What is kept of each reading"),
    place,
  );
  return details;
}

/** @param {readonly Reading[]} readings */
function list(readings) {
  return [
    el(
      "p",
      {},
      "These are all the readings there are: whatever else a device says is thrown away before anything is kept. Weather gets only those for which it is named.",
    ),
    el(
      "dl",
      { class: "clauses" },
      ...readings.map((one) => el("div", {}, el("dt", {}, one.label), el("dd", {}, told(one)))),
    ),
  ];
}

/** @param {Reading} reading */
function told({ stored, scene, weather }) {
  const scenes = scene === stored ? "" : `; for scenes ${scene}`;
  return `${stored}${scenes}${weather === undefined ? "" : `; for weather ${weather}`}`;
}
