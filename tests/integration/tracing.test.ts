/**
 * A collector of OpenTelemetry is told how long batches take, from PUBLISH to sink, by a closed table: nothing of a device, a person
 * or what they say, and nothing that came with a message from outside. It can be away, slow or broken, and no device notices.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { leakScan } from "../../simulators/leak-scan.ts";
import { ERRORS } from "../../src/model/errors.ts";
import { PURPOSES, SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import { SINKS } from "../../src/model/sink.ts";
import { ATTRIBUTES, ROOT_SPANS, STEP_SPANS } from "../../src/model/trace.ts";
import { VERSION } from "../../src/observe/version.ts";
import type { ConfigTree } from "../../tools/stack/scratch-config.ts";
import { startStack } from "../../tools/stack/stack.ts";
import { packetBytes } from "../../tools/wire/service-subscriber.ts";
import { Canaries } from "../fixtures/canaries.ts";
import { Collector, type OtlpSpan, told } from "../fixtures/collector.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { type Device, startSystem, type TestSystem, textOf } from "../fixtures/system.ts";

const canaries = new Canaries();
const SECOND_NS = 1_000_000_000n;
const HEADER = "x-collector-token";
/** What a PUBLISH, a request and an environment bring along, and what must go no further. */
const CARRIED = ["traceparent", "tracestate", "baggage"] as const;
const carried = Object.fromEntries(CARRIED.map((name) => [name, canaries.text("account", name)]));

let dir: string;
let collector: Collector;
let system: TestSystem;
let listeners: Listener[];
const traced = (more: ConfigTree = {}): ConfigTree => ({
  tracing: { enabled: true, endpoint: collector.endpoint, sampleRatio: 1, everyMs: 500, ...more },
});

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-tracing-"));
  collector = await Collector.start();
  const headersFile = join(dir, "headers");
  await writeFile(headersFile, `${HEADER}: ${canaries.text("service-token", "token")}\n`, { mode: 0o600 });
  for (const name of ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"])
    vi.stubEnv(name, `host.name=${canaries.text("account", "machine")}`);
  system = await startSystem({ ...traced({ headersFile }), current: { forMinutes: 60 } });
  vi.unstubAllEnvs();
  listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
});
afterAll(async () => {
  await system?.stop();
  await collector?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function marked(): Promise<Device> {
  const id = canaries.text("device-id", "device");
  const device = await system.device({ id, subject: canaries.text("subject-id", "subject") });
  canaries.add("token", device.token);
  return device;
}

/** The traces of what is said in `say`, once they are here. */
async function tracesOf(say: () => Promise<void>): Promise<{ admissions: OtlpSpan[]; passes: OtlpSpan[] }> {
  const before = new Set(collector.spans.map(({ spanId }) => spanId));
  const fresh = (name: string) => collector.roots(name).filter(({ spanId }) => !before.has(spanId));
  await say();
  await system.settled();
  await until("every admission that put something into the queue has its pass", () => {
    const linked = fresh("pass").flatMap(({ links }) => links);
    const queued = fresh("admission").filter((root) => Number(told(root)["consentry.admitted"]) > 0);
    return queued.length > 0 && queued.every(({ spanId }) => linked.some((link) => link.spanId === spanId));
  });
  return { admissions: fresh("admission"), passes: fresh("pass") };
}

const steps = (root: OtlpSpan) =>
  collector.childrenOf(root).map((span) => [span.name, told(span)["consentry.purpose"]]);

test("a message is told from its PUBLISH to each of its sinks", async () => {
  const device = await marked();
  const { admissions, passes } = await tracesOf(() => system.say(device, canaries.message({ model: "WS-5" })));
  expect([admissions.length, passes.length]).toEqual([1, 1]);
  const [admission, pass] = [admissions[0] as OtlpSpan, passes[0] as OtlpSpan];
  expect(told(admission)).toEqual({ "consentry.outcome": "ok", "consentry.messages": 1, "consentry.admitted": 1 });
  expect(steps(admission)).toEqual([
    ["consent check", undefined],
    ["queue write", undefined],
  ]);
  expect(told(pass)).toMatchObject({ "consentry.outcome": "ok", "consentry.messages": 1, "consentry.batches": 1 });
  expect(steps(pass)).toEqual([
    ["lease", undefined],
    ["consent check", undefined],
    ["de-identification", undefined],
    ["store write", undefined],
    ["note", "analytics"],
    ["note", "network"],
    ["note", "scene"],
    ["crowd", "analytics"],
    ["crowd", "weather"],
    ["account", "scene"],
    ["forward", "scene"],
    ["settle", undefined],
  ]);
  expect(told(collector.childrenOf(pass).find(({ name }) => name === "store write") as OtlpSpan)).toEqual({
    "consentry.outcome": "ok",
    "consentry.messages": 1,
    "consentry.sink": "influx",
  });
  // A root of its own, which only points to the other one.
  expect(pass.traceId).not.toBe(admission.traceId);
  expect(pass.links.map(({ traceId, spanId }) => ({ traceId, spanId }))).toEqual([
    { traceId: admission.traceId, spanId: admission.spanId },
  ]);
  for (const root of [admission, pass]) {
    expect(BigInt(root.startTimeUnixNano) % SECOND_NS).toBe(0n);
    for (const child of collector.childrenOf(root)) {
      expect(BigInt(child.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(root.startTimeUnixNano));
      expect(BigInt(child.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(root.endTimeUnixNano));
    }
  }
  expect(collector.headers.at(-1)?.[HEADER]).toMatch(/^token-/);
});

test("what is refused is told as a count, and makes no pass", async () => {
  const device = await system.device({ consent: null });
  const known = collector.roots("admission").length;
  await system.say(device, { status: { power_on: true } });
  await until("it is told", () => collector.roots("admission").length > known);
  const root = collector.roots("admission").at(-1) as OtlpSpan;
  expect(told(root)).toEqual({ "consentry.outcome": "ok", "consentry.messages": 1, "consentry.admitted": 0 });
});

test("a store that is away shows as the code of each try, and its batch as one trace", async () => {
  const device = await marked();
  await system.stack.influx.kill("SIGKILL");
  const { passes } = await tracesOf(async () => {
    await system.say(device, canaries.message());
    await until("it was tried", async () => (await system.metric("breaker_open")) === 1);
    await system.stack.influx.start();
  });
  expect(passes).toHaveLength(1);
  const outcomes = collector
    .childrenOf(passes[0] as OtlpSpan)
    .filter(({ name }) => name === "store write")
    .map((span) => [told(span)["consentry.outcome"], span.status.code]);
  expect(outcomes.length).toBeGreaterThan(1);
  expect(outcomes[0]).toEqual(["SINK_UNAVAILABLE", 2]);
  expect(outcomes.at(-1)).toEqual(["ok", 0]);
});

test("what comes with a PUBLISH or a request goes no further, and nothing of a person is told", async () => {
  const device = await marked();
  const client = await system.connect(device, { protocolVersion: 5, properties: { userProperties: carried } });
  const [scene] = listeners.filter(({ purpose }) => purpose === "scene");
  const heard: unknown[] = [];
  scene?.client.on("message", (_topic, _payload, { properties }) => heard.push(properties));
  await tracesOf(async () => {
    for (const [part, payload] of Object.entries({ telemetry: canaries.message(), status: { power_on: true } })) {
      const properties = { userProperties: carried };
      await client.publishAsync(`devices/${device.id}/${part}`, textOf(payload), { qos: 1, properties });
    }
  });
  const authorization = `Bearer ${system.stack.config.apiToken}`;
  const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${device.subject}/consents`, {
    headers: { authorization, ...carried },
  });
  expect(answer.status).toBe(200);
  await Promise.all(listeners.map((listener) => listener.caughtUp()));

  const exported = collector.bodies.join("\n");
  // What the store and the services know a device by is told no more than what it calls itself.
  const rows = [...(await system.rows("device_status")), ...(await system.rows("device_location"))];
  for (const { device: pseudonym, cell } of [...rows, ...listeners.flatMap(({ records }) => records)])
    for (const name of [pseudonym, cell]) if (typeof name === "string") canaries.add("code", name);
  const everywhere = await leakScan({
    canaries: canaries.all.filter(({ kind }) => kind !== "code"),
    ...system.stack.leakScanPlaces(),
    buffers: {
      exported,
      answer: JSON.stringify([...answer.headers]),
      heard: JSON.stringify(heard),
      packets: packetBytes(listeners.flatMap(({ packets }) => packets)),
      metrics: await system.stack.api.metrics(),
    },
  });
  expect(everywhere.leaks).toEqual([]);
  expect((await leakScan({ canaries: canaries.all, buffers: { exported } })).leaks).toEqual([]);
  for (const word of [hostname(), system.stack.dir, "devices/", "processed/"]) expect(exported).not.toContain(word);
  const ids = collector.spans.flatMap(({ traceId, spanId }) => [traceId, spanId]);
  const resting = await leakScan({
    canaries: ids.map((value) => ({ kind: "code" as const, value })),
    ...system.stack.leakScanPlaces(),
  });
  expect(resting.leaks).toEqual([]);
  expect(resting.canaryCount).toBeGreaterThan(50);
});

test("all that was told stands in the table", () => {
  const outcomes = new Set(["ok", "FAULT", ...Object.keys(ERRORS)]);
  const values: Record<string, (value: unknown) => boolean> = {
    outcome: (value) => outcomes.has(String(value)),
    purpose: (value) => PURPOSES.some((purpose) => purpose === value),
    sink: (value) => SINKS.some((sink) => sink === value),
  };
  const isCount = (value: unknown) => typeof value === "number" && value >= 0;
  const table: Record<string, { readonly tells: readonly string[] }> = { ...ROOT_SPANS, ...STEP_SPANS };
  const { spans } = collector;
  expect(spans.length).toBeGreaterThan(30);
  for (const span of spans) {
    const allowed = ["outcome", ...(table[span.name]?.tells ?? [])];
    const keys = new Map(allowed.map((name) => [ATTRIBUTES[name as keyof typeof ATTRIBUTES].key as string, name]));
    for (const [key, value] of Object.entries(told(span))) {
      const name = keys.get(key) ?? "";
      expect([span.name, key, name !== "" && (values[name] ?? isCount)(value)]).toEqual([span.name, key, true]);
    }
    expect(Object.keys(table)).toContain(span.name);
    expect(span.parentSpanId === undefined).toBe(span.name in ROOT_SPANS);
    expect(span.events).toEqual([]);
    expect(span.status.message).toBeUndefined();
    expect(Object.keys(span).sort()).toEqual(
      [
        ...[
          "attributes",
          "droppedAttributesCount",
          "droppedEventsCount",
          "droppedLinksCount",
          "endTimeUnixNano",
          "events",
        ],
        ...["flags", "kind", "links", "name", ...(span.parentSpanId === undefined ? [] : ["parentSpanId"])],
        ...["spanId", "startTimeUnixNano", "status", "traceId"],
      ].sort(),
    );
    for (const link of span.links) expect(link.attributes).toEqual([]);
  }
  for (const { attributes } of collector.resources)
    expect(attributes).toEqual([
      { key: "service.name", value: { stringValue: "consentry" } },
      { key: "service.version", value: { stringValue: VERSION } },
    ]);
});

describe("a collector", () => {
  let other: TestSystem | undefined;
  afterEach(async () => {
    await other?.stop();
    other = undefined;
  });

  test.each(["away", "hang", 500, 400] as const)(
    "that is or answers %s delays no PUBACK and no stop",
    async (manner) => {
      const bad = await Collector.start();
      const { endpoint } = bad;
      if (manner === "away") await bad.stop();
      else bad.manner = manner;
      other = await startSystem(traced({ endpoint, timeoutMs: 300, queueSpans: 256 }));
      const device = await other.device();
      const client = await other.connect(device);
      const publish = () => client.publishAsync(`devices/${device.id}/status`, textOf({ power_on: true }), { qos: 1 });
      const metric = (outcome: string) => other?.metric("trace_spans_total", `{outcome="${outcome}"}`) ?? 0;
      await until("spans fail", async () => {
        await publish();
        return (await metric("failed")) > 0;
      });
      const publishFifty = async () => {
        for (let batch = 0; batch < 50; batch += 1) await publish();
      };
      await until("spans find no room", async () => {
        await publishFifty();
        return manner === 400 || (await metric("dropped")) > 0;
      });
      const { refused, inFlight } = await other.settled();
      expect({ refused, inFlight }).toEqual({ refused: {}, inFlight: 0 });
      // A PUBACK that waited for a request would make one for each; else there is one each half second.
      const { asked } = bad;
      await publishFifty();
      expect(bad.asked - asked).toBeLessThan(40);
      if (manner !== "away") {
        bad.manner = "take";
        await until("it is told again", async () => {
          await publish();
          return (await metric("delivered")) > 0;
        });
        bad.manner = manner;
        await publish();
      }
      const begun = performance.now();
      expect((await other.stack.gateway.stop()).code).toBe(0);
      expect(performance.now() - begun).toBeLessThan(50_000);
      const log = await readFile(join(other.stack.dir, "logs", "gateway.log"), "utf8");
      expect(log).toContain("traces are not taken by the collector");
      expect(log).not.toContain("an answer that is told to no one");
      expect(log.includes("traces are taken by the collector again")).toBe(manner !== "away");
      await bad.stop();
    },
  );
});

test("what waits at a stop is told before the gateway ends", async () => {
  const known = collector.spans.length;
  const stopping = await startSystem(traced({ everyMs: 60_000 }));
  try {
    await stopping.say(await stopping.device(), { status: { power_on: true } });
    await stopping.settled();
    expect(collector.spans.length).toBe(known);
    await stopping.stack.gateway.stop();
    expect(collector.spans.length).toBeGreaterThan(known + 5);
  } finally {
    await stopping.stop();
  }
});

test("without tracing nothing of OpenTelemetry is loaded, and with it all is", async () => {
  const loadedWith = async (overrides: ConfigTree, folder: string): Promise<string[]> => {
    const file = join(dir, `${folder}.loaded`);
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const stack = await startStack({
      dir: join(dir, folder),
      overrides,
      nodeArgs: ["--import", join(root, "tests/fixtures/record-loads.mjs")],
      first: { program: ["--import", "tsx", join(root, "src/main.ts")], env: { LOADED_MODULES: file } },
    });
    await stack.stop();
    const loaded = (await readFile(file, "utf8")).split("\n");
    expect(loaded.some((url) => url.endsWith("/src/gateway.ts"))).toBe(true);
    return loaded.filter((url) => url.includes("/@opentelemetry/") || url.endsWith("/traces/otlp.ts"));
  };
  expect(await loadedWith({}, "off")).toEqual([]);
  expect((await loadedWith(traced(), "on")).length).toBeGreaterThan(4);
});
