/**
 * Where the world plays: a real Redis, a real InfluxDB, a real gateway that follows a set clock, and a service of each
 * purpose, with everything that leaves the gateway going into the recording.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Names } from "../../simulators/race/names.ts";
import { ServiceListener } from "../../simulators/race/service-listener.ts";
import { SERVICE_PURPOSES, type ServicePurpose } from "../../src/model/purposes.ts";
import { freeServices, INFLUX_DATABASE, type Services, startServices } from "../../tools/private-servers/services.ts";
import { AccountService } from "../../tools/stack/account-service.ts";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { type ConfigTree, type ScratchConfig, writeScratchConfig } from "../../tools/stack/scratch-config.ts";
import type { RecordingWriter } from "../recording/files.ts";
import { Clock } from "./clock.ts";
import { DeviceConnection } from "./device-connection.ts";
import { CLOCK_PORT } from "./set-clock.ts";
import { StoreRecorder } from "./store-recorder.ts";

export type GatewayKind = "as it is" | "unprotected";

const ENTRIES: Readonly<Record<GatewayKind, string>> = {
  "as it is": "attacks/run/gateway.ts",
  unprotected: "attacks/run/unprotected-gateway.ts",
};
const KEY_PREFIX = "attacks";
/** What became of its commands. */
const ALSO_HEARS: Readonly<Partial<Record<ServicePurpose, readonly string[]>>> = { scene: ["commands/+/+/outcome"] };
const REQUEST_TIMEOUT_MS = 60_000;
const APPROVERS = ["first", "second"] as const;
const SETTLED_WITHIN_MS = 60_000;
const WEEK_HOURS = 168;
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
/**
 * What an operator sets so that stored names cannot be followed (decision 050); without the mechanisms a status is stored to the
 * second, under one name for a week.
 */
const MORE_OPTIONS: Readonly<Record<GatewayKind, ConfigTree>> = {
  "as it is": {
    deidentify: { homes: true, storedNameHours: 6, storedValues: "classes", atStepMs: { analytics: 6 * HOUR_MS } },
  },
  unprotected: {
    deidentify: {
      homes: true,
      storedNameHours: WEEK_HOURS,
      atStepMs: { analytics: SECOND_MS },
      weatherInScenes: true,
    },
  },
};

/** How long a name lasts under which a status is stored. */
export function storedNameMs(gateway: GatewayKind): number {
  return gateway === "as it is" ? 6 * HOUR_MS : WEEK_HOURS * HOUR_MS;
}

/** Step to which times of stored rows are kept. */
export function storedStepMs(gateway: GatewayKind): number {
  return gateway === "as it is" ? 6 * HOUR_MS : SECOND_MS;
}

/** Devices fall silent for half a day of the set clock, whose minutes pass in milliseconds; connections stay. */
const OPTIONS: ConfigTree = {
  mqtt: { rate: { perSecond: 1_000_000, burst: 1_000_000 }, maxKeepaliveS: 65_535 },
  erasure: { sweepAfterMs: 1_600, acknowledgeWaitMs: 200 },
  sinks: { influx: { timeoutMs: 1_500 } },
};

export interface StageOptions {
  /** Emptied first. */
  readonly dir: string;
  readonly gateway: GatewayKind;
  /** Unix ms. */
  readonly startsAt: number;
  readonly recording: RecordingWriter;
  readonly say: (line: string) => void;
}

export class Stage {
  readonly clock: Clock;
  /** Hears all that a service gets, beside the recording. */
  onHeard: ((service: ServicePurpose, topic: string, payload: Buffer) => void) | undefined;
  readonly #options: StageOptions;
  readonly #dir: string;
  readonly #listeners: ServiceListener[] = [];
  #services: Services | undefined;
  #store: StoreRecorder | undefined;
  #config: ScratchConfig | undefined;
  #gateway: GatewayProcess | undefined;
  #api: AccountService | undefined;
  #names: Names | undefined;
  #approvers: AccountService[] = [];

  constructor(options: StageOptions) {
    this.#options = options;
    this.#dir = resolve(options.dir);
    this.clock = new Clock(options.startsAt);
  }

  /** On failure `stop` clears away what was started. */
  async start(): Promise<void> {
    const { say, gateway, recording } = this.#options;
    await freeServices(this.#dir, say);
    await rm(this.#dir, { recursive: true, force: true });
    this.#services = await startServices({ dir: this.#dir, say, manySeries: true });
    const { redisUrl, influxUrl } = this.#services;
    this.#store = new StoreRecorder(influxUrl, (body) => recording.write(body, this.clock.now()));
    const approvers = await this.#approverTokens();
    this.#config = await writeScratchConfig({
      dir: this.#dir,
      redisUrl,
      influxUrl: await this.#store.start(),
      database: INFLUX_DATABASE,
      keyPrefix: KEY_PREFIX,
      ownProperties: false,
      overrides: {
        ...OPTIONS,
        ...MORE_OPTIONS[gateway],
        http: { approvers: approvers.map(({ name, tokenFile }) => ({ name, tokenFile })) },
      },
    });
    this.#gateway = await startGateway({
      configFile: this.#config.file,
      logFile: join(this.#dir, "logs", "gateway.log"),
      entry: ENTRIES[gateway],
      env: { [CLOCK_PORT]: String(await this.clock.start()) },
    });
    this.#api = this.#client(this.#config.apiToken);
    this.#approvers = approvers.map(({ token }) => this.#client(token));
    await this.#listen(this.#config);
    this.#names = new Names({ redisUrl, keyPrefix: KEY_PREFIX, keysDir: join(this.#dir, "keys") });
    await this.#names.start();
  }

  async stop(): Promise<void> {
    for (const listener of this.#listeners) listener.stop();
    this.#names?.stop();
    if (this.#gateway?.running === true) await this.#gateway.stop();
    this.clock.stop();
    this.#store?.stop();
    await this.#services?.stop();
  }

  get api(): AccountService {
    return started(this.#api);
  }

  /** Two; each hold takes both. */
  get approvers(): readonly AccountService[] {
    return this.#approvers;
  }

  get names(): Names {
    return started(this.#names);
  }

  get mqttPort(): number {
    return started(this.#gateway).port("mqtt-tcp");
  }

  /** What anyone who reaches the port can read. */
  async openMetrics(): Promise<string> {
    const answer = await fetch(`${this.#httpUrl}/metrics`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    return answer.text();
  }

  /** Resolves once no batch waits or is worked on and every service has what was sent to it. */
  async settled(): Promise<void> {
    const until = performance.now() + SETTLED_WITHIN_MS;
    while ((await this.names.underWay()) > 0) {
      if (performance.now() > until) throw new Error("the pipeline did not come to rest in time");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(this.#listeners.map((listener) => listener.ask()));
  }

  /** One more connection of this service, that is free to publish. */
  async publisher(purpose: ServicePurpose): Promise<DeviceConnection> {
    const { name, token } = started(this.#config).services[purpose];
    const connection = new DeviceConnection(name);
    await connection.open(this.mqttPort, token);
    return connection;
  }

  get #httpUrl(): string {
    return `http://127.0.0.1:${started(this.#gateway).port("http")}`;
  }

  #client(token: string): AccountService {
    return new AccountService({ api: this.#httpUrl, token, timeoutMs: REQUEST_TIMEOUT_MS });
  }

  async #approverTokens(): Promise<{ name: string; tokenFile: string; token: string }[]> {
    const dir = join(this.#dir, "secrets");
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return Promise.all(
      APPROVERS.map(async (name) => {
        const token = randomBytes(32).toString("base64url");
        const tokenFile = join(dir, `approver-${name}.token`);
        await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
        return { name, tokenFile, token };
      }),
    );
  }

  async #listen({ services }: ScratchConfig): Promise<void> {
    for (const service of SERVICE_PURPOSES) {
      const listener = new ServiceListener({
        port: () => this.mqttPort,
        credential: services[service],
        version: 4,
        filters: [`processed/${service}/#`, `privacy/erased/${service}`, ...(ALSO_HEARS[service] ?? [])],
        heard: (payload, topic) => this.#heard(service, topic, payload),
      });
      this.#listeners.push(listener);
      await listener.start();
    }
  }

  #heard(service: ServicePurpose, topic: string, payload: Buffer): void {
    this.#options.recording.packet({ at: this.clock.now(), service, topic, payload: JSON.parse(payload.toString()) });
    this.onHeard?.(service, topic, payload);
  }
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("not started");
  return part;
}
