/**
 * The number of what is stored: Redis, InfluxDB, sealed batches and archives carry it. It grows by one when an older
 * version would misread, or say more with, what a newer one has stored; `npm run upgrade` takes an installation one further.
 *
 * 1: no number was written. `status` had any keys, text among them, and counters rested as totals.
 * 2: `status` has the closed vocabulary; of a counter only differences rest.
 * 3: places stand under a name of their own, and only together with others.
 */
export const SCHEMA = 3;

/** What carries no number. */
export const UNNUMBERED = 1;
