/**
 * Gardens with a weather station each, for A5: neighbours enough that a median is told of every cell, in many towns, so that a guess
 * finds few. They report often, on the first day, which is the one that is attacked.
 */
import type { Random } from "../../simulators/random.ts";
import type { Climate } from "../world/climate.ts";
import { homePlace } from "../world/places.ts";
import type { Home } from "../world/world.ts";
import { type Act, probeHome, telemetry } from "./acts.ts";

const TOWNS = 24;
/** One more than a median of weather ever needs. */
const NEIGHBOURS = 9;
/** So near that few of them stand in another cell. */
const APART_DEGREES = 0.004;
const EVERY_MS = 20 * 60_000;
/** Within one step of weather, so that they are a crowd. */
const FROM_MS = 60_000;
const WITHIN_MS = 180_000;
const DAY_MS = 86_400_000;
const GARDEN_SPREAD = 0.8;
const SENSOR_SPREAD = 0.2;

export function makeGardens(random: Random, seed: number): Home[] {
  return Array.from({ length: TOWNS }, (_, town) => ({ town, place: homePlace(random) })).flatMap(({ town, place }) =>
    Array.from({ length: NEIGHBOURS }, (_, index) => {
      const near = (degrees: number) => degrees + random.between(-APART_DEGREES, APART_DEGREES);
      const home = probeHome(
        random,
        `garden${seed}-${town}-${index}-`,
        { lat: near(place.lat), lon: near(place.lon) },
        ["weather-station"],
      );
      return { ...home, gardenOffset: random.gaussian() * GARDEN_SPREAD };
    }),
  );
}

export function readingsOfGardens(gardens: readonly Home[], climate: Climate, dayMs: number, random: Random): Act[] {
  return gardens.flatMap(({ devices, place, gardenOffset }) =>
    devices.flatMap((device) =>
      Array.from({ length: DAY_MS / EVERY_MS }, (_, round) => {
        const at = Math.trunc(dayMs + round * EVERY_MS + FROM_MS + random.between(0, WITHIN_MS));
        const temperature = climate.temperature(place, at) + gardenOffset + random.gaussian() * SENSOR_SPREAD;
        return telemetry(device, at, { temperature, humidity: climate.humidity(place, at) });
      }),
    ),
  );
}
