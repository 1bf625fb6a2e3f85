/**
 * `npm run demo`: the whole gateway on a real Redis and InfluxDB, a simulated fleet with everything a
 * fleet can do wrong, and a scan of all that was left behind. Exit code 0 only if the books balance,
 * in three independent accounts, the scan is clean, and a run of the usual size has shown what it is there to show.
 */
import "../src/platform/no-debug-output.ts";
import { join } from "node:path";
import { Command } from "commander";
import { Stack } from "../tools/stack/stack.ts";
import { SHORT_STEPS } from "../tools/stack/step-lengths.ts";
import { type DemoResult, demoJson, demoPassed, demoText, USUAL_RUN } from "./demo-report.ts";
import { leakScan } from "./leak-scan.ts";
import { publishHomes } from "./loops/homes-policy.ts";
import { Loops } from "./loops/loops.ts";
import { runProgram, whole } from "./program.ts";
import { showProgress } from "./progress.ts";
import { Simulation } from "./simulation.ts";

interface DemoFlags {
  readonly json: boolean;
  readonly devices: number;
  readonly rate: number;
  readonly duration: number;
  readonly seed: number;
  readonly dir: string;
}

const command = new Command("demo")
  .description("Runs the gateway on private servers with a simulated fleet, and checks what was left behind.")
  .option("--json", "result as one JSON object on the last line; everything else goes to stderr", false)
  .option("--devices <count>", "simulated devices", whole(1), 240)
  .option("--rate <per second>", "messages per second, over all devices", whole(1), 800)
  .option("--duration <seconds>", "how long they publish", whole(1), 20)
  .option("--seed <number>", "same seed, same fleet", whole(1), 7)
  .option("--dir <path>", "where everything of the run is kept; emptied first", join("data", "demo"))
  .parse();
const flags = command.opts<DemoFlags>();

/** A demo has no quarter of an hour. */
const PLACE_STEP_MS = 2_000;

/** A run that was made smaller by hand need not show all of it. */
const isUsualSize = ["devices", "rate", "duration"].every((name) => command.getOptionValueSource(name) === "default");

async function demo(signal: AbortSignal): Promise<DemoResult> {
  const out = flags.json ? process.stderr : process.stdout;
  const say = (line: string) => void out.write(`${line}\n`);
  say("Consentry: telemetry is acknowledged once it is durable, and kept only with consent.\n");
  // Servers that the person running the demo already has.
  const { REDIS_URL, INFLUX_URL } = process.env;
  const stack = new Stack({
    dir: flags.dir,
    fresh: true,
    say: (line) => say(`  ${line}`),
    redisUrl: REDIS_URL || undefined,
    influxUrl: INFLUX_URL || undefined,
    placeStepMs: PLACE_STEP_MS,
    overrides: { deidentify: { homes: true } },
  });
  let simulation: Simulation | undefined;
  let loops: Loops | undefined;
  try {
    await stack.start();
    signal.throwIfAborted();
    const policyVersion = await publishHomes(stack.api);
    loops = await Loops.start(stack);
    simulation = new Simulation({
      mqttUrl: stack.mqttUrl,
      api: stack.api,
      influx: { url: stack.influxUrl, database: stack.database },
      services: stack.config.services,
      devices: flags.devices,
      rate: flags.rate,
      durationMs: flags.duration * 1000,
      seed: flags.seed,
      hostile: true,
      dialects: ["zigbee2mqtt", "tasmota"],
      dialectStandings: ["consenting"],
      withdrawAfterMs: flags.duration * 500,
      awaitsSteps: true,
      loops: true,
      policyVersion,
    });
    const { households, devices, dialectHomes } = simulation.population;
    say(
      `  places are stored every ${PLACE_STEP_MS / 1000} s here, not every 15 min, and as ever of five people together at least`,
    );
    say(`  gateway on ${stack.mqttUrl}, log in ${join(flags.dir, "logs", "gateway.log")}`);
    say(
      `  ${devices.length} devices in ${households.length} homes: some consent, some only partly, some withdraw, some never answered, some attack`,
    );
    say(
      `  network services hear of a device within ${SHORT_STEPS.network.roundMs / 1_000} s here, not within an hour, and as ever not when a message comes`,
    );
    say(
      `  steps shortened for the demonstration, crowds as in production: weather every ${SHORT_STEPS.steps.weatherMs / 1_000} s, windows of cell_activity of ${SHORT_STEPS.steps.cellActivityMs / 1_000} s`,
    );
    const behind = dialectHomes.reduce((sum, { children }) => sum + children.length, 0);
    say(
      `  beside them, with firmware of their own: a Zigbee2MQTT hub with ${behind} devices behind it, and a Tasmota plug`,
    );
    say(
      "  two services answer: forecasts for cells, and a rule, whatever the hour here: someone in the hall, lamp off: lamp on\n  which devices are of one home scene services hear here, by a policy that says so, and people agreed to it; as shipped they do not\n",
    );
    await simulation.prepare();
    signal.throwIfAborted();
    const stopProgress = showProgress(simulation.log, flags.duration * 1000, out);
    await simulation.run(signal).finally(stopProgress);
    signal.throwIfAborted();
    const result = await inspect(stack, simulation, loops);
    say(`\n${demoText(result, simulation.log)}`);
    return result;
  } finally {
    await simulation?.stop();
    await loops?.stop();
    await stack.stop();
  }
}

/** Stops the gateway before the scan, so that what it writes while it stops is seen too. */
async function inspect(stack: Stack, simulation: Simulation, loops: Loops): Promise<DemoResult> {
  const report = await simulation.report();
  const metrics = await stack.api.metrics();
  const { durability } = stack.gateway;
  await simulation.stop();
  await loops.stop();
  await stack.gateway.stop();
  const scan = await leakScan({
    ...stack.leakScanPlaces(),
    canaries: [...simulation.canaries(), { kind: "service-token", value: stack.config.apiToken }],
    buffers: { ...simulation.packets(), ...loops.buffers(), "metrics of the gateway": metrics },
  });
  return {
    report,
    loops: loops.report(simulation.log.loops),
    scan,
    durability,
    atLeast: isUsualSize ? USUAL_RUN : undefined,
  };
}

await runProgram(async (signal) => {
  const result = await demo(signal);
  if (flags.json) process.stdout.write(`${JSON.stringify(demoJson(result))}\n`);
  return demoPassed(result);
});
