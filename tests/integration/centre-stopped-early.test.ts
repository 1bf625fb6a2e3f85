/** Ctrl-C while `npm run centre` is starting ends it at once, with what it has started, and it says so. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { until } from "../fixtures/eventually.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "centre-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Process ids of the private servers that keep their files there. */
async function serversIn(folder: string): Promise<number[]> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith(".pid"));
  return Promise.all(files.map(async (file) => Number.parseInt(await readFile(join(folder, file), "utf8"), 10)));
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends it with code %i and leaves no server behind", async (signal, code) => {
  const program = fileURLToPath(new URL("../../simulators/centre.ts", import.meta.url));
  const centre = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), program], {
    cwd: dir,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(centre, "exit");
  const lines = createInterface({ input: centre.stdout })[Symbol.asyncIterator]();
  // One server is there; the other one, or the gateway, is still starting.
  const [, port = ""] = /127\.0\.0\.1:(\d+)/.exec((await lines.next()).value) ?? [];
  expect(Number(port)).toBeGreaterThan(0);
  const servers = await serversIn(dir);
  expect(servers.length).toBeGreaterThan(0);
  centre.kill(signal);
  const rest: string[] = [];
  for await (const line of { [Symbol.asyncIterator]: () => lines }) rest.push(line);
  expect(await exit).toEqual([code, null]);
  expect(rest.at(-1)).toBe("stopped before it was ready");
  // Not by the port: another one may have it by then.
  await until("its servers have ended", async () => !servers.some(isThere));
});
