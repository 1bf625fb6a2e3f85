/**
 * What single attacks need beside the world: a neighbour with nine people around, a household of many devices, a device
 * with things to say that point at a person, people who walk from one cell into the next, and gardens that make crowds.
 */
import { latLngToCell } from "h3-js";
import type { Random } from "../../simulators/random.ts";
import type { Probe, Truth } from "../recording/format.ts";
import type { Climate } from "../world/climate.ts";
import type { Point } from "../world/places.ts";
import type { Home, WorldDevice } from "../world/world.ts";
import { type Act, probeHome, telemetry } from "./acts.ts";
import { makeGardens, readingsOfGardens } from "./gardens.ts";
import { identifierActs } from "./identifiers.ts";

export interface Probes {
  readonly homes: readonly (readonly [Home, Probe])[];
  /** What they say on the day that begins at `dayMs`, the `day`-th of the run, and the truth about it. */
  actsOf(
    dayMs: number,
    day: number,
    random: Random,
  ): { readonly acts: readonly Act[]; readonly truth: readonly Truth[] };
  /** Times of the day at which arrival must be known exactly, Unix ms. */
  finely(dayMs: number, day: number): readonly number[];
}

export interface ProbesOptions {
  readonly seed: number;
  readonly walkDays: number;
  /** Of the world: gardens have its weather. */
  readonly climate: Climate;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * HOUR_MS;
/** Islands on which no home of the world stands. */
const NEIGHBOURS_AT = { lat: 7.02, lon: 93.88 };
const HOUSEHOLD_AT = { lat: 8.28, lon: 73.05 };
const OWN_SUBJECTS = 9;
const NEIGHBOUR_DEVICES = 4;
const HOUSEHOLD_DEVICES = 12;
const WINDOW_EVERY_MS = 30 * MINUTE_MS;
const WINDOW_MS = 15 * MINUTE_MS;
const STATION = "weather-station";
const WALKERS = 60;
const CITIES: readonly Point[] = [
  { lat: 28.63, lon: 77.22 },
  { lat: 19.1, lon: 72.88 },
  { lat: 12.97, lon: 77.59 },
  { lat: 22.57, lon: 88.36 },
  { lat: 13.06, lon: 80.24 },
];
const WALK_FROM_HOUR = 4;
/** 5 km an hour, told every 18 s around the border and every 5 minutes further on. */
const STEP_M = 25;
const STEP_MS = 18_000;
const FINE_STEPS = 97;
const BEFORE_BORDER_M = 600;
const LATER_STEPS = 18;
const LATER_EVERY = 17;
const DEGREE_M = 111_195;
const FINEST = 6;

export function makeProbes(random: Random, { seed, walkDays, climate }: ProbesOptions): Probes {
  const home = (name: string, place: Point, kinds: readonly string[]) =>
    probeHome(random, `${name}${seed}`, place, kinds);
  const neighbour = home("neighbour", NEIGHBOURS_AT, Array<string>(NEIGHBOUR_DEVICES).fill(STATION));
  const own = Array.from({ length: OWN_SUBJECTS }, (_, index) => home(`own${index}-`, NEIGHBOURS_AT, [STATION]));
  const household = home("household", HOUSEHOLD_AT, Array<string>(HOUSEHOLD_DEVICES).fill(STATION));
  const talkative = home("talkative", HOUSEHOLD_AT, ["hub"]);
  const walkers = Array.from({ length: WALKERS }, (_, index) =>
    home(`walker${index}-`, CITIES[index % CITIES.length] as Point, ["hub"]),
  );
  const gardens = makeGardens(random.fork("gardens"), seed);
  return {
    homes: [
      ...[neighbour, ...own].map((one) => [one, "neighbour"] as const),
      [household, "household"],
      [talkative, "identifiers"],
      ...walkers.map((one) => [one, "walker"] as const),
      ...gardens.map((one) => [one, "garden"] as const),
    ],
    actsOf: (dayMs, day, ofDay) => {
      const acts: Act[] = [];
      const truth: Truth[] = [];
      for (let from = dayMs; from < dayMs + DAY_MS; from += WINDOW_EVERY_MS) {
        const present = ofDay.chance(0.5);
        const there = [...own, ...(present ? [neighbour] : [])].flatMap(({ devices }) => devices);
        acts.push(...readings(there, from, ofDay), ...readings(household.devices, from, ofDay));
        const window = { from, to: from + WINDOW_MS };
        truth.push({ about: "window", ...window, ...NEIGHBOURS_AT, present, devices: there.length });
        truth.push({ about: "household", ...window, ...HOUSEHOLD_AT });
      }
      const [speaker] = talkative.devices;
      if (day === 0 && speaker !== undefined) {
        const tries = identifierActs(speaker, dayMs + HOUR_MS / 2, ofDay);
        acts.push(...tries.acts);
        truth.push(...tries.truth);
      }
      if (day === 0) acts.push(...readingsOfGardens(gardens, climate, dayMs, ofDay));
      if (day < walkDays) {
        for (const { devices } of walkers) {
          for (const device of devices) {
            const steps = walk(device, dayMs + WALK_FROM_HOUR * HOUR_MS, ofDay);
            truth.push({ about: "walk", device: device.id, steps });
            acts.push(...steps.map(([at, lat, lon]) => telemetry(device, at, { online: true }, { lat, lon })));
          }
        }
      }
      return { acts, truth };
    },
    finely: (dayMs, day) =>
      day < walkDays
        ? Array.from({ length: FINE_STEPS }, (_, step) => dayMs + WALK_FROM_HOUR * HOUR_MS + step * STEP_MS)
        : [],
  };
}

/** Once each, within the second to fourth minute of the window. */
function readings(devices: readonly WorldDevice[], windowMs: number, random: Random): Act[] {
  return devices.map((device) => {
    const at = Math.trunc(windowMs + random.between(1, 4) * MINUTE_MS);
    return telemetry(device, at, { temperature: 27 + random.gaussian() });
  });
}

type Step = readonly [at: number, lat: number, lon: number];

/** Straight on over the border of a cell, 600 m before it and kilometres behind. */
function walk(device: WorldDevice, from: number, random: Random): Step[] {
  const direction = random.between(0, 2 * Math.PI);
  const start = device.home.place;
  const around = { lat: start.lat + random.between(-0.04, 0.04), lon: start.lon + random.between(-0.04, 0.04) };
  const at = (metres: number): Point => ({
    lat: around.lat + (metres * Math.cos(direction)) / DEGREE_M,
    lon: around.lon + (metres * Math.sin(direction)) / (DEGREE_M * Math.cos((around.lat * Math.PI) / 180)),
  });
  const cellAt = (metres: number) => latLngToCell(at(metres).lat, at(metres).lon, FINEST);
  let border = BEFORE_BORDER_M;
  while (cellAt(border) === cellAt(0)) border += STEP_M;
  const begin = border - BEFORE_BORDER_M;
  return Array.from({ length: FINE_STEPS + LATER_STEPS }, (_, index): Step => {
    const step = index < FINE_STEPS ? index : FINE_STEPS + (index - FINE_STEPS) * LATER_EVERY;
    const { lat, lon } = at(begin + step * STEP_M);
    return [from + step * STEP_MS, lat, lon];
  });
}
