/** What the data must still be good for, however well they are protected; for fleets of every size. */
import type { Fleet } from "../fleet/fleet.ts";
import type { Utility } from "./utility.ts";

export interface Gate {
  readonly what: string;
  readonly goal: number;
  /** By what it was found in: the run, or a fleet of so many homes. */
  readonly found: Readonly<Record<string, number>>;
  readonly holds: boolean;
}

export type Gates = Readonly<
  Record<"forecast" | "temperatureError" | "energyTold" | "weatherLateMs" | "sceneLateMs" | "loops", Gate>
>;

const WEATHER_STEP_MS = 300_000;
const LATE_MS = 60_000;
const SCENE_LATE_MS = 1_000;
/** Of fewer the median says nothing. A small fleet whose stations speak once in hours is told less of in a day. */
const LEAST_TEMPERATURES = 100;

/** Where too little is told in a day: did its stations report in each step. */
function errorOf({ temperatures, temperatureError, whenHeardEachStep }: Fleet): number {
  return temperatures < LEAST_TEMPERATURES ? whenHeardEachStep.temperatureError : temperatureError;
}

export function gatesOf(utility: Utility, fleets: readonly Fleet[]): Gates {
  const byFleet = (figure: (fleet: Fleet) => number) =>
    Object.fromEntries(fleets.map((fleet) => [`${fleet.homes} homes`, figure(fleet)]));
  const least = (goal: number, found: Readonly<Record<string, number>>) => ({
    goal,
    found,
    holds: Object.values(found).every((figure) => figure >= goal),
  });
  const most = (goal: number, found: Readonly<Record<string, number>>) => ({
    goal,
    found,
    holds: Object.values(found).every((figure) => figure <= goal),
  });
  return {
    forecast: {
      what: "homes that agreed to weather and get a forecast",
      ...least(1, { played: utility.homesWithForecast, ...byFleet(({ homesWithForecast }) => homesWithForecast) }),
    },
    temperatureError: {
      what: "error of a told temperature, °C",
      ...most(0.5, { played: utility.temperatureError, ...byFleet(errorOf) }),
    },
    energyTold: { what: "sums of energy that are told", ...least(0.98, { played: utility.energyTold }) },
    weatherLateMs: {
      what: "weather after the begin of its step, ms",
      ...most(WEATHER_STEP_MS + LATE_MS, { played: utility.weatherLateMs }),
    },
    sceneLateMs: {
      what: "a scene message after it was said, ms",
      ...most(SCENE_LATE_MS, { played: utility.sceneLateMs }),
    },
    loops: {
      what: "that both loops ran: commands and forecasts that arrived",
      ...least(1, { commands: utility.commandsDelivered, forecasts: utility.forecastsDelivered }),
    },
  };
}
