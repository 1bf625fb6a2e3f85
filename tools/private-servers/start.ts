/**
 * A start on a bare machine: Redis and InfluxDB of our own under ./data, keys and an API token made on
 * the first start. For trying out and for development; production brings its own servers and secrets.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startServices } from "./services.ts";

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
    redisUrl: env.REDIS_URL || env.CONSENTRY_REDIS_URL || undefined,
    influxUrl: env.INFLUX_URL || env.CONSENTRY_SINKS_INFLUX_URL || undefined,
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
      ...env,
      ...(!env.CONSENTRY_REDIS_URL && { REDIS_URL: services.redisUrl }),
      ...(!env.CONSENTRY_SINKS_INFLUX_URL && { INFLUX_URL: services.influxUrl }),
    },
    stop: () => services.stop(),
  };
}

function makeToken(file: string): void {
  if (existsSync(file)) return;
  mkdirSync(resolve(file, ".."), { recursive: true });
  writeFileSync(file, `${randomBytes(TOKEN_BYTES).toString("base64url")}\n`, { mode: 0o600 });
}
