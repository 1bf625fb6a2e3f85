/**
 * `npm run attacks`: plays a simulated fortnight through a real gateway, records what leaves it, and attacks the recording.
 * Exit code 0 when the attacks ran; with `--strict` only when every goal is held and every trial was made.
 */
import "../src/platform/no-debug-output.ts";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { runProgram, whole } from "../simulators/program.ts";
import { RecordingWriter, readRecording } from "./recording/files.ts";
import { View } from "./recording/view.ts";
import { type AttacksResult, allHeld, resultLine, resultOf, resultText } from "./result.ts";
import { play } from "./run/play.ts";
import type { GatewayKind } from "./run/stage.ts";

interface Flags {
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
  readonly days: number;
  readonly sliceMinutes: number;
  readonly acknowledgements: number;
  readonly record: string;
  readonly from?: string;
  readonly unprotectedFrom?: string;
  readonly negativeControl: boolean;
  readonly strict: boolean;
  readonly json: boolean;
  readonly strength: boolean;
}

const DATA = join("data", "attacks");
const LEAST_TRIALS = 100;
const WALK_DAYS = 5;
const ERASED_HOMES = 120;
const DAYS_OF_EPOCH = 7;
const FLEETS = [700, 10_000, 100_000];
const HOMES_LOOKED_AT = 7_000;
/** What docs/privacy/strength.md is made of. */
const STRENGTH = fileURLToPath(new URL("../docs/privacy/strength.json", import.meta.url));

const flags = new Command("attacks")
  .description(
    "Attacks everything that leaves the gateway: who is behind a name, and where. See docs/privacy/attacks.md.",
  )
  .option("--seed <number>", "same seed, same world; keys and noise of the gateway are its own", whole(0), 1)
  .option("--homes <count>", "homes, placed by population", whole(10), 676)
  .option("--devices <count>", "devices in them, at least one in each", whole(10), 2_000)
  .option("--days <count>", "days of each of the two epochs that are simulated", whole(1), DAYS_OF_EPOCH)
  .option("--slice-minutes <count>", "how exactly arrival times are known", whole(1), 5)
  .option("--acknowledgements <count>", "timed messages of each class", whole(0), 2_000)
  .option(
    "--record <dir>",
    "where the recordings are left, one with the gateway as it is and one without its mechanisms",
    join(DATA, "recording"),
  )
  .option("--from <dir>", "attack this recording and play nothing")
  .option("--unprotected-from <dir>", "with --from: the recording without the mechanisms")
  .option("--no-negative-control", "do not play the gateway without its mechanisms; takes half the time")
  .option("--strict", "exit code 1 when a goal is not held", false)
  .option("--strength", "also write docs/privacy/strength.json, of which `npm run config:docs` makes the page", false)
  .option("--json", "result as one JSON object on the last line; everything else goes to stderr", false)
  .parse()
  .opts<Flags>();

const out = flags.json ? process.stderr : process.stdout;
const say = (line: string) => void out.write(`${line}\n`);

async function attacks(signal: AbortSignal): Promise<AttacksResult> {
  const begunAt = performance.now();
  const [recorded, without] = flags.from === undefined ? await played(signal) : [flags.from, flags.unprotectedFrom];
  say("attacking");
  const view = new View(await readRecording(recorded));
  const unprotected = without === undefined ? undefined : new View(await readRecording(without));
  return resultOf(view, unprotected, {
    leastTrials: LEAST_TRIALS,
    begunAt,
    fleets: FLEETS,
    homesLookedAt: HOMES_LOOKED_AT,
    signal,
  });
}

async function played(signal: AbortSignal): Promise<[string, string | undefined]> {
  const recorded = await playOne("as it is", flags.record, signal);
  return [
    recorded,
    flags.negativeControl ? await playOne("unprotected", join(flags.record, "unprotected"), signal) : undefined,
  ];
}

async function playOne(gateway: GatewayKind, record: string, signal: AbortSignal): Promise<string> {
  const { seed, homes, devices, days, sliceMinutes, acknowledgements } = flags;
  await play({
    seed,
    homes,
    devices,
    daysOfEpoch: Math.min(days, DAYS_OF_EPOCH),
    sliceMs: sliceMinutes * 60_000,
    walkDays: WALK_DAYS,
    erasedHomes: Math.min(ERASED_HOMES, Math.floor(homes / 2)),
    acksOfClass: acknowledgements,
    gateway,
    dir: join(DATA, "servers"),
    recording: await RecordingWriter.open(record),
    say,
    signal,
  });
  return record;
}

await runProgram(async (signal) => {
  const result = await attacks(signal);
  if (flags.strength) await writeFile(STRENGTH, `${JSON.stringify(result, null, 2)}\n`);
  say(`\n${resultText(result)}`);
  if (flags.json) process.stdout.write(`${resultLine(result)}\n`);
  return !flags.strict || allHeld(result);
});
