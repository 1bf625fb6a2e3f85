/**
 * A whole private system for the demo, the integration tests and the benchmark: Redis, InfluxDB and
 * the gateway, all real, with everything they keep below one directory.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Redis } from "ioredis";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import {
  freeServices,
  INFLUX_DATABASE,
  type PrivateServer,
  type Services,
  startServices,
} from "../private-servers/services.ts";
import type { ServiceCredential } from "../wire/service-subscriber.ts";
import { AccountService } from "./account-service.ts";
import { type GatewayProcess, type GatewayProcessOptions, startGateway } from "./gateway-process.ts";
import { createInfluxDatabase, dropInfluxDatabase } from "./influx-reader.ts";
import { type RedisUsers, redisUsers } from "./redis-users.ts";
import { type ConfigTree, type ScratchConfig, writeScratchConfig } from "./scratch-config.ts";

export interface StackOptions {
  readonly dir: string;
  /** Remove what an earlier run left in `dir` first. */
  readonly fresh?: boolean;
  readonly say?: (line: string) => void;
  /** Use these servers instead of private ones; names in them are then unique to this run, and removed at the end. */
  readonly redisUrl?: string | undefined;
  readonly influxUrl?: string | undefined;
  /** Options of the gateway, nested as in its configuration file. */
  readonly overrides?: ConfigTree;
  readonly nodeArgs?: readonly string[];
  /** Steps of seconds in place of minutes, see `tools/stack/short-steps.ts`. */
  readonly shortSteps?: boolean | undefined;
  /** The same, and places are written so often. Milliseconds. */
  readonly placeStepMs?: number | undefined;
  /** Program to run in the gateway's place, below the repository; see {@link GatewayProcessOptions}. */
  readonly entry?: string;
  /** What runs in the gateway's place until it is started again, with its environment. */
  readonly first?: { readonly program: readonly string[]; readonly env: Readonly<Record<string, string>> };
}

/** Everything a system writes to, for a leak scan; keys and tokens are where they belong, and left out. */
interface StoredPlaces {
  readonly files: readonly string[];
  readonly exclude: readonly string[];
  readonly redisUrl: string;
  readonly influxUrl: string;
}

/** The private system. With `start()` done everything answers; `stop()` may be called at any time, and twice. */
export class Stack {
  readonly dir: string;
  readonly #options: StackOptions;
  #services: Services | undefined;
  #config: ScratchConfig | undefined;
  #gateway: GatewayProcess | undefined;
  #api: AccountService | undefined;
  #users: RedisUsers | undefined;
  readonly #runId = randomBytes(6).toString("hex");

  constructor(options: StackOptions) {
    this.#options = options;
    this.dir = resolve(options.dir);
  }

  async start(): Promise<void> {
    const { redisUrl, influxUrl, overrides } = this.#options;
    const say = this.#options.say ?? (() => {});
    if (this.#options.fresh === true) {
      await freeServices(this.dir, say);
      await rm(this.dir, { recursive: true, force: true });
    }
    if (redisUrl === undefined) this.#users = await redisUsers(this.dir);
    this.#services = await startServices({ dir: this.dir, say, redisUrl, influxUrl, redisArgs: this.#users?.args });
    if (influxUrl !== undefined) await createInfluxDatabase(influxUrl, this.database);
    this.#config = await writeScratchConfig({
      dir: this.dir,
      redisUrl: this.#users?.gatewayUrl(this.redisUrl) ?? this.redisUrl,
      influxUrl: this.influxUrl,
      database: this.database,
      keyPrefix: this.keyPrefix,
      // An older version knows no such option.
      ownProperties: this.#options.first === undefined,
      overrides,
    });
    await this.startGateway(this.#options.first);
  }

  /** Starts the gateway again after it was killed: same data, same ports, so that devices find it. */
  async startGateway(other?: StackOptions["first"]): Promise<void> {
    const ports = this.#gateway?.listeners;
    const { shortSteps = false, placeStepMs } = this.#options;
    const options: GatewayProcessOptions = {
      configFile: this.config.file,
      logFile: join(this.dir, "logs", "gateway.log"),
      env: {
        ...other?.env,
        ...(placeStepMs !== undefined && { PLACE_STEP_MS: String(placeStepMs) }),
        ...Object.fromEntries([...(ports ?? [])].map(([name, port]) => [PORT_VARIABLES[name] ?? "", String(port)])),
      },
      program: other?.program,
      nodeArgs: this.#options.nodeArgs,
      entry: shortSteps || placeStepMs !== undefined ? "tools/stack/short-steps.ts" : this.#options.entry,
    };
    this.#gateway = await startGateway(options);
    this.#api = new AccountService({
      api: this.httpUrl,
      token: this.config.apiToken,
      timeoutMs: 60_000,
    });
  }

  async stop(): Promise<void> {
    if (this.#gateway?.running === true) await this.#gateway.stop();
    if (this.#services === undefined) return;
    await this.#removeNames();
    await this.#services.stop();
    this.#services = undefined;
  }

  get gateway(): GatewayProcess {
    return started(this.#gateway);
  }

  get api(): AccountService {
    return started(this.#api);
  }

  get config(): ScratchConfig {
    return started(this.#config);
  }

  get mqttUrl(): string {
    return `mqtt://127.0.0.1:${this.gateway.port("mqtt-tcp")}`;
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${this.gateway.port("http")}`;
  }

  /** The private Redis; throws when an address was given instead. */
  get redis(): PrivateServer {
    return started(started(this.#services).started.find(({ name }) => name === "redis"));
  }

  /** The private InfluxDB; throws when an address was given instead. */
  get influx(): PrivateServer {
    return started(started(this.#services).started.find(({ name }) => name === "influxdb"));
  }

  get redisUrl(): string {
    return started(this.#services).redisUrl;
  }

  get influxUrl(): string {
    return started(this.#services).influxUrl;
  }

  get database(): string {
    return this.#options.influxUrl === undefined ? INFLUX_DATABASE : `consentry_${this.#runId}`;
  }

  get keyPrefix(): string {
    return this.#options.redisUrl === undefined ? "consentry" : `run-${this.#runId}`;
  }

  serviceCredential(purpose: ServicePurpose): ServiceCredential {
    return this.config.services[purpose];
  }

  leakScanPlaces(): StoredPlaces {
    return { files: [this.dir], exclude: this.config.secretDirs, redisUrl: this.redisUrl, influxUrl: this.influxUrl };
  }

  /** Servers that were given to us are left as they were. */
  async #removeNames(): Promise<void> {
    const { redisUrl, influxUrl } = this.#options;
    if (influxUrl !== undefined) await dropInfluxDatabase(influxUrl, this.database);
    if (redisUrl === undefined) return;
    const redis = new Redis(redisUrl, { lazyConnect: true, maxRetriesPerRequest: 1 });
    redis.on("error", () => {});
    await redis.connect();
    for await (const keys of redis.scanStream({ match: `*${this.keyPrefix}:*`, count: 500 }) as AsyncIterable<
      string[]
    >) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
    redis.disconnect();
  }
}

const PORT_VARIABLES: Readonly<Record<string, string>> = {
  "mqtt-tcp": "CONSENTRY_MQTT_TCP_PORT",
  "mqtt-tls": "CONSENTRY_MQTT_TLS_PORT",
  "mqtt-ws": "CONSENTRY_MQTT_WS_PORT",
  http: "CONSENTRY_HTTP_PORT",
  metrics: "CONSENTRY_METRICS_PORT",
  console: "CONSENTRY_CONSOLE_PORT",
};

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("not started");
  return part;
}

/** A started {@link Stack}; on failure nothing is left running. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const stack = new Stack(options);
  try {
    await stack.start();
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return stack;
}
