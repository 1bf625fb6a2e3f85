/**
 * The import law as one table: the rooms of `src`, floor by floor, what each may import of the others, and of packages and
 * of Node. A room imports rooms above it in this table and nothing below, so there is no circle. `npm run config:docs` makes
 * the linter's overrides and a page of CONTRIBUTING.md of it; `tests/architecture` holds the code to it.
 */
import { relative } from "node:path/posix";

export interface Room {
  /** Below `src`: a folder without its folders, or one file with a law of its own. */
  readonly path: string;
  readonly what: string;
  /** Rooms; `model` and the room itself are allowed to all. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
  /** Modules of Node: all of them, or these. */
  readonly node: "all" | readonly string[];
  /** Whether it may name what devices sent, `model/raw.ts`. */
  readonly raw?: true;
}

const PLATFORM = ["platform", "platform/keys", "platform/sealed-file"];

/** Rooms that hold what devices sent must be few: the rest cannot so much as name it. */
export const RAW = "model/raw";

export const ROOMS: readonly Room[] = [
  room("model", "shapes that several rooms share, and nothing that acts", [], ["zod"], []),
  room("vocabulary", "what `status` may say: the table, what is taken of a message, rounding; pure", [], ["zod"], []),
  room(
    "projections",
    "what each purpose is given, as data: fields, JSON Schemas, the AsyncAPI document; pure",
    ["vocabulary"],
    [],
    [],
  ),
  room(
    "dialects",
    "what real devices publish, read by tables: compiler and walk; pure",
    ["vocabulary"],
    ["zod", "yaml"],
    [],
    "raw",
  ),
  room("config", "every option: schema, files, environment", ["vocabulary"], ["zod", "yaml"]),
  room(
    "platform",
    "what the others stand on: Redis, clocks, commits, limits",
    [],
    ["ioredis", "lru-cache", "ipaddr.js"],
  ),
  room("platform/bull-queue", "a BullMQ queue and its worker, opened and closed", [], ["bullmq", "ioredis"]),
  room("platform/keys", "secrets: files, change while running, sealing", ["platform"], ["ioredis"]),
  room("platform/sealed-file", "a file that one key opens and no one can change", ["platform/keys"], ["zod"]),
  room("observe", "log, metrics, the books", [], ["pino", "prom-client"]),
  room(
    "observe/traces",
    "which batches are traced, and telling a collector; the one room that knows OpenTelemetry",
    ["observe", "platform"],
    [
      "@opentelemetry/api",
      "@opentelemetry/exporter-trace-otlp-http",
      "@opentelemetry/resources",
      "@opentelemetry/sdk-trace",
    ],
  ),

  room(
    "deidentify",
    "pseudonyms, cells, model families: no I/O",
    ["platform/bounded-cache", "vocabulary"],
    ["h3-js", "ipaddr.js", "lru-cache"],
    ["node:crypto", "node:buffer"],
    "raw",
  ),
  room(
    "places",
    "the record of where a device is, and the writer that tells it with others, once a step",
    ["platform"],
    ["h3-js", "ioredis"],
  ),
  room(
    "network",
    "the record of what network services may hear of a device, and the teller that tells it, once a step",
    ["platform"],
    [],
  ),
  room(
    "current",
    "the record of a device's last scene, and telling what is current to services that subscribe later",
    ["platform"],
    [],
  ),
  room(
    "pipeline",
    "from a batch to what is stored and forwarded, each step behind the consent check",
    ["platform"],
    [],
    "all",
    "raw",
  ),
  room(
    "queue",
    "batches in BullMQ: sealed, durable, bounded",
    ["platform", "vocabulary"],
    ["bullmq", "ioredis"],
    "all",
    "raw",
  ),

  room("consent", "tokens of devices; the hash chain", ["platform"], ["ioredis"]),
  room("consent/policy", "policy documents and the floors they set", ["consent", "platform"], ["ioredis"]),
  room(
    "consent/decision",
    "may this message be used: asked before anything is stored",
    ["consent/policy", "consent/decision/decide", "platform"],
    ["ioredis"],
  ),
  room("consent/decision/decide", "the rule itself: pure", [], [], []),
  room("consent/fence", "leases: no write outlives a withdrawal", ["platform"], ["ioredis"]),
  room(
    "consent/ledger",
    "what each person said, as a chain",
    ["consent", "consent/policy", "consent/decision", "consent/decision/decide", "platform"],
    ["ioredis"],
  ),

  room(
    "services",
    "who is given data: the services of the configuration and of the registry, and their tokens",
    ["platform"],
    ["zod", "ioredis"],
  ),

  room(
    "tokens",
    "named tokens of the HTTP interface: how they are stored and changed, and which are good right now",
    ["platform"],
    ["zod", "ioredis"],
  ),

  room("sinks/influx", "writing, reading and deleting rows", [], ["@influxdata/influxdb-client", "lru-cache"]),
  room(
    "sinks/services",
    "topics of the purposes, who may be given what, and the account of it",
    ["platform"],
    ["lru-cache"],
  ),
  room("sinks", "regions; the number of what is stored; starting without the store", ["platform"], []),

  room(
    "crowds",
    "what is told of crowds alone: the key of a day, people counted in cells, readings that wait for a median",
    ["platform", "platform/keys"],
    ["ioredis"],
  ),

  room(
    "forecasts",
    "what weather services answer for a cell, kept and brought to the devices below it",
    ["platform"],
    ["h3-js", "ioredis", "zod"],
  ),

  room(
    "ingress/admission",
    "from a message of a device to a durable batch, whatever the protocol: parse, check consent, order",
    ["platform", "vocabulary"],
    ["lru-cache"],
    "all",
    "raw",
  ),
  room(
    "ingress/dialects",
    "what real devices publish, read by their dialect, and the devices behind a hub",
    ["ingress/admission", "dialects", "platform"],
    [],
    "all",
    "raw",
  ),
  room("ingress/devices", "what devices are told", ["platform"], ["lru-cache"]),
  room("ingress/services", "fan-out to services, and what they publish", ["platform"], ["lru-cache", "zod"]),
  room("ingress/mqtt/rules", "what is ill-formed in MQTT 3.1.1 and 5 alike; pure", [], [], ["node:buffer"]),
  room(
    "ingress/mqtt/v5",
    "what differs in MQTT 5: properties, reason codes, what a client asked for; no connection",
    ["ingress/mqtt/rules"],
    ["mqtt-packet"],
    ["node:crypto"],
  ),
  room(
    "ingress/mqtt",
    "broker, listeners, sessions, packets: all that knows MQTT",
    [
      "ingress/mqtt/rules",
      "ingress/mqtt/v5",
      "ingress/admission",
      "ingress/dialects",
      "ingress/devices",
      "ingress/services",
      "dialects",
      "platform",
    ],
    ["aedes", "mqtt-packet", "ws", "lru-cache"],
    "all",
    "raw",
  ),

  room("rights/receipts", "signed receipts and their keys", ["platform"], ["zod", "ioredis"]),
  room("rights/journal", "what no restore may undo, outside Redis", [], ["zod"]),
  room("rights/audit", "the chained log of every act", ["platform"], ["ioredis"]),
  room(
    "rights/erasure",
    "an erasure from the request to its receipt",
    ["rights/audit", "rights/receipts", "consent/fence", "consent/ledger", "platform", "platform/bull-queue"],
    ["ioredis", "bullmq"],
  ),
  room("rights/access", "exports and disclosures", ["rights/erasure", "platform"], ["ioredis"]),
  room(
    "rights/holds",
    "legal holds and what they cover",
    ["rights/erasure", "rights/audit", "consent/ledger", "consent/fence", "platform"],
    ["ioredis"],
  ),
  room("rights/retention", "what goes by age", ["platform", "platform/bull-queue"], ["bullmq"]),
  room(
    "rights/backup",
    "archives and when they are taken",
    ["rights/erasure", "rights/audit", ...PLATFORM],
    ["ioredis", "zod"],
  ),
  room(
    "rights/restore",
    "bringing an installation back, with everything taken back that was",
    ["rights/backup", "rights/access", "rights/audit", "rights/journal", "consent/ledger", "services", ...PLATFORM],
    ["ioredis", "zod"],
  ),
  room(
    "rights",
    "whether Redis is still what the journal and the audit log say; answers kept for a repeated request",
    ["rights/audit", "rights/journal", "platform", "platform/keys"],
    ["ioredis"],
  ),

  room(
    "operations",
    "what can be done about consent, devices, holds and dead letters, the same for HTTP, the privacy centre and commands",
    ["consent/fence", "consent/ledger", "queue", "rights/erasure", "rights/holds"],
    [],
    [],
  ),

  room(
    "http",
    "what every route shares: access, problems, audit; what it needs of consent and of the rights, as types",
    [
      "operations",
      "consent",
      "consent/ledger",
      "consent/policy",
      "rights",
      "rights/access",
      "rights/audit",
      "rights/erasure",
      "rights/holds",
      "rights/receipts",
      "services",
      "tokens",
      "platform",
      "platform/keys",
    ],
    ["fastify", "fastify-type-provider-zod", "zod"],
  ),
  room(
    "http/centre",
    "the privacy centre",
    ["operations", "http", "consent/ledger", "platform", "platform/keys"],
    ["fastify", "zod", "ioredis"],
  ),
  room(
    "http/v1",
    "the routes of account services and operators",
    ["operations", "http", "http/centre"],
    ["fastify", "zod"],
  ),
  room(
    "http/operate",
    "the operator's console",
    ["observe", "queue", "operations", "http", "platform"],
    ["fastify", "zod"],
  ),
  room(
    "http/server",
    "the server that has them all",
    ["http", "http/centre", "http/v1"],
    ["fastify", "fastify-type-provider-zod", "@fastify/swagger", "@fastify/swagger-ui"],
  ),
];

/** Rooms that put the others together: everything but raw data, and of packages only the connection to Redis. */
export const COMPOSERS = ["wiring", "commands", ""] as const;

function room(
  path: string,
  what: string,
  imports: readonly string[],
  packages: readonly string[],
  node: Room["node"] = "all",
  raw?: "raw",
): Room {
  return { path, what, imports, packages, node, ...(raw && { raw: true }) };
}

interface Override {
  readonly includes: readonly string[];
  readonly linter: { readonly rules: { readonly style: { readonly noRestrictedImports: unknown } } };
}

/** For `biome.json`: of several that fit a file the last one holds. */
export function importOverrides(): Override[] {
  return [
    override("src/**", [{ group: ["**"], message: "this room has no row in scripts/rooms.ts." }]),
    ...COMPOSERS.map((path) => override(folder(path), composerPatterns(path))),
    ...[...ROOMS].sort((left, right) => depth(left.path) - depth(right.path)).map(roomOverride),
  ];
}

function roomOverride(one: Room): Override {
  const isFile = isFileRoom(one.path);
  const base = isFile ? one.path.slice(0, one.path.lastIndexOf("/")) : one.path;
  const own = isFile ? [] : ["./*.ts"];
  const rooms = ["model", ...one.imports].filter((path) => path !== one.path).map((path) => specifier(base, path));
  const node = one.node === "all" ? ["node:*", "node:*/**"] : one.node;
  const allowed = [...own, ...rooms, ...one.packages, ...node];
  const message = `${one.path} imports ${["model", ...one.imports].join(", ")}; of the packages ${one.packages.join(", ") || "none"}. See scripts/rooms.ts.`;
  const patterns = [{ group: ["**", ...allowed.map((path) => `!${path}`)], message }];
  if (one.raw !== true)
    patterns.push({
      group: [specifier(base, RAW)],
      message: `${one.path} must not be able to name what devices sent: ${RAW}.ts.`,
    });
  return override(isFile ? `src/${one.path}.ts` : folder(one.path), patterns);
}

function composerPatterns(path: string): unknown[] {
  return [
    {
      group: ["**", "!./**", "!../**", "!node:*", "!node:*/**", "!ioredis"],
      message: "what puts the rooms together imports all of them; of the packages only ioredis.",
    },
    { group: [specifier(path, RAW)], message: `messages are handed from room to room and not looked into: ${RAW}.ts.` },
  ];
}

function override(files: string, patterns: readonly unknown[]): Override {
  const style = { noRestrictedImports: { level: "error", options: { patterns } } };
  return { includes: [files, "!src/**/*.test.ts"], linter: { rules: { style } } };
}

/** A room that is one file has a room around it. */
export function isFileRoom(path: string): boolean {
  return FILE_ROOMS.has(path);
}

const FILE_ROOMS: ReadonlySet<string> = new Set([
  "consent/decision/decide",
  "http/server",
  "platform/bounded-cache",
  "platform/bull-queue",
]);

function folder(path: string): string {
  return path === "" ? "src/*.ts" : `src/${path}/*.ts`;
}

/** How a file in the folder `from` names the files of another room. */
function specifier(from: string, to: string): string {
  const path = relative(`/${from}`, `/${to}`);
  const up = path.startsWith(".") ? path : `./${path}`;
  if (isFileRoom(to) || to === RAW) return `${up}.ts`;
  return `${up.replace(/\/$/, "")}/*.ts`;
}

function depth(path: string): number {
  return path === "" ? 0 : path.split("/").length;
}
