/** What the data are still good for after all that is done to them. */
import { getResolution } from "h3-js";
import type { View } from "../recording/view.ts";
import { makeWorld } from "../world/world.ts";
import { cellOf, holds } from "./cells.ts";
import { quantile } from "./quantile.ts";

export interface Utility {
  /** Homes of which a device has got a forecast, of all that consented. */
  readonly homesWithForecast: number;
  /** Homes in a cell that a weather service was told, finest or any above: their forecast can be of their own weather. */
  readonly homesInToldWeather: number;
  /** Median difference between a told temperature and that in the open at the homes of the cell, °C. */
  readonly temperatureError: number;
  /** Told sums of energy, of what was counted. */
  readonly energyTold: number;
  /** Homes with a stored place at resolution 4 or finer. */
  readonly homesWithPlace: number;
  /** From the begin of the step that a packet tells until it arrived, ms; 99 of 100 are at most this late. */
  readonly weatherLateMs: number;
  /** From the end of the slice that holds the time told in a packet until it arrived. */
  readonly sceneLateMs: number;
  readonly weatherPackets: number;
  /** Commands of the scene service that reached a lamp, and forecasts that reached a device, while the world lived. */
  readonly commandsDelivered: number;
  readonly forecastsDelivered: number;
}

const COARSE_ENOUGH = 4;

export function utilityOf(view: View): Utility {
  const weather = view.processed("weather").map(({ payload, at }) => ({
    arrived: at,
    ...(payload as { cell: string; at: number; status?: { temperature?: number } }),
  }));
  const homes = new Map(view.devices.map(({ home, lat, lon }) => [home, { lat, lon }]));
  const told = new Set(weather.map(({ cell }) => cell));
  const { sliceMs } = view.run;
  const sliceEnd = (at: number) => (Math.floor(at / sliceMs) + 1) * sliceMs;
  const resolutions = [...new Set([...told].map(getResolution))];
  const reached = [...homes.values()].filter(({ lat, lon }) =>
    resolutions.some((resolution) => told.has(cellOf(lat, lon, resolution))),
  );
  return {
    homesWithForecast: homesWithForecast(view) / homes.size,
    homesInToldWeather: reached.length / homes.size,
    temperatureError: temperatureError(view, weather),
    energyTold: energyTold(view),
    homesWithPlace: homesWithPlace(view) / homes.size,
    weatherLateMs: late(weather.map(({ arrived, at }) => arrived - at)),
    sceneLateMs: late(view.processed("scene").map(({ payload, at }) => at - sliceEnd((payload as { at: number }).at))),
    weatherPackets: weather.length,
    commandsDelivered: sum(view.truth("loops").map(({ delivered }) => delivered)),
    forecastsDelivered: sum(view.truth("loops").map(({ forecasts }) => forecasts)),
  };
}

function temperatureError(
  view: View,
  weather: readonly { cell: string; at: number; status?: { temperature?: number } }[],
): number {
  const { seed, homes, devices } = view.run;
  const { climate } = makeWorld({ seed, homes, devices });
  const places = view
    .truth("device")
    .filter(({ outdoor, probe }) => outdoor && (probe === undefined || probe === "garden"));
  const errors: number[] = [];
  const byCell = new Map<string, typeof places>();
  for (const { cell, at, status } of weather) {
    const temperature = status?.temperature;
    if (temperature === undefined) continue;
    const known = byCell.get(cell) ?? places.filter(({ lat, lon }) => holds(cell, lat, lon));
    byCell.set(cell, known);
    if (known.length === 0) continue;
    const outside = quantile(
      known.map((place) => climate.temperature(place, at)),
      0.5,
    );
    errors.push(Math.abs(temperature - outside));
  }
  return quantile(errors, 0.5);
}

function energyTold(view: View): number {
  const counted = view.truth("energy").reduce((sum, one) => sum + one.counted, 0);
  const told = view
    .measured("device_status")
    .filter(({ tags }) => view.ownerOf(tags.device ?? "") !== undefined)
    .reduce((sum, { fields }) => sum + (typeof fields.energy === "number" ? fields.energy : 0), 0);
  return counted === 0 ? 0 : told / counted;
}

function homesWithForecast(view: View): number {
  const heard = new Set(view.truth("forecast").map(({ device }) => device));
  return new Set(view.devices.filter(({ device }) => heard.has(device)).map(({ home }) => home)).size;
}

function homesWithPlace(view: View): number {
  const homes = new Set<string>();
  for (const { tags, fields } of view.measured("device_location")) {
    const owner = view.ownerOf(tags.device ?? "");
    if (owner !== undefined && Number(fields.resolution) >= COARSE_ENOUGH) homes.add(owner.home);
  }
  return homes.size;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, one) => all + one, 0);
}

function late(times: readonly number[]): number {
  return Math.max(0, Math.round(quantile(times, 0.99)));
}
