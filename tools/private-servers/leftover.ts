/**
 * Finds the server that a run has in a folder, by the pid file it wrote there, and stops one that a dead run left behind;
 * never a stranger that has been given the same pid since.
 */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { PrivateServerError } from "./private-server-error.ts";
import type { Say } from "./service-binaries.ts";

/** A process is ours when its command line holds both the program and the folder. */
export interface Identity {
  readonly name: string;
  readonly binary: string;
  /** Absolute. */
  readonly dir: string;
}

const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 20;

export function record(identity: Identity, pid: number, url: string): void {
  writeFileSync(pidFile(identity), JSON.stringify({ pid, owner: process.pid, url }), { mode: 0o600 });
}

/** Where the server of a living run answers; `undefined` when none has one in the folder. */
export async function runningUrl(identity: Identity): Promise<string | undefined> {
  const recorded = readRecord(pidFile(identity));
  return recorded !== undefined && (await stateOf(identity, recorded)) === "in use" ? recorded.url : undefined;
}

interface Recorded {
  readonly pid: number;
  readonly owner: number;
  readonly url: string;
}

async function stateOf({ binary, dir }: Identity, { pid, owner }: Recorded): Promise<"in use" | "left" | "gone"> {
  const found = await processInfo(pid);
  if (!found?.command.includes(basename(binary)) || !found.command.includes(dir)) return "gone";
  // An orphan gets a new parent, so a parent that is still the recorded one is alive.
  return found.parent === owner ? "in use" : "left";
}

export function forget(identity: Identity): void {
  rmSync(pidFile(identity), { force: true });
}

/** Throws `SERVICE_FAILED` while the run that owns the server is alive. */
export async function stopLeftover(identity: Identity, say: Say): Promise<void> {
  const { name, dir } = identity;
  const recorded = readRecord(pidFile(identity));
  if (recorded === undefined) return;
  const state = await stateOf(identity, recorded);
  if (state === "in use")
    throw new PrivateServerError("SERVICE_FAILED", `${dir} is in use by the running process ${recorded.owner}`);
  if (state === "left") {
    say(`stopping the ${name} that an earlier run left behind in ${dir}`);
    await endProcess(recorded.pid);
  }
  forget(identity);
}

function pidFile({ name, dir }: Identity): string {
  return join(dir, `${name}.pid`);
}

function readRecord(path: string): Recorded | undefined {
  try {
    const { pid, owner, url } = JSON.parse(readFileSync(path, "utf8")) as Partial<Record<keyof Recorded, unknown>>;
    if (typeof pid !== "number" || pid <= 1 || typeof owner !== "number") return undefined;
    return { pid, owner, url: String(url) };
  } catch {
    return undefined;
  }
}

async function processInfo(pid: number): Promise<{ parent: number; command: string } | undefined> {
  try {
    if (process.platform === "linux") {
      const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return { parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") };
    }
    const { stdout } = await promisify(execFile)("ps", ["-o", "ppid=,command=", "-p", String(pid)]);
    const [, parent, command] = /^\s*(\d+)\s+(.*)$/m.exec(stdout) ?? [];
    return { parent: Number(parent), command: command ?? "" };
  } catch {
    return undefined;
  }
}

async function endProcess(pid: number): Promise<void> {
  const deadline = performance.now() + STOP_DEADLINE_MS;
  send(pid, "SIGTERM");
  while (isAlive(pid)) {
    if (performance.now() > deadline) send(pid, "SIGKILL");
    await wait(POLL_MS);
  }
}

/** It may end by itself between the look and the signal. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** In a container whose init does not reap, an ended orphan stays visible: a zombie is not alive. */
function isAlive(pid: number): boolean {
  if (!send(pid, 0)) return false;
  if (process.platform !== "linux") return true;
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
