/**
 * The weather loop, when all days are over: the service answers for every cell it was told and for all that it may forecast anyway,
 * and the devices say what they heard.
 */
import { cellToChildren, getRes0Cells } from "h3-js";
import { eachLimited } from "../../simulators/concurrency.ts";
import { OPEN_RESOLUTION } from "../../src/forecasts/cells.ts";
import type { RecordingWriter } from "../recording/files.ts";
import type { Connections } from "./provision.ts";
import type { Stage } from "./stage.ts";

const HOUR_MS = 3_600_000;
const AT_ONCE = 64;
/** Half of what a service may publish in a second, by the clock that is set. */
const BETWEEN_SECONDS = 500;
const SECOND_MS = 1_000;
/** Deliveries that bring nothing new. */
const QUIET_TURNS = 2;

export async function forecasts(stage: Stage, connections: Connections, recording: RecordingWriter): Promise<void> {
  const heard = new Map<string, string>();
  let count = 0;
  await eachLimited([...connections], AT_ONCE, async ([{ id }, connection]) => {
    await connection.listen("notices/weather", (payload) => {
      heard.set(id, (JSON.parse(payload.toString()) as { cell: string }).cell);
      count += 1;
    });
  });
  const open = getRes0Cells().flatMap((cell) => cellToChildren(cell, OPEN_RESOLUTION));
  await publish(stage, [...new Set([...stage.told, ...open])]);
  for (let quiet = 0, before = -1; quiet < QUIET_TURNS; quiet = count === before ? quiet + 1 : 0) {
    before = count;
    await stage.clock.set(stage.clock.now() + 2 * SECOND_MS);
    await stage.settled();
  }
  for (const [device, cell] of heard) recording.truth({ about: "forecast", device, cell });
}

async function publish(stage: Stage, cells: readonly string[]): Promise<void> {
  const service = await stage.forecaster();
  for (let from = 0; from < cells.length; from += BETWEEN_SECONDS) {
    await stage.clock.set(stage.clock.now() + SECOND_MS, false);
    const at = Math.floor(stage.clock.now());
    const forecast = { at, until: at + 24 * HOUR_MS, hours: [{ at, temperature: 20 }] };
    const some = cells.slice(from, from + BETWEEN_SECONDS);
    await eachLimited(some, AT_ONCE, async (cell) => void (await service.publish(forecast, `weather/${cell}`)));
  }
  service.close();
}
