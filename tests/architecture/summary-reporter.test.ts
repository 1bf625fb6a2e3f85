/** A run in CI that skips anything has failed; elsewhere it says what it skipped. */
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SKIPPING = 'import { test } from "vitest";\ntest("one", () => {});\ntest.skipIf(true)("two", () => {});\n';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "skipping-"));
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
  await writeFile(join(dir, "skipping.test.ts"), SKIPPING);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each([
  ["true", 1],
  ["", 0],
])("CI=%j ends with %d", async (ci, code) => {
  const reporter = `--reporter=${join(ROOT, "tests/summary-reporter.ts")}`;
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const run = await execa(process.execPath, [vitest, "run", "--root", dir, reporter], {
    cwd: dir,
    reject: false,
    env: { CI: ci },
  });
  expect(run.stdout.trimEnd().split("\n").at(-1)).toBe("1 passed, 0 failed, 1 skipped");
  expect(run.exitCode, run.stderr).toBe(code);
});
