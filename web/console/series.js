// @ts-check
/** The last hour as columns: what the gateway kept, and every frame since. Pure. */

/** @typedef {import("../../src/http/operate/shapes.ts").History} History */
/** @typedef {import("../../src/http/operate/shapes.ts").Sample} Sample */
/** @typedef {readonly (number | null)[]} Column */
/** @typedef {{ readonly name: string, readonly values: Column }} Line */

const HOUR_MS = 3_600_000;
/** More reasons than that are one line together. */
const MOST_REASONS = 5;
const OTHERS = "others";
/** A stretch without samples longer than that many steps is a gap. */
const GAP_STEPS = 3;

/** With one sample more, and without those that are older than an hour by it. @param {History} history @param {Sample} sample @returns {History} */
export function extended(history, sample) {
  const last = history.at.at(-1);
  if (last !== undefined && sample.at <= last) return history;
  const from = history.at.findIndex((at) => at > sample.at - HOUR_MS);
  const kept = from < 0 ? history.at.length : from;
  const { at, refusedBy, ...figures } = sample;
  const reasons = new Set([...Object.keys(history.refusedBy), ...Object.keys(refusedBy)]);
  /** @type {Record<string, number[]>} */
  const byReason = {};
  for (const reason of reasons) {
    const name = /** @type {keyof typeof refusedBy} */ (reason);
    const before = history.refusedBy[name] ?? history.at.map(() => 0);
    const column = [...before.slice(kept), refusedBy[name] ?? 0];
    if (column.some((value) => value > 0)) byReason[reason] = column;
  }
  /** @type {Record<string, Column>} */
  const columns = {};
  for (const [name, value] of Object.entries(figures)) {
    const before = history[/** @type {keyof typeof figures} */ (name)] ?? history.at.map(() => null);
    columns[name] = [...before.slice(kept), value];
  }
  return /** @type {History} */ (
    /** @type {unknown} */ ({
      everyMs: history.everyMs,
      ...columns,
      at: [...history.at.slice(kept), at],
      refusedBy: byReason,
    })
  );
}

/** The commonest reasons of the hour first, the rest together. @param {Pick<History, "at" | "refusedBy">} history @returns {Line[]} */
export function refusedLines({ at, refusedBy }) {
  const lines = Object.entries(refusedBy)
    .map(([name, values]) => ({ name, values, all: values.reduce((sum, value) => sum + value, 0) }))
    .toSorted((one, other) => other.all - one.all || one.name.localeCompare(other.name));
  const few = lines.length <= MOST_REASONS + 1 ? lines : lines.slice(0, MOST_REASONS);
  const rest = lines.slice(few.length);
  const shown = few.map(({ name, values }) => ({ name, values }));
  if (rest.length === 0) return shown;
  const together = at.map((_at, index) => rest.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  return [...shown, { name: OTHERS, values: together }];
}

/** Each line on top of those before it, as areas are drawn. @param {readonly Line[]} lines @returns {number[][]} */
export function stacked(lines) {
  /** @type {number[]} */
  let below = [];
  return lines.map(({ values }) => {
    below = values.map((value, index) => (below[index] ?? 0) + (value ?? 0));
    return below;
  });
}

/** The greatest value, and when. @param {readonly number[]} at @param {Column} values */
export function highest(at, values) {
  /** @type {{ at: number, value: number } | undefined} */
  let found;
  for (const [index, value] of values.entries()) {
    const when = at[index];
    if (value !== null && when !== undefined && (found === undefined || value > found.value))
      found = { at: when, value };
  }
  return found;
}

/**
 * Nothing is drawn where nothing was measured: an empty sample stands in every gap.
 * @param {readonly number[]} at
 * @param {readonly Column[]} columns
 * @param {number} everyMs
 * @returns {{ at: number[], columns: (number | null)[][] }}
 */
export function withGaps(at, columns, everyMs) {
  /** @type {number[]} */
  const times = [];
  /** @type {(number | null)[][]} */
  const out = columns.map(() => []);
  for (const [index, when] of at.entries()) {
    const before = at[index - 1];
    if (before !== undefined && when - before > GAP_STEPS * everyMs) {
      times.push(before + everyMs);
      for (const column of out) column.push(null);
    }
    times.push(when);
    for (const [line, column] of out.entries()) column.push(columns[line]?.[index] ?? null);
  }
  return { at: times, columns: out };
}

/**
 * For reading as a table: the mean of each line over stretches of some minutes, the newest first.
 * @param {readonly number[]} at
 * @param {readonly Line[]} lines
 * @param {number} minutes
 * @returns {{ from: number, values: (number | null)[] }[]}
 */
export function stretches(at, lines, minutes) {
  const ms = minutes * 60_000;
  /** @type {Map<number, number[]>} */
  const found = new Map();
  for (const [index, when] of at.entries()) {
    const from = Math.floor(when / ms) * ms;
    const members = found.get(from);
    if (members === undefined) found.set(from, [index]);
    else members.push(index);
  }
  return [...found]
    .toSorted(([one], [other]) => other - one)
    .map(([from, members]) => ({
      from,
      values: lines.map(({ values }) => {
        const known = members.map((index) => values[index] ?? null).filter((value) => value !== null);
        return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
      }),
    }));
}
