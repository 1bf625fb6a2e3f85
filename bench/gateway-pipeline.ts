/**
 * The gateway as a child process on its own Redis and InfluxDB, its devices provisioned over HTTP
 * with consent to analytics, weather and scene: every message is stored, and goes to the services that listen.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "../src/platform/node-flags.ts";
import { AccountService } from "../tools/stack/account-service.ts";
import type { DialectLoad } from "./dialect-loads.ts";
import { allocationsOf } from "./heap-question.ts";
import type { BenchDevice, BenchService, Counters, Pipeline, StoredCounts } from "./pipeline.ts";
import { ioOf } from "./process-usage.ts";
import { metricSum } from "./prometheus-text.ts";
import { NATIVE_COUNTED, nativeMessages } from "./publish-ring.ts";
import { ioCounters } from "./server-counters.ts";
import { type BenchServers, startServers } from "./servers.ts";

export interface GatewayOptions {
  /** Emptied by the caller; keys, configuration and the servers' data go here. */
  readonly dir: string;
  /** With those behind hubs. */
  readonly devices: number;
  /** `bench/no-privacy.ts` runs the same gateway with consent and sealing taken out. */
  readonly entry: "src/main.ts" | "bench/no-privacy.ts";
  /** With `HEAP_PROBE` among them, the pipeline has counters. */
  readonly nodeOptions: readonly string[];
  /** Another checkout, started in its folder by its own packages; this one unless given. */
  readonly root?: string | undefined;
  /** Instead of those of `config/node-flags.json`. */
  readonly nodeFlags?: readonly string[] | undefined;
  /** Configures a weather and a scene service, which listen to everything of their purpose: each alone, or the scene service as two. */
  readonly services: "none" | "alone" | "shared";
  /** Of a run in which services answer; the product's own limit unless given. */
  readonly commandsPerMinute?: number | undefined;
  /** Share of batches that are traced, and where to; none unless given. */
  readonly tracing?: { readonly sampleRatio: number; readonly endpoint: string } | undefined;
  /** With the operator's console; without unless given. */
  readonly console?: true | undefined;
  /** Its devices speak a dialect; the contract itself unless given. */
  readonly load?: DialectLoad | undefined;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Ends the gateway when the bench is killed outright. */
const FOLLOW_PARENT = new URL("../scripts/follow-parent.mjs", import.meta.url).href;
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;
const REQUESTS_AT_ONCE = 64;
const REQUEST_TIMEOUT_MS = 60_000;
const CONSENT = {
  policyVersion: 1,
  purposes: { analytics: ["model", "location", "status"], weather: ["location", "status"], scene: ["model", "status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};

/** What the shipped policy calls them, by purpose. */
const RECIPIENTS = { weather: "weather services", scene: "scene services" };

export async function startGateway(options: GatewayOptions): Promise<Pipeline> {
  const servers = await startServers(options.dir);
  const apiToken = secret();
  const services = options.services === "none" ? undefined : servicesThat(options.services);
  const gateway = new GatewayProcess();
  const stop = async () => {
    await gateway.stop();
    await servers.stop();
  };
  try {
    await gateway.start(await writeConfiguration(options, servers, apiToken, services ?? []), options);
    const http = `http://127.0.0.1:${gateway.portOf("http")}`;
    const devices = await provision(http, apiToken, options);
    return {
      port: gateway.portOf("mqtt-tcp"),
      pids: { gateway: gateway.pid, redis: servers.redisPid, influx: servers.influxPid },
      devices,
      devicesEach: devicesEach(options.load),
      ...(services !== undefined && { services }),
      ...(options.console && {
        console: { url: `http://127.0.0.1:${gateway.portOf("console")}`, token: apiToken },
      }),
      counts: () => countsOf(http),
      rows: () => servers.rows(options.load?.counted ?? NATIVE_COUNTED),
      counters: () => countersOf(gateway, servers),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two of one group divide what the scene service gets: as many messages go out as to one alone. */
function servicesThat(listen: "alone" | "shared"): BenchService[] {
  return Object.keys(RECIPIENTS).flatMap((service): BenchService[] => {
    const [token, topic] = [secret(), `processed/${service}/#`];
    if (listen === "alone" || service !== "scene") return [{ id: service, service, token, topic }];
    return ["one", "two"].map((member) => ({
      id: `${service}-${member}`,
      service,
      token,
      topic: `$share/bench/${topic}`,
    }));
  });
}

function secret(): string {
  return randomBytes(32).toString("base64url");
}

/** JSON is YAML. The limits per device are lifted, because a few devices stand for a large fleet here. */
async function writeConfiguration(
  { dir, devices, root, commandsPerMinute, tracing, console }: GatewayOptions,
  servers: BenchServers,
  apiToken: string,
  services: readonly BenchService[],
): Promise<string> {
  const file = join(dir, "gateway.yaml");
  const configuration = {
    redis: { url: servers.redisUrl },
    mqtt: {
      tcp: { port: 0 },
      rate: { perSecond: 100_000, burst: 1_000_000 },
      maxConnections: Math.max(20_000, devices + 100),
      ...(commandsPerMinute !== undefined && { commandsPerMinute }),
    },
    sinks: { influx: { url: servers.influxUrl, database: servers.database } },
    services: [...new Map(services.map(({ service, token }) => [service, token]))].map(([name, token]) => ({
      name,
      purposes: [name],
      region: "IN",
      relation: "third-party",
      recipient: RECIPIENTS[name as keyof typeof RECIPIENTS],
      token,
    })),
    http: { port: 0, token: apiToken },
    keys: { dir: join(dir, "keys"), create: true },
    ...(console && { console: { enabled: true, port: 0 } }),
    ...(tracing !== undefined && { tracing: { enabled: true, ...tracing } }),
    ...((await knowsOption(root ?? ROOT, "journalFile")) && {
      backup: { journalFile: join(dir, "erasures.journal") },
    }),
  };
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(file, JSON.stringify(configuration), { mode: 0o600 });
  return file;
}

/** An option that an older checkout does not have would keep it from starting. */
async function knowsOption(root: string, name: string): Promise<boolean> {
  return (await readFile(join(root, "config", "defaults.yaml"), "utf8")).includes(`${name}:`);
}

async function countersOf(gateway: GatewayProcess, servers: BenchServers): Promise<Counters> {
  const [{ bytesAllocated, collections }, ofServers] = await Promise.all([gateway.allocations(), servers.counters()]);
  const byKind = Object.entries(collections).map(([kind, count]) => [`gc:${kind}`, count]);
  return { bytesAllocated, ...Object.fromEntries(byKind), ...ioCounters(ioOf(gateway.pid)), ...ofServers };
}

class GatewayProcess {
  readonly #ports = new Map<string, number>();
  readonly #lastLines: string[] = [];
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  allocations(): ReturnType<typeof allocationsOf> {
    if (this.#process === undefined) throw new Error("the gateway was not started");
    return allocationsOf(this.#process);
  }

  portOf(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`the gateway announced no listener ${listener}`);
    return port;
  }

  async start(configFile: string, options: GatewayOptions): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        ...(options.nodeFlags ?? nodeFlags()),
        "--import",
        "tsx",
        "--import",
        FOLLOW_PARENT,
        ...options.nodeOptions,
        options.entry,
        "--config",
        configFile,
      ],
      { cwd: options.root ?? ROOT, env: ownEnvironment(), stdio: ["ignore", "pipe", "inherit", "ipc"] },
    );
    this.#process = child;
    this.#ended = new Promise((resolve) => child.once("exit", () => resolve()));
    await new Promise<void>((resolve, reject) => {
      const fail = (what: string) => reject(new Error(`the gateway ${what}\n${this.#lastLines.join("\n")}`));
      const deadline = setTimeout(() => fail("was not ready in time"), READY_DEADLINE_MS);
      child.once("exit", (code, signal) => fail(`ended: ${signal ?? code}`));
      if (child.stdout === null) return fail("has no output");
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (this.#heard(line) !== "ready") return;
        clearTimeout(deadline);
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#process === undefined) return;
    this.#process.kill("SIGTERM");
    const insist = setTimeout(() => this.#process?.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#ended;
    clearTimeout(insist);
  }

  #heard(line: string): string | undefined {
    this.#lastLines.push(line);
    if (this.#lastLines.length > 20) this.#lastLines.shift();
    if (!line.startsWith("{")) return undefined;
    const { msg, listener, port } = JSON.parse(line) as { msg?: string; listener?: string; port?: number };
    if (msg === "listening" && listener !== undefined && port !== undefined) this.#ports.set(listener, port);
    return msg;
  }
}

/** Nothing that would override the configuration file. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = (name: string) => name.startsWith("CONSENTRY_") || name === "REDIS_URL" || name === "INFLUX_URL";
  const kept = Object.entries(process.env).filter(([name]) => !foreign(name));
  return { ...Object.fromEntries(kept), BOOTSTRAP_PID: String(process.pid) };
}

/** How many take turns on one connection. */
function devicesEach(load: DialectLoad | undefined): number {
  return Math.max(1, load?.children.length ?? 0);
}

/** One data subject for each device and those behind it, as in a fleet of single homes. */
async function provision(
  api: string,
  token: string,
  { devices: wanted, load }: Pick<GatewayOptions, "devices" | "load">,
): Promise<BenchDevice[]> {
  const count = Math.ceil(wanted / devicesEach(load));
  const service = new AccountService({ api, token, timeoutMs: REQUEST_TIMEOUT_MS });
  const devices: BenchDevice[] = [];
  let next = 0;
  const provisionNext = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const id = `bench-${index}`;
      const alias = load?.alias(index);
      const speech = load && { dialect: load.dialect, ...(alias !== undefined && { alias }) };
      devices.push({
        id,
        token: await service.issueToken(id, speech),
        messages: load?.messages(index) ?? nativeMessages(id, index),
      });
      const children = (load?.children ?? []).map((childAlias, child) => ({
        device: `${id}-${child}`,
        alias: childAlias,
      }));
      for (const device of [id, ...children.map((child) => child.device)]) await service.bind(`home-${id}`, device);
      if (children.length > 0) await service.registerChildren(id, children);
      await service.consent(`home-${id}`, CONSENT);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, provisionNext));
  return devices;
}

async function countsOf(http: string): Promise<StoredCounts> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const total = (name: string) => metricSum(text, `consentry_messages_${name}_total`);
  return {
    received: total("received"),
    stored: total("stored"),
    astray: total("refused") + total("forwarded_only") + total("dead_lettered"),
    forwarded: metricSum(text, "consentry_forwarded_total"),
  };
}
