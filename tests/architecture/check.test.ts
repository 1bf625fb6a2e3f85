/** Format, lint, import law, types and unused code, as `npm run check` judges them: part of every test run. */
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function tool(file: string, ...args: string[]): Promise<{ exitCode: number | undefined; output: string }> {
  const run = await execa(process.execPath, [`node_modules/${file}`, ...args], { cwd: ROOT, reject: false, all: true });
  return { exitCode: run.exitCode, output: run.all };
}

it.each([
  ["format and lint", "@biomejs/biome/bin/biome", "check", "--error-on-warnings", "--colors=off"],
  ["types", "typescript/bin/tsc", "--noEmit", "--pretty", "false"],
  ["types of the page", "typescript/bin/tsc", "-p", "web/tsconfig.json", "--pretty", "false"],
  ["unused code", "knip/bin/knip.js", "--no-progress"],
])("%s", { timeout: 180_000 }, async (_what, file, ...args) => {
  const { exitCode, output } = await tool(file, ...args);
  expect(exitCode, output).toBe(0);
});
