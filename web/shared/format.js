// @ts-check
/** Numbers, times and lists as people read them. */

/** @param {readonly string[]} words */
export function list(words) {
  return new Intl.ListFormat("en", { type: "conjunction" }).format(words);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${new Intl.NumberFormat("en").format(count)} ${count === 1 ? one : many}`;
}

/** @param {number} ms */
export function date(ms) {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" }).format(ms);
}

/** @param {number} ms @param {boolean} [seconds] */
export function time(ms, seconds = false) {
  const style = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return new Intl.DateTimeFormat("en-GB", seconds ? { ...style, second: "2-digit" } : style).format(ms);
}

/** @param {number} km */
export function kilometres(km) {
  return `${new Intl.NumberFormat("en").format(km)} km`;
}

/** @param {number} km2 */
export function squareKilometres(km2) {
  return `${new Intl.NumberFormat("en").format(km2)} km²`;
}
