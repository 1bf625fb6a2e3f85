/**
 * The first hour of a newcomer: `npm start` on a terminal says in words where everything is, and every command of the
 * pages runs as printed, but for a list of those that cannot be run here.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onPath } from "../../tools/private-servers/service-binaries.ts";
import { type Block, documentedBlocks, runBlocks, statusesSaid } from "../fixtures/documented-commands.ts";
import { until } from "../fixtures/eventually.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const ELSEWHERE = "needs programs, machines or accounts that are not part of the project";
const LONG = "takes minutes to hours";

/** `page: how the block begins`, and why it is not run here. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "README.md: npm run demo": "demo.test.ts runs the first; the second is this suite",
  "examples/README.md: cd examples/esp-idf": ELSEWHERE,
  "examples/README.md: export GATEWAY": "examples-node-red.test.ts runs it",
  "examples/README.md: curl -X POST": "examples-node-red.test.ts runs it",
  "examples/README.md: npm run service": "they stay until they are ended; service-programs.test.ts runs them",
  "docs/guides/add-a-route.md: npm run test:unit": "is this suite",
  "docs/guides/connect-a-device.md: CONSENTRY_MQTT_TLS": "a second gateway; the tests of the examples run it",
  "docs/guides/connect-a-device.md: python3": "stays until it is ended; examples-python.test.ts runs it",
  "docs/guides/connect-a-device.md: node examples": "stays until it is ended; examples-node.test.ts runs it",
  "docs/guides/follow-one-message.md: node": "waits for a debugger",
  "docs/operations.md: npm start": "is the gateway that this file runs",
  "docs/operations.md: mkdir": "a second gateway in the same folder",
  "docs/operations.md: sh scripts/make-secrets.sh": ELSEWHERE,
  "docs/operations.md: npm run dead-letters -- inspect": "needs a dead letter; dead-letters.test.ts runs them",
  "docs/operations.md: npm run restore": "needs an installation that was lost; restore-drill.test.ts runs it",
  "docs/operations/keys.md: npm run keys -- destroy": "needs a key that is used no more; key-rotation.test.ts runs it",
  "docs/operations/keys.md: docker": ELSEWHERE,
  "docs/operations/backup.md: docker": ELSEWHERE,
  "docs/operations/kubernetes.md: sh": ELSEWHERE,
  "docs/operations/monitoring.md: promtool": "monitoring.test.ts runs it",
  "docs/operations/monitoring.md: docker": ELSEWHERE,
  "docs/operations/monitoring.md: (umask": ELSEWHERE,
  "docs/operations/runbooks/": "each needs its fault; tests/integration/runbooks causes it and runs the page",
  "docs/operations/systemd.md: useradd": ELSEWHERE,
  "docs/operations/tls.md: mkdir": ELSEWHERE,
  "docs/operations/upgrade.md: ": "needs an installation of an earlier version; upgrade.test.ts runs it",
  "docs/privacy/attacks.md: npm run attacks": LONG,
  "docs/privacy/race.md: npm run race": LONG,
  "docs/simulators.md: npm run simulate": "needs a gateway elsewhere; fleet-dialects.test.ts runs the program",
  "docs/topics.md: mosquitto_sub": "stays until it is ended",
};

/** In the order of a reader; what one leaves behind the next finds. */
const ORDER = ["README.md", "docs/guides/connect-a-device.md", "docs/http.md", "docs/devices.md"];

const blocks = documentedBlocks();
const reasonOf = ({ page, first }: Block) => Object.keys(NOT_RUN).find((name) => `${page}: ${first}`.startsWith(name));
const runnable = blocks.filter((block) => reasonOf(block) === undefined);
const blocksOf = (page: string) => runnable.filter((block) => block.page === page);
const pages = [...new Set([...ORDER, ...runnable.map(({ page }) => page)])];

const script = onPath("script");
let dir: string;
let gateway: ReturnType<typeof spawn> | undefined;
let printed = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "first-hour-"));
  copyOfTheProject(dir);
  const env = { ...process.env, CONSENTRY_HTTP_PORT: "0", CONSENTRY_MQTT_TCP_PORT: "0", REDIS_URL: "", INFLUX_URL: "" };
  gateway = spawn(script ?? "", ["-qefc", "npm start", "/dev/null"], {
    cwd: dir,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  gateway.stdout?.on("data", (bytes: Buffer) => {
    printed += bytes.toString().replaceAll("\r", "");
  });
  await until("npm start is ready", () => printed.includes("Ctrl-C stops it."));
});
afterAll(async () => {
  if (gateway !== undefined && gateway.exitCode === null) {
    const ended = once(gateway, "exit");
    // Ctrl-C, as a person ends it.
    gateway.stdin?.write("\x03");
    await ended;
  }
  await rm(dir, { recursive: true, force: true });
});

/** The same files under another root, whose `data` is its own. */
function copyOfTheProject(to: string): void {
  const skipped = ["data", "scripts", ".git"];
  for (const name of readdirSync(ROOT).filter((one) => !skipped.includes(one)))
    symlinkSync(join(ROOT, name), join(to, name));
  mkdirSync(join(to, "scripts"));
  for (const name of readdirSync(join(ROOT, "scripts")))
    copyFileSync(join(ROOT, "scripts", name), join(to, "scripts", name));
}

/** The address that the start has shown under this name. */
function shown(name: string): string {
  return new RegExp(`^ {2}${name} +(\\S+)`, "m").exec(printed)?.[1] ?? "";
}

function run(texts: readonly Pick<Block, "text">[]) {
  const url = (name: string) => readFileSync(join(dir, "data", "services", name, `${name}.url`), "utf8").trim();
  const api = shown("HTTP").replace(/\/$/, "");
  writeFileSync(
    join(dir, "production.yaml"),
    `redis:\n  url: ${url("redis")}\nsinks:\n  influx:\n    url: ${url("influxdb")}\n`,
  );
  const token = readFileSync(join(dir, "data", "api.token"), "utf8").trim();
  return runBlocks(texts, {
    cwd: dir,
    env: {
      API: api,
      AUTH: `Authorization: Bearer ${token}`,
      JSON: "content-type: application/json",
      REDIS_URL: url("redis"),
      INFLUX_URL: url("influxdb"),
    },
    asHere: (text) =>
      text.replaceAll("http://127.0.0.1:8080", api).replaceAll("-p 1883", `-p ${new URL(shown("MQTT")).port}`),
  });
}

describe.skipIf(script === undefined)("on a terminal", () => {
  it("npm start speaks in words, and ends with addresses that answer", async () => {
    expect(printed).toMatch(/^\d\d:\d\d:\d\d info {2}ready {2}durability=fsync$/m);
    expect(printed).not.toContain('{"level"');
    for (const [name, says] of [
      ["HTTP", "<h1>Consentry</h1>"],
      ["docs", "<html"],
      ["centre", "<html"],
      ["metrics", "consentry_"],
    ] as const) {
      const answer = await fetch(shown(name));
      expect([name, answer.status]).toEqual([name, 200]);
      expect(await answer.text()).toContain(says);
    }
  });

  it("the first device of the README is six lines, and the last of them shows its row", async () => {
    const [first] = blocksOf("README.md");
    const lines = first?.text.trimEnd().split("\n") ?? [];
    expect(lines).toHaveLength(6);
    const query = lines.pop() ?? "";
    const ran = await run([{ text: lines.join("\n") }]);
    expect(ran.failed, ran.output).toBe(false);
    // An acknowledgement is for what is in the queue; the row follows.
    await until("the row is stored", async () => (await run([{ text: query }])).output.includes('"power"'));
    const command = /^ {2}InfluxDB {2}(curl .*)$/m.exec(printed)?.[1] ?? "";
    expect((await run([{ text: command }])).output).toContain('"power"');
  });

  it.each(pages.filter((page) => page !== "README.md"))(
    "%s: its commands run as printed",
    { timeout: 240_000 },
    async (page) => {
      const ofPage = blocksOf(page);
      const ran = await run(ofPage);
      expect(ran.failed, ran.output).toBe(false);
      const said = ofPage.flatMap(statusesSaid);
      if (page === "docs/http.md") expect(ran.statuses, ran.output).toEqual(said);
    },
  );
});

it("the list of what is not run names blocks that there are", () => {
  const used = new Set(blocks.map(reasonOf));
  expect(Object.keys(NOT_RUN).filter((name) => !used.has(name))).toEqual([]);
  expect(runnable.length).toBeGreaterThan(15);
});
