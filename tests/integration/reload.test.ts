/**
 * The configuration is read again while the gateway runs, by SIGHUP and over HTTP: what can change does so between two messages,
 * what cannot is named, and a faulty file changes nothing at all.
 */
import { X509Certificate } from "node:crypto";
import { copyFile, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { latLngToCell } from "h3-js";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { Session } from "../fixtures/centre-client.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { type SelfSigned, selfSigned } from "../fixtures/self-signed.ts";
import { name, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";

const SECRET = "a-secret-value-in-the-wrong-place-0123";
const SHINE = { name: "shine", kind: "number", range: "0..1000", step: 1 } as const;
const kettle = (property: string): string =>
  `dialect: kettle\ntitle: Kettle\nabout: Of this test.\nrules:\n  - topic: kettle/{self}\n    text: [{ to: status.${property} }]\n`;

let system: TestSystem;
let first: SelfSigned;
let second: SelfSigned;
let dialectFile: string;
let policyFile: string;

beforeAll(async () => {
  [first, second] = [await selfSigned(), await selfSigned()];
  dialectFile = join(first.certFile, "..", "kettle.yaml");
  await writeFile(dialectFile, kettle("temperature"));
  policyFile = join(first.certFile, "..", "policy.json");
  await copyFile("config/policies/1.json", policyFile);
  const { certFile, keyFile } = first;
  system = await startSystem({
    mqtt: { tls: { enabled: true, port: 0, certFile, keyFile } },
    dialects: [dialectFile],
    consent: { policyFile },
  });
});
afterAll(async () => {
  await system?.stop();
  for (const one of [first, second]) await one?.remove();
});

type Options = Record<string, unknown> & { properties: unknown[]; mqtt: object };

/** Writes the configuration file of the gateway that runs. Returns what puts it back. */
async function configure(change: (options: Options) => object): Promise<() => Promise<void>> {
  const { file } = system.stack.config;
  const before = await readFile(file, "utf8");
  await writeFile(file, JSON.stringify(change(JSON.parse(before) as Options), undefined, 2));
  return () => writeFile(file, before);
}

interface Answer {
  readonly status: number;
  readonly body: {
    changed?: string[];
    needRestart?: string[];
    code?: string;
    errors?: { path: string; code: string }[];
  };
}

async function reload(): Promise<Answer> {
  const headers = { authorization: `Bearer ${system.stack.config.apiToken}` };
  const answer = await fetch(`${system.stack.httpUrl}/v1/reload`, { method: "POST", headers });
  return { status: answer.status, body: (await answer.json()) as Answer["body"] };
}

interface Line {
  readonly msg: string;
  readonly option?: string;
  readonly reason?: string;
  readonly line?: number;
}

async function logged(): Promise<Line[]> {
  const text = await readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8");
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Line] : []));
}

/** Sends SIGHUP; resolves with the lines about it. */
async function signalled(): Promise<Line[]> {
  const before = (await logged()).length;
  system.stack.gateway.signal("SIGHUP");
  const ended = /^configuration (?:reloaded|refused)/;
  await until("it has been read", async () => (await logged()).slice(before).some(({ msg }) => ended.test(msg)));
  return (await logged()).slice(before).filter(({ msg }) => /^(?:option|configuration) /.test(msg));
}

/** What the listener shows to a client that comes now, asked with OpenSSL. */
async function shown(): Promise<string> {
  const at = `127.0.0.1:${system.stack.gateway.port("mqtt-tls")}`;
  const { stdout } = await execa("openssl", ["s_client", "-connect", at], { input: "", reject: false });
  const [pem = ""] = /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.exec(stdout) ?? [];
  return new X509Certificate(pem).fingerprint256;
}

const fingerprint = ({ ca }: SelfSigned): string => new X509Certificate(ca).fingerprint256;

async function tlsClient(trusted: SelfSigned): Promise<MqttClient> {
  const url = `mqtts://127.0.0.1:${system.stack.gateway.port("mqtt-tls")}`;
  return system.connect(await system.device(), { ca: trusted.ca }, url);
}

test("a property is added between two messages, and none is lost", async () => {
  const device = await system.device();
  const client = await system.connect(device);
  const seqs: number[] = [];
  const say = async (): Promise<void> => {
    const seq = uniqueSeq();
    seqs.push(seq);
    await client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ seq, shine: 7 }), { qos: 1 });
  };
  await say();
  await configure((options) => ({ ...options, properties: [...options.properties, SHINE] }));
  let over = false;
  const lines = signalled().finally(() => {
    over = true;
  });
  while (!over) await say();
  expect(await lines).toMatchObject([
    { msg: "option changed", option: "properties" },
    { msg: "configuration reloaded" },
  ]);
  for (let more = 0; more < 20; more += 1) await say();
  await disconnectMqtt(client);
  await system.settled();
  const rows = new Map((await system.rows("device_status")).map((row) => [row.seq, row.shine]));
  const shine = seqs.map((seq) => rows.get(seq));
  const begun = shine.indexOf(7);
  expect(shine.slice(0, begun)).toEqual(Array(begun).fill(null));
  expect(shine.slice(begun)).toEqual(Array(seqs.length - begun).fill(7));
  expect(begun).toBeGreaterThan(0);
  // What is said about properties says it too.
  const document = await (await fetch(`${system.stack.httpUrl}/docs/asyncapi.json`)).text();
  expect(document).toContain('"shine"');
});

test("a property that is changed or gone needs a restart, and so does what opens a port; both are named", async () => {
  const restore = await configure(({ properties, ...options }) => ({
    ...options,
    properties: properties.slice(0, -1),
    mqtt: { ...options.mqtt, maxConnections: 77 },
    observe: { logLevel: "warn" },
  }));
  const needRestart = ["mqtt.maxConnections", "properties"];
  expect(await reload()).toEqual({ status: 200, body: { changed: ["observe.logLevel"], needRestart } });
  const device = await system.device();
  const seq = uniqueSeq();
  await system.say(device, { seq, shine: 9 }, "status");
  await system.settled();
  expect((await system.rows("device_status")).find((row) => row.seq === seq)?.shine).toBe(9);
  await restore();
  expect((await reload()).body).toEqual({ changed: ["observe.logLevel"], needRestart: [] });
});

test("a new certificate is for new connections, and one that is half written for none", async () => {
  const old = await tlsClient(first);
  expect(await shown()).toBe(fingerprint(first));
  // The chain is there already, its key is not.
  await copyFile(second.certFile, first.certFile);
  const half = await reload();
  expect(half).toMatchObject({ status: 422, body: { code: "config-invalid" } });
  expect(half.body.errors).toEqual([
    {
      path: "mqtt.tls.keyFile",
      code: expect.stringMatching(/^ERR_OSSL_X509_KEY_VALUES_MISMATCH at consentry\.yaml:\d+$/),
    },
  ]);
  await truncate(first.certFile, 500);
  expect((await reload()).body.errors).toMatchObject([{ path: "mqtt.tls.certFile" }]);
  expect(await shown()).toBe(fingerprint(first));
  await copyFile(second.certFile, first.certFile);
  await copyFile(second.keyFile, first.keyFile);
  expect(await signalled()).toMatchObject([
    { msg: "option changed", option: "mqtt.tls.certFile" },
    { msg: "option changed", option: "mqtt.tls.keyFile" },
    { msg: "configuration reloaded" },
  ]);
  expect(await shown()).toBe(fingerprint(second));
  const fresh = await tlsClient(second);
  for (const client of [old, fresh]) {
    await client.publishAsync(`devices/${client.options.username}/status`, '{"temperature":20}', { qos: 1 });
    await disconnectMqtt(client);
  }
});

test("a device is read by the dialect as it stands now: it comes back for that", async () => {
  const device = await system.device({ id: name("kettle"), speech: { dialect: "kettle" } });
  const said = async (client: MqttClient) => {
    await client.publishAsync(`kettle/${device.id}`, "21", { qos: 1 });
    await system.settled();
  };
  const client = await system.connect(device);
  await said(client);
  await writeFile(dialectFile, kettle("humidty"));
  const faulty = await reload();
  expect(faulty.body.errors).toEqual([
    {
      path: "dialects.0",
      code: expect.stringMatching(/^line 6: rule 1: "humidty" is no property at consentry\.yaml:\d+$/),
    },
  ]);
  await said(client);
  await writeFile(dialectFile, kettle("humidity"));
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  expect((await reload()).body).toEqual({ changed: ["dialects"], needRestart: [] });
  await closed;
  await said(await system.connect(device));
  const rows = (await system.rows("device_status")).filter(
    ({ temperature, humidity }) => temperature === 21 || humidity === 21,
  );
  expect(rows.map(({ temperature, humidity }) => [temperature, humidity])).toEqual([
    [21, null],
    [21, null],
    [null, 21],
  ]);
});

test("a table of densities is in force from the next message on; one that is faulty or cut short changes nothing", async () => {
  const table = join(first.certFile, "..", "densities.json");
  const [lat, lon] = [12.9716, 77.5946];
  const rowsFor = (resolution: number) => JSON.stringify([{ cell: latLngToCell(lat, lon, 4), resolution }]);
  await writeFile(table, rowsFor(4));
  const restore = await configure((options) => ({ ...options, deidentify: { location: { densityFile: table } } }));
  expect((await reload()).body).toEqual({ changed: ["deidentify.location.densityFile"], needRestart: [] });
  const owner = await system.device();
  await system.say(owner, { lat, lon }, "location");
  await system.settled();
  const noted = async () => {
    const { json } = await (await Session.of(system, owner.subject)).get("places");
    return json.places[0].noted.corners as [number, number][];
  };
  const before = await noted();
  expect(before.length).toBeGreaterThan(4);
  for (const faulty of [rowsFor(12), rowsFor(5).slice(0, -9), "", '{"cells":"AAAA","sha256":"00"}']) {
    await writeFile(table, faulty);
    const { status, body } = await reload();
    expect([status, body.errors?.map(({ path }) => path)]).toEqual([422, ["deidentify.location.densityFile"]]);
  }
  await system.say(owner, { lat, lon }, "location");
  await system.settled();
  expect(await noted()).toEqual(before);
  await writeFile(table, rowsFor(6));
  expect(await signalled()).toMatchObject([
    { msg: "option changed", option: "deidentify.location.densityFile" },
    { msg: "configuration reloaded" },
  ]);
  await system.say(owner, { lat, lon }, "location");
  await system.settled();
  const width = (corners: [number, number][]) =>
    Math.max(...corners.map(([north]) => north)) - Math.min(...corners.map(([north]) => north));
  await until("it is noted as the new table says", async () => width(await noted()) < width(before) / 4);
  await restore();
  expect((await reload()).body).toEqual({ changed: ["deidentify.location.densityFile"], needRestart: [] });
});

test("another policy under the same name is checked, named as what needs a restart, and not published", async () => {
  const shipped = await readFile("config/policies/1.json");
  const change = { kind: "minor", summary: "Clearer words.", affects: [] };
  await writeFile(policyFile, JSON.stringify({ ...JSON.parse(shipped.toString("utf8")), version: 2, change }));
  expect((await reload()).body).toEqual({ changed: [], needRestart: ["consent.policyFile"] });
  expect(await signalled()).toMatchObject([
    { msg: "option needs a restart", option: "consent.policyFile" },
    { msg: "configuration reloaded" },
  ]);
  expect(await system.stack.api.call("GET", "/v1/policies", [])).toMatchObject({ policies: [{ version: 1 }] });
  await truncate(policyFile, 200);
  expect(await reload()).toMatchObject({ status: 422, body: { errors: [{ path: "consent.policyFile" }] } });
  await writeFile(policyFile, shipped);
  expect((await reload()).body).toEqual({ changed: [], needRestart: [] });
});

test("a faulty file is refused whole, with every fault by line and no value", async () => {
  await writeFile(dialectFile, kettle("pressure"));
  const restore = await configure((options) => ({
    ...options,
    observe: { logLevel: SECRET },
    mqtt: { ...options.mqtt, maxKeepalive: SECRET },
  }));
  const { status, body } = await reload();
  expect([status, body.code]).toEqual([422, "config-invalid"]);
  expect(body.errors).toEqual([
    {
      path: "mqtt.maxKeepalive",
      code: expect.stringMatching(/^unknown option \(did you mean mqtt\.maxKeepaliveS\?\) at consentry\.yaml:\d+$/),
    },
    {
      path: "observe.logLevel",
      code: expect.stringMatching(/^must be one of info, warn, error, silent at consentry\.yaml:\d+$/),
    },
  ]);
  expect(await signalled()).toMatchObject([
    { msg: "option refused", reason: "unknown-option", line: expect.any(Number) },
    { msg: "option refused", option: "observe.logLevel", reason: "invalid-value", line: expect.any(Number) },
    { msg: "configuration refused, the running one stays" },
  ]);
  const checked = await execa(
    process.execPath,
    [await builtProgram("src/main.ts"), "--check", "--config", system.stack.config.file],
    { reject: false },
  );
  expect([checked.exitCode, checked.stdout, checked.stderr.split("\n").length]).toEqual([2, "", 2]);
  expect(JSON.stringify([body, await logged(), checked.stderr])).not.toContain(SECRET);
  await restore();
  expect((await reload()).body).toEqual({ changed: ["dialects"], needRestart: [] });
});

test("each time stands in the audit log, with how it ended", async () => {
  const { stdout } = await runCommand("audit", ["list", "--json", "--config", system.stack.config.file]);
  const lines = stdout.split("\n").map((line) => JSON.parse(line) as { act: string; by: string; outcome: string });
  const reloads = lines.filter(({ act }) => act === "configuration-reloaded");
  expect(new Set(reloads.map(({ by, outcome }) => `${by} ${outcome}`))).toEqual(
    new Set([
      "operator done",
      "operator refused",
      "account-service asked",
      "account-service done",
      "account-service refused",
    ]),
  );
});
