/** A5: the place of a scene name, out of what weather services are told over a day, by times and by values. */
import { getResolution } from "h3-js";
import { cellOf } from "../measure/cells.ts";
import type { PacketArrival, TrueDevice } from "../recording/format.ts";
import type { View } from "../recording/view.ts";
import { type Attack, bestOf, grouped } from "./attack.ts";
import { Coincidences, momentsOf, type Sighting } from "./times.ts";

type Status = Readonly<Record<string, number | boolean | string>>;

interface ScenePayload {
  readonly device: string;
  readonly home?: string;
  readonly at: number;
  readonly status: Status;
}

interface Reading extends Sighting {
  readonly status: Status;
}

/** What a sensor in a garden differs by from what is told of its cell. */
const SPREAD: Readonly<Record<string, number>> = { temperature: 1.2, humidity: 5, pressure: 2 };
/** Farther apart in time they are not compared. */
const NEAR_MS = 30 * 60_000;
const UNLIKELY = -6;
/** Coincidences are cosines, values log-likelihoods; a coincidence of all of a day decides. */
const WORTH_OF_TIMES = 30;

export const placeOfScene: Attack = {
  name: "A5",
  what: "the place of a scene name, out of a day of weather",
  goal: 0.08,
  run(view) {
    const { from, to } = view.firstDay;
    const homes = new Map<string, TrueDevice>();
    const inDay = ({ at }: PacketArrival) => at >= from && at < to;
    const scenes = view
      .processed("scene")
      .filter(inDay)
      .flatMap(({ payload, n, at }): Reading[] => {
        const { device, home, at: told, status } = payload as ScenePayload;
        const station = stationOf(view, device);
        if (station === undefined) return [];
        // All that is known to be of one home is looked at together.
        const name = home ?? device;
        homes.set(name, station);
        return [{ name, told, n, at, status }];
      });
    const weather = view
      .processed("weather")
      .filter(inDay)
      .map(({ payload, n, at }): Reading => {
        const { cell: name, at: told, status = {} } = payload as { cell: string; at: number; status?: Status };
        return { name, told, n, at, status };
      });
    const readings = grouped(scenes, ({ name }) => name);
    const cells = grouped(weather, ({ name }) => name);
    const coincidences = new Coincidences(momentsOf(scenes), momentsOf(weather));
    const told = coincidences.names;
    const truths = new Map<string, number>();
    let hits = 0;
    let trials = 0;
    for (const [name, own] of readings) {
      const home = homes.get(name);
      const truth = home && finestHolding(told, home.lat, home.lon);
      if (truth === undefined) continue;
      trials += 1;
      truths.set(truth, (truths.get(truth) ?? 0) + 1);
      const together = coincidences.scores(name);
      const guess = bestOf(
        told.keys(),
        (cell) => WORTH_OF_TIMES * (together[cell] ?? 0) + agreement(own, cells.get(told[cell] ?? "") ?? []),
        () => view.random.next(),
      );
      if (guess !== undefined && told[guess] === truth) hits += 1;
    }
    // Anyone who always names the cell that most are in.
    return {
      hits,
      trials,
      control: Math.max(0, ...truths.values()) / Math.max(1, trials),
      detail: { cells: told.length },
    };
  },
};

/** A weather station of the world, or of the gardens beside it. */
function stationOf(view: View, name: string): TrueDevice | undefined {
  const device = view.names.get(name)?.device;
  return device?.outdoor === true && (device.probe === undefined || device.probe === "garden") ? device : undefined;
}

/** Mean log-likelihood that the values of a name are those of a cell, times the root of how many could be compared. */
function agreement(own: readonly Reading[], told: readonly Reading[]): number {
  let sum = 0;
  let compared = 0;
  for (const { told: at, status } of own) {
    const near = nearest(told, at);
    if (near === undefined || Math.abs(near.told - at) > NEAR_MS) continue;
    for (const [property, spread] of Object.entries(SPREAD)) {
      const [one, other] = [status[property], near.status[property]];
      if (typeof one !== "number" || typeof other !== "number") continue;
      sum += Math.max(UNLIKELY, -((one - other) ** 2) / (2 * spread ** 2));
      compared += 1;
    }
  }
  return compared === 0 ? UNLIKELY : (sum / compared) * Math.sqrt(compared);
}

/** `told` is in the order of its times. */
function nearest(told: readonly Reading[], at: number): Reading | undefined {
  let low = 0;
  let high = told.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((told[middle]?.told ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [told[low - 1], told[low]];
  if (before === undefined || after === undefined) return after ?? before;
  return at - before.told <= after.told - at ? before : after;
}

function finestHolding(cells: readonly string[], lat: number, lon: number): string | undefined {
  const finest = Math.max(-1, ...cells.map(getResolution));
  const known = new Set(cells);
  for (let resolution = finest; resolution >= 0; resolution -= 1) {
    const cell = cellOf(lat, lon, resolution);
    if (known.has(cell)) return cell;
  }
  return undefined;
}
