/**
 * `npm run bench`: measures the whole path against bare Aedes, against itself without consent and
 * sealing, and against one job per message. `--help` lists the options.
 */
import "../src/platform/no-debug-output.ts";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { environment } from "./environment.ts";
import { FIRST_CONNECTIONS } from "./idle-memory.ts";
import type { Measured } from "./measure.ts";
import { type BenchRun, disturbed, type Findings, markdown, summary, table } from "./report.ts";
import {
  bareAedes,
  idleBareAedesKb,
  idleGatewayKb,
  onePerJob,
  type ScenarioOptions,
  wholePath,
  wholePathAgain,
  withoutPrivacy,
  withServices,
} from "./scenarios.ts";

const HELP = `npm run bench -- [options]

  --json           the last line of the output is one JSON object
  --write          writes docs/benchmarks.md; refused for a partial run or on a busy machine
  --quick          short windows: about a minute, and noisier
  --duration <s>   length of the peak window (default 15)
  --devices <n>    devices, one connection each (default 200)
  --only <name>    one of: bare, path, services, no-privacy, one-per-job, idle; may be given several times
  --cpu-prof       profiles the gateway of "path" into data/profile; see bench/top-functions.ts
`;

const SCENARIOS = ["bare", "path", "services", "no-privacy", "one-per-job", "idle"] as const;
type Scenario = (typeof SCENARIOS)[number];

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Progress goes to stderr, so that stdout holds nothing but the result. */
const say = (line: string) => process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      duration: { type: "string" },
      devices: { type: "string", default: "200" },
      only: { type: "string", multiple: true, default: [] },
      "cpu-prof": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) {
    process.stdout.write(HELP);
    return;
  }
  const wanted = scenariosIn(flags.only);
  const durationMs = 1000 * positive("duration", flags.duration ?? (flags.quick ? "4" : "15"));
  const profile = ["--cpu-prof", "--cpu-prof-dir", join(ROOT, "data", "profile")];
  const options: ScenarioOptions = {
    dir: join(ROOT, "data", `bench-${process.pid}`),
    devices: positive("devices", flags.devices),
    durationMs,
    warmUpMs: flags.quick ? 2000 : 4000,
    idleConnections: FIRST_CONNECTIONS + (flags.quick ? 2000 : 5000),
    nodeOptions: flags["cpu-prof"] ? profile : [],
    quick: flags.quick,
  };
  const findings = await findingsOf(wanted, options).finally(() => rm(options.dir, { recursive: true, force: true }));
  const { devices, idleConnections } = options;
  const run: BenchRun = { environment: environment(), devices, durationMs, idleConnections, findings };
  process.stdout.write(`${table(run)}\n`);
  if (disturbed(findings)) say("other processes disturbed this run: its rows cannot be compared with each other");
  if (flags.write) await writePage(run);
  if (flags.json) process.stdout.write(`${JSON.stringify(summary(run))}\n`);
}

/** A page that compares disturbed or missing rows would be worse than none. */
async function writePage(run: BenchRun): Promise<void> {
  const { wholePath, withServices, withoutPrivacy, onePerJob } = run.findings;
  const complete = ![wholePath, withServices, withoutPrivacy, onePerJob].includes(undefined);
  if (!complete || disturbed(run.findings)) {
    say("docs/benchmarks.md not written: that takes a complete run on a quiet machine");
    process.exitCode = 1;
    return;
  }
  await writeFile(join(ROOT, "docs", "benchmarks.md"), markdown(run));
}

/** One after the other: two at once would measure each other. */
async function findingsOf(wanted: ReadonlySet<Scenario>, options: ScenarioOptions): Promise<Findings> {
  const when = async <Result>(name: Scenario, what: string, run: (options: ScenarioOptions) => Promise<Result>) => {
    if (!wanted.has(name)) return undefined;
    say(what);
    return await run(options);
  };
  const before = await when("bare", "bare Aedes …", bareAedes);
  const path = await when("path", "whole path: peak, then half of it …", wholePath);
  const services = await when("services", "whole path, services listening …", withServices);
  const without = await when("no-privacy", "consent and sealing off …", withoutPrivacy);
  const again = options.quick ? undefined : await when("no-privacy", "whole path again …", wholePathAgain);
  const after = options.quick ? undefined : await when("bare", "bare Aedes again …", bareAedes);
  const perJob = await when("one-per-job", "one job per message …", onePerJob);
  const gateway = await when("idle", "idle connections, gateway …", idleGatewayKb);
  const aedes = options.quick ? undefined : await when("idle", "idle connections, bare Aedes …", idleBareAedesKb);
  return {
    bareAedes: [before, after].filter((run): run is Measured => run !== undefined),
    wholePath: path,
    wholePathAgain: again,
    withServices: services,
    withoutPrivacy: without,
    onePerJob: perJob,
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
