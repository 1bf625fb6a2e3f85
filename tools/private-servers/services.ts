/**
 * A private Redis and a private InfluxDB for demo, tests and `npm start`: real servers, on loopback
 * only, configured as strictly as the gateway demands of any server: every write is on disk before
 * it is answered, nothing is evicted, and no log keeps what a request carried.
 */
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { type Identity, runningUrl, stopLeftover } from "./leftover.ts";
import { launch, type PrivateServer } from "./private-server.ts";
import { PrivateServerError } from "./private-server-error.ts";
import { ensureBinaries, type Say } from "./service-binaries.ts";

export type { PrivateServer } from "./private-server.ts";

/** The database that `startInflux` creates. */
export const INFLUX_DATABASE = "consentry";

export interface ServerOptions {
  /** Created when missing; holds data, configuration and log. Data from an earlier run is kept. */
  readonly dir: string;
  readonly say: Say;
  /** Left out: the port of the last run in `dir`, or, when another has it or there was none, any free one. */
  readonly port?: number | undefined;
}

export interface Services {
  readonly redisUrl: string;
  readonly influxUrl: string;
  /** Those started here; a server whose address was given is not ours to stop. */
  readonly started: readonly PrivateServer[];
  stop(): Promise<void>;
}

/**
 * Both servers: the given ones where an address is given, private ones under `<dir>/redis` and
 * `<dir>/influxdb` for the rest. Throws `SERVICE_MISSING` or `SERVICE_FAILED`, with nothing left running.
 */
export async function startServices(options: {
  readonly dir: string;
  readonly say: Say;
  readonly redisUrl?: string | undefined;
  readonly influxUrl?: string | undefined;
  /** For a private Redis, as on its command line. */
  readonly redisArgs?: readonly string[] | undefined;
  /** A private InfluxDB is for a hundred thousand names and more. */
  readonly manySeries?: true | undefined;
}): Promise<Services> {
  const { dir, say, redisUrl, influxUrl, redisArgs, manySeries } = options;
  const need = [
    redisUrl === undefined ? (["redis"] as const) : [],
    influxUrl === undefined ? (["influx"] as const) : [],
  ];
  await ensureBinaries({ need: need.flat(), say });
  const starting: Promise<PrivateServer>[] = [];
  if (redisUrl === undefined) starting.push(startRedis({ dir: join(dir, "redis"), say, extraArgs: redisArgs ?? [] }));
  if (influxUrl === undefined) starting.push(startInflux({ dir: join(dir, "influxdb"), say, manySeries }));
  const outcomes = await Promise.allSettled(starting);
  const started = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const urlOf = (name: string, given: string | undefined) =>
    given ?? started.find((server) => server.name === name)?.url ?? "";
  return { redisUrl: urlOf("redis", redisUrl), influxUrl: urlOf("influxdb", influxUrl), started, stop };
}

/**
 * To be asked before `dir` is emptied: throws `SERVICE_FAILED` while a living run has a server there, and stops
 * what a dead one left.
 */
export async function freeServices(dir: string, say: Say): Promise<void> {
  for (const server of serversIn(dir)) await stopLeftover(server, say);
}

/** Where the servers of a living run in `dir` answer; `undefined` for one that there is not. */
export async function runningServices(dir: string): Promise<{ redisUrl?: string; influxUrl?: string }> {
  const [redisUrl, influxUrl] = await Promise.all(serversIn(dir).map((server) => runningUrl(server)));
  return { ...(redisUrl && { redisUrl }), ...(influxUrl && { influxUrl }) };
}

function serversIn(dir: string): Identity[] {
  return [
    { name: "redis", binary: "redis-server", dir: resolve(dir, "redis") },
    { name: "influxdb", binary: "influxd", dir: resolve(dir, "influxdb") },
  ];
}

/** `redis://127.0.0.1:<port>`. `extraArgs` as on the command line of redis-server: `["--maxmemory", "64mb"]`. */
export async function startRedis(options: ServerOptions & { extraArgs?: readonly string[] }): Promise<PrivateServer> {
  const { redis: binary } = await ensureBinaries({ need: ["redis"], say: options.say });
  if (binary === undefined) throw new PrivateServerError("SERVICE_MISSING", "redis-server");
  const dir = resolve(options.dir);
  const file = join(dir, "redis.conf");
  return await launch(
    {
      name: "redis",
      binary,
      url: (port) => `redis://127.0.0.1:${port}`,
      args: () => [file, ...(options.extraArgs ?? [])],
      prepare: (port) => writeFile(file, redisConfiguration(dir, port), { mode: 0o600 }),
      ready: redisAnswers,
    },
    options,
  );
}

function redisConfiguration(dir: string, port: number): string {
  return [
    `port ${port}`,
    "bind 127.0.0.1",
    "protected-mode yes",
    "daemonize no",
    "supervised no",
    // The title would hide the command line by which a leftover is recognised.
    "set-proc-title no",
    `dir ${JSON.stringify(dir)}`,
    'logfile ""',
    "loglevel notice",
    "appendonly yes",
    "appendfsync always",
    // Plain commands throughout, so that a byte scan of the files sees everything that was ever kept.
    "aof-use-rdb-preamble no",
    "rdbcompression no",
    'save ""',
    "maxmemory-policy noeviction",
    // The slow log keeps arguments of commands.
    "slowlog-max-len 0",
    "",
  ].join("\n");
}

/** PING, and PONG back, or a demand for a password; while it loads its data it answers with another error. */
function redisAnswers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.setTimeout(1_000, () => settle(false));
    socket.once("error", () => settle(false));
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => settle(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.once("close", () => settle(false));
  });
}

/** `http://127.0.0.1:<port>`, with an empty database `consentry` when there was none; InfluxDB 1.x API, no password. */
export async function startInflux(
  options: ServerOptions & { readonly manySeries?: true | undefined },
): Promise<PrivateServer> {
  const { influx: binary } = await ensureBinaries({ need: ["influx"], say: options.say });
  if (binary === undefined) throw new PrivateServerError("SERVICE_MISSING", "influxd");
  const dir = resolve(options.dir);
  const file = join(dir, "influxdb.conf");
  return await launch(
    {
      name: "influxdb",
      binary,
      url: (port) => `http://127.0.0.1:${port}`,
      args: () => ["run", "-config", file],
      prepare: (port) => writeFile(file, influxConfiguration(dir, port, options.manySeries), { mode: 0o600 }),
      ready: influxAnswers,
    },
    options,
  );
}

/** An index in memory is built once more by each deletion, and ends at 100,000 names. */
const INDEX_ON_DISK = `  index-version = "tsi1"
  max-series-per-database = 0
`;

/** Access, query and write logs stay off: a request line or a rejected line would outlive an erasure there. */
function influxConfiguration(dir: string, port: number, manySeries: true | undefined): string {
  const path = (name: string) => JSON.stringify(join(dir, name));
  return `reporting-disabled = true
bind-address = "127.0.0.1:0"

[meta]
  dir = ${path("meta")}
[data]
  dir = ${path("data")}
  wal-dir = ${path("wal")}
  wal-fsync-delay = "0s"
  query-log-enabled = false
${manySeries ? INDEX_ON_DISK : ""}[coordinator]
  log-queries-after = "0s"
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = false
  log-enabled = false
  write-tracing = false
  pprof-enabled = false
[logging]
  level = "warn"
  suppress-logo = true
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
`;
}

async function influxAnswers(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(2_000);
    const ping = await fetch(`http://127.0.0.1:${port}/ping`, { signal });
    if (!ping.ok) return false;
    const body = new URLSearchParams({ q: `CREATE DATABASE ${INFLUX_DATABASE}` });
    const created = await fetch(`http://127.0.0.1:${port}/query`, { method: "POST", body, signal });
    await created.arrayBuffer();
    return created.ok;
  } catch {
    return false;
  }
}
