/** The private Redis and InfluxDB keep their data over a kill, leave nothing running, and clean up after a dead run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../../tools/private-servers/free-port.ts";
import { onPath } from "../../tools/private-servers/service-binaries.ts";
import {
  INFLUX_DATABASE,
  type PrivateServer,
  startInflux,
  startRedis,
  startServices,
} from "../../tools/private-servers/services.ts";
import { Stack } from "../../tools/stack/stack.ts";

const said: string[] = [];
const say = (line: string) => void said.push(line);
let dir: string;
let servers: PrivateServer[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "private-services-"));
  servers = [];
  said.length = 0;
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
});

async function redis(options?: { port?: number; extraArgs?: string[] }): Promise<PrivateServer> {
  const server = await startRedis({ dir, say, ...options });
  servers.push(server);
  return server;
}

async function influx(): Promise<PrivateServer> {
  const server = await startInflux({ dir, say });
  servers.push(server);
  return server;
}

/** One inline command, the whole reply. */
async function command(server: Pick<PrivateServer, "port">, line: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: server.port });
  socket.write(`${line}\r\n`);
  const [reply] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return reply.toString();
}

async function write(server: PrivateServer, line: string): Promise<number> {
  const response = await fetch(`${server.url}/write?db=${INFLUX_DATABASE}`, { method: "POST", body: line });
  return response.status;
}

async function query(server: PrivateServer, q: string): Promise<string> {
  const response = await fetch(`${server.url}/query?${new URLSearchParams({ db: INFLUX_DATABASE, q })}`);
  return await response.text();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(10);
}

describe("private Redis", () => {
  it("answers on loopback with the settings a PUBACK depends on", async () => {
    const server = await redis();
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    expect(await command(server, "PING")).toBe("+PONG\r\n");
    for (const [name, value] of [
      ["appendfsync", "always"],
      ["appendonly", "yes"],
      ["maxmemory-policy", "noeviction"],
      ["save", ""],
      ["aof-use-rdb-preamble", "no"],
      ["bind", "127.0.0.1"],
      ["slowlog-max-len", "0"],
    ]) {
      expect(await command(server, `CONFIG GET ${name}`), name).toContain(`\r\n${value}\r\n`);
    }
  });

  it("has everything it acknowledged after kill -9 and a start on the same port", async () => {
    const server = await redis();
    const { port, pid } = server;
    await command(server, "SET kept 42");
    await server.kill("SIGKILL");
    expect(server.running).toBe(false);
    expect(isAlive(pid)).toBe(false);
    await server.start();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await command(server, "GET kept")).toBe("$2\r\n42\r\n");
  });

  it("is gone after stop, which may be called twice, and a second run finds the data", async () => {
    const first = await redis();
    await command(first, "SET kept 42");
    await first.stop();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    expect(existsSync(join(dir, "redis.pid"))).toBe(false);
    const second = await redis();
    expect(await command(second, "GET kept")).toBe("$2\r\n42\r\n");
  });

  it("has a port that the system gives to no connection and to no one who asks for any", async () => {
    const [begin = "0"] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split("\t");
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(new Set(ports).size).toBe(20);
    expect(Math.max(...ports)).toBeLessThan(Number(begin));
  });

  it("has the port of the run before, and another one where that is taken", async () => {
    const first = await redis();
    await first.stop();
    const second = await redis();
    expect(second.port).toBe(first.port);
    expect(readFileSync(join(dir, "redis.url"), "utf8")).toBe(`${second.url}\n`);
    await second.stop();
    const stranger = createServer().listen(second.port, "127.0.0.1");
    await once(stranger, "listening");
    const third = await redis();
    stranger.close();
    expect(third.port).not.toBe(second.port);
    expect(await command(third, "PING")).toBe("+PONG\r\n");
    expect(readFileSync(join(dir, "redis.url"), "utf8")).toBe(`${third.url}\n`);
  });

  it("takes a given port and extra arguments", async () => {
    const first = await redis();
    const { port } = first;
    await first.stop();
    const second = await redis({ port, extraArgs: ["--maxmemory", "64mb"] });
    expect(second.port).toBe(port);
    expect(await command(second, "CONFIG GET maxmemory")).toContain(String(64 * 1024 * 1024));
  });

  it("refuses a folder that a living run uses, and leaves that run alone", async () => {
    const server = await redis();
    await expect(startRedis({ dir, say })).rejects.toMatchObject({ code: "SERVICE_FAILED" });
    expect(await command(server, "PING")).toBe("+PONG\r\n");
  });

  it("says where to look when the server ends while starting", async () => {
    await expect(redis({ port: 1, extraArgs: ["--no-such-option", "1"] })).rejects.toMatchObject({
      code: "SERVICE_FAILED",
      message: expect.stringContaining(join(dir, "redis.log")),
    });
  });
});

describe("private InfluxDB", () => {
  it("keeps written points over kill -9 and a start on the same port", async () => {
    const server = await influx();
    const { port } = server;
    expect(await write(server, "m f=1i 1000")).toBe(204);
    await server.kill("SIGKILL");
    await expect(write(server, "m f=2i 2000")).rejects.toThrow();
    await server.start();
    expect(server.port).toBe(port);
    expect(await query(server, "SELECT f FROM m")).toContain('"values":[["1970-01-01T00:00:00.000001Z",1]]');
  });

  it("logs no request line", async () => {
    const server = await influx();
    await write(server, "canary_measurement f=1i 1000");
    await write(server, "canary_malformed");
    await query(server, "SELECT * FROM canary_measurement");
    await server.stop();
    expect(readFileSync(join(dir, "influxdb.log"), "utf8")).not.toContain("canary");
  });
});

describe("both", () => {
  it("starts only what was not given, and stops only what it started", async () => {
    const given = await startRedis({ dir: join(dir, "given"), say });
    servers.push(given);
    const services = await startServices({ dir, say, redisUrl: given.url });
    expect(services.redisUrl).toBe(given.url);
    expect(services.started.map((server) => server.name)).toEqual(["influxdb"]);
    expect((await fetch(`${services.influxUrl}/ping`)).status).toBe(204);
    await services.stop();
    await expect(fetch(`${services.influxUrl}/ping`)).rejects.toThrow();
    expect(await command(given, "PING")).toBe("+PONG\r\n");
  });
});

describe("a run that begins afresh", () => {
  it("empties no folder that a living run uses", async () => {
    const server = await startRedis({ dir: join(dir, "redis"), say });
    servers.push(server);
    await writeFile(join(dir, "kept"), "");
    await expect(new Stack({ dir, fresh: true }).start()).rejects.toMatchObject({ code: "SERVICE_FAILED" });
    expect(existsSync(join(dir, "kept"))).toBe(true);
    expect(await command(server, "PING")).toBe("+PONG\r\n");
  });
});

describe("a parent that is killed outright", () => {
  /** A process that starts Redis in `dir`, prints its pid and waits. */
  async function otherRun(path?: string): Promise<{ kill: () => Promise<void>; redisPid: number }> {
    const services = JSON.stringify(new URL("../../tools/private-servers/services.ts", import.meta.url).href);
    const script = `const { startRedis } = await import(${services});
      const server = await startRedis({ dir: ${JSON.stringify(dir)}, say: () => {} });
      console.log(server.pid);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...(path === undefined ? {} : { PATH: path }) },
    });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const kill = async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    };
    return { kill, redisPid: Number(line) };
  }

  it.runIf(process.platform === "linux")("takes its servers with it", async () => {
    const run = await otherRun();
    await run.kill();
    await until(() => !isAlive(run.redisPid));
    // The pid file is still there and names no one: no obstacle.
    expect(await command(await redis(), "PING")).toBe("+PONG\r\n");
  });

  it("leaves at most a server that the next run on the folder stops", async () => {
    // Without setpriv on PATH, as on a system that has none.
    const bin = join(dir, "bin");
    await onlyRedisIn(bin);
    const run = await otherRun(bin);
    await run.kill();
    expect(isAlive(run.redisPid)).toBe(true);
    const server = await redis();
    expect(isAlive(run.redisPid)).toBe(false);
    expect(said.join("\n")).toContain("an earlier run left behind");
    expect(await command(server, "PING")).toBe("+PONG\r\n");
  });
});

describe("a program that is run with them", () => {
  const STARTER = fileURLToPath(new URL("../../tools/private-servers/with-private-servers.ts", import.meta.url));
  /** Prints what it was given, its pid, and every signal; ends with code 7 when it is asked to stop. */
  const PROGRAM = `
    for (const signal of ["SIGHUP", "SIGTERM"]) process.on(signal, () => console.log(signal));
    process.on("SIGTERM", () => process.exit(7));
    const { REDIS_URL, INFLUX_URL, CONSENTRY_KEYS_CREATE, CONSENTRY_HTTP_TOKEN_FILE } = process.env;
    console.log(JSON.stringify({ REDIS_URL, INFLUX_URL, CONSENTRY_KEYS_CREATE, CONSENTRY_HTTP_TOKEN_FILE, pid: process.pid }));
    setInterval(() => {}, 1000);`;

  async function runProgram(env: Readonly<Record<string, string | undefined>>, ...attach: readonly "--attach"[]) {
    await writeFile(join(dir, "program.mjs"), PROGRAM);
    // Empty says as much as absent.
    const given = { REDIS_URL: "", CONSENTRY_REDIS_URL: undefined, INFLUX_URL: undefined, ...env };
    const program = ["--import", import.meta.resolve("tsx"), STARTER, ...attach, "program.mjs"];
    const starter = spawn(process.execPath, program, {
      cwd: dir,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...given },
    });
    const faults = text(starter.stderr);
    const lines = createInterface({ input: starter.stdout })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value as string | undefined;
    const exit = once(starter, "exit").then(([code]) => code as number | null);
    return { starter, next, exit, faults, told: JSON.parse((await next()) ?? "{}") as Record<string, string | number> };
  }

  it("is told their addresses, gets every signal, and they end after it with its exit code", async () => {
    const { starter, next, exit, told } = await runProgram({});
    expect(told).toMatchObject({
      CONSENTRY_KEYS_CREATE: "true",
      CONSENTRY_HTTP_TOKEN_FILE: join(await realpath(dir), "data", "api.token"),
    });
    expect(existsSync(join(dir, "data", "api.token"))).toBe(true);
    expect((await fetch(`${told.INFLUX_URL}/ping`)).status).toBe(204);
    const port = Number(new URL(String(told.REDIS_URL)).port);
    expect(await command({ port }, "PING")).toBe("+PONG\r\n");
    starter.kill("SIGHUP");
    expect(await next()).toBe("SIGHUP");
    starter.kill("SIGTERM");
    expect(await next()).toBe("SIGTERM");
    expect(await exit).toBe(7);
    await expect(fetch(`${told.INFLUX_URL}/ping`)).rejects.toThrow();
    await expect(command({ port }, "PING")).rejects.toThrow();
  });

  it("has a server of its own only where no address was given", async () => {
    const server = await redis();
    const { starter, exit, told } = await runProgram({ REDIS_URL: server.url });
    expect(told.REDIS_URL).toBe(server.url);
    expect((await fetch(`${told.INFLUX_URL}/ping`)).status).toBe(204);
    starter.kill("SIGTERM");
    expect(await exit).toBe(7);
    expect(await command(server, "PING")).toBe("+PONG\r\n");
  });

  it("uses those of a start that runs, makes no token, and leaves them running", async () => {
    const running = await runProgram({});
    await rm(join(dir, "data", "api.token"));
    const command = await runProgram({}, "--attach");
    for (const name of ["REDIS_URL", "INFLUX_URL"]) expect(command.told[name]).toBe(running.told[name]);
    expect(command.told).not.toHaveProperty("CONSENTRY_HTTP_TOKEN_FILE");
    expect(existsSync(join(dir, "data", "api.token"))).toBe(false);
    command.starter.kill("SIGTERM");
    expect(await command.exit).toBe(7);
    expect(await command.faults).toBe("");
    expect((await fetch(`${running.told.INFLUX_URL}/ping`)).status).toBe(204);
    running.starter.kill("SIGTERM");
    expect(await running.exit).toBe(7);
    // No one runs: the same servers, for this program alone, and it is said.
    const alone = await runProgram({}, "--attach");
    expect((await fetch(`${alone.told.INFLUX_URL}/ping`)).status).toBe(204);
    alone.starter.kill("SIGTERM");
    expect(await alone.exit).toBe(7);
    expect(await alone.faults).toContain("no npm start runs here");
    await expect(fetch(`${alone.told.INFLUX_URL}/ping`)).rejects.toThrow();
  });

  it("does not outlive a starter that is killed outright", async () => {
    const { starter, next, told } = await runProgram({});
    starter.kill("SIGKILL");
    expect(await next()).toBe("SIGTERM");
    await until(() => !isAlive(Number(told.pid)));
  });
});

async function onlyRedisIn(bin: string): Promise<void> {
  const binary = onPath("redis-server");
  if (binary === undefined) throw new Error("redis-server is not on PATH");
  await mkdir(bin);
  await symlink(binary, join(bin, "redis-server"));
}
