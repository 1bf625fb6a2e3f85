/**
 * A start on a bare machine: Redis and InfluxDB of our own under ./data, keys and an API token made on
 * the first start. For trying out and for development; production brings its own servers and secrets.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runningServices, type Services, startServices } from "./services.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface PrivateStart {
  /** The given environment plus what was brought up; what the caller set already is left alone. */
  readonly env: Environment;
  stop(): Promise<void>;
}

const TOKEN_BYTES = 32;

export async function startPrivateServices(env: Environment): Promise<PrivateStart> {
  const data = resolve("data");
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const services = await startServices({
    dir: join(data, "services"),
    say,
    redisUrl: urlOf(env, "redis"),
    influxUrl: urlOf(env, "influx"),
  });
  const tokenFile = join(data, "api.token");
  const tokenGiven = (env.CONSENTRY_HTTP_TOKEN ?? env.CONSENTRY_HTTP_TOKEN_FILE ?? "") !== "";
  if (!tokenGiven) {
    makeToken(tokenFile);
    say(`Bearer token of the HTTP interface: ${tokenFile}`);
  }
  return {
    env: {
      ...(tokenGiven ? {} : { CONSENTRY_HTTP_TOKEN_FILE: tokenFile }),
      CONSENTRY_KEYS_CREATE: "true",
      ...withUrls(env, services),
    },
    stop: () => services.stop(),
  };
}

/**
 * For a command: the servers of an `npm start` that runs here; where none does, they are started for as long as the command
 * takes, on what they hold, and that is said.
 */
export async function attachPrivateServices(env: Environment): Promise<PrivateStart> {
  const dir = resolve("data", "services");
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const given = { redisUrl: urlOf(env, "redis"), influxUrl: urlOf(env, "influx") };
  const running = await runningServices(dir);
  if (running.redisUrl === undefined && given.redisUrl === undefined)
    say("no npm start runs here: its private servers are started for this command");
  const redisUrl = given.redisUrl ?? running.redisUrl;
  const influxUrl = given.influxUrl ?? running.influxUrl;
  const services = await startServices({ dir, say, redisUrl, influxUrl });
  return { env: withUrls(env, services), stop: () => services.stop() };
}

function urlOf(env: Environment, server: "redis" | "influx"): string | undefined {
  const [plain, own] = URLS[server];
  return env[plain] || env[own] || undefined;
}

const URLS = {
  redis: ["REDIS_URL", "CONSENTRY_REDIS_URL"],
  influx: ["INFLUX_URL", "CONSENTRY_SINKS_INFLUX_URL"],
} as const;

function withUrls(env: Environment, { redisUrl, influxUrl }: Services): Environment {
  return {
    ...env,
    ...(!env.CONSENTRY_REDIS_URL && { REDIS_URL: redisUrl }),
    ...(!env.CONSENTRY_SINKS_INFLUX_URL && { INFLUX_URL: influxUrl }),
  };
}

function makeToken(file: string): void {
  if (existsSync(file)) return;
  mkdirSync(resolve(file, ".."), { recursive: true });
  writeFileSync(file, `${randomBytes(TOKEN_BYTES).toString("base64url")}\n`, { mode: 0o600 });
}
