/**
 * Promise: an erasure waits for its store as long as the store needs, asks for little at a time and never for the next
 * deletion while one may be at work. Against a server of our own that takes its time.
 */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Pseudonym } from "../../src/model/ids.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import { never, sinkFor } from "../integration/influx-fixture.ts";

/** Far below what the server takes; what a write of a busy fleet may have. */
const WRITE_MS = 500;
const SLOW_MS = 1_000;
const NAMES = Array.from({ length: 120 }, (_, n) => `${n}`.padStart(22, "n") as Pseudonym);

let server: Server;
let url: string;
let statements: string[];
let stored: Set<string>;
let atWork: number;
let most: number;
/** What becomes of a statement; `false` when there will be no answer. */
let behaviour: (statement: string, response: ServerResponse) => boolean;
const sinks: InfluxSink[] = [];

const named = (text: string) => NAMES.filter((name) => text.includes(name));
const series = (values: string[][], columns: string[]) =>
  JSON.stringify({ results: [{ series: [{ columns, values }] }] });

function answer(statement: string): string {
  if (statement.startsWith("SHOW SERIES")) {
    const left = named(statement).filter((name) => stored.has(name));
    return left.length === 0
      ? JSON.stringify({ results: [{}] })
      : series(
          left.map((name) => [`device_status,device=${name}`]),
          ["key"],
        );
  }
  if (statement.startsWith("DROP SERIES")) for (const name of named(statement)) stored.delete(name);
  if (statement.startsWith("SHOW DATABASES")) return series([["consentry"]], ["name"]);
  if (statement.startsWith("SHOW QUERIES"))
    return series(atWork > 0 ? [["1", "DROP SERIES FROM x"]] : [], ["qid", "query"]);
  return JSON.stringify({ results: [{}] });
}

beforeEach(async () => {
  [statements, stored, atWork, most] = [[], new Set(NAMES), 0, 0];
  behaviour = () => true;
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (request.url?.startsWith("/ping")) return void response.writeHead(204).end();
    if (request.url?.startsWith("/api/v2/write")) return void response.writeHead(204).end();
    if (request.url?.startsWith("/api/v2/delete")) {
      setTimeout(() => response.writeHead(204).end(), SLOW_MS);
      return;
    }
    const address = new URL(request.url ?? "", "http://x");
    const statement = new URLSearchParams(body).get("q") ?? address.searchParams.get("q") ?? "";
    statements.push(statement);
    if (!behaviour(statement, response)) return;
    const deletes = statement.startsWith("DROP");
    if (deletes) most = Math.max(most, ++atWork);
    setTimeout(
      () => {
        if (deletes) atWork -= 1;
        response.writeHead(200, { "content-type": "application/json" }).end(answer(statement));
      },
      deletes ? SLOW_MS : 0,
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function started(options: Parameters<typeof sinkFor>[1] = {}): Promise<InfluxSink> {
  const { sink } = sinkFor(url, { timeoutMs: WRITE_MS, ...options });
  sinks.push(sink);
  await sink.start(never);
  return sink;
}

test("a deletion that takes longer than any write comes to its end, in few statements", async () => {
  const sink = await started();
  statements = [];
  expect(await sink.removeDevices(NAMES, never)).toBe("verified");
  expect(stored.size).toBe(0);
  expect(statements.filter((one) => one.startsWith("DROP"))).toHaveLength(3);
  // Where nothing is left there is nothing to delete.
  statements = [];
  expect(await sink.removeDevices(NAMES, never)).toBe("verified");
  expect(statements.filter((one) => one.startsWith("DROP"))).toEqual([]);
});

test("of several erasures one deletes at a time, and each has all the time for its own", async () => {
  const sink = await started();
  const parts = [NAMES.slice(0, 40), NAMES.slice(40, 80), NAMES.slice(80)];
  const done = await Promise.all(parts.map((names) => sink.removeDevices(names, never)));
  expect(done).toEqual(["verified", "verified", "verified"]);
  expect(most).toBe(1);
});

test("after a deletion that got no answer none is sent before the store is done with it", async () => {
  const sink = await started();
  behaviour = (statement, response) => {
    if (!statement.startsWith("DROP")) return true;
    atWork += 1;
    response.socket?.destroy();
    return false;
  };
  await expect(sink.removeDevices(NAMES, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  behaviour = () => true;
  statements = [];
  await expect(sink.removeDevices(NAMES, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  expect(statements).toEqual(["SHOW QUERIES"]);
  atWork = 0;
  expect(await sink.removeDevices(NAMES, never)).toBe("verified");
});

test("a store that takes its time over saying what it can do is written to meanwhile, and asked again", async () => {
  const sink = await started({ api: "v2", org: "o", bucket: "b" });
  expect(await sink.rowDelete(never)).toBe("async");
});
