// @ts-check
/**
 * What a person wanted to change, and how to see in what holds whether it does. After an answer that was lost nothing
 * may be said but what was seen.
 */
import { time } from "../shared/format.js";
import { problemText } from "./words.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("../../src/model/centre.ts").Standing} Standing */
/** @typedef {import("../../src/model/purposes.ts").Purpose} Purpose */
/** @typedef {import("../../src/model/purposes.ts").Category} Category */

/**
 * @typedef {object} Change
 * @property {(before: Overview) => Promise<Overview>} make
 * @property {string} done Said once it was answered.
 * @property {string} [seen] Said when it was not answered and is seen to hold; absent: the same.
 * @property {(now: Overview, before: Overview) => boolean} [holds] Absent: it changes nothing.
 */

/** Answers after which it is open whether the change counts. */
const UNCERTAIN = new Set(["lost", "fault", "internal", "unavailable", "not-writable", "timeout"]);

/** @param {Partial<Record<Purpose, Category[]>>} purposes @param {number | undefined} device */
export function agreed(purposes, device) {
  return (/** @type {Overview} */ now) =>
    everywhere(now, device, ({ used }) =>
      Object.entries(purposes).every(([id, categories]) =>
        categories.every((category) => used[/** @type {Purpose} */ (id)]?.includes(category)),
      ),
    );
}

/** @param {{ purposes?: Purpose[], categories?: Category[] }} less @param {number | undefined} device */
export function withdrawn({ purposes, categories }, device) {
  return (/** @type {Overview} */ now) =>
    everywhere(now, device, ({ used, waiting }) =>
      [used, waiting].every((choice) =>
        Object.entries(choice).every(
          ([id, held]) =>
            !(purposes?.includes(/** @type {Purpose} */ (id)) ?? true) ||
            !held.some((category) => categories?.includes(category) ?? true),
        ),
      ),
    );
}

/** Another erasure than before is there. @param {Overview} now @param {Overview} before */
export function erased(now, before) {
  return now.erasure !== undefined && now.erasure.status.id !== before.erasure?.status.id;
}

/** @param {Overview} overview @param {number | undefined} device @param {(standing: Standing) => boolean} holds */
function everywhere({ standing, devices }, device, holds) {
  if (device === undefined) return [standing, ...devices.flatMap(({ own }) => own ?? [])].every(holds);
  const one = devices.find(({ number }) => number === device);
  return one !== undefined && holds(one.own ?? standing);
}

/**
 * What is to be said of a change that failed with `code`, once it was seen how things stand.
 * `open`: it may still come to count, so it is worth looking again.
 * @param {Change} change
 * @param {string} code
 * @param {Overview} before
 * @param {Overview} now
 * @returns {{ text: string, open: boolean }}
 */
export function verdict(change, code, before, now) {
  const at = `Looked again at ${time(now.now, true)}`;
  if (change.holds === undefined) return { text: problemText(code), open: false };
  const holds = change.holds(now, before);
  if (!UNCERTAIN.has(code)) {
    const there = holds && code !== "not-drained";
    return { text: there ? `${at}: ${change.seen ?? change.done}` : problemText(code), open: false };
  }
  const lead = code === "lost" ? "No answer came." : "Something went wrong.";
  if (holds) return { text: `${lead} ${at}: your choice counts. ${change.seen ?? change.done}`, open: false };
  if (now.head === before.head) return { text: `${lead} ${at}: nothing was changed. Please try again.`, open: true };
  return {
    text: `${lead} ${at}: something was changed since. Please see how it stands, and choose again.`,
    open: true,
  };
}
