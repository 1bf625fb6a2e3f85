/**
 * When all days are over the weather service answers once more for every cell it was told, and for all that it may forecast anyway,
 * and the devices say what they heard.
 */
import { cellToChildren, getRes0Cells } from "h3-js";
import { eachLimited } from "../../simulators/concurrency.ts";
import { OPEN_RESOLUTION } from "../../src/forecasts/cells.ts";
import type { RecordingWriter } from "../recording/files.ts";
import type { Loops } from "./loops.ts";
import type { Stage } from "./stage.ts";

const HOUR_MS = 3_600_000;
const AT_ONCE = 64;
/** Half of what a service may publish in a second, by the clock that is set. */
const BETWEEN_SECONDS = 500;
const SECOND_MS = 1_000;
/** Deliveries that bring nothing new. */
const QUIET_TURNS = 2;

export async function forecasts(stage: Stage, loops: Loops, recording: RecordingWriter): Promise<void> {
  const open = getRes0Cells().flatMap((cell) => cellToChildren(cell, OPEN_RESOLUTION));
  await publish(stage, loops, [...new Set([...loops.toldCells, ...open])]);
  for (let quiet = 0, before = -1; quiet < QUIET_TURNS; quiet = loops.forecasts === before ? quiet + 1 : 0) {
    before = loops.forecasts;
    await stage.clock.set(stage.clock.now() + 2 * SECOND_MS);
    await stage.settled();
  }
  for (const [device, cell] of loops.forecastOf) recording.truth({ about: "forecast", device, cell });
}

async function publish(stage: Stage, loops: Loops, cells: readonly string[]): Promise<void> {
  for (let from = 0; from < cells.length; from += BETWEEN_SECONDS) {
    await stage.clock.set(stage.clock.now() + SECOND_MS, false);
    const at = Math.floor(stage.clock.now());
    const forecast = { at, until: at + 24 * HOUR_MS, hours: [{ at, temperature: 20 }] };
    const some = cells.slice(from, from + BETWEEN_SECONDS);
    await eachLimited(some, AT_ONCE, async (cell) => void (await loops.forecast(cell, forecast)));
  }
}
