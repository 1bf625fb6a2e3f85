// @ts-check
/** Draws areas: where in the world they lie, and how large they are. Elements alone, in the colours of the page. */
import { shape } from "../shared/dom.js";
import { kilometres } from "../shared/format.js";

/** @typedef {import("../shared/land.js").Ring} Ring */
/** @typedef {readonly [lat: number, lon: number]} Point */
/** @typedef {{ readonly center: Point, readonly corners: readonly Point[], readonly km2: number }} Area */
/** @typedef {(point: Point) => readonly [x: number, y: number]} Projection */

/** Of the map of the wider surroundings, and how much of the world is on it: degrees of latitude. */
const WIDE = { width: 360, height: 240, degrees: 26 };
const CLOSE = { width: 240, height: 240 };
/** How much of the close picture an area fills. */
const FILLS = 0.62;
/** A smaller one gets a ring around it, so that it is found. */
const SMALLEST_PX = 9;
const RING_PX = 12;
const KM_PER_DEGREE = 111.195;
/** Towards the poles a degree of longitude is drawn no narrower than that. */
const LEAST_COSINE = 0.2;
const LINES_EVERY = 10;

/** Where the areas lie. @param {readonly Ring[]} land @param {Area} area @param {Area | undefined} inner @param {string} label */
export function wideMap(land, area, inner, label) {
  const { width, height, degrees } = WIDE;
  const scale = height / degrees;
  const project = projection(area.center, scale, width, height);
  const [x, y] = project(area.center);
  const size = reach(area.corners.map(project), x, y);
  return picture(
    { width, height, label, kind: "wide" },
    shape("rect", { class: "sea", width, height }),
    shape("path", { class: "land", d: landPath(land, area.center, project, { width, height }) }),
    shape("path", { class: "lines", d: lines(area.center, project, { width, height }) }),
    ...areas(area, inner, project),
    size < SMALLEST_PX && shape("circle", { class: "ring", cx: x, cy: y, r: RING_PX }),
  );
}

/** How large they are. @param {Area} area @param {Area | undefined} inner @param {string} label */
export function closeMap(area, inner, label) {
  const { width, height } = CLOSE;
  const unit = projection(area.center, 1, 0, 0);
  const scale = (FILLS * (height / 2)) / reach(area.corners.map(unit), 0, 0);
  const project = projection(area.center, scale, width, height);
  const bar = niceKm((width * 0.4 * KM_PER_DEGREE) / scale);
  const length = (bar / KM_PER_DEGREE) * scale;
  const [left, bottom] = [12, height - 14];
  return picture(
    { width, height, label, kind: "close" },
    shape("rect", { class: "land", width, height }),
    ...areas(area, inner, project),
    shape("path", { class: "bar", d: `M${left} ${bottom - 5}v5h${length.toFixed(1)}v-5` }),
    shape("text", { class: "bar-text", x: left + 4, y: bottom - 8 }, kilometres(bar)),
  );
}

/** From corner to corner. @param {Area} area */
export function acrossKm({ center, corners }) {
  const project = projection(center, KM_PER_DEGREE, 0, 0);
  return Math.round(2 * reach(corners.map(project), 0, 0));
}

/** @param {{ width: number, height: number, label: string, kind: string }} frame @param {...(Node | false)} children */
function picture({ width, height, label, kind }, ...children) {
  return shape(
    "svg",
    { class: `map ${kind}`, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ...children,
  );
}

/** @param {Area} area @param {Area | undefined} inner @param {Projection} project */
function areas(area, inner, project) {
  return [
    shape("path", { class: "area", d: ring(area.corners.map(project)) }),
    inner !== undefined && shape("path", { class: "area noted", d: ring(inner.corners.map(project)) }),
  ];
}

/**
 * Flat around the centre; longitudes go on past 180°.
 * @param {Point} center @param {number} scale Per degree of latitude. @param {number} width @param {number} height
 * @returns {Projection}
 */
function projection([lat, lon], scale, width, height) {
  const narrow = Math.max(LEAST_COSINE, Math.cos((lat * Math.PI) / 180));
  return ([toLat, toLon]) => [width / 2 + turned(toLon - lon) * narrow * scale, height / 2 - (toLat - lat) * scale];
}

/** @param {number} degrees */
function turned(degrees) {
  return ((((degrees + 180) % 360) + 360) % 360) - 180;
}

/** @param {readonly (readonly [number, number])[]} points @param {number} x @param {number} y */
function reach(points, x, y) {
  return Math.max(...points.map(([toX, toY]) => Math.hypot(toX - x, toY - y)));
}

/** @param {readonly (readonly [number, number])[]} points */
function ring(points) {
  return `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}

/**
 * Rings that reach into the picture, once for each turn of the world in which they do.
 * @param {readonly Ring[]} land @param {Point} center @param {Projection} project @param {{ width: number, height: number }} size
 */
function landPath(land, [, lon], project, { width, height }) {
  const origin = project([0, lon]);
  const east = project([0, lon + 1])[0] - origin[0];
  const at = (/** @type {readonly [number, number]} */ [toLon, toLat], /** @type {number} */ turn) =>
    /** @type {const} */ ([origin[0] + (toLon + turn - lon) * east, project([toLat, lon])[1]]);
  const paths = [];
  for (const points of land) {
    for (const turn of [-360, 0, 360]) {
      const drawn = points.map((point) => at(point, turn));
      const xs = drawn.map(([x]) => x);
      const ys = drawn.map(([, y]) => y);
      const seen = Math.min(...xs) < width && Math.max(...xs) > 0 && Math.min(...ys) < height && Math.max(...ys) > 0;
      if (seen) paths.push(ring(drawn));
    }
  }
  return paths.join("");
}

/** Every ten degrees. @param {Point} center @param {Projection} project @param {{ width: number, height: number }} size */
function lines([lat, lon], project, { width, height }) {
  const paths = [];
  for (let step = -6; step <= 6; step += 1) {
    const [x] = project([lat, (Math.round(lon / LINES_EVERY) + step) * LINES_EVERY]);
    if (x > 0 && x < width) paths.push(`M${x.toFixed(1)} 0v${height}`);
    const [, y] = project([(Math.round(lat / LINES_EVERY) + step) * LINES_EVERY, lon]);
    if (y > 0 && y < height) paths.push(`M0 ${y.toFixed(1)}h${width}`);
  }
  return paths.join("");
}

/** The greatest of 1, 2, 5, 10, 20 … that is not above. @param {number} km */
function niceKm(km) {
  const ten = 10 ** Math.floor(Math.log10(km));
  return [5, 2, 1].map((part) => part * ten).find((nice) => nice <= km) ?? ten;
}
