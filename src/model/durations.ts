/** Lengths of time in milliseconds. */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** Nothing of a person's data is kept longer, whatever is configured. */
export const LONGEST_KEPT_MS = 3_650 * DAY_MS;
