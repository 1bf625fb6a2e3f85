/**
 * A start that fails for a file or an address says which option names it and what is wrong with it, in one line,
 * before anything else was begun: `CONFIG_INVALID: <option>: <reason> <where it was given>` and exit code 2; `LISTEN_FAILED` with address and option.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { environmentName } from "../../src/config/options.ts";
import { createGateway } from "../../src/gateway.ts";
import { GatewayError } from "../../src/model/errors.ts";
import type { Log } from "../../src/model/log.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { type ConfigTree, writeScratchConfig } from "../../tools/stack/scratch-config.ts";

let dir: string;
let occupied: Server;
let port: number;
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-files-"));
  mkdirSync(file("directory"));
  const written = (name: string, content: string) => writeFileSync(file(name), content, { mode: 0o600 });
  written("empty", "");
  written("blank", "\n");
  written("short", "too-short\n");
  written("text", "this is no JSON, no key and no certificate\n");
  written("no-list.json", "{}");
  written("bad-row.json", `[{"cell":"833da1fffffffff","resolution":9}]`);
  const [mine, other] = [await generate(), await generate()];
  written("cert.pem", mine.cert);
  written("other.key", other.private);
  written("open.token", `${"t".repeat(43)}\n`);
  occupied = createServer();
  await new Promise<void>((resolve) => occupied.listen(0, "127.0.0.1", resolve));
  port = (occupied.address() as AddressInfo).port;
});
afterAll(async () => {
  await new Promise((resolve) => occupied.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

/** Nothing listens there: anyone who gets as far as to Redis or to the store fails in another way. */
const NOWHERE = "127.0.0.1:1";

function scratch(overrides: ConfigTree) {
  const names = { database: "none", keyPrefix: "consentry" };
  return writeScratchConfig({
    dir: file("gateway"),
    redisUrl: `redis://${NOWHERE}`,
    influxUrl: `http://${NOWHERE}`,
    ...names,
    overrides,
  });
}

/** What the start ends with, and what was logged on the way there. */
async function startWith(
  overrides: ConfigTree,
  env: Record<string, string> = {},
): Promise<{ fault: string; logged: string[] }> {
  const logged: string[] = [];
  const note = (event: string) => void logged.push(event);
  const log: Log = { info: note, warn: note, error: note };
  try {
    const config = loadConfig({ file: (await scratch(overrides)).file, env });
    const keys = readKeys(config.keys.dir, { create: true });
    const fatal = (error: Error): never => {
      throw error;
    };
    await createGateway(config, keys, log, fatal).start(AbortSignal.timeout(100_000));
    return { fault: "none", logged };
  } catch (error) {
    return { fault: error instanceof GatewayError ? error.message : `not ours: ${error}`, logged };
  }
}

/** By the environment, which lays over whatever the file says of the same thing. */
function said(option: string, value: string): Record<string, string> {
  return { [environmentName(option.split("."))]: value };
}

/** Secrets are read with the options; of the other files main.ts adds the place, as the last test shows. */
function placeOf(option: string): string {
  return /token|password|url/i.test(option) ? ` in ${environmentName(option.split("."))}` : "";
}

describe.each([
  ["consent.policyFile", "text", "policy-invalid"],
  ["deidentify.location.densityFile", "text", "not-json"],
  ["deidentify.location.densityFile", "no-list.json", "not-a-table"],
  ["deidentify.location.densityFile", "bad-row.json", "row 0: resolution must be 0 to 6"],
  ["http.tokenFile", "short", "must be a text of 32..4096 characters"],
  ["http.tokenFile", "blank", "empty"],
  ["sinks.influx.tokenFile", "blank", "empty"],
  ["redis.urlFile", "text", "must be an address (URL) of a protocol that is possible here"],
])("%s", (option, name, reason) => {
  test(`that is wrong in itself (${name})`, async () => {
    const { fault, logged } = await startWith({}, said(option, file(name)));
    expect(fault).toBe(`CONFIG_INVALID: ${option}: ${reason}${placeOf(option)}`);
    expect(logged).toEqual([]);
  });
});

const read = [
  "consent.policyFile",
  "deidentify.location.densityFile",
  "http.tokenFile",
  "sinks.influx.tokenFile",
  "sinks.influx.passwordFile",
  "redis.urlFile",
];
const wrong = [
  ["missing", "none/such", "ENOENT"],
  ["a directory", "directory", "EISDIR"],
  ["below a file", "text/x", "ENOTDIR"],
  ["empty", "empty", "empty"],
] as const;

test.each(read.flatMap((option) => wrong.map((how) => [option, ...how] as const)))(
  "%s that is %s",
  async (option, _how, name, reason) => {
    const { fault, logged } = await startWith({}, said(option, file(name)));
    expect(fault).toBe(`CONFIG_INVALID: ${option}: ${reason}${placeOf(option)}`);
    expect(logged).toEqual([]);
  },
);

test.each([
  ["certFile", "none", "cert.pem", "ENOENT"],
  ["certFile", "text", "other.key", "ERR_OSSL_PEM_NO_START_LINE"],
  ["certFile", "directory", "other.key", "EISDIR"],
  ["keyFile", "cert.pem", "empty", "empty"],
  ["keyFile", "cert.pem", "text", "ERR_OSSL_UNSUPPORTED"],
  ["keyFile", "cert.pem", "other.key", "ERR_OSSL_X509_KEY_VALUES_MISMATCH"],
])("mqtt.tls.%s that is no use", async (option, cert, key, reason) => {
  const tls = { enabled: true, port: 0, certFile: file(cert), keyFile: file(key) };
  expect((await startWith({ mqtt: { tls } })).fault).toBe(`CONFIG_INVALID: mqtt.tls.${option}: ${reason}`);
});

test.each([
  ["backup.journalFile", "directory", "EISDIR"],
  ["backup.journalFile", "text/x", "ENOTDIR"],
  ["backup.dir", "text", "ENOTDIR"],
  ["keys.dir", "text", "ENOTDIR"],
  ["keys.dir", "text/x", "ENOTDIR"],
])("%s that leads to the wrong kind of thing (%s)", async (option, name, reason) => {
  expect((await startWith({}, said(option, file(name)))).fault).toBe(`CONFIG_INVALID: ${option}: ${reason}`);
});

test("a token of a service or an approver is named by its place in the list", async () => {
  const approver = (name: string, tokenFile: string) => ({ name, tokenFile: file(tokenFile) });
  const approvers = [approver("legal", "open.token"), approver("privacy", "short")];
  expect((await startWith({ http: { approvers } })).fault).toMatch(
    /^CONFIG_INVALID: http\.approvers\.1\.tokenFile: must be a text of 32\.\.4096 characters at consentry\.yaml:\d+$/,
  );
});

test("a port that is taken is named with address and option, before the store is so much as looked for", async () => {
  const taken = (listener: string, option: string) => ({
    fault: `LISTEN_FAILED: ${listener}: EADDRINUSE 127.0.0.1:${port} (${option}.port)`,
    logged: [],
  });
  expect(await startWith({ http: { port } })).toEqual(taken("http", "http"));
  expect(await startWith({ mqtt: { tcp: { port } } })).toEqual(taken("mqtt-tcp", "mqtt.tcp"));
  expect(await startWith({ mqtt: { ws: { enabled: true, port } } })).toEqual(taken("mqtt-ws", "mqtt.ws"));
  const elsewhere = await startWith({ http: { host: "192.0.2.1", port: 8080 } });
  expect(elsewhere.fault).toBe("LISTEN_FAILED: http: EADDRNOTAVAIL 192.0.2.1:8080 (http.host)");
});

test("two listeners of the gateway on one port are found before anything is begun", async () => {
  const free = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const found = (server.address() as AddressInfo).port;
      server.close(() => resolve(found));
    });
  });
  const { fault, logged } = await startWith({ http: { port: free }, mqtt: { tcp: { port: free } } });
  expect(fault).toBe(`LISTEN_FAILED: mqtt-tcp: EADDRINUSE 127.0.0.1:${free} (mqtt.tcp.port)`);
  expect(logged).toEqual([]);
});

test("the process says just that and ends with 2, a command as the gateway", async () => {
  const densityFile = file("none");
  const config = (await scratch({ deidentify: { location: { densityFile } }, consent: {} })).file;
  const main = await run("src/main.ts", "--config", config);
  // Keys are made where there are none, and Redis is asked first whether it needs others: not of this test.
  expect(main).toEqual({
    code: 2,
    stderr: expect.stringMatching(
      /^CONFIG_INVALID: deidentify\.location\.densityFile: ENOENT at consentry\.yaml:\d+\n$/,
    ),
  });
  expect(existsSync(densityFile)).toBe(false);
  const command = await run(
    "src/commands/keys.ts",
    "list",
    "--config",
    (await scratch({ keys: { dir: file("text") } })).file,
  );
  expect(command.code).toBe(2);
  expect(command.stderr).toContain("CONFIG_INVALID: keys.dir: ENOTDIR");
});

test("--check says everything at once, and asks neither a port nor a server", async () => {
  const keys = file("checked-keys");
  readKeys(keys, { create: true });
  const own = (overrides: ConfigTree) => scratch({ keys: { dir: keys }, ...overrides }).then((one) => one.file);
  // The port is taken and Redis is not there: neither is looked for.
  const right = await run("src/main.ts", "--check", "--config", await own({ http: { port } }));
  expect(right).toEqual({ code: 0, stderr: "" });
  const tls = { enabled: true, certFile: file("cert.pem"), keyFile: file("other.key") };
  const wrong = await own({
    mqtt: { tls, maxKeepalive: 1 },
    http: { tokenFile: file("short") },
    consent: { policyFile: file("text") },
    deidentify: { location: { densityFile: file("no-list.json") } },
    dialects: [file("text")],
    keys: { dir: file("none"), create: false },
    backup: { dir: file("text") },
  });
  const { code, stderr } = await run("src/main.ts", "--check", "--config", wrong);
  expect(code).toBe(2);
  expect(
    stderr
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^CONFIG_INVALID: | at consentry\.yaml:\d+$/g, "")),
  ).toEqual([
    "mqtt.maxKeepalive: unknown option (did you mean mqtt.maxKeepaliveS?)",
    "http.tokenFile: must be a text of 32..4096 characters",
    "consent.policyFile: policy-invalid",
    "deidentify.location.densityFile: not-a-table",
    expect.stringMatching(/^dialects\.0: /),
    "mqtt.tls.keyFile: ERR_OSSL_X509_KEY_VALUES_MISMATCH",
    "backup.dir: ENOTDIR",
    expect.stringMatching(/^keys\.dir: /),
  ]);
  expect(existsSync(file("none"))).toBe(false);
});

async function run(entry: string, ...args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const program = await builtProgram(entry);
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, _stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stderr }),
    );
  });
}
