// @ts-check
/** Whom the person writes to. The addresses come from the operator's policy or configuration, and are checked there. */
import { el } from "../shared/dom.js";

/** @typedef {NonNullable<import("../../src/model/centre.ts").CentreOverview["contact"]>} Contact */

/** @param {Contact} contact @returns {(Node | string)[]} */
export function contactParts({ name, email, url, address }) {
  const ways = [
    email && el("a", { href: `mailto:${encodeURIComponent(email).replace("%40", "@")}` }, email),
    url && el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url),
    address,
  ];
  return [name, ...ways.flatMap((way) => (way ? [", ", way] : []))];
}
