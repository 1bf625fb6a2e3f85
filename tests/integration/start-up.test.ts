/**
 * The gateway starts only where it can keep its promises. Where it can't, it says in one line what is
 * missing and ends with an exit code; where less was asked for, it starts and says how much less.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { readKeys } from "../../src/platform/keys/files.ts";
import { INFLUX_DATABASE, type PrivateServer, startInflux, startRedis } from "../../tools/private-servers/services.ts";
import { AccountService } from "../../tools/stack/account-service.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { type Exit, type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { type ConfigTree, writeScratchConfig } from "../../tools/stack/scratch-config.ts";
import { connectMqtt } from "../../tools/wire/connection.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, name } from "../fixtures/system.ts";

const say = () => {};
let dir: string;
let influx: PrivateServer;
const started: (PrivateServer | GatewayProcess)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-start-"));
  influx = await startInflux({ dir: join(dir, "influxdb"), say });
});
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});
afterAll(async () => {
  await influx?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function redisWith(...extraArgs: string[]): Promise<string> {
  const redis = await startRedis({ dir: await mkdtemp(join(dir, "redis-")), say, extraArgs });
  started.push(redis);
  return redis.url;
}

async function configWith(redisUrl: string, overrides: ConfigTree = {}) {
  const folder = await mkdtemp(join(dir, "gateway-"));
  const names = { database: INFLUX_DATABASE, keyPrefix: "consentry" };
  const config = await writeScratchConfig({ dir: folder, redisUrl, influxUrl: influx.url, ...names, overrides });
  return { folder, file: config.file, apiToken: config.apiToken };
}

/** The running gateway, or its last words and how it ended. */
async function startsWith(redisUrl: string, overrides?: ConfigTree): Promise<GatewayProcess | string> {
  const { folder, file } = await configWith(redisUrl, overrides);
  return starting(folder, file);
}

async function starting(folder: string, configFile: string): Promise<GatewayProcess | string> {
  try {
    const gateway = await startGateway({ configFile, logFile: join(folder, "gateway.log") });
    started.push(gateway);
    return gateway;
  } catch (error) {
    return (error as Error).message;
  }
}

const requireDurability = (durability: string) => ({ queue: { requireDurability: durability } });

test("on a Redis that syncs with every write it starts, and says that a PUBACK is on disk", async () => {
  expect(await startsWith(await redisWith())).toMatchObject({ durability: "fsync" });
});

test("a Redis that syncs every second is refused, unless that is asked for", async () => {
  const url = await redisWith("--appendfsync", "everysec");
  const refused = await startsWith(url);
  expect(refused).toContain("ended with 1");
  expect(refused).toContain("DURABILITY_TOO_WEAK: Redis gives everysec, queue.requireDurability asks for fsync");
  expect(await startsWith(url, requireDurability("everysec"))).toMatchObject({ durability: "everysec" });
});

test("a Redis without an append-only file is refused, unless that is asked for", async () => {
  const url = await redisWith("--appendonly", "no");
  expect(await startsWith(url)).toContain("DURABILITY_TOO_WEAK: Redis gives none");
  expect(await startsWith(url, requireDurability("none"))).toMatchObject({ durability: "none" });
});

test("a Redis that stops syncing while it rewrites its file is refused, unless that is asked for", async () => {
  const url = await redisWith("--no-appendfsync-on-rewrite", "yes");
  const refused = await startsWith(url, requireDurability("everysec"));
  expect(refused).toContain("DURABILITY_TOO_WEAK: Redis gives none (no-appendfsync-on-rewrite is on)");
  expect(await startsWith(url, requireDurability("none"))).toMatchObject({ durability: "none" });
});

test("a Redis that may drop keys when its memory is full is refused, whatever is asked for", async () => {
  const url = await redisWith("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  const refused = await startsWith(url, requireDurability("none"));
  expect(refused).toContain("DURABILITY_TOO_WEAK: maxmemory-policy must be noeviction");
});

test("a store outside the region that the data must stay in is refused", async () => {
  const refused = await startsWith(await redisWith(), { sinks: { residency: ["DE"] } });
  expect(refused).toContain("ended with 1");
  expect(refused).toContain("RESIDENCY_UNSATISFIED");
});

test("a new installation without a contact is refused, and one that is there is warned", async () => {
  const url = await redisWith();
  const { folder, file } = await configWith(url);
  const keysMade = { keys: { dir: join(folder, "keys"), create: false } };
  readKeys(join(folder, "keys"), { create: true });
  const refused = await startsWith(url, keysMade);
  expect(refused).toContain("ended with 2");
  expect(refused).toContain("CONFIG_INVALID: consent.contact: required-for-a-new-installation");
  const contact = { name: "Privacy desk", url: "https://example.com/privacy" };
  for (const wrong of [
    { name: "Privacy desk" },
    { email: "desk@example.com" },
    { ...contact, url: "http://example.com" },
  ])
    expect(await startsWith(url, { ...keysMade, consent: { contact: wrong } })).toContain("consent.contact");
  const named = await startsWith(url, { ...keysMade, consent: { contact } });
  expect(named).toMatchObject({ durability: "fsync" });
  await started.pop()?.stop();
  // As one of before would go on: it has a policy, and no contact.
  expect(await starting(folder, file)).toMatchObject({ durability: "fsync" });
  const warned = /"level":"warn".*"msg":"people are told no contact"/;
  expect(await readFile(join(folder, "gateway.log"), "utf8")).toMatch(warned);
});

test("missing keys, and keys that others can read, are refused", async () => {
  const url = await redisWith();
  const missing = await startsWith(url, { keys: { create: false } });
  expect(missing).toContain("ended with 2");
  expect(missing).toContain("KEY_INVALID: lookup.key: missing");

  const { folder, file } = await configWith(url);
  readKeys(join(folder, "keys"), { create: true });
  await chmod(join(folder, "keys", "pepper.key"), 0o644);
  const readable = await starting(folder, file);
  expect(readable).toContain("ended with 2");
  expect(readable).toContain("KEY_INVALID: pepper.key: readable-by-others");
});

test("keys that did not make what Redis holds are refused, and none are made where it needs its own", async () => {
  const url = await redisWith();
  const first = await startsWith(url);
  if (typeof first === "string") throw new Error(first);
  const redis = new Redis(url);
  await redis.hset("consentry:credential:someone", "mac", "x");
  await first.stop();

  const { folder, file } = await configWith(url);
  const orphaning = await starting(folder, file);
  expect(orphaning).toContain("ended with 2");
  expect(orphaning).toContain("KEY_INVALID: keys.dir: no keys, and Redis holds an installation that needs its own");
  expect(existsSync(join(folder, "keys"))).toBe(false);
  readKeys(join(folder, "keys"), { create: true });
  expect(await starting(folder, file)).toContain(
    "KEY_INVALID: lookup.key: this Redis was written with another lookup key",
  );

  await redis.del("consentry:credential:someone");
  expect(await starting(folder, file)).toMatchObject({ durability: "fsync" });
  redis.disconnect();
});

test("without its journal it starts on an installation only when it is told to begin another one", async () => {
  const url = await redisWith();
  const { folder, file } = await configWith(url);
  const first = await starting(folder, file);
  if (typeof first === "string") throw new Error(first);
  const redis = new Redis(url);
  await redis.hset("consentry:credential:someone", "mac", "x");
  redis.disconnect();
  await first.stop();
  const journal = join(folder, "erasures.journal");
  await rm(journal);
  expect(await starting(folder, file)).toContain("JOURNAL_MISSING");
  await writeFile(journal, "", { mode: 0o600 });
  expect(await starting(folder, file)).toContain("JOURNAL_MISSING");
  await writeFile(
    file,
    (await readFile(file, "utf8")).replace(`"journalFile":`, `"createJournal":true,"journalFile":`),
  );
  expect(await starting(folder, file)).toMatchObject({ durability: "fsync" });
});

test("an option that does not exist is refused by name", async () => {
  const refused = await startsWith(await redisWith(), { mqtt: { tpc: { port: 0 } } });
  expect(refused).toContain("ended with 2");
  expect(refused).toMatch(/CONFIG_INVALID: .*mqtt.*tpc/);
});

test("a port that is taken and a file that can't be read end the start with their names", async () => {
  const url = await redisWith();
  const taken = createServer();
  const port = await listening(taken);
  const tcp = await startsWith(url, { mqtt: { tcp: { port } } });
  expect(tcp).toContain("LISTEN_FAILED: mqtt-tcp: EADDRINUSE");
  expect(await startsWith(url, { http: { port } })).toContain("LISTEN_FAILED: http: EADDRINUSE");
  await new Promise((resolve) => taken.close(resolve));
  const noPolicy = await startsWith(url, { consent: { policyFile: join(dir, "none.json") } });
  expect(noPolicy).toContain("ended with 2");
  expect(noPolicy).toContain("CONFIG_INVALID: consent.policyFile: ENOENT");
});

test("a Redis that is not there ends the start with a reason", async () => {
  const refused = await startsWith(`redis://127.0.0.1:${await closedPort()}`);
  expect(refused).toContain("ended with 1");
  expect(refused).toMatch(/redis/i);
});

test("a store that is away keeps no one from publishing: what is acknowledged then is stored later", async () => {
  const redisUrl = await redisWith();
  await influx.kill("SIGKILL");
  const { folder, file, apiToken } = await configWith(redisUrl);
  const gateway = await starting(folder, file);
  if (typeof gateway === "string") throw new Error(gateway);
  const http = `http://127.0.0.1:${gateway.port("http")}`;
  const readiness = await fetch(`${http}/readyz`);
  expect([readiness.status, await readiness.json()]).toEqual([503, { ready: false, reasons: ["store-unavailable"] }]);

  const api = new AccountService({ api: http, token: apiToken, timeoutMs: 15_000 });
  const id = name("device");
  const password = await api.issueToken(id);
  await api.bind("somebody", id);
  await api.consent("somebody", consentTo({ analytics: ["status"] }));
  const mqttUrl = `mqtt://127.0.0.1:${gateway.port("mqtt-tcp")}`;
  const client = await connectMqtt(mqttUrl, { clientId: id, username: id, password });
  await client.publishAsync(`devices/${id}/status`, '{"power_on":true}', { qos: 1 });
  client.end(true);

  await influx.start();
  const stored = () => influxRows(influx.url, INFLUX_DATABASE, "SELECT * FROM device_status");
  await until("it is stored", async () => (await stored()).length === 1);
  await until("the gateway says so", async () => (await fetch(`${http}/readyz`)).ok);
});

test("asked to stop while it is still starting, it ends at once and with success", async () => {
  const silent = createServer();
  const asked = new Promise<void>((resolve) => silent.once("connection", () => resolve()));
  const port = await listening(silent);
  const { file } = await configWith(await redisWith(), { sinks: { influx: { url: `http://127.0.0.1:${port}` } } });
  const child = spawn(process.execPath, [await builtProgram("src/main.ts"), "--config", file], { stdio: "ignore" });
  const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  await asked;
  const askedAt = performance.now();
  child.kill("SIGTERM");
  expect(await exited).toEqual({ code: 0, signal: null });
  // A start that goes on would wait for the store for ten seconds.
  expect(performance.now() - askedAt).toBeLessThan(9_000);
  silent.close();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
