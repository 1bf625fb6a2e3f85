/** The linter enforces the import law: each rule is broken on purpose once, beside a lawful neighbour. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IMPORTS = "lint/style/noRestrictedImports";

interface Case {
  readonly what: string;
  /** Below the repository; where a rule looks at the folder. */
  readonly file: string;
  readonly source: string;
  /** The rule that must speak; none when the file is lawful. */
  readonly rule?: string;
}

const imports = (specifier: string) => `import { x } from "${specifier}";\n\nexport const y = x;\n`;

const UNLAWFUL: readonly Case[] = [
  ["model imports a stage", "src/model", "../ingress/mqtt/session.ts"],
  ["model imports platform", "src/model", "../platform/keyspace.ts"],
  ["model imports a vendor", "src/model", "ioredis"],
  ["model does I/O", "src/model", "node:fs"],
  ["platform imports a stage", "src/platform", "../queue/producer.ts"],
  ["platform imports a room of its own", "src/platform", "./keys/seal.ts"],
  ["platform names raw data", "src/platform", "../model/raw.ts"],
  ["platform imports bullmq", "src/platform", "bullmq"],
  ["config imports platform", "src/config", "../platform/redis.ts"],
  ["ingress imports consent", "src/ingress/admission", "../../consent/decision/gate.ts"],
  ["ingress imports the composition root", "src/ingress/mqtt", "../../gateway.ts"],
  ["ingress imports configuration", "src/ingress/mqtt", "../../config/schema.ts"],
  ["ingress imports redis", "src/ingress/admission", "ioredis"],
  ["admission imports the broker", "src/ingress/admission", "../mqtt/session.ts"],
  ["admission knows packets", "src/ingress/admission", "mqtt-packet"],
  ["the fan-out imports aedes", "src/ingress/services", "aedes"],
  ["consent imports the queue", "src/consent/ledger", "../../queue/producer.ts"],
  ["consent names raw data", "src/consent/decision", "../../model/raw.ts"],
  ["policy imports the ledger", "src/consent/policy", "../ledger/ledger.ts"],
  ["the fence imports the ledger", "src/consent/fence", "../ledger/ledger.ts"],
  ["queue imports the sinks", "src/queue", "../sinks/influx/sink.ts"],
  ["queue imports aedes", "src/queue", "aedes"],
  ["deidentify reads files", "src/deidentify", "node:fs"],
  ["deidentify opens sockets", "src/deidentify", "node:net"],
  ["deidentify imports redis", "src/deidentify", "ioredis"],
  ["deidentify imports platform", "src/deidentify", "../platform/redis.ts"],
  ["pipeline imports deidentify", "src/pipeline", "../deidentify/deidentify.ts"],
  ["places import the influx client", "src/places", "@influxdata/influxdb-client"],
  ["network imports redis", "src/network", "ioredis"],
  ["network names raw data", "src/network", "../model/raw.ts"],
  ["places name raw data", "src/places", "../model/raw.ts"],
  ["pipeline imports the influx client", "src/pipeline", "@influxdata/influxdb-client"],
  ["sinks import ingress", "src/sinks/influx", "../../ingress/mqtt/broker.ts"],
  ["sinks name raw data", "src/sinks/services", "../../model/raw.ts"],
  ["sinks import redis", "src/sinks", "ioredis"],
  ["crowds name raw data", "src/crowds", "../model/raw.ts"],
  ["crowds import deidentify", "src/crowds", "../deidentify/keyring.ts"],
  ["rights import the decision", "src/rights/erasure", "../../consent/decision/decide.ts"],
  ["the journal imports the erasure", "src/rights/journal", "../erasure/record.ts"],
  ["backup imports restore", "src/rights/backup", "../restore/replay.ts"],
  ["http imports consent", "src/http/v1", "../../consent/ledger/ledger.ts"],
  ["the console imports consent", "src/http/operate", "../../consent/ledger/ledger.ts"],
  ["the console knows Redis", "src/http/operate", "ioredis"],
  ["http names raw data", "src/http", "../model/raw.ts"],
  ["http imports pino", "src/http", "pino"],
  ["what routes share imports a route", "src/http", "./v1/consents.ts"],
  ["the centre imports a route", "src/http/centre", "../v1/consents.ts"],
  ["the centre imports the pipeline", "src/http/centre", "../../pipeline/samples.ts"],
  ["the centre names raw data", "src/http/centre", "../../model/raw.ts"],
  ["observe imports sinks", "src/observe", "../sinks/influx/sink.ts"],
  ["observe names raw data", "src/observe", "../model/raw.ts"],
  ["observe imports OpenTelemetry", "src/observe", "@opentelemetry/sdk-trace"],
  ["traces name raw data", "src/observe/traces", "../../model/raw.ts"],
  ["traces import the queue", "src/observe/traces", "../../queue/job.ts"],
  ["the composition root names raw data", "src", "./model/raw.ts"],
  ["the composition root imports bullmq", "src", "bullmq"],
  ["operations import http", "src/operations", "../http/problems.ts"],
  ["operations name raw data", "src/operations", "../model/raw.ts"],
  ["the wiring names raw data", "src/wiring", "../model/raw.ts"],
  ["the wiring imports fastify", "src/wiring", "fastify"],
  ["a stage imports yaml", "src/observe", "yaml"],
  ["a stage imports a package no one spoke about", "src/sinks", "left-pad"],
  ["a room without a row imports anything", "src/anteroom", "../model/ids.ts"],
].map(([what = "", folder = "", specifier = ""], index) => ({
  what,
  file: `${folder}/case-${index}.ts`,
  source: imports(specifier),
  rule: IMPORTS,
}));

const MORE_UNLAWFUL: readonly Case[] = [
  { what: "the decision does I/O", file: "src/consent/decision/decide.ts", source: imports("ioredis"), rule: IMPORTS },
  {
    what: "the decision reaches Redis keys",
    file: "src/consent/decision/decide.ts",
    source: imports("../../platform/keyspace.ts"),
    rule: IMPORTS,
  },
  {
    what: "a type import crosses stages",
    file: "src/sinks/type.ts",
    source: 'export type { X } from "../queue/producer.ts";\n',
    rule: IMPORTS,
  },
  {
    what: "a dynamic import crosses stages",
    file: "src/sinks/dynamic.ts",
    source: 'export const later = () => import("../queue/producer.ts");\n',
    rule: IMPORTS,
  },
  {
    what: "a stage reads the environment",
    file: "src/ingress/env.ts",
    source: "export const home = process.env.HOME;\n",
    rule: "lint/style/noProcessEnv",
  },
  {
    what: "a stage prints",
    file: "src/sinks/print.ts",
    source: 'console.log("stored");\n',
    rule: "lint/suspicious/noConsole",
  },
  {
    what: "a barrel",
    file: "src/model/all.ts",
    source: 'export * from "./ids.ts";\n',
    rule: "lint/performance/noBarrelFile",
  },
  {
    what: "a file name in camel case",
    file: "src/model/someThing.ts",
    source: "export const x = 1;\n",
    rule: "lint/style/useFilenamingConvention",
  },
];

const LAWFUL: readonly Case[] = [
  ["src/model", "./ids.ts"],
  ["src/model", "zod"],
  ["src/platform", "../model/errors.ts"],
  ["src/platform", "ioredis"],
  ["src/platform", "ipaddr.js"],
  ["src/platform", "node:timers/promises"],
  ["src/config", "yaml"],
  ["src/ingress/admission", "../../model/raw.ts"],
  ["src/ingress/mqtt", "aedes"],
  ["src/consent/ledger", "../../platform/redis.ts"],
  ["src/consent/ledger", "../policy/floors.ts"],
  ["src/queue", "bullmq"],
  ["src/queue", "../model/raw.ts"],
  ["src/deidentify", "node:crypto"],
  ["src/deidentify", "h3-js"],
  ["src/deidentify", "../platform/bounded-cache.ts"],
  ["src/places", "h3-js"],
  ["src/network", "../platform/sealed-records.ts"],
  ["src/pipeline", "../model/raw.ts"],
  ["src/sinks/influx", "@influxdata/influxdb-client"],
  ["src/rights/erasure", "ioredis"],
  ["src/rights/restore", "../backup/archive.ts"],
  ["src/operations", "../queue/dead-letters.ts"],
  ["src/http/centre", "../problems.ts"],
  ["src/http/v1", "../../operations/holds.ts"],
  ["src/http/operate", "../../observe/history.ts"],
  ["src/observe", "prom-client"],
  ["src/observe/traces", "@opentelemetry/sdk-trace"],
  ["src", "./sinks/influx/sink.ts"],
  ["src", "node:fs/promises"],
  ["src/wiring", "../sinks/influx/sink.ts"],
  ["src/wiring", "ioredis"],
].map(([folder = "", specifier = ""], index) => ({
  what: `${folder} imports ${specifier}`,
  file: `${folder}/lawful-${index}.ts`,
  source: imports(specifier),
}));

const MORE_LAWFUL: readonly Case[] = [
  { what: "a test imports anything", file: "src/sinks/x.test.ts", source: imports("../queue/producer.ts") },
  {
    what: "the configuration loader reads the environment",
    file: "src/config/load.ts",
    source: "export const home = process.env.HOME;\n",
  },
  { what: "the server imports routes", file: "src/http/server.ts", source: imports("./v1/consents.ts") },
  { what: "the process prints", file: "src/main.ts", source: 'console.log("ready");\n' },
];

/** Each in a tree of its own, so that two cases may use the same file name. */
let tree: string;
let rulesByCase: Map<Case, string[]>;

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), "import-law-"));
  const cases = [...UNLAWFUL, ...MORE_UNLAWFUL, ...LAWFUL, ...MORE_LAWFUL];
  const rounds: Case[][] = [];
  for (const one of cases) {
    const round = rounds.find((taken) => !taken.some(({ file }) => file === one.file));
    if (round === undefined) rounds.push([one]);
    else round.push(one);
  }
  const results = await Promise.all(rounds.map((round, index) => lint(join(tree, String(index)), round)));
  rulesByCase = new Map(results.flat());
});

afterAll(() => rm(tree, { recursive: true, force: true }));

async function lint(root: string, cases: readonly Case[]): Promise<[Case, string[]][]> {
  for (const { file, source } of cases) {
    await mkdir(join(root, dirname(file)), { recursive: true });
    await writeFile(join(root, file), source);
  }
  for (const name of ["biome.json", "biome.imports.json", ".gitignore"])
    await copyFile(join(ROOT, name), join(root, name));
  const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
  const { stdout } = await execa(process.execPath, [biome, "lint", "--reporter=json", "--max-diagnostics=none"], {
    cwd: root,
    reject: false,
  });
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { category: string; severity: string; location: { path: string | { file: string } } }[];
  };
  const rulesOf = (file: string) =>
    diagnostics
      .filter(
        ({ severity, location: { path } }) =>
          severity === "error" && (typeof path === "string" ? path : path.file) === file,
      )
      .map(({ category }) => category);
  return cases.map((one) => [one, rulesOf(one.file)]);
}

describe("refused", () => {
  it.each([...UNLAWFUL, ...MORE_UNLAWFUL])("$what", (one) => {
    expect(rulesByCase.get(one)).toContain(one.rule);
  });
});

describe("allowed", () => {
  it.each([...LAWFUL, ...MORE_LAWFUL])("$what", (one) => {
    expect(rulesByCase.get(one)).toEqual([]);
  });
});
