/**
 * `npm run race`: people withdraw, consent again and are erased while their devices publish as fast as they
 * can and gateways are killed. Exit code 0 only if nothing was stored or forwarded that was not allowed.
 */
import "../../src/platform/no-debug-output.ts";
import { join } from "node:path";
import { Command } from "commander";
import { runProgram, whole } from "../program.ts";
import { FULL_RUN, type RaceResult, racePassed, raceText } from "./result.ts";
import { type RaceProgress, runRace } from "./run.ts";

interface RaceFlags {
  readonly messages: number;
  readonly devices: number;
  readonly seed: number;
  readonly kills: number;
  readonly storeDelay: number;
  readonly leastChecked?: number;
  readonly fence: boolean;
  readonly erasure: boolean;
  readonly json: boolean;
}

const PLAIN_MS = 5_000;
/** What a write takes longer without the fence, so that there is something to be too early for. */
const UNFENCED_STORE_DELAY_MS = 200;

const flags = new Command("race")
  .description(
    "Withdrawals, new consents, erasures and kills against two gateways under full load, every row and packet checked.",
  )
  .option("--messages <count>", "messages to send", whole(1), FULL_RUN.messages)
  .option("--devices <count>", "devices that send them", whole(2), 1_000)
  .option("--kills <count>", "how often a gateway is killed", whole(0), 12)
  .option("--seed <number>", "same seed, same people and same choices; their timing is the machine's", whole(0), 1)
  .option("--store-delay <ms>", "how much later the store gets each write", whole(0), 0)
  .option(
    "--least-checked <count>",
    "rows of each measurement and packets of each purpose that must have been checked (1,000; of fewer messages a share)",
    whole(1),
  )
  .option("--no-fence", "gateways whose withdrawals wait for nothing: must end with violations")
  .option("--no-erasure", "gateways whose erasures overlook a device: must end with violations")
  .option("--json", "result as one JSON object on the last line; everything else goes to stderr", false)
  .parse()
  .opts<RaceFlags>();

async function race(signal: AbortSignal): Promise<RaceResult> {
  const out = flags.json ? process.stderr : process.stdout;
  const { messages, devices, kills, seed, fence, erasure } = flags;
  const broken = !fence ? "fence" : !erasure ? "erasure" : undefined;
  const storeDelayMs = fence ? flags.storeDelay : Math.max(flags.storeDelay, UNFENCED_STORE_DELAY_MS);
  const say = (line: string) => void out.write(`${out.isTTY ? "\r\u001b[K" : ""}${line}\n`);
  say(
    `Race: ${messages} messages of ${devices} devices, ${kills} kills, seed ${seed}${broken === undefined ? "" : `, with a broken ${broken}`}`,
  );
  const progress = showing(out);
  return runRace({
    dir: join("data", "race"),
    messages,
    devices,
    kills,
    seed,
    broken,
    storeDelayMs,
    leastChecked: flags.leastChecked,
    say,
    progress,
    signal,
  });
}

/** One line that is redrawn on a terminal, a plain line every five seconds elsewhere. */
function showing(out: NodeJS.WriteStream): (state: RaceProgress) => void {
  let shownAt = 0;
  return ({ sent, withdrawals, erasures, kills }) => {
    const text = `  ${sent} of ${flags.messages} sent, ${withdrawals} withdrawals, ${erasures} erasures, ${kills} kills`;
    if (out.isTTY) return void out.write(`\r${text}\u001b[K`);
    if (performance.now() - shownAt < PLAIN_MS) return;
    shownAt = performance.now();
    out.write(`${text}\n`);
  };
}

await runProgram(async (signal) => {
  const result = await race(signal);
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`\n${raceText(result)}\n`);
  return racePassed(result);
});
