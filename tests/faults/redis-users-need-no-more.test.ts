/**
 * The gateway's user in Redis may do what the gateway does, and nothing else: everything from a login to a restore
 * runs under it, every command on its list is one that the sources give, and no other key is within its reach.
 * All systems that tests start run under the same list (tools/stack/redis-users.ts).
 */
import { readdirSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ErasureStatus } from "../../src/model/erasure.ts";
import { GATEWAY_USER, gatewayRights } from "../../tools/stack/redis-users.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

const ROOT = new URL("../../", import.meta.url);
/** What the queues of this gateway make BullMQ run. */
const BULL_SCRIPTS = [
  ["addStandardJob", "addDelayedJob", "moveToActive", "moveToFinished", "moveToDelayed", "moveJobFromActiveToWait"],
  ["retryJob", "extendLock", "extendLocks", "releaseLock", "moveStalledJobsToWait", "promote", "updateProgress"],
  ["addJobScheduler", "getJobScheduler", "removeJobScheduler", "updateJobScheduler", "getState", "isJobInList"],
].flat();
/** What ioredis and BullMQ send by themselves: for a connection, for a script, and to wait for a job. */
const BY_CLIENTS = [
  "client|setname",
  "eval",
  "evalsha",
  "script|exists",
  "script|load",
  "discard",
  "bzpopmin",
  "xtrim",
];

function sources(): string {
  const folder = new URL("src/", ROOT);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => readFileSync(new URL(file, folder), "utf8"))
    .join("\n");
}

function bullScripts(): string {
  const folder = new URL("node_modules/bullmq/dist/esm/scripts/", ROOT);
  const files = readdirSync(folder);
  return BULL_SCRIPTS.map((name) => {
    const file = files.find((one) => new RegExp(`^${name}-\\d+\\.js$`).test(one));
    if (file === undefined) throw new Error(`BullMQ has no script ${name}`);
    return readFileSync(new URL(file, folder), "utf8");
  }).join("\n");
}

/** The commands that scripts in this text give. */
function scripted(text: string): string[] {
  return [...text.matchAll(/\br?(?:redis\.p?)?call\(\s*["']([A-Za-z]+)["']/g)].map(([, name = ""]) =>
    name.toLowerCase(),
  );
}

describe("the list", () => {
  test("names commands one by one, and the keys and channels of the gateway alone", async () => {
    const rights = await gatewayRights();
    const others = rights.filter((rule) => !/^\+[a-z]+(?:\|[a-z]+)?$/.test(rule));
    expect(others).toEqual(["resetkeys", "~consentry:*", "~{consentry:*", "resetchannels", "&consentry:*", "-@all"]);
    expect(new Set(rights).size).toBe(rights.length);
  });

  test("has every command that a script gives, and none that nothing gives", async () => {
    const allowed = (await gatewayRights()).filter((rule) => rule.startsWith("+")).map((rule) => rule.slice(1));
    const text = sources();
    const inScripts = new Set([...scripted(text), ...scripted(bullScripts())]);
    expect([...inScripts].filter((name) => !allowed.includes(name))).toEqual([]);
    const given = (name: string) =>
      inScripts.has(name) ||
      BY_CLIENTS.includes(name) ||
      new RegExp(`\\.${name.replace("|", '\\("')}${name.includes("|") ? "" : "\\("}`, "i").test(text);
    expect(allowed.filter((name) => !given(name))).toEqual([]);
  });
});

describe("a gateway", () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({
      sinks: { influx: { timeoutMs: 900 } },
      erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 },
      backup: { everyHours: 1 },
    });
  });
  afterAll(() => system?.stop());

  function run(program: string, ...args: string[]) {
    return runCommand(program, [...args, "--config", system.stack.config.file]);
  }

  /** What the gateway's user was refused since the last look. */
  async function refused(): Promise<unknown[]> {
    const log = (await system.redis.call("ACL", "LOG")) as unknown[][];
    return log.map((entry) => entry.slice(4, 8).map(String));
  }

  async function erase(subject: string): Promise<void> {
    const path = "/v1/subjects/{subject}/erasures";
    const { id } = (await system.stack.api.call("POST", path, [subject], { by: "subject", method: "app" })) as {
      id: string;
    };
    const state = async () => (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
    await until("the erasure is done", async () => (await state()).state === "completed");
  }

  test("lives under it: messages, decisions, rights, erasure, backup, retention, audit and restore", async () => {
    const [stays, goes, leaves] = await system.devices(3);
    if (!stays || !goes || !leaves) throw new Error("devices");
    const message = { model: "HB-200", location: { lat: 12.97, lon: 77.59 }, status: { brightness: 5 } };
    for (const device of [stays, goes, leaves]) await system.say(device, message);
    await system.settled();
    await system.stack.api.withdraw(leaves.subject, {});
    await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [stays.subject]);
    await system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [stays.subject]);
    await system.stack.api.call("GET", "/v1/audit?limit=10", []);
    await erase(goes.subject);
    const out = join(system.stack.dir, "out");
    for (const args of [
      ["backup", "--out", out],
      ["retention"],
      ["audit", "verify"],
      ["dead-letters", "list"],
    ] as const) {
      const [program, ...rest] = args;
      const { exitCode, stderr, stdout } = await run(program, ...rest);
      expect(exitCode, `${program}: ${stderr}${stdout}`).toBe(0);
    }
    expect(await refused()).toEqual([]);

    const logins = (await system.redis.client("LIST")) as string;
    const ours = logins.split("\n").filter((line) => line.includes(`user=${GATEWAY_USER}`));
    expect(ours.length).toBeGreaterThan(3);

    await system.stack.gateway.stop();
    await system.redis.flushall();
    const files = (await readdir(out)).sort();
    const of = (kind: string) => join(out, files.findLast((file) => file.endsWith(kind)) ?? "none");
    const restored = await run("restore", "--from", of(".records"), "--keys", of(".subject-keys"));
    expect(restored.exitCode, restored.stderr).toBe(0);
    await system.stack.startGateway();
    await system.say(stays, message);
    await system.settled();
    expect(await refused()).toEqual([]);
  });

  test("can reach nothing else with its login", async () => {
    const config = JSON.parse(readFileSync(system.stack.config.file, "utf8")) as { redis: { url: string } };
    const redis = new Redis(config.redis.url, { maxRetriesPerRequest: 1 });
    try {
      for (const command of [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "CONFIG SET save 1",
        "CONFIG REWRITE",
        "ACL LIST",
        "ACL SETUSER default on",

        "SHUTDOWN",
        "MONITOR",
        "REPLICAOF localhost 1",
        "SAVE",
        "MODULE LIST",
        "FUNCTION LIST",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "SLOWLOG GET",
        "MIGRATE h 1 k 0 1",
        "SWAPDB 0 1",
        "SORT consentry:x",
        "GET another:key",
        "SET another:key 1",
        "DEL consentry",
        "PUBLISH another:channel x",
        "SUBSCRIBE another",
        "PSUBSCRIBE *",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "COPY consentry:a consentry:b",
        "RENAME consentry:a b",
      ]) {
        const [name = "", ...args] = command.split(" ");
        await expect(redis.call(name, ...args), command).rejects.toThrow(/^NOPERM/);
      }
      const script = "return redis.call('SET', 'another:key', '1')";
      await expect(redis.eval(script, 0)).rejects.toThrow(/user executing the script can't access/);
    } finally {
      redis.disconnect();
    }
  });
});
