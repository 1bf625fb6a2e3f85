/**
 * Finds redis-server and influxd on this machine, and what only tests use, or installs them where that is
 * possible without asking anyone. Whatever it installs it says first; it never removes a package and never leaves a
 * system daemon running.
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { PrivateServerError } from "./private-server-error.ts";

export type ServiceKind = "redis" | "influx";
/** One line for a person who waits. */
export type Say = (line: string) => void;
export type ServiceBinaries = Readonly<Partial<Record<ServiceKind, string>>>;

const EXECUTABLE = { redis: "redis-server", influx: "influxd" } as const;
const DEBIAN_PACKAGE = { redis: "redis-server", influx: "influxdb" } as const;
const PRODUCT = { redis: "Redis", influx: "InfluxDB 1.x" } as const;

/**
 * Absolute paths of the executables in `need`: from PATH, else by `apt-get` when this process is root.
 * Throws `SERVICE_MISSING` with what to install when neither works.
 */
export async function ensureBinaries(options: { need: readonly ServiceKind[]; say: Say }): Promise<ServiceBinaries> {
  const { need, say } = options;
  const missing: ServiceKind[] = [];
  for (const kind of need) if ((await findBinary(kind)) === undefined) missing.push(kind);
  if (missing.length > 0) {
    if (!canInstall()) throw missingError(missing, "not found on PATH");
    await installPackages(missing, say);
  }
  const found: Partial<Record<ServiceKind, string>> = {};
  for (const kind of need) {
    const path = await findBinary(kind);
    if (path === undefined) throw missingError([kind], "not found on PATH after the installation");
    found[kind] = path;
  }
  return found;
}

/** Names under which Debian, other distributions and Google install a browser that can be driven. */
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser at `given`, else on PATH; `undefined` when there is none. Nothing of the gateway needs one, only tests do. */
export function findBrowser(given: string | undefined): string | undefined {
  if (given !== undefined && given !== "") return given;
  return BROWSERS.map(onPath).find((path) => path !== undefined);
}

/** The first Python on PATH that has the client library paho-mqtt: not each of them has the packages of Debian. */
export function findPythonWithPaho(): string | undefined {
  return allOnPath("python3").find(
    (python) =>
      spawnSync(python, ["-c", "import paho.mqtt.client"], { stdio: "ignore", timeout: 120_000 }).status === 0,
  );
}

/** What only tests use, as Debian calls it; some of them are skipped without it. */
const FOR_TESTS = [
  { name: "chromium", found: (browser: string | undefined) => findBrowser(browser) },
  { name: "victoria-metrics", found: () => onPath("victoria-metrics") },
  { name: "mosquitto", found: () => onPath("mosquitto") },
  // For the rules of alarms and the dashboards; promtool is in it.
  { name: "prometheus", found: () => onPath("prometheus") },
  // For its unit.
  { name: "systemd", found: () => onPath("systemd-analyze") },
  // For the examples.
  { name: "openssl", found: () => onPath("openssl") },
  { name: "python3-paho-mqtt", found: findPythonWithPaho },
  { name: "g++", found: () => onPath("g++") },
] as const;

/** Installs what is missing when this process may; never fails, since the caller can do without. `browser` as in `findBrowser`. */
export async function offerTestTools(browser: string | undefined, say: Say): Promise<void> {
  const missing = FOR_TESTS.filter(({ found }) => found(browser) === undefined);
  if (!canInstall()) return;
  for (const { name } of missing) {
    // One by one: not every distribution has all of them.
    const installed = await installDebian([name], say).catch(() => false);
    if (!installed) say(`${name} could not be installed; tests that need it are skipped`);
  }
}

/**
 * `undefined` when it is not on PATH. Throws `SERVICE_MISSING` for an influxd that is not 1.x: its
 * package and the 1.x package replace each other, so installing over it would take away a person's server.
 */
async function findBinary(kind: ServiceKind): Promise<string | undefined> {
  const path = onPath(EXECUTABLE[kind]);
  if (path === undefined || kind === "redis") return path;
  const major = await influxMajor(path);
  if (major === 1) return path;
  const version = major === undefined ? "of an unknown version" : `${major}.x`;
  throw missingError(["influx"], `the influxd on PATH is ${version}; start it yourself and give INFLUX_URL, or`);
}

export function onPath(executable: string): string | undefined {
  return allOnPath(executable)[0];
}

function allOnPath(executable: string): string[] {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, executable)).filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function influxMajor(path: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ["version"], { timeout: 120_000 });
    const major = /InfluxDB v?(\d+)\./i.exec(stdout)?.[1];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && onPath("apt-get") !== undefined;
}

async function installPackages(kinds: readonly ServiceKind[], say: Say): Promise<void> {
  const packages = kinds.map((kind) => DEBIAN_PACKAGE[kind]);
  if (!(await installDebian(packages, say))) {
    throw missingError(kinds, `apt-get could not install ${packages.join(", ")}`);
  }
}

async function installDebian(packages: readonly string[], say: Say): Promise<boolean> {
  say(`installing with apt-get: ${packages.join(", ")} (no system daemon will be started)`);
  const allowDaemons = forbidDaemons();
  try {
    // A stale or partly unreachable index is no reason to give up: the packages may be in what is there.
    if (!(await aptGet(["update"]))) say("apt-get update did not finish cleanly; trying with the index at hand");
    const installed = await aptGet(["install", "-y", "--no-install-recommends", "--no-remove", ...packages]);
    if (installed) say(`installed ${packages.join(", ")}`);
    return installed;
  } finally {
    allowDaemons();
  }
}

function aptGet(args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    // Another apt-get may be at work on a fresh machine; wait for its lock instead of failing.
    const child = spawn("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=180", ...args], {
      // What apt writes must not end up on stdout, where a program's result may be read from.
      stdio: ["ignore", 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

/** Debian packages start their daemon unless `policy-rc.d` says 101. Returns the undoing. */
function forbidDaemons(): () => void {
  const path = "/usr/sbin/policy-rc.d";
  if (existsSync(path)) return () => {};
  const undo = () => rmSync(path, { force: true });
  writeFileSync(path, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  process.once("exit", undo);
  return () => {
    process.off("exit", undo);
    undo();
  };
}

function missingError(kinds: readonly ServiceKind[], why: string): PrivateServerError {
  const names = kinds.map((kind) => PRODUCT[kind]).join(" and ");
  const lines = [
    `${names} needed: ${why} install one of these ways:`,
    `  Debian, Ubuntu   sudo apt-get install ${kinds.map((kind) => DEBIAN_PACKAGE[kind]).join(" ")}`,
    `  macOS            brew install ${kinds.map((kind) => (kind === "redis" ? "redis" : "influxdb@1")).join(" ")}`,
    `  Fedora           sudo dnf install ${kinds.map((kind) => (kind === "redis" ? "redis" : "influxdb")).join(" ")}`,
    "  Docker           docker compose up   (brings its own Redis and InfluxDB)",
    "or give the address of running ones: REDIS_URL=redis://… INFLUX_URL=http://…",
  ];
  return new PrivateServerError("SERVICE_MISSING", lines.join("\n"));
}
