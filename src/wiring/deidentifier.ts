/** From configuration to the options of de-identification. */
import type { Config } from "../config/schema.ts";
import type { Deidentifier } from "../deidentify/deidentify.ts";
import { DENSITY_TABLE } from "../deidentify/density-table.ts";
import { DAY_MS } from "../model/durations.ts";

/** The shipped density table; the operator's own table, if any, replaces it at start. */
export function deidentifierOptions({ deidentify }: Config): ConstructorParameters<typeof Deidentifier>[0] {
  const epochMs = deidentify.epochDays * DAY_MS;
  const { densityFile: _readAtStart, ...location } = deidentify.location;
  return {
    epochMs: { analytics: epochMs, scene: epochMs, network: epochMs },
    location: { ...location, densities: DENSITY_TABLE },
    models: deidentify.models,
    ip: deidentify.ip,
    atStepMs: deidentify.atStepMs,
    weatherStatusKeys: deidentify.weatherStatusKeys,
  };
}
