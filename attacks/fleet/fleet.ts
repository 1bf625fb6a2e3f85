/**
 * What a fleet of some size gets, worked out with the gateway's own pure rules over a world of that many homes: cells by the
 * table of densities, crowds of places, medians of weather over a day of its steps, draws of k. No gateway runs: one that had
 * 100,000 homes play for a day would take days.
 */
import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { cellToParent, getResolution } from "h3-js";
import { Random } from "../../simulators/random.ts";
import { deidentifyOptions, placeOptions, weatherOptions } from "../../src/config/data-options.ts";
import { sinkOptions } from "../../src/config/outlet-options.ts";
import { SPREAD_OF_K as SPREAD_OF_ACTIVITY } from "../../src/crowds/activity.ts";
import { drawBetween } from "../../src/crowds/draw.ts";
import { SPREAD_OF_K as SPREAD_OF_WEATHER } from "../../src/crowds/weather.ts";
import { CrowdMedians } from "../../src/deidentify/crowd-medians.ts";
import { parseDensityTable } from "../../src/deidentify/density-table.ts";
import { Locations } from "../../src/deidentify/location.ts";
import { cellsOver, isOpen } from "../../src/forecasts/cells.ts";
import type { SubjectReading } from "../../src/model/crowd.ts";
import type { CellId, SubjectTag } from "../../src/model/ids.ts";
import { type Inhabitants, tellableCells } from "../../src/places/crowd.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { cellOf } from "../measure/cells.ts";
import { quantile } from "../measure/quantile.ts";
import { Climate } from "../world/climate.ts";
import { KINDS } from "../world/kinds.ts";
import { homePlace, type Point } from "../world/places.ts";

export interface FleetWeather {
  /** In a cell that weather services are told within a day, or below one. */
  readonly homesInToldWeather: number;
  /** Median over what is told: from the open air at the stations of the cell, °C. */
  readonly temperatureError: number;
  /** How many it is the median of. */
  readonly temperatures: number;
  /** And from the open air at homes below the cell. */
  readonly temperatureErrorAtHome: number;
  /** How often the median home that gets any gets another one. */
  readonly weatherEveryMinutes: number;
}

export interface Fleet extends FleetWeather {
  readonly homes: number;
  /** Below a cell of which a forecast is taken: that was told, or is open to every service. */
  readonly homesWithForecast: number;
  /** Shares of homes by the resolution of the cell whose forecast counts for them, when all of those are forecast. */
  readonly forecastAt: Readonly<Record<string, number>>;
  /** The same, did each station report in each step, as many do, and not once in one to three hours. */
  readonly whenHeardEachStep: Omit<FleetWeather, "weatherEveryMinutes">;
  /** Shares of homes by the resolution of the cell that is stored of them; "none": nothing is. */
  readonly storedAt: Readonly<Record<string, number>>;
  readonly storedAtFourOrFiner: number;
  readonly stored: number;
  /** In a cell of which it is told how busy it is. */
  readonly homesInToldActivity: number;
  /** Alone in a cell that is stored, and with fewer than five. */
  readonly alone: number;
  readonly fewerThanFive: number;
}

export interface FleetOptions {
  readonly homes: number;
  readonly seed: number;
  /** As in the world that is played. */
  readonly devicesPerHome: number;
  /** How many it is the mean of; 1 when absent. */
  readonly worlds?: number;
}

interface Station {
  readonly home: number;
  readonly everyMs: number;
  readonly phase: number;
  readonly offset: number;
}

const DENSITIES = new URL("../../config/densities.json", import.meta.url);
const STATION = KINDS.find(({ outdoor }) => outdoor === true);
const SHARE_OF_STATIONS = (STATION?.weight ?? 0) / KINDS.reduce((sum, { weight }) => sum + weight, 0);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday. */
const DAY_AT = Date.UTC(2026, 8, 7);
const FINEST = 6;
const CROWD = 5;
/** What a garden differs from the open by, and a sensor from itself; as in the world. */
const GARDEN_SPREAD = 0.8;
const SENSOR_SPREAD = 0.2;
const LOOKED_AT_MS = 2 * HOUR_MS;
/** Of a cell with more of them so many are looked at. */
const MOST_COMPARED = 40;

/** The mean of several worlds where one is so small that its figures are those of a few towns. Lets other work in between. */
export async function fleetOf(options: FleetOptions): Promise<Fleet> {
  const worlds: Fleet[] = [];
  for (let world = 0; world < (options.worlds ?? 1); world += 1) worlds.push(await fleetOfWorld(options, world));
  return meanOf(worlds);
}

async function fleetOfWorld({ homes: count, seed, devicesPerHome }: FleetOptions, world: number): Promise<Fleet> {
  const random = new Random(`fleet ${seed} ${count}${world === 0 ? "" : ` ${world}`}`);
  const climate = new Climate(random.fork("climate"));
  const { location } = deidentifyOptions.parse({});
  const densities = parseDensityTable(readFileSync(DENSITIES, "utf8"));
  const locations = new Locations({ ...location, densities, maxDevices: 1 });
  const homes = Array.from({ length: count }, () => homePlace(random));
  const cells = homes.map(({ lat, lon }) => locations.placeOf(lat, lon).cell);
  const draw = (what: string, cell: string, least: number, spread: number): number =>
    drawBetween(bytesOf(new Random(`${what} ${seed} ${cell}`)), least, least + spread);

  const inhabitants: Inhabitants = new Map();
  for (const [home, cell] of cells.entries()) {
    const here = inhabitants.get(cell) ?? new Set<SubjectTag>();
    inhabitants.set(cell, here.add(tagOf(home)));
  }
  const tellable = await tellableCells(inhabitants, placeOptions.parse({}).leastSubjects);
  const storedAs = cells.map((cell) => tellable.get(cell));
  const storedAt = sharesOf(storedAs.map((cell) => (cell === undefined ? "none" : String(getResolution(cell)))));
  const shareOf = (fits: (resolution: number) => boolean) =>
    storedAs.filter((cell) => cell !== undefined && fits(getResolution(cell))).length / count;

  const stations = stationsIn(count, devicesPerHome, random);
  const ofWeather = { random, climate, stations, draw };
  const { told, ...weather } = await weatherOf(homes, cells, { ...ofWeather, readingsOf: readingsOfDay });
  const often = await weatherOf(homes, cells, { ...ofWeather, readingsOf: readingsOfEachStep });
  const { weatherEveryMinutes: _each, told: _told, ...whenHeardEachStep } = often;
  const forecast = cells.map((place) => cellsOver(place).find((cell) => told.has(cell) || isOpen(cell)));
  const { minPeople } = sinkOptions.parse({}).cellActivity;
  const busy = cells.filter(
    (cell) => (inhabitants.get(cell)?.size ?? 0) >= draw("activity", cell, minPeople, SPREAD_OF_ACTIVITY),
  );
  return {
    homes: count,
    homesWithForecast: forecast.filter((cell) => cell !== undefined).length / count,
    forecastAt: sharesOf(forecast.map((cell) => (cell === undefined ? "none" : String(getResolution(cell))))),
    ...weather,
    whenHeardEachStep,
    storedAt,
    storedAtFourOrFiner: shareOf((resolution) => resolution >= 4),
    stored: shareOf(() => true),
    homesInToldActivity: busy.length / count,
    ...fewIn(homes, new Set(storedAs.filter((cell) => cell !== undefined))),
  };
}

/** Of each number in them; where one has none it is 0, and where it could not be said (NaN) it does not count. */
function meanOf<T extends object>(all: readonly T[]): T {
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))] as (keyof T)[];
  return Object.fromEntries(
    names.map((name) => {
      const values = all.map((one) => one[name] ?? 0);
      const isNumber = typeof values.find((value) => value !== 0) !== "object";
      if (!isNumber) return [name, meanOf(values.map((value) => (value === 0 ? {} : value) as object))];
      const said = values.map(Number).filter((value) => !Number.isNaN(value));
      return [name, said.reduce((sum, value) => sum + value, 0) / Math.max(1, said.length)];
    }),
  ) as T;
}

type Readings = (
  stations: readonly Station[],
  said: (station: Station, at: number) => SubjectReading,
  stepMs: number,
) => ReadonlyMap<number, readonly SubjectReading[]>;

interface Weather {
  readonly random: Random;
  readonly climate: Climate;
  readonly stations: readonly Station[];
  readonly readingsOf: Readings;
  readonly draw: (what: string, cell: string, least: number, spread: number) => number;
}

/** A day of steps. */
async function weatherOf(
  homes: readonly Point[],
  cells: readonly CellId[],
  { random, climate, stations, readingsOf, draw }: Weather,
): Promise<FleetWeather & { readonly told: ReadonlySet<CellId> }> {
  const { stepMs, minPeople, coarsestResolution } = weatherOptions.parse({});
  const medians = new CrowdMedians({ properties: new Vocabulary().properties, coarsestResolution });
  const said = ({ home, offset }: Station, ofDay: number): SubjectReading => {
    const at = DAY_AT + ofDay;
    const outside = climate.temperature(homes[home] as Point, at);
    const temperature = outside + offset + random.gaussian() * SENSOR_SPREAD;
    return { subject: tagOf(home), cell: cells[home] as CellId, status: { temperature }, at };
  };
  const readings = readingsOf(stations, said, stepMs);
  const leastOf = (cell: CellId) => draw("weather", cell, minPeople, SPREAD_OF_WEATHER);
  const stationsBelow = new Below(
    stations.map(({ home }) => home),
    homes,
  );
  const homesBelow = new Below([...homes.keys()], homes);
  const steps = new Map<CellId, Set<number>>();
  const errors: number[] = [];
  const atHome: number[] = [];
  for (const [step, some] of readings) {
    await turn();
    for (const { cell, status } of medians.of(some, leastOf)) {
      const { temperature } = status;
      if (temperature === undefined) continue;
      steps.set(cell, (steps.get(cell) ?? new Set()).add(step));
      const at = DAY_AT + step * stepMs;
      const outside = (home: number) => climate.temperature(homes[home] as Point, at);
      errors.push(Math.abs(temperature - quantile(stationsBelow.of(cell).map(outside), 0.5)));
      const [one] = homesBelow.of(cell);
      if (one !== undefined) atHome.push(Math.abs(temperature - outside(one)));
    }
  }
  const stepsHeard = homes.map(({ lat, lon }) => {
    const heard = new Set<number>();
    for (const cell of around(lat, lon)) for (const step of steps.get(cell) ?? []) heard.add(step);
    return heard.size;
  });
  const reached = stepsHeard.filter((count) => count > 0);
  return {
    told: new Set(steps.keys()),
    homesInToldWeather: reached.length / homes.length,
    temperatureError: medianOf(errors),
    temperatures: errors.length,
    temperatureErrorAtHome: medianOf(atHome),
    weatherEveryMinutes: reached.length === 0 ? Number.NaN : Math.round(DAY_MS / 60_000 / quantile(reached, 0.5)),
  };
}

function medianOf(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : quantile(values, 0.5);
}

function stationsIn(homes: number, devicesPerHome: number, random: Random): Station[] {
  const [least, most] = STATION?.everyHours ?? [1, 3];
  const stations: Station[] = [];
  for (let device = 0; device < homes * devicesPerHome; device += 1) {
    // Each home has one device, the rest fall where they fall: as in the world that is played.
    const home = device < homes ? device : random.int(homes);
    if (!random.chance(SHARE_OF_STATIONS)) continue;
    const everyMs = random.between(least, most) * HOUR_MS;
    stations.push({ home, everyMs, phase: random.next(), offset: random.gaussian() * GARDEN_SPREAD });
  }
  return stations;
}

const readingsOfDay: Readings = (stations, said, stepMs) => {
  const readings = new Map<number, SubjectReading[]>();
  for (const station of stations) {
    for (let at = station.phase * station.everyMs; at < DAY_MS; at += station.everyMs) {
      const step = Math.floor(at / stepMs);
      const known = readings.get(step);
      if (known === undefined) readings.set(step, [said(station, at)]);
      else known.push(said(station, at));
    }
  }
  return readings;
};

/** Of every other hour one step: each is like the next. */
const readingsOfEachStep: Readings = (stations, said, stepMs) =>
  new Map(
    Array.from({ length: DAY_MS / LOOKED_AT_MS }, (_, index) => [
      (index * LOOKED_AT_MS) / stepMs,
      stations.map((station) => said(station, index * LOOKED_AT_MS)),
    ]),
  );

/** Those of some homes that lie in a cell, or as many of them as are compared. */
class Below {
  readonly #of = new Map<string, number[]>();

  constructor(some: readonly number[], homes: readonly Point[]) {
    for (const home of some) {
      const { lat, lon } = homes[home] as Point;
      for (const cell of around(lat, lon)) {
        const known = this.#of.get(cell);
        if (known === undefined) this.#of.set(cell, [home]);
        else if (known.length < MOST_COMPARED) known.push(home);
      }
    }
  }

  of(cell: CellId): readonly number[] {
    return this.#of.get(cell) ?? [];
  }
}

/** Homes in cells that are stored, as A7 counts them. */
function fewIn(homes: readonly Point[], stored: ReadonlySet<CellId>): Pick<Fleet, "alone" | "fewerThanFive"> {
  const inhabitants = new Map<CellId, number[]>();
  for (const [home, { lat, lon }] of homes.entries()) {
    for (const cell of around(lat, lon)) {
      if (!stored.has(cell)) continue;
      const known = inhabitants.get(cell);
      if (known === undefined) inhabitants.set(cell, [home]);
      else known.push(home);
    }
  }
  const share = (fits: (count: number) => boolean) =>
    new Set([...inhabitants.values()].filter(({ length }) => fits(length)).flat()).size / homes.length;
  return { alone: share((count) => count === 1), fewerThanFive: share((count) => count < CROWD) };
}

function around(lat: number, lon: number): CellId[] {
  const fine = cellOf(lat, lon, FINEST);
  return Array.from({ length: FINEST + 1 }, (_, resolution) => cellToParent(fine, resolution) as CellId);
}

function sharesOf(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted().map(([name, many]) => [name, many / names.length]));
}

function tagOf(home: number): SubjectTag {
  return `home-${home}` as SubjectTag;
}

function bytesOf(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 8 }, () => random.int(256)));
}
