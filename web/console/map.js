// @ts-check
/** The world with the cells in which something was told lately: wide areas with many homes in them, never a place of one. */
import { el, fill, shape } from "../shared/dom.js";
import { unpackLand } from "../shared/land.js";
import { failure } from "./acts.js";
import { cells as ask, bundled } from "./api.js";
import { button, card, empty, table, view } from "./parts.js";
import { frameOf, WORLD, worldPath } from "./projection.js";
import { peopleIn, SIZES_SAID, said, sizeOf } from "./sizes.js";

/** @typedef {import("./api.js").Cells["cells"][number]} Cell */
/** @typedef {import("../shared/land.js").Ring} Ring */
/** @typedef {import("./projection.js").Frame} Frame */

const AGAIN_MS = 60_000;
const ZOOM = 1.6;

/** @type {Promise<readonly Ring[]> | undefined} */
let outline;

function land() {
  outline ??= bundled("shared/land.json").then(unpackLand);
  outline.catch(() => {
    outline = undefined;
  });
  return outline;
}

/** @param {import("./views.js").Place} place */
export function mapView({ old }) {
  const place = el("div", {}, el("p", { class: "opening" }, "Drawing …"));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let gone = false;
  /** @type {Frame} */
  let frame = WORLD;
  let drawn = "";

  async function read() {
    clearTimeout(timer);
    try {
      const [{ cells }, rings] = await Promise.all([ask(), land()]);
      if (gone) return;
      const text = JSON.stringify(cells);
      if (text !== drawn) show(cells, rings);
      drawn = text;
      timer = setTimeout(() => void read(), AGAIN_MS);
    } catch (error) {
      const text = failure(error);
      if (!gone && text !== "")
        fill(
          place,
          empty(
            "map",
            text,
            button("Try again", () => void read()),
          ),
        );
    }
  }

  /** @param {readonly Cell[]} cells @param {readonly Ring[]} rings */
  function show(cells, rings) {
    const svg = picture(cells, rings);
    const look = (/** @type {Frame} */ next) => {
      frame = next;
      svg.setAttribute("viewBox", `${frame.x} ${frame.y} ${frame.width} ${frame.height}`);
    };
    look(frame);
    const zoom = (/** @type {number} */ by) => () => look(frameOf(frame, { by }));
    const pan = (/** @type {number} */ x, /** @type {number} */ y) => () => look(frameOf(frame, { x, y }));
    const one = (/** @type {string} */ name, /** @type {string} */ text, /** @type {() => void} */ doing) =>
      button(text, doing, {
        class: "button small",
        "aria-label": name,
        id: `map-${name.toLowerCase().replaceAll(" ", "-")}`,
      });
    fill(
      place,
      el(
        "div",
        { class: "map-tools", role: "group", "aria-label": "Move the map" },
        one("Nearer", "+", zoom(1 / ZOOM)),
        one("Farther", "−", zoom(ZOOM)),
        one("West", "←", pan(-1, 0)),
        one("East", "→", pan(1, 0)),
        one("North", "↑", pan(0, -1)),
        one("South", "↓", pan(0, 1)),
        one("Whole world", "Whole world", () => look(WORLD)),
      ),
      svg,
      el("p", { class: "about" }, said(cells)),
      cells.length > 0 && el("p", { class: "about" }, SIZES_SAID),
      el("details", {}, el("summary", {}, "As a table"), cellTable(cells)),
    );
  }

  if (!old) void read();
  return {
    element: view(
      "Map",
      "Areas of which something was told in the last hours, each with at least ten people in it on a day. Nothing finer is known here.",
      card("Active areas", place),
    ),
    show() {},
    leave() {
      gone = true;
      clearTimeout(timer);
    },
  };
}

/** @param {readonly Cell[]} cells @param {readonly Ring[]} rings */
function picture(cells, rings) {
  return shape(
    "svg",
    { class: "world", role: "img", "aria-label": said(cells), preserveAspectRatio: "xMidYMid slice" },
    shape("rect", { class: "sea", x: -180, y: -90, width: 360, height: 180 }),
    shape("path", { class: "land", d: rings.map((ring) => worldPath(ring)).join("") }),
    ...cells.map(({ corners }) =>
      shape("path", { class: "cell", d: worldPath(corners.map(([lat, lon]) => /** @type {const} */ ([lon, lat]))) }),
    ),
    ...cells.map(({ center: [lat, lon], people }) =>
      shape("circle", { class: "dot", cx: lon.toFixed(2), cy: (-lat).toFixed(2), r: sizeOf(people).radius }),
    ),
  );
}

/** @param {readonly Cell[]} cells */
function cellTable(cells) {
  return table(
    "Active areas",
    ["Area", "Around", "People"],
    [...cells]
      .sort(most)
      .map(({ cell, center: [lat, lon], people }) => [
        el("code", {}, cell),
        `${Math.abs(lat).toFixed(1)}° ${lat < 0 ? "south" : "north"}, ${Math.abs(lon).toFixed(1)}° ${lon < 0 ? "west" : "east"}`,
        peopleIn(people),
      ]),
    "No area is active.",
  );
}

/** Those with the most people first. @param {Cell} one @param {Cell} other */
function most(one, other) {
  return (other.people ?? 0) - (one.people ?? 0);
}
