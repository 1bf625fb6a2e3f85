/**
 * Metrics as an operator gets them: from a listener of their own behind a token, into a real Prometheus with the alarms and
 * dashboards that are deployed; and how a gateway leaves, readiness first. One gateway for all of it.
 */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway.ts";
import type { LogFields } from "../../src/model/log.ts";
import type { CellCount } from "../../src/model/sink.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { activityLine } from "../../src/sinks/influx/line-protocol.ts";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { until } from "../fixtures/eventually.ts";
import { type GrafanaDashboard, queriesOf } from "../fixtures/grafana.ts";
import { DEPLOYED, prometheus, startPrometheus } from "../fixtures/prometheus.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const TOKEN = "token-of-the-scraper-0123456789abcdef";
const MAX_CONNECTIONS = 4;
const DASHBOARDS = new URL("../../deploy/grafana/dashboards/", import.meta.url);
const dashboards = readdirSync(DASHBOARDS).map(
  (file) => JSON.parse(readFileSync(new URL(file, DASHBOARDS), "utf8")) as GrafanaDashboard,
);

const WITHIN = { timeout: 120_000, interval: 100 };

let system: TestSystem;
let device: Device;
let metricsUrl: string;

beforeAll(async () => {
  system = await startSystem({
    metrics: { enabled: true, port: 0, token: TOKEN, maxConnections: MAX_CONNECTIONS },
    observe: { stoppingMs: 3_000 },
  });
  metricsUrl = `http://127.0.0.1:${system.stack.gateway.port("metrics")}`;
  device = await system.device();
  await system.say(device, { status: { temperature: 21 } });
});
afterAll(() => system?.stop());

async function scrape(token: string | undefined = TOKEN, url = `${metricsUrl}/metrics`) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(url, { headers });
  return { status: answer.status, text: await answer.text() };
}

describe("the listener of the metrics", () => {
  it("tells everything to the scraper's token and nothing without one, and is the only place", async () => {
    const { status, text } = await scrape();
    expect(status).toBe(200);
    expect(text).toContain("\nconsentry_holds_open 0\n");
    expect(text).toMatch(/^consentry_build_info\{version="[\d.]+",node="v[\d.]+"\} 1$/m);
    expect(text).toContain(`consentry_backlog_limit_bytes 1`);
    for (const wrong of ["", "wrong-token-of-the-scraper-0123456789"])
      expect((await scrape(wrong)).status, wrong).toBe(401);
    expect((await fetch(`${metricsUrl}/metrics`)).status).toBe(401);
    expect((await scrape(TOKEN, `${system.stack.httpUrl}/metrics`)).status).toBe(404);
    expect((await scrape(TOKEN, `${system.stack.httpUrl}/v1/erasures`)).status).toBe(401);
    expect((await scrape(TOKEN, `${metricsUrl}/v1/erasures`)).status).toBe(404);
    expect((await fetch(`${metricsUrl}/livez`)).status).toBe(200);
    // On a busy machine it may just have been late.
    await vi.waitFor(async () => expect((await fetch(`${metricsUrl}/readyz`)).status).toBe(200), WITHIN);
    for (const canary of [device.id, device.subject, device.token]) expect(text).not.toContain(canary);
  });

  it("lets no silent connections keep the scraper out", async () => {
    const silent: Socket[] = [];
    const port = Number(new URL(metricsUrl).port);
    for (let count = 0; count < 3 * MAX_CONNECTIONS; count += 1)
      silent.push(
        await new Promise<Socket>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => resolve(socket));
          socket.on("error", () => {});
        }),
      );
    // A connection kept from before may have been closed too; the next one is let in.
    await until("it is answered all the same", async () => (await scrape()).status === 200);
    await until("the oldest of them are closed", () => silent.filter(({ closed }) => closed).length >= MAX_CONNECTIONS);
    for (const socket of silent) socket.destroy();
  });

  it("costs little however often it is scraped", async () => {
    const rounds: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const before = await cpuMs(system.stack.gateway.pid);
      for (let count = 0; count < 20; count += 1) await scrape();
      rounds.push(((await cpuMs(system.stack.gateway.pid)) - before) / 20);
    }
    // Ten scrapes a second would take a tenth of a core at this bound; once the code is warm they take a third of that.
    expect(Math.min(...rounds)).toBeLessThan(10);
  });
});

/** CPU time of a process up to now. */
async function cpuMs(pid: number): Promise<number> {
  const [, rest = ""] = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ");
  const fields = rest.split(" ").map(Number);
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) * 10;
}

if (prometheus === undefined)
  process.stderr.write("monitoring: no prometheus on this machine (apt-get install prometheus)\n");

describe.skipIf(prometheus === undefined)("Prometheus", () => {
  let server: PrivateServer;

  beforeAll(async () => {
    const target = new URL(metricsUrl).host;
    server = await startPrometheus(prometheus ?? "", {
      dir: join(system.stack.dir, "prometheus"),
      target,
      token: TOKEN,
    });
    const rates = "sum(rate(consentry_messages_received_total[10s])) + sum(rate(process_cpu_seconds_total[10s]))";
    await until("it has scraped twice", async () => (await ask(rates)).length > 0);
  });
  afterAll(() => server?.stop());

  async function ask(query: string): Promise<unknown[]> {
    const answer = await fetch(`${server.url}/api/v1/query?${new URLSearchParams({ query })}`);
    const { status, data } = (await answer.json()) as { status: string; data?: { result: unknown[] } };
    if (status !== "success") throw new Error(`Prometheus could not run ${query}`);
    return data?.result ?? [];
  }

  it("finds no fault with metrics, rules and configuration", async () => {
    const promtool = (args: string[], input = "") => execa("promtool", args, { input, reject: false, all: true });
    const { text } = await scrape();
    const metrics = await promtool(["check", "metrics"], text);
    expect([metrics.exitCode, metrics.all]).toEqual([0, ""]);
    const refused = await promtool(["check", "metrics"], text.replaceAll("consentry_connections{", "some_total{"));
    expect(refused.all).not.toBe("");
    for (const args of [
      ["check", "rules", join(DEPLOYED, "rules.yaml")],
      ["test", "rules", join(DEPLOYED, "rules.test.yaml")],
      ["check", "config", "--syntax-only", join(DEPLOYED, "prometheus.yaml")],
    ]) {
      const { exitCode, all } = await promtool(args);
      expect(exitCode, all).toBe(0);
    }
  });

  it("gives data for every query of the dashboards, and names no one", async () => {
    const queries = dashboards.flatMap(queriesOf).filter(({ source }) => source === "consentry-prometheus");
    expect(queries.length).toBeGreaterThan(60);
    const without: string[] = [];
    let told = "";
    for (const { query } of queries) {
      const asked = query.replaceAll("$__rate_interval", "10s").replaceAll("$instance", ".*");
      const result = await ask(asked);
      if (result.length === 0) without.push(query);
      told += JSON.stringify(result);
    }
    expect(without).toEqual([]);
    for (const canary of [device.id, device.subject]) expect(told).not.toContain(canary);
  });

  it("runs every rule, and none of them fires for a gateway that is well", async () => {
    const rules = async () => {
      const answer = await (await fetch(`${server.url}/api/v1/rules`)).json();
      return (
        answer as { data: { groups: { rules: { name: string; health: string; state: string }[] }[] } }
      ).data.groups
        .flatMap((group) => group.rules)
        .map(({ name, health, state }) => ({ name, health, state }));
    };
    await until("all have run", async () => (await rules()).every(({ health }) => health !== "unknown"));
    const ran = await rules();
    expect(ran.length).toBeGreaterThan(40);
    expect(ran.filter(({ health }) => health !== "ok")).toEqual([]);
    expect(ran.filter(({ state }) => state === "firing")).toEqual([]);
  });
});

it("InfluxDB gives data for every query of the dashboards", async () => {
  const { influxUrl, database } = system.stack;
  const line = activityLine({
    cell: "862a1072fffffff",
    devices: 25,
    messages: 40,
    timestampNs: `${Date.now() - 60_000}000000`,
  } as unknown as CellCount);
  const written = await fetch(`${influxUrl}/write?db=${database}`, { method: "POST", body: line });
  expect(written.status).toBe(204);
  const queries = dashboards.flatMap(queriesOf).filter(({ source }) => source === "consentry-influxdb");
  expect(queries.length).toBeGreaterThan(3);
  for (const { query } of queries) {
    const asked = query.replace("$timeFilter", "time > now() - 1d").replace("$__interval", "15m");
    expect(await influxRows(influxUrl, database, asked), query).not.toEqual([]);
  }
});

it("a gateway that waits for Redis says what it waits for", async () => {
  const dir = await mkdtemp(join(tmpdir(), "consentry-starting-"));
  const accepted: Socket[] = [];
  const silent = createServer((socket) => accepted.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const redisUrl = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const lines: LogFields[] = [];
  const write = (_event: string, fields: LogFields = {}) => void lines.push(fields);
  const config = loadConfig({
    env: {
      CONSENTRY_REDIS_URL: redisUrl,
      CONSENTRY_HTTP_TOKEN: "token-of-the-account-service-in-this-test",
      CONSENTRY_HTTP_PORT: "0",
      CONSENTRY_MQTT_TCP_PORT: "0",
      CONSENTRY_METRICS_ENABLED: "true",
      CONSENTRY_METRICS_PORT: "0",
      CONSENTRY_BACKUP_DIR: join(dir, "backups"),
      CONSENTRY_BACKUP_JOURNAL_FILE: join(dir, "journal"),
    },
  });
  const keys = readKeys(join(dir, "keys"), { create: true });
  const gateway = createGateway(config, keys, { info: write, warn: write, error: write }, () => {});
  const given = new AbortController();
  const started = gateway.start(given.signal);
  try {
    await until("the metrics can be read", () => lines.some(({ listener }) => listener === "metrics"));
    const port = lines.find(({ listener }) => listener === "metrics")?.port;
    const answer = await fetch(`http://127.0.0.1:${port}/readyz?exclude=store-unavailable`);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { ready: false, reasons: ["starting", "redis-unreachable"] },
    ]);
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('consentry_ready{reason="starting"} 0\n');
  } finally {
    given.abort();
    for (const socket of accepted) socket.destroy();
    await expect(started).rejects.toThrow("START_CANCELLED");
    silent.close();
    await rm(dir, { recursive: true, force: true });
  }
});

it("a gateway that is asked to stop says so first, works on meanwhile, and exits with 0", async () => {
  const client = await system.connect(device);
  const { gateway } = system.stack;
  const ready = async () => (await fetch(`${metricsUrl}/readyz`)).json();
  expect(await ready()).toEqual({ ready: true, reasons: [] });
  gateway.signal("SIGTERM");
  await until("readiness has fallen", async () => {
    const { reasons } = (await ready()) as { reasons: string[] };
    return reasons.includes("stopping");
  });
  // All listeners are open still.
  expect((await fetch(`${system.stack.httpUrl}/readyz`)).status).toBe(503);
  await client.publishAsync(`devices/${device.id}/telemetry`, '{"status":{"temperature":22}}', { qos: 1 });
  await system.say(await system.device(), { status: { temperature: 20 } });
  expect(client.connected).toBe(true);
  expect((await scrape()).text).toContain('consentry_ready{reason="stopping"} 0\n');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
});
