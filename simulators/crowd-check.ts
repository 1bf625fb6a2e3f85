/**
 * Holds the weather that a service got against the homes there are: a cell for which something was told must have enough homes with a
 * device outdoors that were asked and said yes. Written apart from the gateway on purpose: it is what it is checked against.
 */
import { cellToParent, getResolution, latLngToCell } from "h3-js";
import type { Household, Population, Standing } from "./population.ts";

/** Whatever is configured. */
const LEAST_HOMES = 5;
const FINEST_RESOLUTION = 6;
const ASKED: ReadonlySet<Standing> = new Set(["consenting", "withdrawing", "forward-only", "minor-with-guardian"]);

interface WeatherPacket {
  readonly cell?: unknown;
  readonly subjects?: unknown;
}

/** Sentences, each something that was told and must not be. */
export function checkWeather(
  population: Pick<Population, "households">,
  packets: readonly { payload: Buffer }[],
): string[] {
  const homes = population.households.filter((home) => isAsked(home) && home.devices.some(isOutside));
  let tooFew = 0;
  let other = 0;
  for (const { payload } of packets) {
    const { cell, subjects, ...rest } = JSON.parse(payload.toString("utf8")) as WeatherPacket;
    if (typeof cell !== "string" || subjects !== "5+" || Object.keys(rest).sort().join() !== "at,center,status")
      other += 1;
    else if (homes.filter((home) => isIn(home, cell)).length < LEAST_HOMES) tooFew += 1;
  }
  return [
    ...(tooFew > 0 ? [`${tooFew} packets tell the weather of fewer than ${LEAST_HOMES} homes`] : []),
    ...(other > 0 ? [`${other} packets of weather have another form than that of a crowd`] : []),
  ];
}

/** Weather services may know in which cell its devices are. */
export function isAsked({ standing }: Household): boolean {
  return ASKED.has(standing);
}

function isOutside({ profile }: Household["devices"][number]): boolean {
  return profile.kind === "weather-station";
}

/** A home near a border may count as in the cell next door: a cell counts with its neighbours of the finest resolution. */
export function isIn({ lat, lon }: Household, cell: string): boolean {
  const resolution = getResolution(cell);
  const around = [-0.002, 0, 0.002].flatMap((up) =>
    [-0.002, 0, 0.002].map((right) => [lat + up, lon + right] as const),
  );
  return around.some(([y, x]) => cellToParent(latLngToCell(y, x, FINEST_RESOLUTION), resolution) === cell);
}
