// @ts-check
/** What the data is used for: one card for each purpose, with a switch for it and for each kind of data. */
import { el, icon } from "../shared/dom.js";
import { counted, date, list } from "../shared/format.js";
import { CATEGORY_NAMES, country, PURPOSE_NAMES, remainder } from "./words.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("../../src/model/centre.ts").Standing} Standing */
/** @typedef {import("../../src/model/purposes.ts").Purpose} Purpose */
/** @typedef {import("../../src/model/purposes.ts").Category} Category */
/** @typedef {Overview["purposes"][number]} PurposeTerms */
/** @typedef {Partial<Record<Purpose, Category[]>>} Choice */

/**
 * @typedef {object} Changes
 * @property {(more: Choice, done: string) => void} agree
 * @property {(less: { purposes?: Purpose[], categories?: Category[] }, done: string) => void} withdraw
 */

/**
 * @param {Overview} overview
 * @param {Standing} standing What holds for the devices that are looked at.
 * @param {Changes} changes
 */
export function purposeCards(overview, standing, changes) {
  return overview.purposes.map((terms) => card({ overview, standing, changes, terms }));
}

/** @typedef {{ overview: Overview, standing: Standing, changes: Changes, terms: PurposeTerms }} Card */

/** @param {Card} card */
function card({ overview, standing, changes, terms }) {
  const { id, description, offered, closed } = terms;
  const name = PURPOSE_NAMES[id];
  const used = standing.used[id] ?? [];
  const waiting = standing.waiting[id] ?? [];
  const on = used.length > 0;
  const all = { [id]: offered };
  return el(
    "article",
    { class: on ? "card purpose on" : "card purpose", "aria-labelledby": `name-${id}` },
    el(
      "div",
      { class: "purpose-head" },
      el("span", { class: "badge" }, icon(id)),
      el("h3", { id: `name-${id}` }, name),
      closed
        ? el("span", { class: "never" }, "Never for a minor")
        : toggle({
            id: `switch-${id}`,
            labelledby: `name-${id}`,
            describedby: `about-${id}`,
            on,
            off: overview.closed || (!on && !mayWiden(overview)),
            change: (wanted) =>
              wanted
                ? changes.agree(all, `${name} is on. It may use: ${list(offered.map(lower))}.`)
                : changes.withdraw({ purposes: [id] }, `${name} is off. It gets nothing any more.`),
          }),
    ),
    el("p", { id: `about-${id}`, class: "about" }, description),
    waitingNote({ overview, standing, changes, terms }, waiting),
    closed ? null : kinds({ overview, standing, changes, terms }, used),
    closed ? null : facts(overview, terms),
  );
}

/** @param {Card} card @param {Category[]} used */
function kinds({ overview, changes, terms }, used) {
  const { id, offered, needs } = terms;
  const name = PURPOSE_NAMES[id];
  const idle = used.length > 0 && !needs.some((category) => used.includes(category));
  return el(
    "fieldset",
    { class: "kinds" },
    el("legend", {}, "It may use"),
    ...offered.map((category) => {
      const on = used.includes(category);
      const key = `${id}-${category}`;
      return el(
        "div",
        { class: "kind" },
        el(
          "div",
          { class: "kind-words" },
          el("span", { id: `name-${key}`, class: "kind-name" }, CATEGORY_NAMES[category]),
          el("span", { id: `about-${key}`, class: "kind-about" }, remainder(id, category)),
        ),
        toggle({
          id: `switch-${key}`,
          labelledby: `name-${key} name-${id}`,
          describedby: `about-${key}`,
          on,
          off: overview.closed || (!on && !mayWiden(overview)),
          change: (wanted) =>
            wanted
              ? changes.agree({ [id]: [category] }, `${CATEGORY_NAMES[category]} may be used for: ${name}.`)
              : changes.withdraw(
                  { purposes: [id], categories: [category] },
                  `${CATEGORY_NAMES[category]} is no longer used for: ${name}.`,
                ),
        }),
      );
    }),
    idle && el("p", { class: "note" }, `Without ${list(needs.map(lower)).replace(" and ", " or ")} it can do nothing.`),
  );
}

/** @param {Card} card @param {Category[]} waiting */
function waitingNote({ overview, standing, changes, terms }, waiting) {
  if (waiting.length === 0) return null;
  const { id } = terms;
  const name = PURPOSE_NAMES[id];
  const why =
    standing.state === "unapproved"
      ? `Asked for: ${list(waiting.map(lower))}. Nothing of it is used until a parent or guardian agrees.`
      : "The policy changed, so your earlier answer no longer counts. Until you agree again it gets nothing.";
  const button = el(
    "button",
    {
      type: "button",
      class: "button small main",
      id: `again-${id}`,
      onclick: () => changes.agree({ [id]: waiting }, `${name} is on. It may use: ${list(waiting.map(lower))}.`),
    },
    standing.state === "unapproved" ? `Agree to ${name}` : "Agree again",
  );
  return el("div", { class: "note attention" }, el("p", {}, why), mayWiden(overview) && !overview.closed && button);
}

/** @param {Overview} overview @param {PurposeTerms} terms */
function facts(overview, { id, recipients, regions, services, retentionDays }) {
  const given = overview.disclosed.filter(({ purpose }) => purpose === id);
  const to = recipients.map((one) => (one === "controller" ? overview.controller : one));
  return el(
    "dl",
    { class: "facts" },
    fact("Goes to", `${list(to)}, in ${list(regions.map(country))}`),
    fact(
      "Kept",
      retentionDays === 0 ? "Passed on as it happens, not kept" : `At most ${counted(retentionDays, "day")}`,
    ),
    services.length > 0 &&
      fact(
        "At the moment",
        list(
          services.map(
            ({ name, recipient, region, gets }) =>
              `${name} of ${recipient} (${country(region)}), which gets ${list(gets.map(lower))}`,
          ),
        ),
      ),
    given.length > 0 &&
      fact(
        "So far",
        list(
          given.map(
            ({ recipient, count, region, from, to: until }) =>
              `${recipient} (${country(region)}) was given at least ${counted(count, "message")}, ${days(from, until)}`,
          ),
        ),
      ),
  );
}

/** @param {string} name @param {string} value */
function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

/** @param {string} from @param {string} to YYYY-MM-DD */
function days(from, to) {
  const first = date(Date.parse(`${from}T12:00:00`));
  return from === to ? `on ${first}` : `from ${first} to ${date(Date.parse(`${to}T12:00:00`))}`;
}

/** A child may switch off, and only a guardian on. @param {Overview} overview */
function mayWiden(overview) {
  return !overview.minor || overview.by === "guardian";
}

/** @param {Category} category */
function lower(category) {
  return CATEGORY_NAMES[category].toLowerCase();
}

/**
 * @param {{ id: string, labelledby: string, describedby: string, on: boolean, off: boolean, change: (on: boolean) => void }} options
 */
function toggle({ id, labelledby, describedby, on, off, change }) {
  const input = el("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id,
    "aria-labelledby": labelledby,
    "aria-describedby": describedby,
    disabled: off,
    onchange: () => change(input.checked),
  });
  input.checked = on;
  return input;
}
