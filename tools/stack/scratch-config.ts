/**
 * Writes the configuration of a private gateway: free ports, its own keys, and fresh secrets in
 * files of their own, so that the configuration itself holds none.
 */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SERVICE_PURPOSES, type ServicePurpose } from "../../src/model/purposes.ts";
import type { ServiceCredential } from "../wire/service-subscriber.ts";

/**
 * A number that no other message has: stored rows and packets name no device and no message, and by it a run finds its own
 * again. Declared here, for private systems alone; the vocabulary of the product has nothing like it.
 */
export const SEQ = { name: "seq", kind: "number", range: "0..1e15", step: 1 } as const;

/** What the shipped policy calls them. */
export const RECIPIENTS: Readonly<Record<ServicePurpose, string>> = {
  weather: "weather services",
  scene: "scene services",
  network: "network functions",
};

/** Options to set on top, nested as in the configuration file. Lists replace lists. */
export interface ConfigTree {
  readonly [option: string]: string | number | boolean | readonly unknown[] | ConfigTree;
}

export interface ScratchConfigInput {
  readonly dir: string;
  readonly redisUrl: string;
  readonly influxUrl: string;
  readonly database: string;
  readonly keyPrefix: string;
  /** Whether the property of the tools themselves is declared; by default it is. */
  readonly ownProperties?: boolean | undefined;
  readonly overrides?: ConfigTree | undefined;
}

export interface ScratchConfig {
  readonly file: string;
  readonly apiToken: string;
  /** One credential for each service purpose. */
  readonly services: Readonly<Record<ServicePurpose, ServiceCredential>>;
  /** The tokens of the services, as files. */
  readonly tokenFiles: Readonly<Record<ServicePurpose, string>>;
  /** Where keys and tokens are meant to be; a leak scan leaves these out. */
  readonly secretDirs: readonly string[];
}

/** Files are written again with every call; the gateway's keys in `<dir>/keys` are left as they are. */
export async function writeScratchConfig(input: ScratchConfigInput): Promise<ScratchConfig> {
  const dir = resolve(input.dir);
  const secrets = join(dir, "secrets");
  await mkdir(secrets, { recursive: true, mode: 0o700 });
  const secretFile = async (name: string) => {
    const token = randomBytes(32).toString("base64url");
    const file = join(secrets, `${name}.token`);
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    return { file, token };
  };
  const api = await secretFile("api");
  const weather = await secretFile("weather");
  const scene = await secretFile("scene");
  const network = await secretFile("network");
  const tokens = { weather, scene, network };
  const nameOf = (purpose: ServicePurpose) => `${purpose}-service`;
  const config: ConfigTree = {
    redis: { url: input.redisUrl, keyPrefix: input.keyPrefix },
    mqtt: { tcp: { port: 0 } },
    ...(input.ownProperties !== false && { properties: [SEQ] }),
    sinks: { influx: { url: input.influxUrl, api: "v1", database: input.database } },
    services: SERVICE_PURPOSES.map((purpose) => ({
      name: nameOf(purpose),
      purposes: [purpose],
      region: "IN",
      relation: "third-party",
      recipient: RECIPIENTS[purpose],
      tokenFile: tokens[purpose].file,
    })),
    http: { port: 0, tokenFile: api.file },
    backup: { dir: join(dir, "backups"), journalFile: join(dir, "erasures.journal") },
    keys: { dir: join(dir, "keys"), create: true },
  };
  const file = join(dir, "consentry.yaml");
  // JSON is YAML.
  await writeFile(file, `${JSON.stringify(merge(config, input.overrides ?? {}), undefined, 2)}\n`, { mode: 0o600 });
  return {
    file,
    apiToken: api.token,
    services: {
      weather: { name: nameOf("weather"), token: weather.token },
      scene: { name: nameOf("scene"), token: scene.token },
      network: { name: nameOf("network"), token: network.token },
    },
    tokenFiles: { weather: weather.file, scene: scene.file, network: network.file },
    secretDirs: [secrets, join(dir, "keys")],
  };
}

function merge(base: ConfigTree, over: ConfigTree): ConfigTree {
  const result: Record<string, ConfigTree[string]> = { ...base };
  for (const [option, value] of Object.entries(over)) {
    const below = result[option];
    result[option] = isTree(below) && isTree(value) ? merge(below, value) : value;
  }
  return result;
}

function isTree(value: unknown): value is ConfigTree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
