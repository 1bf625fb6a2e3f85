/** The launcher behind every npm script: stdout is the program's alone, codes and signals pass, nothing is orphaned. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
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

/** Prints its own path and its arguments. */
const SAYS_ARGUMENTS = `console.log(JSON.stringify(process.argv.slice(1)));`;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "bootstrap-")));
  await cp(join(ROOT, "scripts"), join(root, "scripts"), { recursive: true });
  await cp(join(ROOT, "package-lock.json"), join(root, "package-lock.json"));
  await cp(join(ROOT, "config", "node-flags.json"), join(root, "config", "node-flags.json"));
  await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  await writeFile(join(root, "package.json"), '{ "type": "module" }');
  // Packages that are not those of the lock file would be replaced, through the link, while the tests run on them.
  await mkdir(join(root, "bin"));
  await writeFile(join(root, "bin", "npm"), "#!/bin/sh\necho 'run npm ci first' >&2\nexit 1\n", { mode: 0o755 });
  for (const [file, program] of [
    ["simulators/demo.ts", PROGRAM],
    ["src/main.ts", SAYS_ARGUMENTS],
    ["src/commands/backup.ts", SAYS_ARGUMENTS],
    ["tools/private-servers/with-private-servers.ts", SAYS_ARGUMENTS],
  ] as const) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), program);
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

interface Launched {
  readonly launcher: ChildProcess;
  /** Lines of stdout as they come. */
  readonly lines: AsyncIterator<string>;
  readonly exit: Promise<number | null>;
}

const NO_URLS = { REDIS_URL: "", INFLUX_URL: "", CONSENTRY_REDIS_URL: "", CONSENTRY_SINKS_INFLUX_URL: "" };

function launch(...args: string[]): Launched {
  return launchWith({}, ...args);
}

function launchWith(env: Readonly<Record<string, string>>, ...args: string[]): Launched {
  const launcher = spawn(process.execPath, [join(root, "scripts/bootstrap.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...NO_URLS, PATH: `${join(root, "bin")}:${process.env.PATH}`, ...env },
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

describe("private servers", () => {
  const URLS = { REDIS_URL: "redis://127.0.0.1:1", INFLUX_URL: "http://127.0.0.1:2" };

  /** The arguments of what bootstrap starts, paths relative to the repository; Node's own flags left out. */
  async function started(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string[]> {
    const { lines, exit } = launchWith(env, ...args);
    const [line = "[]"] = await rest(lines);
    expect(await exit).toBe(0);
    const flags: unknown[] = JSON.parse(await readFile(join(root, "config", "node-flags.json"), "utf8"));
    const words = (JSON.parse(line) as string[]).filter((word) => !flags.includes(word));
    return words.map((word) => (word.startsWith(root) ? relative(root, word) : word));
  }

  const STARTER = "tools/private-servers/with-private-servers.ts";
  // A command uses those of a running start; a start brings its own.
  const BACKUP = [STARTER, "--attach", "--import", "tsx", "src/commands/backup.ts"];
  const START = [STARTER, "--import", "tsx", "src/main.ts"];

  it.each([
    ["a command that asks for them", {}, ["backup", "--services", "private", "--out", "x"], [...BACKUP, "--out", "x"]],
    ["a command that asks in one word", {}, ["backup", "--out", "x", "--services=private"], [...BACKUP, "--out", "x"]],
    ["a start without addresses", {}, ["start"], START],
    ["a start with one address", { REDIS_URL: URLS.REDIS_URL }, ["start"], START],
    [
      "a start that asks for them",
      URLS,
      ["start", "--services", "private", "--config", "f"],
      [...START, "--config", "f"],
    ],
  ])("are started for %s, which does not see the option", async (_what, env, args, words) => {
    expect(await started(env, ...args)).toEqual(words);
  });

  it.each([
    ["a command that does not ask", {}, ["backup", "--out", "x"], ["src/commands/backup.ts", "--out", "x"]],
    ["a start with addresses", URLS, ["start"], ["src/main.ts"]],
    ["a start with a configuration", {}, ["start", "--config", "f"], ["src/main.ts", "--config", "f"]],
    ["a question for the usage", {}, ["start", "--help"], ["src/main.ts", "--help"]],
  ])("are not started for %s", async (_what, env, args, words) => {
    expect(await started(env, ...args)).toEqual(words);
  });
});
