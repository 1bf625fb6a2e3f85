/**
 * The gateway with the mechanisms taken away that keep what leaves from leading back: every attack must succeed on it. A
 * mechanism that is added to the product is taken out here, by one line.
 */
import type { Overrides } from "../../src/gateway.ts";
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { CLOCK_PORT, followClock } from "./set-clock.ts";
import { countsOfPeople } from "./without/counts-of-people.ts";
import { densities } from "./without/densities.ts";
import { erasureDigests } from "./without/erasure-digests.ts";
import { networkSteps } from "./without/network-steps.ts";
import { paddedRefusals } from "./without/padded-refusals.ts";
import { places } from "./without/places.ts";
import type { Removal } from "./without/removal.ts";
import { rowTimes } from "./without/row-times.ts";
import { vocabulary } from "./without/vocabulary.ts";
import { weatherCrowds } from "./without/weather-crowds.ts";

const REMOVALS: readonly Removal[] = [
  rowTimes, // A1, A2
  vocabulary, // A3, A10
  places, // A3, A7, A11
  densities, // A7
  weatherCrowds, // A5, A9
  countsOfPeople, // A8, A9
  networkSteps, // A4
  erasureDigests, // A6
  paddedRefusals, // A12
];

for (const { take } of REMOVALS) take?.();
const overrides: Overrides = Object.assign({}, ...REMOVALS.map((one) => one.overrides));

await followClock(Number(process.env[CLOCK_PORT]));
await runAltered(
  () => overrides,
  (config) => REMOVALS.reduce((altered, { configure }) => configure?.(altered) ?? altered, config),
);
