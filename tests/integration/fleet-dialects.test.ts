/** Promise: a fleet of devices with firmware of their own adds up to the last row, and a table that reads one wrongly is noticed. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SIMULATED_DIALECTS } from "../../simulators/firmware/firmwares.ts";
import { leakScan } from "../../simulators/leak-scan.ts";
import type { Standing } from "../../simulators/population.ts";
import { Simulation } from "../../simulators/simulation.ts";
import { Stack } from "../../tools/stack/stack.ts";

let dir: string;
let stack: Stack;
let simulation: Simulation | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleet-"));
});
afterEach(async () => {
  await simulation?.stop();
  await stack.stop();
  await rm(dir, { recursive: true, force: true });
});

async function start(dialectFiles: readonly string[], standings?: readonly Standing[]): Promise<Simulation> {
  stack = new Stack({ dir: join(dir, "data"), overrides: { dialects: dialectFiles } });
  await stack.start();
  simulation = new Simulation({
    mqttUrl: stack.mqttUrl,
    api: stack.api,
    influx: { url: stack.influxUrl, database: stack.database },
    services: stack.config.services,
    devices: 4,
    rate: 100,
    durationMs: 4_000,
    seed: 7,
    hostile: false,
    withdrawAfterMs: 2_000,
    dialects: SIMULATED_DIALECTS,
    ...(standings && { dialectStandings: standings }),
  });
  await simulation.prepare();
  await simulation.run(new AbortController().signal);
  return simulation;
}

test("five families in homes of every kind add up, and nothing that they tell rests", {
  timeout: 240_000,
}, async () => {
  const run = await start([]);
  const { problems, books, dialects } = await run.report();
  expect(problems).toEqual([]);
  const told = dialects?.samples.map(({ dialect }) => dialect);
  // A row of one value is told from others by nothing.
  expect(told).toEqual(expect.arrayContaining(["zigbee2mqtt", "tasmota", "shelly-gen2"]));
  expect(dialects?.pseudonyms).toBeGreaterThanOrEqual(dialects?.devices ?? Number.NaN);
  for (const reason of ["not-taken", "invalid-topic", "unknown-device", "invalid-payload", "no-consent"] as const)
    expect(books?.refused[reason], reason).toBeGreaterThan(0);

  const metrics = await stack.api.metrics();
  await run.stop();
  await stack.gateway.stop();
  const canaries = run.canaries();
  const scan = await leakScan({ ...stack.leakScanPlaces(), canaries, buffers: { ...run.packets(), metrics } });
  expect(scan.leaks).toEqual([]);
  // The same search finds all of it where it was said.
  const said = run.log.messages.map(({ topic, payload }) => `${topic} ${payload}`).join("\n");
  const { leaks } = await leakScan({ canaries, buffers: { said } });
  const kinds = new Set(leaks.map(({ canaryKind }) => canaryKind));
  for (const kind of ["alias", "network", "code", "ip", "total", "account"] as const) expect(kinds).toContain(kind);
});

test("doors that a table reads the wrong way round do not add up", { timeout: 240_000 }, async () => {
  const shipped = await readFile(new URL("../../config/dialects/zigbee2mqtt.yaml", import.meta.url), "utf8");
  const wrong = shipped.replace("contact: [{ to: status.open, opposite: true }]", "contact: open");
  expect(wrong).not.toBe(shipped);
  const file = join(dir, "zigbee2mqtt.yaml");
  await writeFile(file, wrong);
  const run = await start([file], ["consenting"]);
  const { problems } = await run.report();
  expect(problems.join()).toMatch(/missing from the store.*nothing said in a dialect accounts for/);
});
