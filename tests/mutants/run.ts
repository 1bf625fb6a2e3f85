/**
 * `npm run mutants`: breaks the places of the table one at a time, in copies of the source, and expects a test to turn
 * red for each. What stays green is a promise that nothing guards. First the same tests run on the source as it is.
 *
 *   npm run mutants -- [--json] [--only <words>] [--jobs 2]
 */
import "../../src/platform/no-debug-output.ts";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { execa } from "execa";
import { changed } from "./change.ts";
import { PLACES, type Place } from "./places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Options {
  readonly json?: true;
  readonly only?: string;
  readonly jobs: number;
}

interface Survivor {
  readonly breaks: string;
  readonly file: string;
}

async function main(): Promise<number> {
  const options = new Command("mutants")
    .option("--json", "one JSON object on the last line")
    .option("--only <words>", "the places whose name contains these words")
    .option("--jobs <number>", "copies of the source at work side by side", Number, 2)
    .parse()
    .opts<Options>();
  const places = PLACES.filter(({ breaks }) => breaks.includes(options.only ?? ""));
  const survivors: Survivor[] = [];
  const waiting = [...places];
  const jobs = Array.from({ length: Math.max(1, options.jobs) }, async () => {
    const copy = await copyOfSource();
    try {
      for (let place = waiting.shift(); place !== undefined; place = waiting.shift()) {
        const killed = await isKilled(copy, place);
        if (!killed) survivors.push({ breaks: place.breaks, file: place.file });
        process.stderr.write(`${killed ? "killed  " : "SURVIVED"} ${place.breaks} (${place.file})\n`);
      }
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });
  await Promise.all(jobs);
  const result = { killed: places.length - survivors.length, total: places.length, survivors };
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${result.killed} of ${result.total} broken places were noticed\n`);
  return survivors.length === 0 && places.length > 0 ? 0 : 1;
}

/** What git knows of, changed or not, with the packages of the original. */
async function copyOfSource(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "consentry-mutants-"));
  const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  for (const file of stdout.split("\n")) await cp(join(ROOT, file), join(copy, file)).catch(ignoreMissing);
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** A file that was deleted and not committed yet. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** Throws when its tests are not green without the change: then red would mean nothing. */
async function isKilled(copy: string, place: Place): Promise<boolean> {
  const path = join(copy, place.file);
  const source = await readFile(path, "utf8");
  for (const test of place.tests) {
    await writeFile(path, changed(source, place));
    const red = await failedTests(copy, test);
    await writeFile(path, source);
    if (red === 0) continue;
    if ((await failedTests(copy, test)) > 0) throw new Error(`${test} fails without any change`);
    return true;
  }
  return false;
}

/** A file that cannot even be loaded has no failed test, so that a change which does not compile kills nothing. */
async function failedTests(copy: string, test: string): Promise<number> {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--bail=1", "--reporter=json", test];
  const { stdout } = await execa(process.execPath, args, { cwd: copy, reject: false, stdin: "ignore" });
  const report = stdout.slice(stdout.indexOf("{"), stdout.lastIndexOf("}") + 1);
  return (JSON.parse(report) as { numFailedTests: number }).numFailedTests;
}

process.exitCode = await main();
