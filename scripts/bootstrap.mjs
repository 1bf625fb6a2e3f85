/**
 * Runs a program of this repository on a machine that has only Node and npm: installs the npm
 * packages when they are missing or not those of the lock file, then hands over. Its own words go to
 * stderr, so stdout belongs to the program; exit code and signals pass through.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLLOW = join(ROOT, "scripts", "follow-parent.mjs");

const RUN_BY_NPM = process.env.npm_lifecycle_event !== undefined;

/** For the gateway itself; see src/platform/node-flags.ts. */
const NODE_FLAGS = JSON.parse(readFileSync(join(ROOT, "config", "node-flags.json"), "utf8"));

/** A program of ours, in TypeScript. */
const source = (file, ...args) => ["--import", "tsx", join(ROOT, file), ...args];
/** A tool from node_modules. */
const tool = (file, ...args) => [join(ROOT, "node_modules", file), ...args];

const vitest = (...args) => tool("vitest/vitest.mjs", "run", ...args);
const biome = (...args) => tool("@biomejs/biome/bin/biome", ...args);
const tsc = (...args) => tool("typescript/bin/tsc", ...args);

/** Programs that `--services private` runs on the Redis and the InfluxDB below ./data. */
const ON_PRIVATE_SERVERS = [
  "start",
  "backup",
  "restore",
  "upgrade",
  "keys",
  "dead-letters",
  "audit",
  "retention",
  "services",
  "tokens",
];
const WITH_PRIVATE_SERVERS = source("tools/private-servers/with-private-servers.ts");
const SERVICES_USAGE = `  --services private       with npm: the private Redis and InfluxDB under ./data, for whichever of REDIS_URL and
                           INFLUX_URL is not given; a command uses those of an npm start that runs
`;

/** Where `npm run attacks` leaves what it recorded. */
const RECORDED = ["--from", "data/attacks/recording", "--unprotected-from", "data/attacks/recording/unprotected"];

/** What to run for each word, one after the other while they succeed; the last takes the arguments. */
const PROGRAMS = {
  demo: [source("simulators/demo.ts")],
  start: [[...NODE_FLAGS, ...source("src/main.ts")]],
  simulate: [source("simulators/simulate.ts")],
  centre: [source("simulators/centre.ts")],
  bench: [source("bench/bench.ts")],
  race: [source("simulators/race/race.ts")],
  attacks: [source("attacks/attacks.ts")],
  strength: [source("attacks/attacks.ts", "--strength", ...RECORDED), source("scripts/generate-docs.ts")],
  backup: [source("src/commands/backup.ts")],
  restore: [source("src/commands/restore.ts")],
  upgrade: [source("src/commands/upgrade.ts")],
  keys: [source("src/commands/keys.ts")],
  "dead-letters": [source("src/commands/dead-letters.ts")],
  receipt: [source("src/commands/receipt.ts")],
  audit: [source("src/commands/audit.ts")],
  retention: [source("src/commands/retention.ts")],
  dialect: [source("src/commands/dialect.ts")],
  services: [source("src/commands/services.ts")],
  tokens: [source("src/commands/tokens.ts")],
  service: [source("examples/services/main.ts")],
  test: [vitest()],
  mutants: [source("tests/mutants/run.ts")],
  check: [source("scripts/check.ts")],
  format: [biome("check", "--write")],
  build: [tsc("-p", "tsconfig.build.json")],
  "config:docs": [source("scripts/generate-docs.ts")],
  densities: [source("scripts/densities.ts")],
  land: [source("scripts/land.ts")],
};

const [word, ...given] = process.argv.slice(2);
const steps = Object.hasOwn(PROGRAMS, word ?? "") ? PROGRAMS[word] : undefined;
if (steps === undefined) {
  say(`usage: node scripts/bootstrap.mjs ${Object.keys(PROGRAMS).join("|")} [arguments]`);
  process.exit(2);
}
if (Number(process.versions.node.split(".")[0]) < 20) {
  say(`Node 20 or newer is needed, this is ${process.version}`);
  process.exit(1);
}
await installPackages();
const { args, privately } = servicesOf(word, given);
for (const [index, step] of steps.entries()) {
  const last = index === steps.length - 1;
  const code = await run(process.execPath, [
    "--import",
    FOLLOW,
    ...(privately ? WITH_PRIVATE_SERVERS : []),
    ...(privately && word !== "start" ? ["--attach"] : []),
    ...step,
    ...(last ? args : []),
  ]);
  if (code !== 0) process.exit(code);
}

/**
 * The arguments without `--services private`, which is none of the program's, and whether it is to have private servers:
 * `npm start` brings its own unless it is told of others, or only asked about a configuration.
 */
function servicesOf(word, args) {
  if (!ON_PRIVATE_SERVERS.includes(word)) return { args, privately: false };
  if (args.includes("--help") || args.includes("-h")) {
    process.once("exit", () => process.stderr.write(SERVICES_USAGE));
    return { args, privately: false };
  }
  const asksOnly = word === "start" && args.includes("--check");
  const named = args.findIndex(
    (arg, at) => arg === "--services=private" || (arg === "--services" && args[at + 1] === "private"),
  );
  if (named >= 0) return { args: args.toSpliced(named, args[named] === "--services" ? 2 : 1), privately: !asksOnly };
  const { REDIS_URL, CONSENTRY_REDIS_URL, INFLUX_URL, CONSENTRY_SINKS_INFLUX_URL } = process.env;
  const urls = (REDIS_URL || CONSENTRY_REDIS_URL) && (INFLUX_URL || CONSENTRY_SINKS_INFLUX_URL);
  const configured = args.some((arg) => /^--config(=|$)/.test(arg));
  return { args, privately: word === "start" && !asksOnly && !configured && !urls };
}

async function installPackages() {
  if (packagesAreCurrent()) return;
  say("installing npm packages (npm ci) …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Whatever NODE_ENV says: these programs are TypeScript, and what runs them is a development dependency.
  const code = await run(npm, ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdout: "stderr",
  });
  if (code !== 0) {
    say(`npm ci ended with code ${code}`);
    process.exit(code);
  }
  say("npm packages are in place");
}

/**
 * Whether node_modules holds what the lock file says. npm writes its own copy of the lock at the end of
 * every installation (half an installation has none); packages for other platforms are absent from it.
 */
function packagesAreCurrent() {
  const wanted = packagesIn("package-lock.json");
  const installed = packagesIn(join("node_modules", ".package-lock.json"));
  if (installed === undefined || wanted === undefined) return false;
  const required = Object.entries(wanted).filter(([path, { optional }]) => path !== "" && !optional);
  return (
    required.every(([path]) => installed[path] !== undefined) &&
    Object.entries(installed).every(([path, { version }]) => wanted[path]?.version === version)
  );
}

function packagesIn(lockFile) {
  try {
    return JSON.parse(readFileSync(join(ROOT, lockFile), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/**
 * Resolves with the exit code, 128 + number after a signal. The child has a process group of its own: a
 * Ctrl-C reaches the whole group of the terminal and npm forwards it once more, but the child gets it once.
 */
function run(command, commandArgs, { stdout = "inherit" } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, BOOTSTRAP_PID: String(process.pid) },
      // The channel carries nothing; that it breaks tells the child that this process is gone.
      stdio: ["inherit", stdout === "stderr" ? 2 : "inherit", "inherit", "ipc"],
    });
    const stopForwarding = forwardSignals(child);
    const end = (code) => {
      stopForwarding();
      resolve(code);
    };
    child.once("error", (error) => {
      say(`${command}: ${error.code}`);
      end(127);
    });
    child.once("exit", (code, signal) => end(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

/** A repeat within a second is the same key press arriving by another way; a later one is meant. */
function forwardSignals(child) {
  const lastAtMs = new Map();
  const forward = (signal) => {
    const now = performance.now();
    if (now - (lastAtMs.get(signal) ?? -Infinity) < 1000) return;
    lastAtMs.set(signal, now);
    child.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  // npm signals only the shell between us, and some shells end without passing it on.
  const shell = process.ppid;
  const orphaned = setInterval(() => {
    if (!RUN_BY_NPM || process.ppid === shell) return;
    clearInterval(orphaned);
    forward("SIGTERM");
  }, 250);
  return () => {
    clearInterval(orphaned);
    for (const signal of signals) process.off(signal, forward);
  };
}

function say(line) {
  process.stderr.write(`consentry: ${line}\n`);
}
