// @ts-check
/** What is kept of each reading a device may tell: one list, asked for when somebody opens it or looks on at a device. */
import { codeOf } from "../shared/ask.js";
import { el, fill } from "../shared/dom.js";
import { readings } from "./api.js";
import { problemText } from "./words.js";

/** @typedef {import("../../src/model/property.ts").PlainProperty} Reading */

/** @type {readonly Reading[] | undefined} */
let asked;

/** The same for as long as the page is open. @returns {Promise<readonly Reading[]>} */
async function allReadings() {
  asked ??= await readings();
  return asked;
}

/** By the key in a message; empty when they cannot be had, and then keys have to do. @returns {Promise<ReadonlyMap<string, Reading>>} */
export async function readingsByKey() {
  const all = await allReadings().catch(() => []);
  return new Map(all.map((one) => [one.name, one]));
}

/** A value as people write it. @param {Reading | undefined} reading @param {string | number | boolean} value */
export function worded(reading, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value.replaceAll("_", " ");
  return `${reading?.added ? "+" : ""}${value}${reading?.unit === undefined ? "" : ` ${reading.unit}`}`;
}

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
          fill(place, list(await allReadings()));
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
