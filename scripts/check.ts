/**
 * What a change is held to before it is committed: format, lint and import law, types, unused code, side by side, and the
 * unit tests that the change concerns. `--watch` does it again whenever a file is saved, `--all` runs every unit test.
 */
import "../src/platform/no-debug-output.ts";
import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = "node_modules/.cache/consentry";
const WATCHED = ["src", "tests", "simulators", "attacks", "bench", "scripts", "web", "config", "examples"];
/** An editor writes several files at once. */
const QUIET_MS = 300;

export interface Check {
  readonly what: string;
  /** Below node_modules, with its arguments. */
  readonly command: readonly string[];
}

const types = (what: string, project: string, cache: string): Check => {
  const incremental = ["--incremental", "--tsBuildInfoFile", `${CACHE}/${cache}.tsbuildinfo`];
  return { what, command: ["typescript/bin/tsc", "--noEmit", "-p", project, "--pretty", "false", ...incremental] };
};

export const CHECKS: readonly Check[] = [
  { what: "format, lint, import law", command: ["@biomejs/biome/bin/biome", "check", "--error-on-warnings"] },
  types("types", "tsconfig.json", "types"),
  types("types of the page", "web/tsconfig.json", "page-types"),
  { what: "unused code", command: ["knip/bin/knip.js", "--no-progress"] },
];

const UNIT_TESTS = ["vitest/vitest.mjs", "run", "--project", "unit", "--passWithNoTests", "--reporter", "dot"];

/** Never rejects: what was found is in `output`. */
export async function runCheck({ command: [file = "", ...args] }: Check): Promise<{ good: boolean; output: string }> {
  const run = await execa(process.execPath, [join("node_modules", file), ...args], {
    cwd: ROOT,
    reject: false,
    all: true,
  });
  return { good: run.exitCode === 0, output: run.all };
}

async function told(check: Check): Promise<boolean> {
  const began = performance.now();
  const { good, output } = await runCheck(check);
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  process.stdout.write(`${good ? "ok  " : "FAIL"} ${check.what} (${seconds} s)\n${good ? "" : `${output}\n`}`);
  return good;
}

async function checkAll(all: boolean): Promise<boolean> {
  const found = await Promise.all(CHECKS.map(told));
  if (found.includes(false)) return false;
  const concerned = all ? [] : ["--changed", await changedSince()];
  return told({ what: all ? "unit tests" : "unit tests of what changed", command: [...UNIT_TESTS, ...concerned] });
}

/** What this branch has that the main one lacks, and what is not committed. */
async function changedSince(): Promise<string> {
  const base = await execa("git", ["merge-base", "HEAD", "origin/main"], { cwd: ROOT, reject: false });
  return base.exitCode === 0 ? base.stdout.trim() : "HEAD";
}

/** Resolves at the first change after the call, once the files have been quiet for a moment. */
function changed(): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const watchers: FSWatcher[] = WATCHED.map((folder) =>
      watch(join(ROOT, folder), { recursive: true }, () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          for (const watcher of watchers) watcher.close();
          resolve();
        }, QUIET_MS);
      }),
    );
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { watch: { type: "boolean" }, all: { type: "boolean" } } });
  const all = values.all === true;
  let good = await checkAll(all);
  while (values.watch) {
    process.stdout.write("waiting for a change\n");
    await changed();
    process.stdout.write("\n");
    good = await checkAll(all);
  }
  process.exitCode = good ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
