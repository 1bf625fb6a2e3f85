// @ts-check
/** What to do about what: the tables of the documentation, bundled with the page. */
import { bundled } from "./api.js";

/** @typedef {{ rule: string, severity: string, summary: string, when: string, means: string, todo: string }} Advice */
/**
 * @typedef {object} Guide
 * @property {Advice[]} alarms
 * @property {Record<string, { means: string, todo: string }>} readiness
 * @property {Record<string, string>} refusals
 * @property {Record<string, string>} letters
 */

/** @type {Promise<Guide> | undefined} */
let asked;

/** @returns {Promise<Guide>} */
export function guide() {
  asked ??= bundled("console/guide.json");
  asked.catch(() => {
    asked = undefined;
  });
  return asked;
}

/** Puts an explanation beside a name once it is there. @param {HTMLElement} place @param {(guide: Guide) => string | undefined} find */
export function explain(place, find) {
  void guide().then(
    (found) => {
      place.textContent = find(found) ?? "";
    },
    () => {},
  );
  return place;
}
