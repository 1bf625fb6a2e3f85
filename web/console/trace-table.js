// @ts-check
/** The lines of a trace, the newest first: when, which step, what came of it. */
import { el } from "../shared/dom.js";
import { milliseconds } from "./figures.js";
import { explain } from "./guide.js";
import { mark, table } from "./parts.js";
import { TRACE_OUTCOME } from "./words.js";

/** @typedef {import("./api.js").Trace["lines"][number]} Line */

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
/** @type {Record<string, "good" | "warn" | "bad" | "off">} */
const KIND = {
  admitted: "good",
  stored: "good",
  forwarded: "good",
  refused: "bad",
  "dead-lettered": "bad",
  begun: "off",
  ended: "off",
};

/** @param {readonly Line[]} lines */
export function traceTable(lines) {
  return table(
    "Trace, the newest first",
    ["At", "Step", "What came of it", "#Took", "Why"],
    lines
      .toReversed()
      .map(({ at, step, outcome, reason, letter, ms }) => [
        CLOCK.format(at),
        step,
        mark(KIND[outcome] ?? "off", TRACE_OUTCOME[outcome] ?? outcome),
        ms === undefined ? "–" : milliseconds(ms),
        why(reason ?? letter),
      ]),
  );
}

/** @param {string | undefined} reason */
function why(reason) {
  if (reason === undefined) return "–";
  return el(
    "span",
    {},
    el("strong", {}, reason),
    " ",
    explain(el("span", {}), ({ refusals, letters }) => refusals[reason] ?? letters[reason]),
  );
}
