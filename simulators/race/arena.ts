/**
 * Where the race takes place: a real Redis that syncs every write, a real InfluxDB, and two gateways that
 * share both. Gateway `a` serves HTTP and half of the devices, `b` the other half; either can be killed.
 */
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { INFLUX_DATABASE, type Services, startServices } from "../../tools/private-servers/services.ts";
import { AccountService } from "../../tools/stack/account-service.ts";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { type ConfigTree, type ScratchConfig, writeScratchConfig } from "../../tools/stack/scratch-config.ts";
import { TELLING_DELAY } from "./late-tellings.ts";
import { SlowStore } from "./slow-store.ts";
import { TELLTALE_OPTIONS } from "./telltale.ts";

export type GatewayName = "a" | "b";

/** `fence`: withdrawals wait for nothing. `erasure`: erasures overlook a device. */
export type Broken = "fence" | "erasure";

const ENTRIES: Readonly<Record<Broken | "nothing", string>> = {
  nothing: "simulators/race/racing-gateway.ts",
  fence: "simulators/race/unfenced-gateway.ts",
  erasure: "simulators/race/forgetful-gateway.ts",
};

export interface ArenaOptions {
  /** Emptied first. */
  readonly dir: string;
  /** How much later the store gets what the gateways send it, and services what is told of crowds; 0 leaves both alone. */
  readonly storeDelayMs: number;
  /** Gateways with something taken away; absent: the real ones. */
  readonly broken?: Broken | undefined;
  readonly say: (line: string) => void;
}

export const KEY_PREFIX = "race";

const REQUEST_TIMEOUT_MS = 60_000;
/** The shortest times that the configuration allows beside the default time limit of a write. */
const OPTIONS: ConfigTree = {
  mqtt: { rate: { perSecond: 1_000_000, burst: 1_000_000 } },
  queue: { workerConcurrency: 2 },
  erasure: { sweepAfterMs: 1_600, acknowledgeWaitMs: 200 },
  ...TELLTALE_OPTIONS,
};

export class Arena {
  readonly #options: ArenaOptions;
  readonly #dir: string;
  #services: Services | undefined;
  #slowStore: SlowStore | undefined;
  #config: ScratchConfig | undefined;
  readonly #gateways = new Map<GatewayName, GatewayProcess>();
  #api: AccountService | undefined;
  #stopped = false;

  constructor(options: ArenaOptions) {
    this.#options = options;
    this.#dir = resolve(options.dir);
  }

  /** On failure `stop` clears away what was started. */
  async start(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
    this.#services = await startServices({ dir: this.#dir, say: this.#options.say });
    this.#config = await writeScratchConfig({
      dir: this.#dir,
      redisUrl: this.redisUrl,
      influxUrl: await this.#wayToStore(),
      database: INFLUX_DATABASE,
      keyPrefix: KEY_PREFIX,
      overrides: OPTIONS,
    });
    await this.startGateway("a");
    await this.startGateway("b");
    this.#api = new AccountService({
      api: `http://127.0.0.1:${this.gateway("a").port("http")}`,
      token: this.config.apiToken,
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  /** Also after it was killed: then on the same ports. */
  async startGateway(name: GatewayName): Promise<void> {
    const { broken } = this.#options;
    const before = this.#gateways.get(name)?.listeners;
    const gateway = await startGateway({
      configFile: this.config.file,
      logFile: join(this.#dir, "logs", `gateway-${name}.log`),
      entry: ENTRIES[broken ?? "nothing"],
      env: {
        CONSENTRY_MQTT_TCP_PORT: String(before?.get("mqtt-tcp") ?? 0),
        CONSENTRY_HTTP_PORT: String(before?.get("http") ?? 0),
        [TELLING_DELAY]: String(this.#options.storeDelayMs),
      },
    });
    this.#gateways.set(name, gateway);
    if (this.#stopped) await gateway.kill("SIGKILL");
  }

  async kill(name: GatewayName): Promise<void> {
    await this.gateway(name).kill("SIGKILL");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#gateways.values()].map((gateway) => (gateway.running ? gateway.stop() : undefined)));
    this.#slowStore?.stop();
    await this.#services?.stop();
    this.#services = undefined;
  }

  gateway(name: GatewayName): GatewayProcess {
    return started(this.#gateways.get(name));
  }

  /** Stays the same while a gateway is away. */
  mqttPort(name: GatewayName): number {
    return this.gateway(name).port("mqtt-tcp");
  }

  get api(): AccountService {
    return started(this.#api);
  }

  get config(): ScratchConfig {
    return started(this.#config);
  }

  get redisUrl(): string {
    return started(this.#services).redisUrl;
  }

  /** Of the store itself. */
  get influxUrl(): string {
    return started(this.#services).influxUrl;
  }

  get keysDir(): string {
    return join(this.#dir, "keys");
  }

  async #wayToStore(): Promise<string> {
    if (this.#options.storeDelayMs === 0) return this.influxUrl;
    this.#slowStore = new SlowStore(Number(new URL(this.influxUrl).port), this.#options.storeDelayMs);
    return this.#slowStore.start();
  }
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("not started");
  return part;
}
