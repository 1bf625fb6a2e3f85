/**
 * A3: names under which a status is stored, and the next of the same devices, by everything that is stored under them. A name
 * is compared with the one that follows it, and with the one a day later at the same hours; the better way counts.
 */
import { assign } from "../measure/assignment.ts";
import type { ArrivedRow, View } from "../recording/view.ts";
import { type Attack, grouped } from "./attack.ts";
import { likenesses, only, type Portraits, type Weighing } from "./likeness.ts";
import { classOf, type Portrait, portraitOf, propertyOf } from "./portrait.ts";

interface Suspect {
  readonly name: string;
  readonly owner: string | undefined;
  readonly family: string | undefined;
  /** Stored under the same name, or not at all. */
  readonly cell: string | undefined;
  readonly portrait: Portrait;
}

/** Of one family: a device does not change its own. */
interface Lineup extends Portraits {
  readonly left: readonly Suspect[];
  readonly right: readonly Suspect[];
}

interface AttackerClass {
  readonly sees: (feature: string) => boolean;
  readonly cell: boolean;
}

interface Count {
  readonly hits: number;
  readonly trials: number;
}

const DAY_MS = 86_400_000;
const CLASSES: Readonly<Record<string, AttackerClass>> = {
  everything: { sees: () => true, cell: true },
  values: { sees: only(["values"]), cell: false },
  "habits by hour": { sees: only(["habits"]), cell: false },
  "how often it speaks": { sees: only(["intervals"]), cell: false },
  "cell and family": { sees: () => false, cell: true },
};
const OTHER_CELL = -12;

export const namesOverEpochs: Attack = {
  name: "A3",
  what: "names of stored rows and the next of the same devices, by everything stored",
  goal: 0.1,
  run(view) {
    const detail: Record<string, number> = {};
    let best: Count = { hits: 0, trials: 0 };
    const ways = waysOf(view).map(([way, pairs]) => [way, pairs.map((pair) => lineups(view, pair))] as const);
    let candidates = 0;
    for (const [way, all] of ways) {
      for (const [name, attacker] of Object.entries(CLASSES)) {
        const count = sumOf(all.map((families) => linked(view, families, attacker)));
        detail[`${name}, ${way}`] = count.hits / Math.max(1, count.trials);
        if (best.trials === 0 || rate(count) > rate(best)) best = count;
      }
      candidates = Math.max(
        candidates,
        ...all.map((families) => families.reduce((sum, one) => sum + one.right.length, 0)),
      );
    }
    const [, [families = []] = []] = ways.at(-1) ?? [];
    for (const property of propertiesOf(families)) {
      const sees = (feature: string) => propertyOf(feature) === property;
      detail[`${property} alone`] = rate(linked(view, families, { sees, cell: false }));
    }
    return { ...best, control: 1 / Math.max(1, candidates), detail };
  },
};

type Lives = readonly [before: number, after: number];

/** Begins of lives to compare, by way of comparing. */
function waysOf(view: View): (readonly [way: string, readonly Lives[]])[] {
  const lasts = view.storedNameMs;
  const nextEpoch = view.firstStored(1);
  if (lasts >= DAY_MS) return [["the next name", [[view.lastStored(0), nextEpoch]]]];
  const lastDay = view.lastStored(0) + lasts - DAY_MS;
  const lives = Array.from({ length: DAY_MS / lasts }, (_, index) => index * lasts);
  return [
    ["the next name", lives.slice(1).map((from) => [lastDay + from - lasts, lastDay + from] as const)],
    ["a day later", lives.map((from) => [lastDay + from, nextEpoch + from] as const)],
  ];
}

function lineups(view: View, [before, after]: Lives): Lineup[] {
  const places = new Map(
    view.measured("device_location").map(({ tags, fields }) => [tags.device, String(fields.cell)] as const),
  );
  const suspects = (from: number) =>
    [...view.storedUnder(from)].map(([name, rows]) => suspectOf(view, name, rows, places.get(name)));
  const right = grouped(suspects(after), ({ family }) => family ?? "");
  return [...grouped(suspects(before), ({ family }) => family ?? "")].map(([family, left]) => {
    const others = right.get(family) ?? [];
    const at = new Map(others.map(({ owner }, index) => [owner, index] as const));
    return {
      left,
      right: others,
      before: left.map(({ portrait }) => portrait),
      after: others.map(({ portrait }) => portrait),
      same: left.flatMap(({ owner }, index) => {
        const other = at.get(owner);
        return other === undefined ? [] : [[index, other] as const];
      }),
    };
  });
}

function suspectOf(view: View, name: string, rows: readonly ArrivedRow[], cell: string | undefined): Suspect {
  return {
    name,
    owner: view.ownerOf(name)?.device,
    family: rows.find(({ tags }) => tags.model !== undefined)?.tags.model,
    cell,
    portrait: portraitOf(rows),
  };
}

/** Trials are those that can be found: their device has a name in the other life. */
function linked(view: View, families: readonly Lineup[], attacker: AttackerClass): Count {
  return sumOf(
    families.map((family) => {
      const { left, right, same } = family;
      const cells = grouped(right, ({ cell }) => cell);
      const hits = new Map<Weighing, number>();
      // Weights are learned from one half of the devices and tried on the other.
      for (const half of [0, 1]) {
        const tried = same.filter((_, index) => index % 2 === half);
        const learned = same.filter((_, index) => index % 2 !== half);
        for (const [weighing, score] of likenesses({ ...family, same: learned }, attacker.sees)) {
          const withCell = (one: number, other: number) =>
            score(one, other) + (attacker.cell ? byCell(left[one], right[other], cells, right.length) : 0);
          const partners = assign(left.length, right.length, withCell, view.random);
          const found = tried.filter(([one, other]) => partners[one] === other).length;
          hits.set(weighing, (hits.get(weighing) ?? 0) + found);
        }
      }
      // Of two ways to weigh the better one counts, for each family.
      return { hits: Math.max(...hits.values()), trials: same.length };
    }),
  );
}

/** By the cell under the same name: the fewer are in it, the more it says. */
function byCell(
  before: Suspect | undefined,
  after: Suspect | undefined,
  cells: ReadonlyMap<string, readonly unknown[]>,
  count: number,
): number {
  if (before?.cell === undefined || after?.cell === undefined) return 0;
  if (before.cell !== after.cell) return OTHER_CELL;
  return Math.log(count / (cells.get(after.cell)?.length ?? 1));
}

function propertiesOf(families: readonly Lineup[]): string[] {
  const features = families.flatMap(({ before }) => before.flatMap(({ last }) => [...last.keys()]));
  const values = [...new Set(features)].filter((feature) => classOf(feature) === "values");
  return [...new Set(values.flatMap((feature) => propertyOf(feature) ?? []))].sort();
}

function sumOf(counts: readonly Count[]): Count {
  return {
    hits: counts.reduce((sum, { hits }) => sum + hits, 0),
    trials: counts.reduce((sum, { trials }) => sum + trials, 0),
  };
}

function rate({ hits, trials }: Count): number {
  return hits / Math.max(1, trials);
}
