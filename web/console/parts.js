// @ts-check
/** What the views are made of: parts that are drawn again only when they say something else, cards, facts, tables, marks. */
import { el, fill, icon } from "../shared/dom.js";

/** @typedef {import("../shared/dom.js").Child} Child */

let numbers = 0;

/** What is read or marked at the moment stays in place while everything around it is measured again. */
export class Part {
  /** @type {string | undefined} */
  #shown;

  /** @param {HTMLElement} [element] */
  constructor(element = el("div", { class: "part" })) {
    this.element = element;
  }

  /** @template Data @param {Data} data @param {(data: Data) => Child | Child[]} build */
  show(data, build) {
    const text = JSON.stringify(data);
    if (text === this.#shown) return;
    this.#shown = text;
    fill(this.element, build(data));
  }
}

/** @param {string} title @param {string} lede @param {...Child} children */
export function view(title, lede, ...children) {
  return el(
    "div",
    { class: "view" },
    el("div", { class: "view-head" }, el("h1", { tabindex: "-1" }, title), el("p", { class: "lede" }, lede)),
    ...children,
  );
}

/** @param {string} title @param {...(Child | Child[])} children */
export function card(title, ...children) {
  numbers += 1;
  const id = `card-${numbers}`;
  return el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

/** @typedef {readonly (readonly [string, Child] | false | undefined)[]} Rows */

/** Figures that belong together, below each other. @param {Rows} rows */
export function sums(rows) {
  return facts(rows, "facts sums");
}

/** @param {Rows} rows @param {string} [kind] */
export function facts(rows, kind = "facts") {
  return el(
    "dl",
    { class: kind },
    ...rows.map((row) => row && el("div", {}, el("dt", {}, row[0]), el("dd", {}, row[1]))),
  );
}

/**
 * @param {string} caption
 * @param {readonly string[]} heads The first names the rows; those that begin with `#` are over figures.
 * @param {readonly (readonly Child[])[]} rows
 * @param {string} [empty]
 */
export function table(caption, heads, rows, empty = "Nothing here.") {
  if (rows.length === 0) return el("p", { class: "quiet" }, empty);
  const figures = heads.map((head) => head.startsWith("#"));
  const names = heads.map((head) => head.replace("#", ""));
  const kind = (/** @type {number} */ index) => (figures[index] ? { class: "figure" } : {});
  return el(
    "div",
    { class: "table", role: "region", tabindex: "0", "aria-label": `Table: ${caption}` },
    // On a phone rows become cards: the roles keep what they are.
    el(
      "table",
      { role: "table", "aria-label": caption },
      el(
        "thead",
        { role: "rowgroup" },
        el(
          "tr",
          { role: "row" },
          ...names.map((name, index) => el("th", { role: "columnheader", ...kind(index) }, name)),
        ),
      ),
      el(
        "tbody",
        { role: "rowgroup" },
        ...rows.map((cells) =>
          el(
            "tr",
            { role: "row" },
            ...cells.map((cell, index) =>
              index === 0
                ? el("th", { role: "rowheader" }, cell)
                : el(
                    "td",
                    { role: "cell", "data-head": names[index] ?? "", "data-none": cell === "–", ...kind(index) },
                    el("span", {}, cell),
                  ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A word with a mark before it; the word alone says it. @param {"good" | "warn" | "bad" | "off"} kind @param {string} text */
export function mark(kind, text) {
  return el("span", { class: `mark ${kind}` }, text);
}

/** How much of a bound is used. @param {string} label @param {number} part 0 to 1 */
export function meter(label, part) {
  const value = Math.round(part * 1_000) / 1_000;
  return el("meter", { min: 0, max: 1, low: 0.7, high: 0.9, optimum: 0, value, "aria-label": label });
}

/** @param {string} text @param {(event: Event) => void} onclick @param {Record<string, string>} [more] */
export function button(text, onclick, more = {}) {
  return el("button", { type: "button", class: "button", onclick, ...more }, text);
}

/** @param {string} name @param {string} text @param {...Child} children */
export function empty(name, text, ...children) {
  return el("div", { class: "empty" }, icon(name), el("p", {}, text), ...children);
}
