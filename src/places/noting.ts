/**
 * Notes the places of a batch: when it resolves, each device's record in Redis holds the newest place there is of it, on
 * whatever gateway it was told. What is noted already is not noted again for a minute, since it says the same.
 */
import type { NotedPlace, PlaceRecord } from "../model/place.ts";
import { type NotingOptions, type NotingRules, RecordNoting } from "../platform/record-noting.ts";
import { noted, type PlaceRecords } from "./record.ts";

/** How far the time of a record may lie behind the newest message from the same place. */
const AGAIN_MS = 60_000;

const RULES: NotingRules<NotedPlace, PlaceRecord> = {
  noted,
  isKnown: (known, { cell, at }, { now, aheadMs }) => {
    // A time that cannot be is replaced by the next one.
    if (known.at > now + aheadMs) return false;
    return at <= known.at || (cell === known.cell && at - known.at < AGAIN_MS);
  },
};

export class PlaceNoting extends RecordNoting<NotedPlace, PlaceRecord> {
  constructor(records: Pick<PlaceRecords, "read" | "open" | "replace">, options: NotingOptions) {
    super(records, options, RULES);
  }
}
