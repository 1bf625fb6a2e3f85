/** A7 to A9: homes alone in a cell, a neighbour among nine people of the attacker's, a household that passes for a crowd. */
import { readFileSync } from "node:fs";
import { getResolution, isValidCell } from "h3-js";
import { Random } from "../../simulators/random.ts";
import { parseDensityTable } from "../../src/deidentify/density-table.ts";
import { Locations } from "../../src/deidentify/location.ts";
import { cellOf, holds } from "../measure/cells.ts";
import type { View } from "../recording/view.ts";
import { homePlace, type Point } from "../world/places.ts";
import type { Attack } from "./attack.ts";

/** Of other fleets only what the table of densities alone comes to: no one plays 100,000 homes. */
const FLEETS = [10_000, 100_000];
const CROWD = 5;
const DENSITIES = new URL("../../config/densities.json", import.meta.url);

export const aloneInCell: Attack = {
  name: "A7",
  what: "homes alone in a cell that is stored or told",
  goal: 0,
  run(view) {
    const cells = new Set<string>();
    for (const { fields } of view.measured("device_location")) cells.add(String(fields.cell));
    for (const { tags } of view.measured("cell_activity")) if (tags.cell !== undefined) cells.add(tags.cell);
    for (const { payload } of view.processed("weather")) cells.add((payload as { cell: string }).cell);
    const homes = new Set(view.devices.map(({ home }) => home));
    const inhabitants = peopleIn([...cells].filter(isValidCell), placesOf(view));
    const among = (counts: (count: number) => boolean) =>
      [...homesIn(inhabitants, counts)].filter((one) => homes.has(one));
    const few = among((count) => count < CROWD).length;
    const detail = { [`fewer than ${CROWD}`]: few / homes.size, ...byTable() };
    return { hits: among((count) => count === 1).length, trials: homes.size, control: 0, detail };
  },
};

/** Where each person is known to be: at home, and in transit. Also who was set up for another attack is someone. */
function placesOf(view: View): ReadonlyMap<string, readonly Point[]> {
  const places = new Map<string, Point[]>();
  const homeOf = new Map<string, string>();
  for (const { device, home, lat, lon } of view.truth("device")) {
    homeOf.set(device, home);
    places.set(home, [{ lat, lon }]);
  }
  for (const { device, steps } of view.truth("walk"))
    for (const [, lat, lon] of steps) places.get(homeOf.get(device) ?? "")?.push({ lat, lon });
  return places;
}

function peopleIn(
  cells: readonly string[],
  people: ReadonlyMap<string, readonly Point[]>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const known = new Set(cells);
  const resolutions = [...new Set(cells.map(getResolution))];
  const inhabitants = new Map<string, Set<string>>();
  for (const [person, points] of people) {
    for (const { lat, lon } of points) {
      for (const resolution of resolutions) {
        const cell = cellOf(lat, lon, resolution);
        if (!known.has(cell)) continue;
        const there = inhabitants.get(cell) ?? new Set<string>();
        inhabitants.set(cell, there.add(person));
      }
    }
  }
  return inhabitants;
}

function homesIn(
  inhabitants: ReadonlyMap<string, ReadonlySet<string>>,
  counts: (count: number) => boolean,
): ReadonlySet<string> {
  return new Set([...inhabitants.values()].filter(({ size }) => counts(size)).flatMap((some) => [...some]));
}

let shares: Readonly<Record<string, number>> | undefined;

function byTable(): Readonly<Record<string, number>> {
  shares ??= sharesByTable();
  return shares;
}

function sharesByTable(): Record<string, number> {
  const random = new Random("fleets");
  const locations = new Locations({
    finestResolution: 6,
    defaultResolution: 3,
    densities: parseDensityTable(readFileSync(DENSITIES, "utf8")),
    stickiness: 0,
    maxDevices: 1,
  });
  return Object.fromEntries(
    FLEETS.map((size) => {
      const cells = new Map<string, number>();
      for (let home = 0; home < size; home += 1) {
        const { lat, lon } = homePlace(random);
        const { cell } = locations.placeOf(lat, lon);
        cells.set(cell, (cells.get(cell) ?? 0) + 1);
      }
      return [`by the table alone, ${size} homes`, [...cells.values()].filter((count) => count === 1).length / size];
    }),
  );
}

interface Told {
  readonly count: number;
  readonly present: boolean;
}

/** Knows when its own people were there; the best bound it could have learned on one half of the windows is tried on the other. */
export const neighbourAtHome: Attack = {
  name: "A8",
  what: "whether a neighbour is there, out of counts, with nine own people",
  goal: 0.55,
  run(view) {
    const rows = view.measured("cell_activity");
    const local = localTo(view);
    const windows = view.truth("window");
    let exact = 0;
    const told = windows.map(({ from, to, lat, lon, present, devices }): Told => {
      const ofWindow = rows.filter(
        ({ time, tags }) => time >= from && time < to && tags.cell !== undefined && local(tags.cell, lat, lon),
      );
      const count = Math.max(0, ...ofWindow.map(({ fields }) => Number(fields.devices ?? fields.subjects ?? 0)));
      if (count === devices) exact += 1;
      return { count, present };
    });
    const halves = [told.filter((_, index) => index % 2 === 0), told.filter((_, index) => index % 2 === 1)] as const;
    const hits = rightWith(boundOf(halves[0]), halves[1]) + rightWith(boundOf(halves[1]), halves[0]);
    return {
      hits,
      trials: told.length,
      control: 0.5,
      detail: { "exact count told": exact / Math.max(1, told.length) },
    };
  },
};

function boundOf(told: readonly Told[]): { readonly bound: number; readonly above: boolean } {
  let best = { bound: 0, above: true };
  for (const bound of new Set([0, ...told.map(({ count }) => count)])) {
    for (const above of [true, false]) {
      if (rightWith({ bound, above }, told) > rightWith(best, told)) best = { bound, above };
    }
  }
  return best;
}

function rightWith({ bound, above }: { bound: number; above: boolean }, told: readonly Told[]): number {
  return told.filter(({ count, present }) => count > bound === (present === above)).length;
}

export const householdAsCrowd: Attack = {
  name: "A9",
  what: "one household of twelve devices, told as a crowd",
  goal: 0,
  run(view) {
    const rows = view.measured("cell_activity");
    const packets = view.processed("weather").map(({ payload }) => payload as { cell: string; at: number });
    const local = localTo(view);
    const windows = view.truth("household");
    const counted = (from: number, to: number, lat: number, lon: number) =>
      rows.some(({ time, tags }) => time >= from && time < to && tags.cell !== undefined && local(tags.cell, lat, lon));
    const measured = (from: number, to: number, lat: number, lon: number) =>
      packets.some(({ cell, at }) => at >= from && at < to && local(cell, lat, lon));
    const activity = windows.filter(({ from, to, lat, lon }) => counted(from, to, lat, lon)).length;
    const weather = windows.filter(({ from, to, lat, lon }) => measured(from, to, lat, lon)).length;
    return {
      hits: windows.filter(({ from, to, lat, lon }) => counted(from, to, lat, lon) || measured(from, to, lat, lon))
        .length,
      trials: windows.length,
      control: 0,
      detail: {
        "cell activity": activity / Math.max(1, windows.length),
        weather: weather / Math.max(1, windows.length),
      },
    };
  },
};

/** Whether a cell holds a place and hardly a home of the world: in a larger one there is a crowd of others to be told. */
function localTo(view: View): (cell: string, lat: number, lon: number) => boolean {
  const homes = [...new Map(view.devices.map(({ home, lat, lon }) => [home, { lat, lon }])).values()];
  const known = new Map<string, boolean>();
  const empty = (cell: string) => homes.filter(({ lat, lon }) => holds(cell, lat, lon)).length < CROWD;
  return (cell, lat, lon) => {
    if (!holds(cell, lat, lon)) return false;
    const before = known.get(cell) ?? empty(cell);
    known.set(cell, before);
    return before;
  };
}
