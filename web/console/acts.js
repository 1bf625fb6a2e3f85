// @ts-check
/** An act: asked for in words, done once, and what came of it is said, also where no answer came. */
import { codeOf } from "../shared/ask.js";
import { sure } from "../shared/dialog.js";
import { byId } from "../shared/dom.js";
import { isUncertain, problemText } from "./words.js";

const TOLD_MS = 12_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let quiet;
let busy = false;
/** Set by the page: what to do when the session is over. @type {() => void} */
let ended = () => {};

/** @param {() => void} listener */
export function whenEnded(listener) {
  ended = listener;
}

/** Said aloud and shown for a while. @param {string} text */
export function tell(text) {
  clearTimeout(quiet);
  byId("told").textContent = text;
  if (text !== "") quiet = setTimeout(() => tell(""), TOLD_MS);
}

/** What a failure means; an ended session ends the page's too. @param {unknown} error */
export function failure(error) {
  const code = codeOf(error);
  if (code === "session-ended") ended();
  if (code === "fault") reportError(error);
  return code === "session-ended" ? "" : problemText(code);
}

/**
 * @template Answer
 * @typedef {object} Act
 * @property {{ title: string, text: string[], yes: string, danger?: boolean }} question
 * @property {() => Promise<Answer>} make
 * @property {(answer: Answer) => string} done
 * @property {() => Promise<string>} [look] Where no answer came: what is seen now.
 * @property {() => void | Promise<void>} [after] Whatever came of it.
 */

/** One after the other. @template Answer @param {Act<Answer>} act @returns {Promise<Answer | undefined>} */
export async function act({ question, make, done, look, after }) {
  if (busy || !(await sure(question))) return undefined;
  busy = true;
  try {
    tell("Asking the gateway …");
    const answer = await make();
    tell(done(answer));
    return answer;
  } catch (error) {
    tell(await failed(error, look));
    return undefined;
  } finally {
    busy = false;
    await after?.();
  }
}

/** @param {unknown} error @param {(() => Promise<string>) | undefined} look */
async function failed(error, look) {
  const text = failure(error);
  if (look === undefined || !isUncertain(codeOf(error))) return text;
  const seen = await look().catch(() => "It is not known whether it was done; look again in a moment.");
  return `${text} ${seen}`;
}
