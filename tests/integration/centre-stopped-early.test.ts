/** Ctrl-C while `npm run centre` is starting ends it at once, with what it has started, and it says so. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
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
  centre.kill(signal);
  const rest: string[] = [];
  for await (const line of { [Symbol.asyncIterator]: () => lines }) rest.push(line);
  expect(await exit).toEqual([code, null]);
  expect(rest.at(-1)).toBe("stopped before it was ready");
  await until("its server has ended", () =>
    fetch(`http://127.0.0.1:${port}`).then(
      () => false,
      ({ cause }) => cause?.code === "ECONNREFUSED",
    ),
  );
});
