/**
 * `npm run bench`: measures the whole path against bare Aedes, against itself without consent and
 * sealing, and against one job per message. `--help` lists the options.
 */
import "../src/platform/no-debug-output.ts";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  bareAedes,
  DIALECT_LOADS,
  type Entrant,
  MOSQUITTO_SCRIPT,
  mosquittoScript,
  otherCheckout,
  RABBITMQ_QUORUM,
  rabbitmqQuorum,
  speaking,
  tracedName,
  tracing,
  wholePath,
  wholePathMqtt5,
  withNodeFlags,
  withoutPrivacy,
  withServices,
  withSharedServices,
} from "./contenders.ts";
import { commitOf, environment } from "./environment.ts";
import { type BenchRun, disturbed, type Findings, summary } from "./figures.ts";
import { FIRST_CONNECTIONS } from "./idle-memory.ts";
import { requireConnections } from "./open-files.ts";
import { markdown } from "./page.ts";
import { text } from "./report.ts";
import {
  type Compared,
  comparison,
  consoleTab,
  idleBareAedesKb,
  idleGatewayKb,
  memoryAfterLoad,
  onePerJob,
  RATES,
  type ScenarioOptions,
  sceneLoop,
} from "./scenarios.ts";

const HELP = `npm run bench -- [options]

  --json                 the last line of the output is one JSON object
  --write                writes docs/benchmarks.md; refused for a partial run or when the windows contradict each other
  --quick                few and short windows: about a minute, and noisier
  --duration <s>         measured at the peak of each system, all windows together (default 16)
  --pairs <n>            windows of each system (default 8)
  --devices <n>          devices, one connection each (default 200)
  --only <name>          one of: bare, path, mqtt5, zigbee2mqtt, tasmota, services, shared, no-privacy, one-per-job,
                         scene-loop, console, memory, idle, rates, mosquitto-script, rabbitmq-quorum; may be given several times.
                         "rates" is the path at ${RATES.join(", ")} messages per second, each sent singly; the last two
                         stand beside it there
  --rates <n,n,…>        those of "rates", in messages per second
  --against <path>       compares this checkout with another one, whose packages are installed
  --node-flags="<flags>" compares the gateway with itself under other flags of Node; may be given several times
  --traced <share>       compares the gateway with itself with this share of batches traced; may be given several times
  --cpu-prof             profiles the gateways of "path" and of the dialects into data/profile/<name>; see bench/top-functions.ts

With --against, --node-flags or --traced, "path" is all that is measured besides unless --only says otherwise.
`;

/** Any of them needs the whole path at its peak. */
const SCENARIOS_AT_PEAK = [
  "bare",
  "path",
  "mqtt5",
  "zigbee2mqtt",
  "tasmota",
  "services",
  "shared",
  "no-privacy",
] as const;
const SCENARIOS = [
  ...SCENARIOS_AT_PEAK,
  "one-per-job",
  "scene-loop",
  "console",
  "memory",
  "idle",
  "rates",
  MOSQUITTO_SCRIPT,
  RABBITMQ_QUORUM,
] as const;
type Scenario = (typeof SCENARIOS)[number];

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Progress goes to stderr, so that stdout holds nothing but the result. */
const say = (line: string) => process.stderr.write(`${line}\n`);

/** Farther apart than this, the quartiles of the ratio say that the machine changed faster than the windows. */
const MAX_QUARTILE_FACTOR = 1.25;

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      duration: { type: "string" },
      pairs: { type: "string" },
      devices: { type: "string", default: "200" },
      only: { type: "string", multiple: true, default: [] },
      against: { type: "string" },
      "node-flags": { type: "string", multiple: true, default: [] },
      rates: { type: "string" },
      traced: { type: "string", multiple: true, default: [] },
      "cpu-prof": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) {
    process.stdout.write(HELP);
    return;
  }
  const { against, "node-flags": nodeFlags } = flags;
  const traced = flags.traced.map((share) => positive("traced", share));
  const wanted = scenariosIn(
    flags.only.length === 0 && (against ?? nodeFlags[0] ?? traced[0]) !== undefined ? ["path"] : flags.only,
  );
  const options: ScenarioOptions = {
    dir: join(ROOT, "data", `bench-${process.pid}`),
    devices: positive("devices", flags.devices),
    durationMs: 1000 * positive("duration", flags.duration ?? (flags.quick ? "4" : "16")),
    pairs: Math.ceil(positive("pairs", flags.pairs ?? (flags.quick ? "4" : "8"))),
    warmUpMs: flags.quick ? 2000 : 4000,
    idleConnections: FIRST_CONNECTIONS + (flags.quick ? 2000 : 5000),
    quick: flags.quick,
  };
  requireConnections(Math.max(options.devices, wanted.has("idle") ? options.idleConnections : 0));
  const profile = (name: string) =>
    flags["cpu-prof"] ? ["--cpu-prof", "--cpu-prof-dir", join(ROOT, "data", "profile", name)] : [];
  const entrants = [
    ...(wanted.has("bare") ? [bareAedes] : []),
    ...(wanted.has("path") || wanted.has("rates") ? [wholePath(profile("path"))] : []),
    ...(wanted.has("mqtt5") ? [wholePathMqtt5(profile("mqtt5"))] : []),
    ...DIALECT_LOADS.filter(({ dialect }) => wanted.has(dialect)).map((load) => speaking(load, profile(load.dialect))),
    ...(against === undefined ? [] : [otherCheckout(against)]),
    ...nodeFlags.map(withNodeFlags),
    ...traced.map(tracing),
    ...(wanted.has("no-privacy") ? [withoutPrivacy] : []),
    ...(wanted.has("services") ? [withServices] : []),
    ...(wanted.has("shared") ? [withSharedServices] : []),
    ...(wanted.has(MOSQUITTO_SCRIPT) ? [mosquittoScript] : []),
    ...(wanted.has(RABBITMQ_QUORUM) ? [rabbitmqQuorum] : []),
  ];
  const peers = wanted.has(MOSQUITTO_SCRIPT) || wanted.has(RABBITMQ_QUORUM);
  const rates = flags.rates?.split(",").map((rate) => positive("rates", rate)) ?? RATES;
  const compared = {
    rates: wanted.has("rates") || peers ? rates : [],
    peak: SCENARIOS_AT_PEAK.some((name) => wanted.has(name)),
  };
  const { devices, durationMs, pairs, idleConnections } = options;
  const findings = await findingsOf(entrants, compared, wanted, options).finally(() =>
    rm(options.dir, { recursive: true, force: true }),
  );
  const run: BenchRun = {
    environment: environment(),
    devices,
    durationMs,
    pairs,
    idleConnections,
    ...(against !== undefined && { against: { path: against, commit: commitOf(against) } }),
    nodeFlags: [...nodeFlags, ...traced.map(tracedName)],
    findings,
  };
  process.stdout.write(`${text(run)}\n`);
  if (disturbed(run))
    say("other processes disturbed this run: its rates and latencies mean little, its ratios are wider");
  if (flags.write) await writePage(run);
  if (flags.json) process.stdout.write(`${JSON.stringify(summary(run))}\n`);
}

const ROWS_OF_PAGE = [
  "ratio",
  "withServices",
  "shared",
  "sceneLoop",
  "console",
  "residentMb",
  "privacyCostShare",
  "onePerJob",
  "idleConnectionKbBareAedes",
  "mqtt5",
  "rates",
  "peers",
] as const satisfies readonly (keyof ReturnType<typeof summary>)[];

/** A page with missing rows, or of windows that contradict each other, would be worse than none. */
async function writePage(run: BenchRun): Promise<void> {
  const figures = summary(run);
  const { ratio, dialects } = figures;
  const complete = ROWS_OF_PAGE.every((row) => figures[row] !== undefined) && dialects.length === DIALECT_LOADS.length;
  if (!complete || ratio === undefined || ratio.p75 > ratio.p25 * MAX_QUARTILE_FACTOR) {
    say("docs/benchmarks.md not written: that takes a complete run whose windows agree");
    process.exitCode = 1;
    return;
  }
  await writeFile(join(ROOT, "docs", "benchmarks.md"), markdown(run));
}

/** One after the other: two at once would measure each other. */
async function findingsOf(
  entrants: readonly Entrant[],
  compared: Compared,
  wanted: ReadonlySet<Scenario>,
  options: ScenarioOptions,
): Promise<Findings> {
  const when = async <Result>(name: Scenario, what: string, run: (options: ScenarioOptions) => Promise<Result>) => {
    if (!wanted.has(name)) return undefined;
    say(what);
    return await run(options);
  };
  if (entrants.length > 0) say(`in turn: ${entrants.map(({ name }) => name).join(", ")} …`);
  const windows = entrants.length === 0 ? undefined : await comparison(entrants, compared, options);
  const perJob = await when("one-per-job", "one job per message …", onePerJob);
  const loop = await when("scene-loop", "the scene loop …", sceneLoop);
  const tab = await when("console", "one tab of the operator's console …", consoleTab);
  const residentMb = await when("memory", "memory after load, and after a minute of quiet …", memoryAfterLoad);
  const gateway = await when("idle", "idle connections, gateway …", idleGatewayKb);
  const aedes = options.quick ? undefined : await when("idle", "idle connections, bare Aedes …", idleBareAedesKb);
  return {
    comparison: windows,
    onePerJob: perJob,
    sceneLoop: loop,
    console: tab,
    residentMb,
    idleKb: { gateway, bareAedes: aedes },
  };
}

function scenariosIn(only: readonly string[]): ReadonlySet<Scenario> {
  const unknown = only.find((name) => !SCENARIOS.some((scenario) => scenario === name));
  if (unknown !== undefined) throw new Error(`--only takes one of ${SCENARIOS.join(", ")}`);
  return new Set(SCENARIOS.filter((scenario) => only.length === 0 || only.includes(scenario)));
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a positive number`);
  return value;
}

main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
