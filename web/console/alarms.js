// @ts-check
/** Alarms in words, and for each what it means and what to do. */
import { el } from "../shared/dom.js";
import { age, moment } from "./figures.js";
import { explain, guide } from "./guide.js";
import { card, facts, mark, Part, table, view } from "./parts.js";
import { READINESS, SEVERITY } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").Frame} Frame */
/** @typedef {import("../../src/http/operate/shapes.ts").Alarm} Alarm */

const KIND = /** @type {const} */ ({ critical: "bad", warning: "warn", info: "off" });
const WHERE = "docs/operations.md";

/** @param {Pick<Frame, "alarms" | "ready" | "reasons">} frame */
export function alarmList({ alarms, ready, reasons }) {
  const waits = ready ? [] : reasons.map((reason) => el("li", { class: "alarm bad" }, ...notReady(reason)));
  // What is not ready says so itself, with its reason.
  const others = ready ? alarms : alarms.filter(({ rule }) => rule !== "ConsentryNotReady");
  if (others.length === 0 && waits.length === 0)
    return el("p", { class: "calm" }, mark("good", "No alarm"), el("span", {}, "The gateway is ready."));
  return el(
    "ul",
    { class: "alarms", "aria-label": "Alarms" },
    ...waits,
    ...others.map((alarm) => el("li", { class: `alarm ${KIND[alarm.severity]}` }, ...alarmWords(alarm))),
  );
}

/** @param {Alarm} alarm */
function alarmWords({ rule, severity, summary, since }) {
  return [
    mark(KIND[severity], SEVERITY[severity] ?? severity),
    el("p", { class: "alarm-text" }, el("strong", {}, summary), ` since ${moment(since, Date.now())}`),
    el("a", { href: `#alarms/${rule}`, "aria-label": `What to do: ${summary}` }, "What to do"),
  ];
}

/** @param {string} reason */
function notReady(reason) {
  return [
    mark("bad", "Not ready"),
    el(
      "p",
      { class: "alarm-text" },
      el("strong", {}, sentence(READINESS[reason] ?? reason).slice(0, -1)),
      ". ",
      explain(el("span", {}), ({ readiness }) => sentence(readiness[reason]?.means ?? "")),
      " ",
      explain(el("span", {}), ({ readiness }) => sentence(`To do: ${readiness[reason]?.todo ?? ""}`)),
    ),
  ];
}

/** @param {import("./views.js").Place} place */
export function alarmsView({ part }) {
  return part === "" ? allAlarms() : oneAlarm(part);
}

function allAlarms() {
  const now = new Part();
  const all = el("div", {});
  void guide().then(
    ({ alarms }) => all.append(known(alarms)),
    () => {},
  );
  return {
    element: view(
      "Alarms",
      "What this gateway watches by itself. Prometheus watches more, with the same names.",
      now.element,
      card("Every alarm there is", all),
    ),
    /** @param {Overview} overview */
    show: ({ frame }) => now.show([frame.alarms, frame.ready, frame.reasons], () => alarmList(frame)),
  };
}

/** @param {import("./guide.js").Advice[]} alarms */
function known(alarms) {
  return table(
    "Every alarm",
    ["What", "How urgent"],
    alarms.map(({ rule, summary, severity }) => [
      el("a", { href: `#alarms/${rule}` }, summary),
      SEVERITY[severity] ?? severity,
    ]),
  );
}

/** @param {string} rule */
function oneAlarm(rule) {
  const state = new Part();
  const heading = el("h1", { tabindex: "-1" }, "What to do");
  const place = el("div", { class: "part" });
  void guide().then(
    ({ alarms, readiness }) => {
      const found = alarms.find((one) => one.rule === rule);
      if (found === undefined) return place.append(el("p", {}, `There is no alarm of this name. ${WHERE} lists them.`));
      heading.textContent = found.summary;
      place.append(advice(found), reasonsIn(found, readiness));
    },
    () => place.append(el("p", {}, `The words did not come. ${WHERE} has them too.`)),
  );
  return {
    element: el(
      "div",
      { class: "view" },
      el("p", {}, el("a", { href: "#alarms" }, "All alarms")),
      el("div", { class: "view-head" }, heading, state.element),
      place,
    ),
    /** @param {Overview} overview */
    show({ frame }) {
      const found = frame.alarms.find((one) => one.rule === rule);
      const minutes = found === undefined ? -1 : Math.floor((Date.now() - found.since) / 60_000);
      state.show(minutes, () =>
        found === undefined
          ? mark("good", "Not raised at the moment")
          : mark(KIND[found.severity], `Raised for ${minutes < 1 ? "less than a minute" : age(minutes * 60)}`),
      );
    },
  };
}

/** @param {import("./guide.js").Advice} advice */
function advice({ rule, severity, when, means, todo }) {
  return card(
    "What it means and what to do",
    facts([
      ["Seen when", sentence(when)],
      ["Means", sentence(means)],
      ["To do", sentence(todo === "" ? "look at what it names" : todo)],
      ["How urgent", SEVERITY[severity] ?? severity],
      ["Rule of Prometheus", el("code", {}, rule)],
      ["More", `${WHERE}, “Alarms” and “Readiness and health”`],
    ]),
  );
}

/** What it says of readiness is said here too. @param {import("./guide.js").Advice} advice @param {import("./guide.js").Guide["readiness"]} readiness */
function reasonsIn({ means, todo }, readiness) {
  const all = /^readiness\b/.test(todo);
  const named = Object.entries(readiness).filter(([reason]) => all || `${means} ${todo}`.includes(reason));
  if (named.length === 0) return "";
  return card(
    "Readiness",
    table(
      "Reasons not to be ready",
      ["Reason", "Means", "To do"],
      named.map(([reason, row]) => [reason, sentence(row.means), sentence(row.todo)]),
    ),
  );
}

/** @param {string} text */
export function sentence(text) {
  if (text === "") return "";
  const first = text.charAt(0);
  // A name is written as it is.
  const begin = /^[a-z]+[_A-Z]/.test(text) ? first : first.toUpperCase();
  return `${begin}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
