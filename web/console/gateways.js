// @ts-check
/** Gateways that share this Redis, and what of their keys and configuration is not the same. */
import { el } from "../shared/dom.js";
import { compared, named } from "./differences.js";
import { age } from "./figures.js";
import { card, facts, mark, Part, table, view } from "./parts.js";
import { READINESS } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */

/** @typedef {import("../../src/http/operate/shapes.ts").GatewayShown} Gateway */

const SAME = {
  same: () => mark("good", "same"),
  differs: () => mark("warn", "differs"),
  unknown: () => mark("off", "not all tell it"),
};

export function gatewaysView() {
  const summary = new Part();
  const cards = new Part(el("div", { class: "cards" }));
  const rows = new Part();
  return {
    element: view(
      "Gateways",
      "All that work on this Redis. They must have the same keys and the same configuration; of both only digests are shown.",
      summary.element,
      cards.element,
      card("Keys and configuration, side by side", rows.element),
    ),
    /** @param {Overview} overview */
    show({ frame: { gateways } }) {
      summary.show(
        gateways.map(({ id, differs }) => [id, differs]),
        () => said(gateways),
      );
      const minutes = gateways.map(({ startedAt }) =>
        startedAt === undefined ? 0 : Math.floor((Date.now() - startedAt) / 60_000),
      );
      cards.show([gateways, minutes], () => gateways.map((gateway, index) => one(gateway, index)));
      rows.show(gateways, () => sideBySide(gateways));
    },
  };
}

/** @param {readonly Gateway[]} gateways */
function said(gateways) {
  const others = gateways.filter(({ differs }) => differs.length > 0);
  if (gateways.length === 1)
    return el("p", { class: "calm" }, mark("good", "One gateway"), el("span", {}, "There is nothing to differ from."));
  if (others.length === 0)
    return el(
      "p",
      { class: "calm" },
      mark("good", "All the same"),
      el("span", {}, `${gateways.length} gateways, no difference.`),
    );
  return el(
    "p",
    { class: "calm" },
    mark("warn", "They differ"),
    el(
      "span",
      {},
      `${others.length} of ${gateways.length} gateways differ from this one. What one of them admits another may refuse, or be unable to open.`,
    ),
  );
}

/** @param {Gateway} gateway @param {number} index */
function title({ id, self }, index) {
  return self ? "This gateway" : `Gateway ${index + 1} (${id.slice(0, 8)})`;
}

/** @param {Gateway} gateway @param {number} index */
function one(gateway, index) {
  const { version, startedAt, ready, reasons, differs, self } = gateway;
  return card(
    title(gateway, index),
    facts([
      ["State", state(ready, reasons)],
      ["Version", version ?? "it tells none: an older version"],
      [
        "Up for",
        startedAt === undefined ? "it does not tell" : age(Math.floor((Date.now() - startedAt) / 60_000) * 60),
      ],
      !self && [
        "Differs in",
        differs.length === 0
          ? mark("good", "nothing")
          : el("ul", { class: "words" }, ...differs.map((name) => el("li", {}, mark("warn", named(name))))),
      ],
    ]),
  );
}

/** @param {boolean | undefined} ready @param {readonly string[]} reasons */
function state(ready, reasons) {
  if (ready === undefined) return mark("off", "it does not tell");
  return ready
    ? mark("good", "Ready")
    : mark("bad", `Not ready: ${reasons.map((one) => READINESS[one] ?? one).join(", ")}`);
}

/** @param {readonly Gateway[]} gateways */
function sideBySide(gateways) {
  return table(
    "Keys and configuration of every gateway",
    ["What", ...gateways.map(title), ...(gateways.length === 1 ? [] : ["Same?"])],
    compared(gateways).map(({ name, values, is }) => [
      named(name),
      ...values.map((value) => (value === undefined ? "–" : el("code", {}, value))),
      ...(gateways.length === 1 ? [] : [SAME[is]()]),
    ]),
  );
}
