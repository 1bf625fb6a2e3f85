/**
 * Once, before any integration test starts its own servers: makes sure that Redis and InfluxDB are installed, and what
 * else some of them use, if it can be had; and lets the test files build each program once between them.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { ensureBinaries, offerTestTools } from "../tools/private-servers/service-binaries.ts";
import { removeFormerPrograms, shareBuiltPrograms } from "../tools/stack/built-program.ts";

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  await ensureBinaries({ need: ["redis", "influx"], say });
  await offerTestTools(process.env.CHROMIUM_PATH, say);

  await removeFormerPrograms();
  const programs = await mkdtemp(join(tmpdir(), "consentry-built-"));
  shareBuiltPrograms(programs);
  // The sources may have changed when the tests run again under `vitest watch`.
  project.onTestsRerun(async () => {
    await rm(programs, { recursive: true, force: true });
    await mkdir(programs);
  });
  return () => rm(programs, { recursive: true, force: true });
}
