/** A6: some people ask to be erased within the same hour; the clock goes on until services have been told. */
import type { Random } from "../../simulators/random.ts";
import type { RecordingWriter } from "../recording/files.ts";
import type { Home } from "../world/world.ts";
import { shuffled } from "./acknowledgements.ts";
import type { Stage } from "./stage.ts";

export interface ErasureOptions {
  readonly erasedHomes: number;
  readonly candidates: readonly Home[];
  readonly recording: RecordingWriter;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const STEP_MS = 5 * 60_000;
/** Longer than names wait to be told; `erasure.digestMinutes` at most. */
const TOLD_AFTER_MS = 2 * 3_600_000;
const PATIENCE_MS = 1_200_000;
/** Real time that a step of the clock takes, so that what waits for the store goes on. */
const PAUSE_MS = 50;
const HALF_HOUR_MS = 1_800_000;

export async function eraseSome(stage: Stage, random: Random, options: ErasureOptions): Promise<void> {
  const { erasedHomes, candidates, recording, say, signal } = options;
  const homes = shuffled(candidates, random).slice(0, erasedHomes);
  for (const { subject } of homes) {
    await stage.clock.set(stage.clock.now() + HALF_HOUR_MS / homes.length);
    await stage.api.call("POST", "/v1/subjects/{subject}/erasures", [subject], {});
    recording.truth({ about: "erased", home: subject, at: Math.trunc(stage.clock.now()) });
  }
  const until = performance.now() + PATIENCE_MS;
  while ((await running(stage)) > 0) {
    signal.throwIfAborted();
    if (performance.now() > until) throw new Error("erasures did not come to their end in time");
    await pause(500);
  }
  const last = stage.clock.now() + TOLD_AFTER_MS;
  while (stage.clock.now() < last) {
    await stage.clock.set(stage.clock.now() + STEP_MS);
    await pause(PAUSE_MS);
  }
  await stage.settled();
  say(`${homes.length} erasures`);
}

async function running(stage: Stage): Promise<number> {
  const answer = await stage.api.call("GET", "/v1/erasures?state=running", []);
  return (answer as { total: number }).total;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
