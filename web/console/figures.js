// @ts-check
/** Figures as an operator reads them: short, with their unit, never more exact than they are. */

const SECONDS = [
  { unit: "day", s: 86_400 },
  { unit: "h", s: 3_600 },
  { unit: "min", s: 60 },
  { unit: "s", s: 1 },
];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** @param {number} count */
export function whole(count) {
  return new Intl.NumberFormat("en").format(Math.round(count));
}

/** At most three digits that say something: 1,234, 123, 12.3, 1.23. @param {number | null | undefined} value */
export function short(value) {
  if (value === null || value === undefined) return "–";
  if (value > 0 && value < 0.01) return "< 0.01";
  const size = Math.abs(value);
  const maximumFractionDigits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return new Intl.NumberFormat("en", { maximumFractionDigits }).format(value);
}

/** @param {number | null | undefined} value */
export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value >= 1_000 ? `${short(value / 1_000)} s` : `${short(value)} ms`;
}

/** @param {number} count */
export function bytes(count) {
  const power = count < 1 ? 0 : Math.min(BYTES.length - 1, Math.floor(Math.log2(count) / 10));
  return `${short(count / 1_024 ** power)} ${BYTES[power]}`;
}

/** The two greatest units that say something: "2 days 3 h", "4 min 10 s". @param {number} seconds */
export function age(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const { unit, s } of SECONDS) {
    const amount = Math.floor(rest / s);
    rest -= amount * s;
    if (amount > 0) parts.push(`${amount} ${unit === "day" && amount > 1 ? "days" : unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? "0 s" : parts.join(" ");
}

/** With the day where it is not today's. @param {number} at @param {number} now */
export function moment(at, now) {
  const day = { day: "numeric", month: "short", year: "numeric" };
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const same = new Date(at).toDateString() === new Date(now).toDateString();
  return new Intl.DateTimeFormat(
    "en-GB",
    /** @type {Intl.DateTimeFormatOptions} */ (same ? clock : { ...day, ...clock }),
  ).format(at);
}

/** Of a bound, 0 to 1; without a bound 0. @param {number} value @param {number} limit */
export function share(value, limit) {
  return limit > 0 ? Math.min(1, Math.max(0, value / limit)) : 0;
}

/** @param {number} part 0 to 1 */
export function percent(part) {
  const value = part * 100;
  return value > 0 && value < 1 ? "< 1 %" : `${Math.round(value)} %`;
}

/** @param {Readonly<Record<string, number>>} counts */
export function sum(counts) {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}
