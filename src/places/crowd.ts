/**
 * Which cell may be told of a place: the finest around it in which enough people have a place that is told no more finely.
 * People count, not devices. A person who is left over where the others are told finely is told in a wider cell, with those who
 * is left over there; so no cell that is told is anyone's own, and with too few even in the widest nothing is told.
 */
import { setImmediate as otherWork } from "node:timers/promises";
import { cellToParent, getResolution } from "h3-js";
import type { CellId, SubjectTag } from "../model/ids.ts";
import type { PlaceRecord } from "../model/place.ts";
import { DAY_MS, dayOf } from "./record.ts";

const FINEST_RESOLUTION = 6;
const CELLS_PER_TURN = 500;

/** Who has a place in each cell, as fine as it was noted. */
export type Inhabitants = Map<CellId, Set<SubjectTag>>;

/** Counts the places that a device had on the day before (UTC) or has today, and the one that is being told of it. */
export function inhabit(inhabitants: Inhabitants, subject: SubjectTag, record: PlaceRecord, now: number): void {
  if (!isRecent(record.at, now)) return;
  add(inhabitants, record.cell, subject);
  if (record.before !== undefined && isRecent(record.before.at, now)) add(inhabitants, record.before.cell, subject);
  if (record.told !== undefined) add(inhabitants, record.told.cell, subject);
}

/** Of the day before (UTC), or of today. */
export function isRecent(at: number, now: number): boolean {
  return at >= (dayOf(now) - 1) * DAY_MS;
}

/** Of each cell in which there is anyone, the one that may be told instead; it is missing where none may. Lets other work in between. */
export async function tellableCells(inhabitants: Inhabitants, least: number): Promise<ReadonlyMap<CellId, CellId>> {
  const tellable = new Map<CellId, CellId>();
  const open = new Set(inhabitants.keys());
  for (let resolution = FINEST_RESOLUTION; resolution >= 0 && open.size > 0; resolution -= 1) {
    let done = 0;
    for (const [around, cells] of await grouped([...open], resolution)) {
      done += 1;
      if (done % CELLS_PER_TURN === 0) await otherWork();
      const people = new Set<SubjectTag>();
      for (const cell of cells) for (const subject of inhabitants.get(cell) ?? []) people.add(subject);
      if (people.size < least) continue;
      for (const cell of cells) {
        tellable.set(cell, around);
        open.delete(cell);
      }
    }
  }
  return tellable;
}

async function grouped(cells: readonly CellId[], resolution: number): Promise<ReadonlyMap<CellId, CellId[]>> {
  const groups = new Map<CellId, CellId[]>();
  for (const [index, cell] of cells.entries()) {
    if (index % CELLS_PER_TURN === 0) await otherWork();
    // A place that was noted in a wider cell may lie anywhere in it.
    if (getResolution(cell) < resolution) continue;
    const around = cellToParent(cell, resolution) as CellId;
    const group = groups.get(around);
    if (group === undefined) groups.set(around, [cell]);
    else group.push(cell);
  }
  return groups;
}

function add(inhabitants: Inhabitants, cell: CellId, subject: SubjectTag): void {
  const subjects = inhabitants.get(cell);
  if (subjects === undefined) inhabitants.set(cell, new Set([subject]));
  else subjects.add(subject);
}
