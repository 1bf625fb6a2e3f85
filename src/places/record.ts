/** The record of one device's place: what a message makes of it, and the text that is sealed. Pure. */
import type { CellId } from "../model/ids.ts";
import type { NotedPlace, PlaceRecord, ToldPlace } from "../model/place.ts";
import type { NotingClock } from "../platform/record-noting.ts";
import type { RecordForm, Replacement, SealedRecords } from "../platform/sealed-records.ts";

export const DAY_MS = 86_400_000;

/** The same record when the place is older than what it holds: that alone is current. */
export function noted(
  known: PlaceRecord | undefined,
  { cell, at, revision }: Pick<NotedPlace, "cell" | "at" | "revision">,
  { now, aheadMs }: NotingClock,
): PlaceRecord {
  // A time that cannot be, of a clock that was ahead: it would keep every later place away until that day.
  const impossible = known !== undefined && known.at > now + aheadMs;
  if (known === undefined || impossible) return { cell, at, since: now, revision, told: known?.told };
  if (at < known.at) return known;
  const { cell: knownCell, at: knownAt, told } = known;
  const before = dayOf(knownAt) < dayOf(at) ? { cell: knownCell, at: knownAt } : known.before;
  return { cell, at, since: cell === knownCell ? known.since : now, revision, before, told };
}

export function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

type Text = readonly [
  cell: string,
  at: number,
  since: number,
  revision: number,
  before: readonly [cell: string, at: number] | 0,
  told: readonly [cell: string, as: string, epochStart: number, writtenAt: number, revision: number] | 0,
];

export function encodePlace({ cell, at, since, revision, before, told }: PlaceRecord): string {
  const text: Text = [
    cell,
    at,
    since,
    revision,
    before === undefined ? 0 : [before.cell, before.at],
    told === undefined ? 0 : [told.cell, told.as, told.epochStart, told.writtenAt, told.revision],
  ];
  return JSON.stringify(text);
}

/** The inverse; the seal guarantees the content. */
export function decodePlace(text: string): PlaceRecord {
  const [cell, at, since, revision, before, told] = JSON.parse(text) as Text;
  return {
    cell: cell as CellId,
    at,
    since,
    revision,
    before: before === 0 ? undefined : { cell: before[0] as CellId, at: before[1] },
    told: told === 0 ? undefined : toldPlace(told),
  };
}

export const PLACE_FORM: RecordForm<PlaceRecord> = { kind: "place", encode: encodePlace, decode: decodePlace };
export type PlaceRecords = SealedRecords<PlaceRecord>;
export type PlaceReplacement = Replacement<PlaceRecord>;

function toldPlace([cell, as, epochStart, writtenAt, revision]: Exclude<Text[5], 0>): ToldPlace {
  return { cell: cell as CellId, as: as as CellId, epochStart, writtenAt, revision };
}
