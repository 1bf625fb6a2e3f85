/** Promise: the demo ends with one line that a program can read, and its exit code says whether it may be believed. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const count = expect.any(Number);

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "demo-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test("a short run balances, finds no leak and says so", { timeout: 240_000 }, async () => {
  const size = ["--devices", "80", "--rate", "200", "--duration", "4"];
  const run = await execa(
    process.execPath,
    ["--import", "tsx", "simulators/demo.ts", "--json", "--dir", join(dir, "data"), ...size],
    // Servers of its own, whatever the tests were given.
    { cwd: ROOT, reject: false, env: { REDIS_URL: "", INFLUX_URL: "" } },
  );
  expect(run.exitCode, run.stderr.slice(-4_000)).toBe(0);
  // The last line, and the only one.
  const result = JSON.parse(run.stdout);
  expect(result).toEqual({
    published: count,
    acknowledged: count,
    received: count,
    stored: count,
    forwarded: { weather: count, scene: count, network: count },
    forwardedOnly: count,
    refused: expect.any(Object),
    deadLettered: 0,
    inFlight: 0,
    balanced: true,
    problems: [],
    leaks: 0,
    scannedBytes: count,
    pubackMs: { p50: count, p99: count },
    durability: "fsync",
    loops: {
      weather: { cells: count, forecastsDelivered: count, devicesReached: count },
      scene: { rulesFired: count, commandsDelivered: count, medianMs: count },
    },
    dialects: { devices: count, pseudonyms: count, samples: expect.any(Array) },
    attacks: { tried: count, held: count },
  });
  expectDialects(result.dialects);
  const { weather, scene } = result.loops;
  for (const some of [...Object.values(weather), ...Object.values(scene)]) expect(some).toBeGreaterThan(0);
  expect(weather.forecastsDelivered).toBeGreaterThanOrEqual(weather.devicesReached);
  await expectLogs(join(dir, "data", "logs"));
  const refusals = Object.values(result.refused as Record<string, number>);
  expect(refusals.length).toBeGreaterThanOrEqual(4);
  const settled = result.stored + result.forwardedOnly + refusals.reduce((sum, one) => sum + one, 0);
  expect(settled).toBe(result.received);
  for (const some of [result.stored, ...Object.values(result.forwarded), result.scannedBytes, result.attacks.tried]) {
    expect(some).toBeGreaterThan(0);
  }
  expect(result.attacks.held).toBe(result.attacks.tried);
  expect(result.acknowledged).toBeLessThanOrEqual(result.published);
});

interface Dialects {
  readonly devices: number;
  readonly pseudonyms: number;
  readonly samples: readonly {
    readonly dialect: string;
    readonly topic: string;
    readonly published: string;
    readonly stored: Readonly<Record<string, unknown>>;
  }[];
}

/** What the programs of the services printed is kept where the leak scan reads it, with their accounts of the run. */
async function expectLogs(logs: string): Promise<void> {
  for (const purpose of ["weather", "scene"]) {
    const text = await readFile(join(logs, `${purpose}-service.log`), "utf8");
    expect(text).toContain(`${purpose}: instance 0: connected`);
    expect(JSON.parse(text.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ service: purpose, connects: 1 });
  }
}

/** A hub with six devices behind it and a plug: rows of each under a pseudonym of its own, and one line of both dialects. */
function expectDialects({ devices, pseudonyms, samples }: Dialects): void {
  expect([devices, pseudonyms]).toEqual([8, 8]);
  expect(samples.map(({ dialect }) => dialect).sort()).toEqual(["tasmota", "zigbee2mqtt"]);
  for (const { dialect, topic, published, stored } of samples) {
    const { device, ...said } = stored;
    expect(topic).toMatch(dialect === "tasmota" ? /^tele\/tasmota_[0-9A-F]{6}\// : /^zigbee2mqtt\/(?!bridge)/);
    expect(Object.keys(JSON.parse(published)).length).toBeGreaterThan(1);
    expect(Object.keys(said).length).toBeGreaterThan(1);
    expect(topic).not.toContain(device);
  }
}
