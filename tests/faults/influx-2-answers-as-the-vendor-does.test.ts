/**
 * Promise: what an InfluxDB 2 answers is understood as it means it. Its handler says in `message` what it dropped, tells
 * lines that it cannot parse one by one, and knows a body that is at fault; its deletions know no "is not".
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Pseudonym } from "../../src/model/ids.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { startInflux } from "../../tools/private-servers/services.ts";
import { type InfluxLine, startLine, TOKEN } from "../fixtures/influx-lines.ts";
import {
  AT,
  never,
  query,
  quiet,
  record,
  sinkFor,
  temporaryFolder,
  writeBeside,
} from "../integration/influx-fixture.ts";

const MS = 1_000_000n;

let server: Server;
let url: string;
let writes: number;
let write: (lines: string[]) => { status: number; code: string; message: string } | undefined;

beforeEach(async () => {
  [writes, write] = [0, () => undefined];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (!request.url?.startsWith("/api/v2/write")) return void response.writeHead(204).end();
    if (body !== "") writes += 1;
    const refused = body === "" ? undefined : write(body.split("\n"));
    if (refused === undefined) return void response.writeHead(204).end();
    const { status, code, message } = refused;
    const headers = { "content-type": "application/json; charset=utf-8", "x-platform-error-code": code };
    response.writeHead(status, headers).end(JSON.stringify({ code, message }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function written(count: number) {
  const { sink } = sinkFor(url, { api: "v2", org: "o", bucket: "b" });
  await sink.start(never);
  const records = Array.from({ length: count }, (_, n) => record(`dev${n}`, n, { n }));
  return await sink.write(records, never).finally(() => sink.stop());
}

const FAILED = "failure writing points to database: partial write: ";

test.each([
  [
    "of a type",
    `${FAILED}field type conflict: input field "x" on measurement "y" is type string, already exists as type float dropped=64`,
  ],
  [
    "by age",
    `${FAILED}dropped 64 points outside retention policy of duration 1h0m0s - oldest point a at b, newest point c at d dropped=64 for database: 9f282d63c7d3a5c0 for retention policy: autogen`,
  ],
])("a batch that was dropped whole, %s, is asked for once", async (_, message) => {
  write = () => ({ status: 422, code: "unprocessable entity", message });
  expect((await written(64)).rejected).toHaveLength(64);
  expect(writes).toBe(1);
});

test("lines that can't be parsed, all of them told, are asked for once; a few of many are found", async () => {
  const unparsed = (lines: readonly string[]) => lines.map((line) => `unable to parse '${line}': bad`).join("\n");
  write = (lines) => ({ status: 400, code: "invalid", message: unparsed(lines) });
  expect((await written(64)).rejected).toHaveLength(64);
  expect(writes).toBe(1);
  write = (lines) => {
    const bad = lines.filter((line) => line.includes("device=dev7 "));
    return bad.length === 0 ? undefined : { status: 400, code: "invalid", message: unparsed(bad) };
  };
  expect(await written(64)).toEqual({ rejected: [7] });
});

test("a body that the server could not read as a whole is no refusal of its lines", async () => {
  write = () => ({ status: 400, code: "invalid", message: "unable to read data: gzip: invalid checksum" });
  await expect(written(64)).rejects.toMatchObject({ code: "SINK_DENIED" });
  expect(writes).toBe(1);
});

test("a field that someone else has given another type refuses its own lines alone", async () => {
  write = (lines) => {
    const bad = lines.filter((line) => line.includes("device=dev5 ")).length;
    const conflict = `field type conflict: input field "n" on measurement "device_status" is type float, already exists as type string`;
    const message = `${FAILED}${conflict} dropped=${bad} for database: 9f28 for retention policy: autogen`;
    return bad === 0 ? undefined : { status: 422, code: "unprocessable entity", message };
  };
  expect(await written(8)).toEqual({ rejected: [5] });
});

const HELD = "h".repeat(22);
const options = { api: "v2", org: "an org", bucket: "consentry", token: TOKEN, timeoutMs: 30_000 } as const;

describe("with statements that are answered", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let influx: PrivateServer;
  let line: InfluxLine;
  let sink: InfluxSink;
  const deleted: { at: "once" | "later" } = { at: "once" };

  beforeEach(async () => {
    deleted.at = "once";
    folder = await temporaryFolder();
    influx = await startInflux({ dir: folder.dir, say: quiet });
    await query(influx.url, "CREATE DATABASE consentry");
    line = await startLine("v2", influx.url, "consentry", deleted);
    const formerFields = async () => [{ name: "former", kind: "number" }] as const;
    ({ sink } = sinkFor(line.url, { ...options, formerFields }));
    await sink.start(never);
    sink.retention.start();
  });
  afterEach(async () => {
    sink.retention.stop();
    await sink.stop();
    await line.stop();
    await influx.stop();
    await folder.remove();
  });
  const left = async () =>
    (await query(influx.url, "SHOW SERIES")).map(({ key }) => /device=(\w)/.exec(String(key))?.[1]);

  test("a deletion that the server still carries out is seen to be, also by a row of what is no property any more", async () => {
    await writeBeside(influx.url, `device_status,device=${HELD} former=7 ${AT}000000`);
    deleted.at = "later";
    await expect(sink.removeDevices([HELD as Pseudonym], never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    deleted.at = "once";
    expect(await sink.removeDevices([HELD as Pseudonym], never)).toBe("verified");
  });

  test("a hold spares rows of which nothing is known here: what an older version wrote, or someone else", async () => {
    const old = { measurement: "device_status", beforeMs: AT + 10, except: [HELD as Pseudonym] } as const;
    await writeBeside(
      influx.url,
      `device_status,device=aged n=1 ${AT}000000`,
      `device_status,device=${HELD} "mood\\ of\\ day"="fine" ${AT + 1}000000`,
      `device_status,device=young n=1 ${AT + 20}000000`,
    );
    expect(await sink.retention.remove(old, never)).toBe("deleted");
    expect((await left()).sort()).toEqual(["h", "y"]);

    // With more names than can be asked for nothing is deleted while a hold stands.
    await writeBeside(influx.url, `device_status,device=aged n=1 ${AT}000000`);
    const names = Array.from({ length: 1_200 }, (_, key) => `k_${key}=1`).join(",");
    await writeBeside(influx.url, `device_status,device=young ${names} ${AT + 20}000000`);
    expect(await sink.retention.remove(old, never)).toBe("postponed");
    expect((await left()).sort()).toEqual(["a", "h", "y"]);
    expect(await sink.retention.remove({ ...old, except: [] }, never)).toBe("deleted");
    expect(await left()).toEqual(["y"]);
  });

  test("a hold spares its rows, and all others go: by slices of time, not by a list of everyone", async () => {
    const day = BigInt(Date.UTC(2026, 0, 1)) * MS;
    const at = (device: string, ns: bigint) => ({ ...record(device, 0, { n: 1 }), timestampNs: `${ns}` });
    const others = Array.from({ length: 20_000 }, (_, n) => at(`o${n % 2_000}`, day + BigInt(n) * 997n * MS));
    const held = [5n, 10_000n, 19_000n].map((n) => at(HELD, day + n * 997n * MS + 1n));
    // At the very moment of one that is held.
    const beside = Array.from({ length: 300 }, (_, n) => at(`b${n}`, day + 10_000n * 997n * MS + 1n));
    const young = day + 80_000n * 997n * MS;
    await sink.write([...others, ...held, ...beside, at("young", young)], never);

    const old = { measurement: "device_status", beforeMs: Number(young / MS), except: [HELD as Pseudonym] } as const;
    expect(await sink.retention.count(old, never)).toBe(20_300);
    expect(await sink.retention.remove(old, never)).toBe("deleted");
    const rows = await query(influx.url, "SELECT device, n FROM device_status");
    expect(rows.map(({ device, time }) => `${device} ${time}`)).toEqual(
      [...held, at("young", young)].map(({ device, timestampNs }) => `${device} ${timestampNs}`),
    );
    expect(line.paths.filter((path) => path === "/api/v2/delete").length).toBeLessThan(320);
  });
});
