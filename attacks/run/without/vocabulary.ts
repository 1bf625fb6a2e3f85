/** Any flat object is a status, and is stored and passed on as it came, totals of counters included. */
import { StatusFilter } from "../../../src/deidentify/status.ts";
import { StoredFields } from "../../../src/sinks/influx/fields.ts";
import { Vocabulary } from "../../../src/vocabulary/vocabulary.ts";
import type { Removal } from "./removal.ts";

type Status = Readonly<Record<string, number | boolean | string>>;

export const vocabulary: Removal = {
  take: () => {
    Vocabulary.prototype.take = (fields) => {
      const flat = Object.entries(fields).filter(([, value]) => ["number", "boolean", "string"].includes(typeof value));
      return { status: Object.fromEntries(flat) as Status, changed: false, hasCounters: false };
    };
    for (const purpose of ["forAnalytics", "forScene"] as const) {
      StatusFilter.prototype[purpose] = (status) => status;
    }
    /** All numbers, not only those of the sky. */
    StatusFilter.prototype.forWeather = (status) =>
      Object.fromEntries(Object.entries(status).filter(([, value]) => typeof value === "number")) as Record<
        string,
        number
      >;
    StoredFields.prototype.takes = () => true;
  },
};
