/** From configuration to the options of de-identification. */
import type { Config } from "../config/schema.ts";
import type { Deidentifier } from "../deidentify/deidentify.ts";
import type { Dialects } from "../dialects/dialects.ts";
import { DAY_MS, HOUR_MS } from "../model/durations.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

/** The table of densities is read later, from the file that the configuration names. */
export function deidentifierOptions(
  { deidentify }: Pick<Config, "deidentify">,
  vocabulary: Vocabulary,
  dialects: Pick<Dialects, "models">,
): ConstructorParameters<typeof Deidentifier>[0] {
  const epochMs = deidentify.epochDays * DAY_MS;
  const { densityFile: _readLater, ...location } = deidentify.location;
  return {
    epochMs: { analytics: storedNameMs(deidentify), place: epochMs, scene: epochMs, network: epochMs },
    location: { ...location, densities: [] },
    models: deidentify.models,
    dialects,
    ip: deidentify.ip,
    atStepMs: deidentify.atStepMs,
    weatherInScenes: deidentify.weatherInScenes,
    properties: vocabulary.properties,
  };
}

/** How long the name lasts under which a status is stored: as long as the others, unless it is shortened. */
export function storedNameMs({ epochDays, storedNameHours }: Config["deidentify"]): number {
  return storedNameHours === 0 ? epochDays * DAY_MS : storedNameHours * HOUR_MS;
}
