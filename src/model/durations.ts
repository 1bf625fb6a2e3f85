/** Lengths of time in milliseconds. */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** Times of stored rows are kept to no wider a step, so a row is at most this far ahead of its message. */
export const WIDEST_ROW_STEP_MS = 24 * HOUR_MS;
/** Nothing of a person's data is kept longer, whatever is configured. */
export const LONGEST_KEPT_MS = 3_650 * DAY_MS;
