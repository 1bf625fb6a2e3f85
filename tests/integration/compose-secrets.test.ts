/**
 * What make-secrets.sh makes is what the composed gateway and Redis accept: tried with the composed
 * configuration, and on a real Redis with the composed command line. The gateway's token for InfluxDB is made as
 * InfluxDB's container would make it, with a program instead of its `influx`.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { type PrivateServer, startRedis } from "../../tools/private-servers/services.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MOUNTED = "/run/secrets";
let dir: string;
let secrets: string;
let redis: PrivateServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "compose-secrets-"));
  secrets = join(dir, "secrets");
  await makeSecrets();
  const compose = parse(readFileSync(join(ROOT, "docker-compose.yml"), "utf8"));
  const [, ...composed] = compose.services.redis.command as string[];
  const extraArgs = composed.map((arg) => arg.replace(MOUNTED, secrets));
  redis = await startRedis({ dir: join(dir, "redis"), say: () => {}, extraArgs });
});

afterAll(async () => {
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function makeSecrets(): Promise<{ exitCode?: number }> {
  return await execa("sh", [join(ROOT, "scripts/make-secrets.sh"), secrets], { reject: false });
}

/** Runs influx-init.sh where `influx auth create` answers as the one of InfluxDB does. */
async function makeInfluxToken(created: string): Promise<{ exitCode?: number; asked: string }> {
  const bin = join(dir, "bin");
  await mkdir(bin, { recursive: true });
  const log = join(dir, "influx.log");
  await writeFile(
    join(bin, "influx"),
    `#!/bin/sh\necho "$@" >>"${log}"\ncase "$1" in\nbucket) printf '0a1b2c3d4e5f6071\\ttelemetry\\t2160h0m0s\\n' ;;\nauth) ${created} ;;\nesac\n`,
    { mode: 0o755 },
  );
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    TOKEN_FILE: tokenFile("influx"),
    READER_TOKEN_FILE: tokenFile("influx-reader"),
  };
  const { exitCode } = await execa("sh", [join(ROOT, "config/influx-init.sh")], { reject: false, env });
  return { ...(exitCode !== undefined && { exitCode }), asked: await readFile(log, "utf8").catch(() => "") };
}

const TOKEN = "a-token-for-one-bucket-as-influxdb-makes-it-0123456789==";
const tokenFile = (folder: string) => join(secrets, folder, "token");

const CREATED = `printf '0c1d\\tgateway\\t${TOKEN}\\tconsentry\\t0e1f\\t[read:buckets write:buckets]\\n'`;

/** Replies to inline commands sent over one connection, one line each. */
async function replies(...commands: string[]): Promise<string[]> {
  const socket = connect({ host: "127.0.0.1", port: redis.port });
  const lines: string[] = [];
  for (const command of commands) {
    socket.write(`${command}\r\n`);
    const [data] = (await once(socket, "data")) as [Buffer];
    lines.push(data.toString().trimEnd());
  }
  socket.destroy();
  return lines;
}

it("makes every file for its owner alone, the hash for Redis excepted", async () => {
  const files = await readdir(secrets, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const { mode } = await stat(join(file.parentPath, file.name));
    expect(mode & 0o777, file.name).toBe(file.name === "redis-users.acl" ? 0o644 : 0o600);
  }
});

it("never overwrites", async () => {
  const before = await readFile(join(secrets, "keys/master.key"), "utf8");
  expect((await makeSecrets()).exitCode).toBe(1);
  expect(await readFile(join(secrets, "keys/master.key"), "utf8")).toBe(before);
});

it("makes InfluxDB give gateway and reader a token for the bucket alone, once, and none by halves", async () => {
  const file = tokenFile("influx");
  expect((await makeInfluxToken("exit 1")).exitCode).not.toBe(0);
  expect((await makeInfluxToken("true")).exitCode).not.toBe(0);
  expect(await readdir(join(secrets, "influx"))).toEqual([]);
  const made = await makeInfluxToken(CREATED);
  expect(made.exitCode).toBe(0);
  expect(made.asked).toContain("--read-bucket 0a1b2c3d4e5f6071 --write-bucket 0a1b2c3d4e5f6071");
  expect(made.asked).toMatch(/--description reader --read-bucket 0a1b2c3d4e5f6071 --hide-headers$/m);
  expect((await stat(tokenFile("influx-reader"))).mode & 0o777).toBe(0o600);
  expect(made.asked).not.toMatch(/all-access|operator|--read-buckets|--write-buckets/);
  expect(await readFile(file, "utf8")).toBe(TOKEN);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await makeInfluxToken(CREATED.replace(TOKEN, "another"))).exitCode).toBe(0);
  expect(await readFile(file, "utf8")).toBe(TOKEN);
});

it("makes keys and a configuration that the gateway accepts", async () => {
  const composed = await readFile(join(ROOT, "config/compose.yaml"), "utf8");
  const file = join(dir, "compose.yaml");
  await writeFile(file, composed.replaceAll(MOUNTED, secrets));
  const config = loadConfig({ file, env: {} });
  expect(config.redis.url).toMatch(/^redis:\/\/gateway:[0-9a-f]{64}@redis:6379$/);
  expect(config.metrics).toMatchObject({ enabled: true, token: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(config.services.map(({ name }) => name)).toEqual(["weather", "scene", "network"]);
  expect(config.queue.requireDurability).toBe("fsync");
  expect(readKeys(config.keys.dir, { create: false }).queue.active).toBe("q0001");
});

it("lets no one into Redis but the gateway, and the health check to PING alone", async () => {
  const url = new URL(await readFile(join(secrets, "redis-url"), "utf8"));
  expect(await replies("PING")).toEqual([expect.stringMatching(/^-NOAUTH/)]);
  const [login, ping, get] = await replies("AUTH health none", "PING", "GET x");
  expect([login, ping]).toEqual(["+OK", "+PONG"]);
  expect(get).toMatch(/^-NOPERM/);
  expect(await replies("AUTH gateway wrong")).toEqual([expect.stringMatching(/^-WRONGPASS/)]);
  const [, durability] = await replies(`AUTH ${url.username} ${url.password}`, "CONFIG GET appendfsync");
  expect(durability).toContain("always");
  const [, ...refused] = await replies(
    `AUTH ${url.username} ${url.password}`,
    "FLUSHALL",
    "GET another:key",
    "ACL LIST",
  );
  for (const reply of refused) expect(reply).toMatch(/^-NOPERM/);
});
