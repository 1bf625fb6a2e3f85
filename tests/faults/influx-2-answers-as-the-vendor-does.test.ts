/**
 * Promise: what an InfluxDB 2 answers is understood as it means it. Its handler says in `message` what it dropped, tells
 * lines that it cannot parse one by one, and knows a body that is at fault; its deletions know no "is not".
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Pseudonym } from "../../src/model/ids.ts";
import { RowRetention } from "../../src/sinks/influx/row-retention.ts";
import { never, record, sinkFor } from "../integration/influx-fixture.ts";

interface Row {
  readonly device: string;
  readonly ns: bigint;
}

let server: Server;
let url: string;
let writes: number;
let write: (lines: string[]) => { status: number; code: string; message: string } | undefined;
let rows: Row[];
let deletions: { start: string; stop: string; predicate: string }[];

const MS = 1_000_000n;
const nsOf = (time: string) => {
  const [, seconds = "", fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return BigInt(Date.parse(`${seconds}Z`)) * MS + BigInt(fraction.padEnd(9, "0"));
};
const timeOf = (ns: bigint) =>
  `${new Date(Number(ns / MS)).toISOString().slice(0, -1)}${String(ns % MS).padStart(6, "0")}Z`;

function csv(column: "device" | "_time", values: readonly string[]): string {
  if (values.length === 0) return "\r\n";
  const type = column === "device" ? "string" : "dateTime:RFC3339";
  const head = `#datatype,string,long,${type}\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,${column}`;
  return `${[head, ...values.map((value) => `,,0,${value}`)].join("\r\n")}\r\n\r\n`;
}

/** The few queries that retention asks. */
function flux(query: string): string {
  const [, start = "", stop = ""] = /range\(start: (\S+), stop: (\S+)\)/.exec(query) ?? [];
  const named = [...query.matchAll(/r\.device == "([^"]+)"/g)].map(([, device]) => device);
  const limit = Number(/limit\(n: (\d+)\)$/.exec(query)?.[1]);
  const within = rows
    .filter(({ ns, device }) => ns >= nsOf(start) && ns < nsOf(stop) && (named.length === 0 || named.includes(device)))
    .sort((left, right) => (left.ns < right.ns ? -1 : 1));
  if (query.includes("first()") || query.includes("unique(")) {
    return csv("_time", [...new Set(within.map(({ ns }) => timeOf(ns)))].slice(0, limit));
  }
  const devices = [...new Set(within.map(({ device }) => device))];
  return csv("device", query.includes("group()") ? devices.slice(0, limit) : devices);
}

beforeEach(async () => {
  [writes, rows, deletions, write] = [0, [], [], () => undefined];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (request.url?.startsWith("/api/v2/write")) {
      if (body !== "") writes += 1;
      const refused = body === "" ? undefined : write(body.split("\n"));
      if (refused === undefined) return void response.writeHead(204).end();
      const { status, code, message } = refused;
      const headers = { "content-type": "application/json; charset=utf-8", "x-platform-error-code": code };
      return void response.writeHead(status, headers).end(JSON.stringify({ code, message }));
    }
    if (request.url?.startsWith("/api/v2/query")) {
      return void response.writeHead(200).end(flux((JSON.parse(body) as { query: string }).query));
    }
    const deletion = JSON.parse(body) as (typeof deletions)[number];
    if (deletion.predicate.includes("!=")) return void response.writeHead(400).end();
    const device = /device="([^"]+)"/.exec(deletion.predicate)?.[1];
    if (deletion.predicate !== '_measurement="none"') deletions.push(deletion);
    const [start, stop] = [nsOf(deletion.start), nsOf(deletion.stop)];
    rows = rows.filter((row) => row.ns < start || row.ns > stop || (device !== undefined && row.device !== device));
    response.writeHead(204).end();
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

test("a field of another type is learned from `message` too, with database and policy behind its count", async () => {
  write = (lines) =>
    lines.some((line) => / n=/.test(line))
      ? {
          status: 422,
          code: "unprocessable entity",
          message: `${FAILED}field type conflict: input field "n" on measurement "device_status" is type float, already exists as type string dropped=${lines.length} for database: 9f28 for retention policy: autogen`,
        }
      : undefined;
  expect(await written(8)).toEqual({ rejected: [] });
});

test("a hold spares its rows, and all others go: by slices of time, not by a list of everybody", async () => {
  const HELD = "h".repeat(22) as Pseudonym;
  const day = BigInt(Date.UTC(2026, 0, 1)) * MS;
  const others = Array.from({ length: 20_000 }, (_, n) => ({ device: `o${n}`, ns: day + BigInt(n) * 997n * MS }));
  const held = [5n, 10_000n, 19_000n].map((n) => ({ device: HELD, ns: day + n * 997n * MS + 1n }));
  // At the very moment of one that is held.
  const beside = Array.from({ length: 300 }, (_, n) => ({ device: `b${n}`, ns: day + 10_000n * 997n * MS + 1n }));
  const young = { device: "young", ns: day + 80_000n * 997n * MS };
  rows = [...others, ...held, ...beside, young];
  const v2 = { api: "v2", org: "o", bucket: "b", database: "", retentionPolicy: "" } as const;
  const retention = new RowRetention({ url, ...v2 });
  retention.start();
  const old = { measurement: "device_status", beforeMs: Number(young.ns / MS), except: [HELD] } as const;
  expect(await retention.remove(old, never)).toBe("deleted");
  expect(rows.sort((left, right) => (left.ns < right.ns ? -1 : 1))).toEqual([...held, young]);
  expect(deletions.length).toBeLessThan(310);
  retention.stop();
});
