/** A3: names of one epoch and the next, by everything that is stored under them. */
import { assign } from "../measure/assignment.ts";
import type { ArrivedRow, View } from "../recording/view.ts";
import { type Attack, grouped } from "./attack.ts";
import { type FeatureClass, Likeness, type Portrait, portraitOf, type Sketch } from "./portrait.ts";

interface Suspect {
  readonly name: string;
  readonly family: string | undefined;
  /** Stored under the same name, or not at all. */
  readonly cell: string | undefined;
  readonly portrait: Portrait;
  readonly halves: readonly [Portrait, Portrait] | undefined;
}

interface AttackerClass {
  readonly features: ReadonlySet<FeatureClass>;
  readonly cell: boolean;
}

const CLASSES: Readonly<Record<string, AttackerClass>> = {
  everything: { features: new Set(["values", "habits"]), cell: true },
  "without the cell": { features: new Set(["values", "habits"]), cell: false },
  "cell and family": { features: new Set(), cell: true },
  "habits by hour": { features: new Set(["habits"]), cell: false },
  values: { features: new Set(["values"]), cell: false },
};
const OTHER_FAMILY = -1_000;
const OTHER_CELL = -12;
const LEAST_ROWS = 6;

export const namesOverEpochs: Attack = {
  name: "A3",
  what: "names of one epoch and the next, by everything stored",
  goal: 0.1,
  run(view) {
    const before = suspects(view, 0);
    const after = suspects(view, 1);
    const likeness = new Likeness(before.flatMap(({ halves }) => (halves === undefined ? [] : [halves])));
    const cells = grouped(after, ({ cell }) => cell);
    const detail: Record<string, number> = {};
    let best = -1;
    const sketches = [before, after].map((side) => side.map(({ portrait }) => likeness.sketch(portrait)));
    for (const [name, { features, cell }] of Object.entries(CLASSES)) {
      const scoring = likeness.scoring(features);
      const score = (left: number, right: number) => {
        const [one, other] = [before[left] as Suspect, after[right] as Suspect];
        // A device does not change its family, and nothing else needs to be looked at.
        if (one.family !== other.family) return OTHER_FAMILY;
        const values = scoring(sketches[0]?.[left] as Sketch, sketches[1]?.[right] as Sketch);
        return values + (cell ? byCell(one, other, cells, after.length) : 0);
      };
      const hits = rightOnes(view, before, after, assign(before.length, after.length, score, view.random));
      detail[name] = hits / Math.max(1, before.length);
      best = Math.max(best, hits);
    }
    return { hits: best, trials: before.length, control: 1 / Math.max(1, after.length), detail };
  },
};

/** By the cell under the same name: the fewer are in it, the more it says. */
function byCell(
  before: Suspect,
  after: Suspect,
  cells: ReadonlyMap<string, readonly unknown[]>,
  count: number,
): number {
  if (before.cell === undefined || after.cell === undefined) return 0;
  if (before.cell !== after.cell) return OTHER_CELL;
  return Math.log(count / (cells.get(after.cell)?.length ?? 1));
}

function rightOnes(
  view: View,
  before: readonly Suspect[],
  after: readonly Suspect[],
  partners: readonly number[],
): number {
  return partners.filter((partner, index) => {
    const owner = view.ownerOf(before[index]?.name ?? "");
    return owner !== undefined && owner === view.ownerOf(after[partner]?.name ?? "");
  }).length;
}

function suspects(view: View, epoch: number): Suspect[] {
  const ofEpoch = (row: ArrivedRow) => {
    const named = view.names.get(row.tags.device ?? "");
    return named?.epoch === epoch && named.device.probe === undefined ? row.tags.device : undefined;
  };
  const places = new Map(
    view.measured("device_location").map(({ tags, fields }) => [tags.device, String(fields.cell)] as const),
  );
  return [...grouped(view.measured("device_status"), ofEpoch)].map(([name, rows]) => ({
    name,
    family: rows.find(({ tags }) => tags.model !== undefined)?.tags.model,
    cell: places.get(name),
    portrait: portraitOf(rows),
    halves: halvesOf(rows, view.epochStart(epoch), view.run.daysOfEpoch),
  }));
}

function halvesOf(rows: readonly ArrivedRow[], from: number, days: number): readonly [Portrait, Portrait] | undefined {
  const middle = from + (days * 86_400_000) / 2;
  const [one, other] = [rows.filter(({ time }) => time < middle), rows.filter(({ time }) => time >= middle)];
  return one.length < LEAST_ROWS || other.length < LEAST_ROWS ? undefined : [portraitOf(one), portraitOf(other)];
}
