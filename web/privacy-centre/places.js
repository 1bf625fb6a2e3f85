// @ts-check
/** Where the person's devices are, as far as anything knows: said in words, and drawn. */
import { codeOf } from "../shared/ask.js";
import { el, fill } from "../shared/dom.js";
import { counted, kilometres, list, squareKilometres } from "../shared/format.js";
import { land, places } from "./api.js";
import { deviceName } from "./devices.js";
import { acrossKm, closeMap, wideMap } from "./map.js";
import { around, problemText } from "./words.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("../../src/model/centre.ts").CentrePlaces} Places */
/** @typedef {Places["places"][number]} Place */
/** @typedef {import("../shared/land.js").Ring} Ring */

const MOST_SHOWN = 12;

/** Built once: what was drawn stays while it is asked again. */
export class PlacesView {
  #place = el("div", { class: "places" }, el("p", {}, "Looking …"));
  #asked = 0;
  element = el(
    "section",
    { "aria-labelledby": "places-title" },
    el("h2", { id: "places-title" }, "Where your devices are"),
    el(
      "p",
      { class: "section-lede" },
      "Never a point and never a way: what is kept of a place is one wide area, and only while enough homes are in it.",
    ),
    this.#place,
  );

  /** @param {Overview} overview */
  async show({ devices }) {
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const [told, outline] = await Promise.all([places(), land().catch(() => [])]);
      if (asked !== this.#asked) return;
      const names = new Map(devices.map((device) => [device.number, deviceName(device)]));
      fill(this.#place, rules(told), cards(told, names, outline));
    } catch (error) {
      if (asked === this.#asked) fill(this.#place, el("p", {}, problemText(codeOf(error))));
    }
  }
}

/** @param {Places} told */
function rules({ leastHomes, stepMinutes, keptDays }) {
  return el(
    "ul",
    { class: "place-rules" },
    ...[
      `A place is rounded to an area at once, the wider the fewer people live there; what your device sent is gone then.`,
      `That area is stored only together with at least ${leastHomes} homes. With fewer it is a wider one that has as many, and where there is none, nothing. It is checked again every ${counted(stepMinutes, "minute")}.`,
      `It stands under a name of its own, which changes, without your readings; it is written over when you move, and is gone after ${counted(keptDays, "day")}.`,
      "Weather services are told the middle value of at least five homes for an area, never yours alone. How many homes are in an area is told only where ten or more are, blurred and rounded.",
    ].map((text) => el("li", {}, text)),
  );
}

/** @param {Places} told @param {ReadonlyMap<number, string>} names @param {readonly Ring[]} outline */
function cards({ places: all, leastHomes, stepMinutes }, names, outline) {
  if (all.length === 0) return null;
  const shown = all.slice(0, MOST_SHOWN);
  return [
    el(
      "ul",
      { class: "place-cards" },
      ...shown.map((place) => el("li", { class: "card" }, ...card(place, names, outline, { leastHomes, stepMinutes }))),
    ),
    all.length > shown.length &&
      el("p", { class: "about" }, `${counted(all.length - shown.length, "other place")} of yours: download to read.`),
  ];
}

/** @param {Place} place @param {ReadonlyMap<number, string>} names @param {readonly Ring[]} outline @param {Pick<Places, "leastHomes" | "stepMinutes">} limits */
function card(place, names, outline, limits) {
  const { devices, stored, noted } = place;
  const whose = devices.map((number) => names.get(number) ?? `Device ${number}`);
  const title = list(whose.length > 4 ? [...whose.slice(0, 3), `${whose.length - 3} more`] : whose);
  const outer = stored ?? noted;
  const inner = stored && noted && JSON.stringify(stored) !== JSON.stringify(noted) ? noted : undefined;
  return [
    el("h3", {}, title),
    el("p", { class: "place-state" }, said(place, limits)),
    outer && el("figure", { class: "place-map" }, ...drawn(outer, inner, stored !== undefined, outline)),
  ];
}

/** @param {Place} place @param {Pick<Places, "leastHomes" | "stepMinutes">} limits */
function said({ state, stored, noted }, { leastHomes, stepMinutes }) {
  if (stored) return `Stored: ${sized(stored)}, with at least ${leastHomes} homes in it.`;
  const kept = noted ? ` Known here alone, sealed: ${sized(noted)}.` : "";
  if (state === "too-few") return `Not stored at all: too few homes near you.${kept}`;
  if (state === "waits")
    return `Not stored so far: it is checked within ${counted(stepMinutes, "minute")} whether enough homes are near.${kept}`;
  if (state === "silent") return `Not stored: nothing has told where this is since the day before yesterday.${kept}`;
  return "No place is known here. Either it may not be used to improve the products, or none was sent lately.";
}

/** @param {NonNullable<Place["stored"]>} area */
function sized(area) {
  return `an area of about ${squareKilometres(area.km2)}, ${kilometres(acrossKm(area))} across, around ${around(area.center)}`;
}

/** @param {NonNullable<Place["stored"]>} outer @param {Place["noted"]} inner @param {boolean} stored @param {readonly Ring[]} outline */
function drawn(outer, inner, stored, outline) {
  const across = kilometres(acrossKm(outer));
  const kind = stored ? "stored" : "noted";
  const where = `Map of the wider surroundings. The area lies around ${around(outer.center)}.`;
  return [
    el(
      "div",
      { class: stored ? "maps" : "maps only-noted" },
      wideMap(outline, outer, inner, where),
      closeMap(outer, inner, `The area, drawn with a scale: ${across} from corner to corner.`),
    ),
    el(
      "figcaption",
      {},
      inner
        ? "Full line: what is stored. Broken line: what is known here alone, sealed, and told to no one."
        : kind === "stored"
          ? "Full line: what is stored. Where in it you are is kept nowhere."
          : "Broken line: what is known here alone, sealed, and told to no one. Nothing of it is stored.",
    ),
  ];
}
