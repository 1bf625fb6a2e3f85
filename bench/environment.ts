/** What a figure depends on besides the code: machine, versions, commit. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export interface Environment {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly versions: Readonly<Record<string, string>>;
}

const LIBRARIES = ["aedes", "bullmq", "ioredis", "@influxdata/influxdb-client", "h3-js", "zod"];

export function environment(): Environment {
  const machine = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commitOf("."),
    cpu: machine[0]?.model ?? "unknown",
    cores: machine.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    versions: {
      node: process.versions.node,
      redis: /v=(\S+)/.exec(output("redis-server", ["--version"]))?.[1] ?? "unknown",
      influxdb: /v?(\d+\.\d+\.\d+)/.exec(output("influxd", ["version"]))?.[1] ?? "unknown",
      ...Object.fromEntries(LIBRARIES.map((name) => [name, installedVersion(name)])),
    },
  };
}

/** Short hash, with `+` when the tree holds changes that no commit has; `none` outside a repository. */
export function commitOf(root: string): string {
  const git = (...args: readonly string[]) => output("git", ["-C", root, ...args]).trim();
  const hash = git("rev-parse", "--short", "HEAD");
  if (!/^[0-9a-f]+$/.test(hash)) return "none";
  return git("status", "--porcelain", "--", "src", "bench") === "" ? hash : `${hash}+`;
}

function installedVersion(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}
