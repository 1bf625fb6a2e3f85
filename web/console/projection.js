// @ts-check
/** The world as a flat map, a degree a unit, north up; and which part of it is looked at. Pure. */

/** @typedef {{ readonly x: number, readonly y: number, readonly width: number, readonly height: number }} Frame */

/** Without the poles, where no one lives. @type {Frame} */
export const WORLD = { x: -180, y: -84, width: 360, height: 144 };
/** Nearer than that there is nothing more to see. */
const LEAST_WIDTH = 12;
/** How far one step moves, as a part of what is seen. */
const STEP = 0.25;

/**
 * Points of degrees as a path. One that would jump from one edge of the world to the other goes on beyond it instead, and is
 * drawn a second time at the other edge.
 * @param {readonly (readonly [lon: number, lat: number])[]} points
 */
export function worldPath(points) {
  let turn = 0;
  /** @type {number | undefined} */
  let before;
  const drawn = points.map(([lon, lat]) => {
    if (before !== undefined) turn += 360 * Math.round((before - lon - turn) / 360);
    before = lon + turn;
    return /** @type {const} */ ([before, -lat]);
  });
  const east = Math.max(...drawn.map(([x]) => x));
  const west = Math.min(...drawn.map(([x]) => x));
  const shifts = [0, ...(east > 180 ? [-360] : []), ...(west < -180 ? [360] : [])];
  return shifts.map((shift) => path(drawn, shift)).join("");
}

/** @param {readonly (readonly [number, number])[]} points @param {number} shift */
function path(points, shift) {
  return points.length === 0 ? "" : `M${points.map(([x, y]) => `${trimmed(x + shift)} ${trimmed(y)}`).join("L")}Z`;
}

/** @param {number} value */
function trimmed(value) {
  return String(Math.round(value * 100) / 100);
}

/**
 * Nearer, farther or moved, and never beyond the world.
 * @param {Frame} frame
 * @param {{ by?: number, x?: number, y?: number }} change `by`: how much more is seen; `x`, `y`: steps.
 * @returns {Frame}
 */
export function frameOf({ x, y, width, height }, { by = 1, x: east = 0, y: south = 0 }) {
  const wide = Math.min(WORLD.width, Math.max(LEAST_WIDTH, width * by));
  const high = (wide * WORLD.height) / WORLD.width;
  const left = x + (width - wide) / 2 + east * STEP * wide;
  const top = y + (height - high) / 2 + south * STEP * high;
  return {
    x: within(left, WORLD.x, WORLD.x + WORLD.width - wide),
    y: within(top, WORLD.y, WORLD.y + WORLD.height - high),
    width: wide,
    height: high,
  };
}

/** @param {number} value @param {number} least @param {number} most */
function within(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
