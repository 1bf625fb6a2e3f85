/** From configuration to the options of de-identification. */
import { readFileSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import type { Deidentifier } from "../deidentify/deidentify.ts";
import { DENSITY_TABLE, parseDensityTable } from "../deidentify/density-table.ts";
import { DAY_MS } from "../model/durations.ts";

export function deidentifierOptions({ deidentify }: Config): ConstructorParameters<typeof Deidentifier>[0] {
  const epochMs = deidentify.epochDays * DAY_MS;
  const { densityFile, ...location } = deidentify.location;
  return {
    epochMs: { analytics: epochMs, scene: epochMs, network: epochMs },
    location: {
      ...location,
      densities: densityFile === undefined ? DENSITY_TABLE : parseDensityTable(readFileSync(densityFile, "utf8")),
    },
    models: deidentify.models,
    ip: deidentify.ip,
    atStepMs: deidentify.atStepMs,
    weatherStatusKeys: deidentify.weatherStatusKeys,
  };
}
