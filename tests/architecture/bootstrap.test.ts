/** The launcher behind every npm script: stdout is the program's alone, codes and signals pass, nothing is orphaned. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
let root: string;

/** Prints its pid and every signal it gets; ends with code 7 half a second after the first. */
const PROGRAM = `
const timer = setInterval(() => {}, 1000);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    console.log(signal);
    setTimeout(() => process.exit(7), 500);
  });
}
console.log(process.pid);
if (process.argv.includes("--quick")) {
  clearInterval(timer);
  console.log(JSON.stringify(process.argv.slice(2)));
}
`;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "bootstrap-"));
  await cp(join(ROOT, "scripts"), join(root, "scripts"), { recursive: true });
  await cp(join(ROOT, "package-lock.json"), join(root, "package-lock.json"));
  await cp(join(ROOT, "config", "node-flags.json"), join(root, "config", "node-flags.json"));
  await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  await writeFile(join(root, "package.json"), '{ "type": "module" }');
  await mkdir(join(root, "simulators"));
  await writeFile(join(root, "simulators/demo.ts"), PROGRAM);
});

afterAll(() => rm(root, { recursive: true, force: true }));

interface Launched {
  readonly launcher: ChildProcess;
  /** Lines of stdout as they come. */
  readonly lines: AsyncIterator<string>;
  readonly exit: Promise<number | null>;
}

function launch(...args: string[]): Launched {
  const launcher = spawn(process.execPath, [join(root, "scripts/bootstrap.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = once(launcher, "exit").then(([code]) => code as number | null);
  return { launcher, lines: createInterface({ input: launcher.stdout })[Symbol.asyncIterator](), exit };
}

async function rest(lines: AsyncIterator<string>): Promise<string[]> {
  const found: string[] = [];
  for (let next = await lines.next(); !next.done; next = await lines.next()) found.push(next.value);
  return found;
}

describe("bootstrap", () => {
  it("hands over arguments, and the last line of stdout is the program's", async () => {
    const { lines, exit } = launch("demo", "--json", "--quick");
    const output = await rest(lines);
    expect(output.at(-1)).toBe('["--json","--quick"]');
    expect(output).toHaveLength(2);
    expect(await exit).toBe(0);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "passes %s on once, however often it arrives, and the exit code back",
    async (signal) => {
      const { launcher, lines, exit } = launch("demo");
      await lines.next();
      launcher.kill(signal);
      expect((await lines.next()).value).toBe(signal);
      launcher.kill(signal);
      expect(await rest(lines)).toEqual([]);
      expect(await exit).toBe(7);
    },
  );

  it("takes the program with it when it is killed outright", async () => {
    const { launcher, lines } = launch("demo");
    await lines.next();
    launcher.kill("SIGKILL");
    expect(await rest(lines)).toEqual(["SIGTERM"]);
  });

  it("says how it is used when the word is unknown, on stderr", async () => {
    const { lines, exit } = launch("constructor");
    expect(await rest(lines)).toEqual([]);
    expect(await exit).toBe(2);
  });
});
