/**
 * A synthetic model of the weather: do not dress for it. Season, hour and latitude give what is usual; what was measured in the cell pulls
 * that to the side, less with every hour; a slow wave of the cell makes clouds and rain. The same input gives the same forecast. Pure.
 */
import { cellToLatLng } from "h3-js";

export const SYNTHETIC = "synthetic: do not dress for it";
const MOST_HOURS = 48;
/** What a gateway takes. */
export const MOST_BYTES = 4_096;

export type Condition = "clear" | "cloudy" | "rain" | "snow" | "fog" | "storm" | "wind";

export interface Hour {
  readonly at: number;
  readonly temperature: number;
  readonly humidity: number;
  readonly pressure: number;
  readonly windSpeed: number;
  readonly precipitation: number;
  readonly condition: Condition;
}

export interface Forecast {
  readonly at: number;
  readonly until: number;
  readonly hours: readonly Hour[];
}

/** Medians that were told of a cell: °C, %, hPa, m/s. */
export interface Medians {
  readonly temperature?: number | undefined;
  readonly humidity?: number | undefined;
  readonly pressure?: number | undefined;
  readonly wind_speed?: number | undefined;
}

interface Weather {
  readonly temperature: number;
  readonly humidity: number;
  readonly pressure: number;
  readonly windSpeed: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_DAYS = 365.25;
const WARMEST_DAY = 200;
const WARMEST_HOUR = 15;
/** Hours after which little more than a third of what was measured still counts. */
const LASTS = { temperature: 18, humidity: 9, pressure: 30, windSpeed: 6 } as const;

/** From the hour of `at` on; as many of `hours` as the gateway takes. */
export function forecast(cell: string, at: number, medians: Medians, hours: number): Forecast {
  const first = at - (at % HOUR_MS);
  const usualNow = usual(cell, at);
  const measured: Partial<Weather> = { ...defined(medians), ...defined({ windSpeed: medians.wind_speed }) };
  const all = Array.from({ length: Math.min(Math.max(1, hours), MOST_HOURS) }, (_, index) =>
    hourOf(cell, first + index * HOUR_MS, index, usualNow, measured),
  );
  for (let count = all.length; ; count -= 1) {
    const some = { at, until: first + count * HOUR_MS, hours: all.slice(0, count) };
    if (count === 1 || JSON.stringify(some).length <= MOST_BYTES) return some;
  }
}

function hourOf(cell: string, at: number, ahead: number, usualNow: Weather, measured: Partial<Weather>): Hour {
  const usualThen = usual(cell, at);
  const value = (name: keyof Weather): number =>
    usualThen[name] + ((measured[name] ?? usualNow[name]) - usualNow[name]) * Math.exp(-ahead / LASTS[name]);
  const wave = waveOf(cell, at);
  const temperature = within(value("temperature"), -60, 60, 0.1);
  const humidity = within(value("humidity") + 10 * wave, 5, 100, 1);
  const pressure = within(value("pressure") - 8 * wave, 900, 1_080, 1);
  const windSpeed = within(value("windSpeed") + 3 * Math.abs(wave), 0, 60, 0.1);
  const precipitation = within(humidity < 60 ? 0 : (wave - 0.55) * 8, 0, 50, 0.1);
  const weather = { temperature, humidity, pressure, windSpeed, precipitation };
  return { at, ...weather, condition: conditionOf(weather, wave) };
}

/** What is usual there on such a day at such an hour of the sun. */
function usual(cell: string, at: number): Weather {
  const [latitude, longitude] = cellToLatLng(cell);
  const day = (at / DAY_MS) % YEAR_DAYS;
  const northern = Math.cos((2 * Math.PI * (day - WARMEST_DAY)) / YEAR_DAYS);
  const season = latitude >= 0 ? northern : -northern;
  const solarHour = (at / HOUR_MS + longitude / 15) % 24;
  const warmth = Math.cos((2 * Math.PI * (solarHour - WARMEST_HOUR)) / 24);
  return {
    temperature: 28 - 0.0045 * latitude ** 2 + 0.22 * Math.abs(latitude) * season + 5 * warmth,
    humidity: 65 - 15 * warmth,
    pressure: 1_013,
    windSpeed: 3 + 1.5 * warmth,
  };
}

/** Between -1 and 1, over days; its own for each cell. */
function waveOf(cell: string, at: number): number {
  const phase = (hashOf(cell) / 2 ** 32) * 2 * Math.PI;
  const days = at / DAY_MS;
  return 0.6 * Math.sin((2 * Math.PI * days) / 3.7 + phase) + 0.4 * Math.sin((2 * Math.PI * days) / 1.3 + 2 * phase);
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

function conditionOf(
  { temperature, humidity, windSpeed, precipitation }: Omit<Hour, "at" | "condition">,
  wave: number,
): Condition {
  if (precipitation >= 3 && windSpeed >= 10) return "storm";
  if (precipitation > 0) return temperature <= 0.5 ? "snow" : "rain";
  if (windSpeed >= 14) return "wind";
  if (humidity >= 97 && windSpeed < 3) return "fog";
  return wave > 0.1 ? "cloudy" : "clear";
}

function within(value: number, least: number, most: number, step: number): number {
  const rounded = Math.round(Math.min(Math.max(value, least), most) / step) * step;
  // Without the digits that binary fractions add, and without minus zero.
  return Number(rounded.toFixed(1)) + 0;
}

function defined(values: Partial<Record<keyof Weather, number | undefined>>): Partial<Weather> {
  return Object.fromEntries(
    Object.keys(LASTS).flatMap((name) => {
      const value = values[name as keyof Weather];
      return value === undefined || !Number.isFinite(value) ? [] : [[name, value]];
    }),
  );
}
