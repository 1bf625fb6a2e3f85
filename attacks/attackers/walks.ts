/**
 * A11: where exactly someone is when their new cell is told. The attacker knows the line on which they walk, and the rule
 * by which a cell changes, which the source tells everyone.
 */
import { CellOutlines } from "../../src/deidentify/cell-outline.ts";
import type { TrueWalk } from "../recording/format.ts";
import type { ArrivedRow, View } from "../recording/view.ts";
import { type Attack, grouped } from "./attack.ts";

const DEGREE_M = 111_195;
/** No better than the cell: of a line of kilometres through it, this much to either side. */
const NEAR_M = 100;
const LENGTH_IN_CELL_M = 5_000;

export const placeWhenTold: Attack = {
  name: "A11",
  what: "where a walker is when a new cell is told, to within 100 m",
  goal: 0.1,
  run(view) {
    const outlines = new CellOutlines();
    const places = grouped(
      view.measured("device_location"),
      ({ tags }) => view.names.get(tags.device ?? "")?.device.device,
    );
    const found = view.truth("walk").flatMap((walk) => toldOf(view, walk, places.get(walk.device) ?? [], outlines));
    const ahead = found.map(({ truth, crossing }) => truth - crossing);
    const errors = found.map(({ truth, crossing }) => Math.abs(truth - crossing));
    // One who has learned from others how far one gets until it is told.
    const learned = found.map((_, index) =>
      Math.abs((ahead[index] ?? 0) - median(ahead.filter((__, other) => other !== index))),
    );
    const hits = Math.max(...[errors, learned].map((all) => all.filter((error) => error <= NEAR_M).length));
    return {
      hits,
      trials: found.length,
      control: (2 * NEAR_M) / LENGTH_IN_CELL_M,
      detail: {
        "median error, m": Math.round(median(errors)),
        "told of": found.length / Math.max(1, view.truth("walk").length),
      },
    };
  },
};

/** Metres along the line: where the walker was when the second cell came, and where the rule says that it changes. */
function toldOf(
  view: View,
  { steps }: TrueWalk,
  places: readonly ArrivedRow[],
  outlines: CellOutlines,
): { truth: number; crossing: number }[] {
  const [begin, end] = [steps[0], steps.at(-1)];
  if (begin === undefined || end === undefined) return [];
  const rows = places.filter(({ at }) => at >= begin[0] - 1_000 && at < end[0] + 3_600_000);
  const old = rows[0]?.fields.cell;
  const told = rows.find(({ fields }) => fields.cell !== old);
  if (typeof old !== "string" || told === undefined) return [];
  const along = (lat: number, lon: number) => metres(begin[1], begin[2], lat, lon);
  const outside = steps.find(([, lat, lon]) => !outlines.reaches(old, lat, lon, view.run.stickiness));
  return outside === undefined
    ? []
    : [{ truth: wayAt(steps, told.at, along), crossing: along(outside[1], outside[2]) }];
}

/** People walk on between two messages. */
function wayAt(steps: TrueWalk["steps"], at: number, along: (lat: number, lon: number) => number): number {
  const next = steps.findIndex(([time]) => time > at);
  const [before, after] = [steps.at(next - 1), steps[next]];
  if (before === undefined) return 0;
  const way = along(before[1], before[2]);
  if (after === undefined || next === 0) return way;
  return way + ((at - before[0]) / (after[0] - before[0])) * (along(after[1], after[2]) - way);
}

function metres(fromLat: number, fromLon: number, lat: number, lon: number): number {
  const north = (lat - fromLat) * DEGREE_M;
  const east = (lon - fromLon) * DEGREE_M * Math.cos((lat * Math.PI) / 180);
  return Math.hypot(north, east);
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}
