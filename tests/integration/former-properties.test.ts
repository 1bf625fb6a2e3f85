/**
 * An operator takes a property out of the configuration, and another gateway still has it: what was stored of it is someone's
 * all the same. Anyone who asks is told of it, and an erasure counts it and leaves none of it.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayProcess, startGateway } from "../../tools/stack/gateway-process.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const DAY_MS = 86_400_000;
const TIDES = { name: "tides", kind: "number", label: "height of the tide", range: "0..100", step: 1 } as const;
const DRAFT = { name: "draft", kind: "flag" } as const;

let system: TestSystem;
let former: Device;
let both: Device;

beforeAll(async () => {
  system = await startSystem({
    properties: [TIDES],
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 100 },
  });
  [former, both] = [await system.device(), await system.device()];
  await system.say(former, { tides: 7 }, "status");
  await system.say(former, { tides: 8 }, "status");
  await system.say(both, { tides: 9, temperature: 20 }, "status");
  await system.settled();
  await system.stack.gateway.stop();
  await configure(({ name }) => name !== TIDES.name);
  await system.stack.startGateway();
});
afterAll(() => system?.stop());

interface OwnProperty {
  readonly name: string;
  readonly kind: string;
}

/** What starts from here on has these properties of the operator. */
async function configure(keep: (own: OwnProperty) => boolean, ...more: readonly OwnProperty[]): Promise<void> {
  const { file } = system.stack.config;
  const config = JSON.parse(await readFile(file, "utf8")) as { properties: OwnProperty[] };
  await writeFile(file, JSON.stringify({ ...config, properties: [...config.properties.filter(keep), ...more] }));
}

interface Line {
  readonly kind: string;
  readonly status?: unknown;
  readonly name?: string;
}

async function exported(device: Device): Promise<unknown[]> {
  return (await linesOf(device)).flatMap(({ kind, status }) => (kind === "status" ? [status] : []));
}

async function linesOf({ subject }: Device): Promise<Line[]> {
  const url = `${system.stack.httpUrl}/v1/subjects/${subject}/export`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${system.stack.config.apiToken}` } });
  const lines = (await response.text()).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Line);
}

const inStore = async () => (await system.rows("device_status")).filter(({ tides }) => tides !== null).length;

test("it is taken of no device any more, and what was stored of it stands in an export", async () => {
  await system.say(former, { tides: 10 }, "status");
  await system.say(both, { tides: 11, temperature: 21 }, "status");
  await system.settled();
  expect(await exported(former)).toEqual([{ tides: 7 }, { tides: 8 }]);
  expect(await exported(both)).toEqual([{ tides: 9, temperature: 20 }, { temperature: 21 }]);
  expect((await linesOf(both)).filter(({ kind }) => kind === "property")).toMatchObject([
    { name: "temperature", unit: "°C", stored: "rounded to 0.1 °C" },
    { name: TIDES.name, label: TIDES.name, stored: expect.stringContaining("not taken any more") },
  ]);
});

test("an erasure counts it, and leaves none of it", async () => {
  expect(await inStore()).toBe(3);
  const status = await system.erase(former.subject);
  expect(status?.receipt?.receipt).toMatchObject({ sinks: [{ rowsDeleted: 2, verified: true }] });
  expect(await inStore()).toBe(1);
  expect(await exported(former)).toEqual([]);
});

test("it goes by age, also where nothing else is that old", async () => {
  const tides = async () => (await system.rows("device_status")).map(({ tides }) => tides);
  const url = `${system.stack.influxUrl}/write?db=${system.stack.database}`;
  const line = `device_status,device=${"Q".repeat(22)} tides=3 ${Date.now() - 400 * DAY_MS}000000`;
  expect((await fetch(url, { method: "POST", body: line })).ok).toBe(true);
  expect(await tides()).toContain(3);
  const run = await runCommand("retention", ["--json", "--config", system.stack.config.file]);
  expect([run.exitCode, run.stdout]).toEqual([0, expect.stringMatching(/"deviceStatus".*"done".*1/)]);
  expect(await tides()).not.toContain(3);
});

test("added again it is taken again, under its name and as what it was", async () => {
  await system.stack.gateway.stop();
  await configure(() => true, TIDES);
  await system.stack.startGateway();
  await system.say(both, { tides: 12 }, "status");
  await system.settled();
  expect(await exported(both)).toEqual([{ tides: 9, temperature: 20 }, { temperature: 21 }, { tides: 12 }]);
  expect((await linesOf(both)).find(({ kind, name }) => kind === "property" && name === TIDES.name)).toMatchObject({
    label: TIDES.label,
  });
});

test("of two gateways whose files disagree each tells what the other stored; one that gives a name another kind does not start", async () => {
  let other: GatewayProcess | undefined;
  const start = async (name: string): Promise<GatewayProcess> =>
    startGateway({
      configFile: system.stack.config.file,
      logFile: join(system.stack.dir, "logs", `${name}.log`),
      env: {
        CONSENTRY_MQTT_TCP_PORT: "0",
        CONSENTRY_HTTP_PORT: "0",
        CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, `${name}.journal`),
        CONSENTRY_BACKUP_CREATE_JOURNAL: "true",
      },
    });
  try {
    await configure(() => true, DRAFT);
    other = await start("other");
    const guest = await system.device();
    const there = await system.connect(guest, {}, `mqtt://127.0.0.1:${other.port("mqtt-tcp")}`);
    const drafts = async () => (await system.rows("device_status")).filter(({ draft }) => draft === true).length;
    // Both work on one queue, and the one that has begun before knows nothing of a draft: what it takes out it leaves out.
    await until("one is stored", async () => {
      await there.publishAsync(`devices/${guest.id}/status`, JSON.stringify({ draft: true }), { qos: 1 });
      return (await drafts()) > 0;
    });
    await system.settled();
    const stored = await drafts();
    expect(await exported(guest)).toEqual(Array.from({ length: stored }, () => ({ draft: true })));
    await configure(({ name }) => ![DRAFT.name, TIDES.name].some((own) => own === name), {
      name: TIDES.name,
      kind: "flag",
    });
    await expect(start("third")).rejects.toThrow(/PROPERTY_CHANGED/);
  } finally {
    if (other?.running === true) await other.stop();
  }
});
