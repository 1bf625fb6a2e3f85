/**
 * Answers that no real server can be made to give on demand, from a small HTTP server of our own:
 * what the sink makes of each, and that nothing of a server's text is ever passed on.
 */
import { getEventListeners, once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { GatewayError } from "../../src/model/errors.ts";
import type { InfluxSink, InfluxSinkOptions } from "../../src/sinks/influx/sink.ts";
import { AT, never, placed, record, sinkFor } from "./influx-fixture.ts";

type Answer = (lines: string[], response: ServerResponse, request: IncomingMessage) => void;

let server: Server;
let url: string;
let answer: Answer;
let requests: string[][];
let connections: Socket[];
let deletion: (body: string, response: ServerResponse) => void;
let rowsLeft: (body: string, response: ServerResponse) => void;
const sinks: InfluxSink[] = [];

beforeEach(async () => {
  requests = [];
  connections = [];
  deletion = (_body, response) => void response.writeHead(204).end();
  rowsLeft = (asked, response) => void response.writeHead(200).end(answerTo(asked, () => undefined));
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      if (request.url?.startsWith("/api/v2/delete")) return void deletion(body, response);
      if (request.url?.startsWith("/query?db=")) {
        return void rowsLeft(new URLSearchParams(body).get("q") ?? "", response);
      }
      if (body === "") return void response.writeHead(204).end();
      const lines = body.split("\n");
      requests.push(lines);
      answer(lines, response, request);
    });
  });
  server.on("connection", (socket) => connections.push(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.stop()));
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function started(options: Partial<InfluxSinkOptions> = {}) {
  const { sink, logged } = sinkFor(url, {
    api: "v2",
    org: "o",
    bucket: "b",
    token: "secret-token",
    timeoutMs: 30_000,
    ...options,
  });
  sinks.push(sink);
  await sink.start(never);
  return { sink, logged };
}

const batch = (count: number) => Array.from({ length: count }, (_, n) => record(`canary${n}`, n, { n }));
/** One result for each statement, with the series that `seriesOf` has for it. */
const answerTo = (asked: string, seriesOf: (statement: string) => unknown) =>
  JSON.stringify({ results: asked.split(";").map((statement) => ({ series: seriesOf(statement) })) });
const numberOf = (line: string) => Number(/n=(\d+)/.exec(line)?.[1]);
const always =
  (status: number, headers: Record<string, string> = {}, body = ""): Answer =>
  (_lines, response) =>
    void response.writeHead(status, headers).end(body);

async function fault(writing: Promise<unknown>): Promise<GatewayError> {
  return await writing.then(
    () => Promise.reject(new Error("it was accepted")),
    (error: GatewayError) => error,
  );
}

describe("answers", () => {
  it.each([
    [429, "3", 3_000],
    [503, "120", 120_000],
    [503, undefined, undefined],
    [503, "soon", undefined],
    [500, undefined, undefined],
    [502, undefined, undefined],
    [408, undefined, undefined],
    [425, undefined, undefined],
  ])("%d with Retry-After %s: the batch comes again", async (status, header, retryAfterMs) => {
    answer = always(status, header === undefined ? {} : { "retry-after": header });
    const { sink } = await started();
    const error = await fault(sink.write(batch(3), never));
    expect({ ...error }).toMatchObject({ code: "SINK_UNAVAILABLE", retryable: true, retryAfterMs });
    expect(requests).toHaveLength(1);
  });

  it("reads a date in Retry-After", async () => {
    answer = always(503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() });
    const { sink } = await started();
    const { retryAfterMs } = await fault(sink.write(batch(1), never));
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it.each([401, 403, 404, 405, 302, 200])("%d is for an operator, and nothing counts as stored", async (status) => {
    answer = always(status, { location: "/elsewhere" }, "<html>please sign in</html>");
    const { sink } = await started();
    expect(await fault(sink.write(batch(3), never))).toMatchObject({ code: "SINK_DENIED", retryable: true });
    expect(requests).toHaveLength(1);
  });

  it.each([400, 422, 201])("%d: halves until the refused records stand alone, the others stored", async (status) => {
    const bad = new Set([3, 4, 30]);
    const accepted = new Set<number>();
    answer = (lines, response) => {
      const refused = lines.some((line) => bad.has(numberOf(line)));
      if (!refused) for (const line of lines) accepted.add(numberOf(line));
      response.writeHead(refused ? status : 204).end();
    };
    const { sink } = await started();
    expect(await sink.write(batch(32), never)).toEqual({ rejected: [...bad] });
    expect(accepted.size).toBe(29);
    expect(requests.length).toBeLessThan(40);
  });

  it("413: halves until it fits; a single line too large is refused", async () => {
    const accepted: number[] = [];
    answer = (lines, response) => {
      if (lines.length > 5 || lines.some((line) => numberOf(line) === 17)) return void response.writeHead(413).end();
      accepted.push(...lines.map(numberOf));
      response.writeHead(204).end();
    };
    const { sink } = await started();
    expect(await sink.write(batch(40), never)).toEqual({ rejected: [17] });
    expect(accepted.toSorted((a, b) => a - b)).toEqual(batch(40).flatMap((_, n) => (n === 17 ? [] : [n])));
  });

  it("a connection reset, before or within the answer: the batch comes again", async () => {
    const { sink } = await started();
    answer = (_lines, response) => void response.socket?.resetAndDestroy();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    answer = (_lines, response) => {
      response.writeHead(400, { "content-length": "1000", "content-type": "application/json" }).write('{"error":');
      setImmediate(() => response.socket?.resetAndDestroy());
    };
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
  });

  it("an outage in the middle of the halving is an outage, not a refusal", async () => {
    answer = (lines, response) => void response.writeHead(lines.length === 8 ? 400 : 503).end();
    const { sink } = await started();
    expect(await fault(sink.write(batch(8), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(requests).toHaveLength(2);
  });
});

describe("what became of a write that failed", () => {
  it.each([500, 502, 504])("%d: someone gave up waiting, the store itself may not have", async (status) => {
    answer = always(status);
    const { sink } = await started();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE", inDoubt: true });
  });

  it.each([401, 404, 408, 429, 503])("%d: it was not carried out", async (status) => {
    answer = always(status);
    const { sink } = await started();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ inDoubt: false });
  });

  it("no answer in time, a signal and a reset leave it in doubt", async () => {
    const { sink } = await started({ timeoutMs: 100 });
    answer = () => {};
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE", inDoubt: true });
    const lease = new AbortController();
    answer = () => lease.abort();
    expect(await fault(sink.write(batch(1), lease.signal))).toMatchObject({ inDoubt: true });
    answer = (_lines, response) => void response.socket?.resetAndDestroy();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE", inDoubt: true });
  });

  it("what was never sent is in no doubt", async () => {
    const { sink } = await started();
    expect(await fault(sink.write(batch(1), AbortSignal.abort()))).toMatchObject({ inDoubt: false });
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    // The first may still find a connection that no one is at the other end of.
    await fault(sink.write(batch(1), never));
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE", inDoubt: false });
    await sink.stop();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ inDoubt: false });
    server.listen(0, "127.0.0.1");
  });
});

describe("removal over /api/v2/delete", () => {
  const AT_NS = `${new Date(AT).toISOString().slice(0, -1)}000007Z`;

  /** The answer to whose names there are in the index. */
  const NAMES = [{ name: "device_status", columns: ["key", "value"], values: [["device", "dev"]] }];
  const isNames = (statement: string) => statement.startsWith("SHOW TAG VALUES");

  it("names device, model and the exact time, and looks whether the rows are gone", async () => {
    const deleted: unknown[] = [];
    const asked: string[] = [];
    const { sink } = await started({ org: "o", bucket: "a b/long" });
    expect(await sink.rowDelete(never)).toBe("async");
    deletion = (body, response) => {
      deleted.push(JSON.parse(body));
      response.writeHead(204).end();
    };
    rowsLeft = (body, response) => {
      asked.push(...body.split(";"));
      response.writeHead(200).end(answerTo(body, () => undefined));
    };
    const odd = `"h\\u'b" AND 1`;
    expect(await sink.remove([{ ...record("dev", 7, { n: 1 }), model: odd }], never)).toBe("verified");
    expect(await sink.removePlaces([placed("dev", "cell", AT)], never)).toBe("verified");
    const at = new Date(AT).toISOString().replace("Z", "000000Z");
    const model = `model="\\"h\\\\u'b\\" AND 1"`;
    expect(deleted).toEqual([
      { start: AT_NS, stop: AT_NS, predicate: `_measurement="device_status" AND device="dev" AND ${model}` },
      { start: at, stop: at, predicate: '_measurement="device_location" AND device="dev"' },
    ]);
    const literal = `'"h\\\\u\\'b" AND 1'`;
    expect(asked).toEqual([
      `SELECT "n" FROM "long"."device_status" WHERE "device" = 'dev' AND "model" = ${literal} AND time = ${AT}000007 LIMIT 1`,
      `SELECT "cell", "resolution" FROM "long"."device_location" WHERE "device" = 'dev' AND time = ${AT}000000 LIMIT 1`,
    ]);
  });

  it("of a whole device, everything, by an index that knows no fields", async () => {
    const deleted: unknown[] = [];
    const { sink } = await started();
    deletion = (body, response) => {
      deleted.push(JSON.parse(body));
      response.writeHead(204).end();
    };
    rowsLeft = (asked, response) =>
      void response.writeHead(200).end(answerTo(asked, (one) => (isNames(one) ? NAMES : undefined)));
    const names = [record("dev", 1, {}).device, record("nobody", 1, {}).device];
    expect(await sink.removeDevices(names, never)).toBe("verified");
    const ever = { start: "1970-01-01T00:00:00Z", stop: "2262-04-11T23:47:16Z" };
    expect(deleted).toEqual([
      { ...ever, predicate: '_measurement="device_status" AND device="dev"' },
      { ...ever, predicate: '_measurement="device_location" AND device="dev"' },
    ]);
  });

  it("counts before it deletes, if it may look", async () => {
    const { sink } = await started({ org: "o", bucket: "b" });
    const device = record("dev", 1, {}).device;
    const series = (...counts: number[]) => [
      { tags: { device }, columns: ["time", "count"], values: [["1970-01-01T00:00:00Z", ...counts]] },
    ];
    rowsLeft = (asked, response) =>
      void response
        .writeHead(200)
        .end(answerTo(asked, (one) => (one.includes('"device_status"') ? series(3, 4) : series(1, 1))));
    expect(await sink.countRows([device], never)).toBe(5);
    rowsLeft = (_body, response) => void response.writeHead(403).end();
    expect(await sink.countRows([device], never)).toBeUndefined();
    rowsLeft = (_body, response) => void response.writeHead(503).end();
    expect(await fault(sink.countRows([device], never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
  });

  it("is not done while the store still shows a row, and says when no one may look", async () => {
    const { sink } = await started();
    const row = [{ columns: ["time", "n"], values: [["1970-01-01T00:00:00Z", 1]], tags: { device: "dev" } }];
    const device = record("dev", 1, {}).device;
    rowsLeft = (asked, response) =>
      void response.writeHead(200).end(answerTo(asked, (one) => (isNames(one) ? NAMES : row)));
    expect(await fault(sink.remove(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(await fault(sink.removeDevices([device], never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    // A token that may only write: an InfluxDB 2 then knows no such bucket, and says so in one way or another.
    const hidden = JSON.stringify({ results: [{ error: "database not found: b" }] });
    for (const [status, body] of [
      [403, ""],
      [404, ""],
      [200, hidden],
    ] as const) {
      rowsLeft = (_asked, response) => void response.writeHead(status).end(body);
      expect(await sink.remove(batch(1), never)).toBe("accepted");
      expect(await sink.removeDevices([device], never)).toBe("accepted");
    }
    rowsLeft = (_asked, response) =>
      void response.writeHead(200).end(JSON.stringify({ results: [{ error: "timeout reached" }] }));
    expect(await fault(sink.remove(batch(1), never))).toMatchObject({ code: "SINK_DENIED" });
  });

  it("of old rows says what became of it", async () => {
    const { sink } = await started({ org: "o", bucket: "b" });
    sink.retention.start();
    const old = { measurement: "device_status", beforeMs: Date.UTC(2026, 0, 2), except: [] } as const;
    const deleted: unknown[] = [];
    deletion = (body, response) => {
      deleted.push(JSON.parse(body));
      response.writeHead(204).end();
    };
    expect(await sink.retention.remove(old, never)).toBe("deleted");
    const predicate = '_measurement="device_status"';
    expect(deleted.at(-1)).toEqual({ start: "1970-01-01T00:00:00Z", stop: "2026-01-02T00:00:00.000Z", predicate });
    for (const [status, code] of [
      [401, "SINK_DENIED"],
      [503, "SINK_UNAVAILABLE"],
      [425, "SINK_UNAVAILABLE"],
      [429, "SINK_UNAVAILABLE"],
    ] as const) {
      deletion = (_body, response) => void response.writeHead(status).end();
      expect(await fault(sink.retention.remove(old, never))).toMatchObject({ code });
    }
    sink.retention.stop();
  });

  it("of old rows spares all when it cannot be told which are held", async () => {
    const { sink } = await started({ org: "o", bucket: "b" });
    sink.retention.start();
    const held = record("held", 1, {}).device;
    const old = { measurement: "device_status", beforeMs: Date.UTC(2026, 0, 2), except: [held] } as const;
    const predicates: string[] = [];
    deletion = (body, response) => {
      predicates.push((JSON.parse(body) as { predicate: string }).predicate);
      response.writeHead(204).end();
    };
    for (const [status, code] of [
      [403, "SINK_DENIED"],
      [404, "SINK_DENIED"],
      [425, "SINK_UNAVAILABLE"],
    ] as const) {
      rowsLeft = (_asked, response) => void response.writeHead(status).end();
      expect(await fault(sink.retention.remove(old, never))).toMatchObject({ code });
    }
    const many = { ...old, except: Array.from({ length: 20_001 }, () => held) };
    expect(await sink.retention.remove(many, never)).toBe("postponed");
    // Asked what it can do, and nothing else.
    expect(new Set(predicates)).toEqual(new Set(['_measurement="none"']));
    sink.retention.stop();
  });

  it("is tried again after an outage, and left to an operator after a refusal", async () => {
    const { sink } = await started();
    deletion = (_body, response) => void response.writeHead(503, { "retry-after": "2" }).end();
    expect(await fault(sink.remove(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE", retryAfterMs: 2_000 });
    deletion = (_body, response) => void response.writeHead(403).end();
    expect(await fault(sink.remove(batch(1), never))).toMatchObject({ code: "SINK_DENIED" });
  });

  it.each([400, 404, 405, 501])(
    "a server that answers %d to it cannot delete rows, and that is said",
    async (status) => {
      deletion = (_body, response) => void response.writeHead(status).end();
      const { sink, logged } = await started();
      expect(await sink.rowDelete(never)).toBe("none");
      expect(logged).toContain('the store cannot delete rows {"sink":"influx"}');
      expect(await sink.remove(batch(1), never)).toBe("unsupported");
      sink.retention.start();
      const old = { measurement: "device_status", beforeMs: AT, except: [] } as const;
      expect(await sink.retention.remove(old, never)).toBe("unsupported");
      sink.retention.stop();
    },
  );
});

describe("no detached work", () => {
  it("closes the connection of a request that takes too long", async () => {
    const closed: Promise<unknown>[] = [];
    answer = (_lines, response) => void closed.push(once(response, "close"));
    const { sink } = await started({ timeoutMs: 100 });
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it("does not count time between the bytes of a dripping answer as progress", async () => {
    answer = (_lines, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      const drip = setInterval(() => response.write("."), 20);
      response.on("close", () => clearInterval(drip));
    };
    const { sink } = await started({ timeoutMs: 200 });
    // Counted as progress, a byte each 20 ms would keep it here for good.
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
  });

  it("gives up at once when the signal fires, sends nothing more, and leaves no listener behind", async () => {
    const lease = new AbortController();
    const { sink } = await started();
    let gone: Promise<unknown> | undefined;
    answer = (lines, response) => {
      if (lines.length === 8) return void response.writeHead(400).end();
      gone = once(response, "close");
      lease.abort();
    };
    expect(await fault(sink.write(batch(8), lease.signal))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    await gone;
    expect(requests.map((lines) => lines.length)).toEqual([8, 4]);
    expect(await fault(sink.write(batch(8), lease.signal))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(requests).toHaveLength(2);
    expect(getEventListeners(lease.signal, "abort")).toHaveLength(0);
  });

  it("leaves no listener on a signal that outlives many batches", async () => {
    answer = always(204);
    const { sink } = await started();
    const lease = new AbortController();
    for (let n = 0; n < 20; n += 1) await sink.write(batch(1), lease.signal);
    expect(getEventListeners(lease.signal, "abort")).toHaveLength(0);
  });

  it("continues looking for refused lines where a batch that ran out of time left off", async () => {
    const bad = new Set([1, 2, 5, 9, 12, 14]);
    let budget = 10;
    let lease = new AbortController();
    answer = (lines, response) => {
      budget -= 1;
      if (budget === 0) lease.abort();
      response.writeHead(lines.some((line) => bad.has(numberOf(line))) ? 400 : 204).end();
    };
    const { sink } = await started();
    let attempts = 0;
    let result: { rejected: number[] } | undefined;
    while (result === undefined && attempts < 20) {
      attempts += 1;
      budget = 10;
      lease = new AbortController();
      result = await sink.write(batch(16), lease.signal).catch(() => undefined);
    }
    expect(attempts).toBeGreaterThan(1);
    expect(result).toEqual({ rejected: [...bad] });
  });

  it("keeps one connection for batches in a row, and sends them as they are on loopback", async () => {
    const encodings: (string | undefined)[] = [];
    answer = (_lines, response, request) => {
      encodings.push(request.headers["content-encoding"]);
      response.writeHead(204).end();
    };
    const { sink } = await started();
    for (let n = 0; n < 10; n += 1) await sink.write(batch(200), never);
    expect(connections).toHaveLength(1);
    expect(new Set(encodings)).toEqual(new Set([undefined]));
  });

  it("stores nothing before it was started or after it was stopped", async () => {
    const { sink } = await started();
    await sink.stop();
    expect(await fault(sink.write(batch(1), never))).toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(requests).toHaveLength(0);
  });
});

describe("a slow store", () => {
  /** Far more than the 60 ms below on a busy machine, and no more than a test can wait for some times. */
  const REQUEST_MS = 2_000;
  const ATTEMPT_MS = 2_700;

  /** Takes 60 ms for a request of so many lines, and for a longer one more time than anybody waits: that one is dropped. */
  function slowly(mostLines: () => number) {
    const stored: number[] = [];
    answer = (lines, response) => {
      if (lines.length > mostLines()) return;
      const timer = setTimeout(() => {
        stored.push(...lines.map(numberOf));
        response.writeHead(204).end();
      }, 60);
      response.on("close", () => clearTimeout(timer));
    };
    return stored;
  }

  /** As the pipeline does it: again and again, each attempt with little time. */
  async function attempts(sink: InfluxSink, records: ReturnType<typeof batch>): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      const result = await sink.write(records, AbortSignal.timeout(ATTEMPT_MS)).catch((error: GatewayError) => error);
      if (!(result instanceof Error)) return attempt;
      if (attempt === 30) throw result;
    }
  }

  it("that needs more time for a batch than an attempt has gets it in parts, each of them once", async () => {
    const stored = slowly(() => 250);
    const { sink } = await started({ timeoutMs: REQUEST_MS });
    expect(await attempts(sink, batch(1_000))).toBeLessThan(8);
    expect(stored.toSorted((a, b) => a - b)).toEqual(batch(1_000).map((_, n) => n));
    // The next batch begins with what the store can take.
    requests.length = 0;
    expect(await attempts(sink, batch(200))).toBe(1);
    expect(requests.every((lines) => lines.length <= 250)).toBe(true);
  });

  it("is given whole batches again when it is quick again", async () => {
    let mostLines = 250;
    slowly(() => mostLines);
    const { sink } = await started({ timeoutMs: REQUEST_MS });
    await attempts(sink, batch(600));
    mostLines = 1_000;
    for (let n = 0; n < 4; n += 1) await sink.write(batch(1_000), never);
    requests.length = 0;
    await sink.write(batch(1_000), never);
    expect(requests.map((lines) => lines.length)).toEqual([1_000]);
  });

  it("gets again what was removed between two attempts", async () => {
    const { sink } = await started({ maxLinesPerRequest: 2 });
    const records = batch(4);
    answer = (lines, response) => void response.writeHead(lines.some((line) => numberOf(line) > 1) ? 503 : 204).end();
    await fault(sink.write(records, never));
    await sink.removeDevices(
      records.slice(0, 1).map(({ device }) => device),
      never,
    );
    requests.length = 0;
    answer = always(204);
    await sink.write(records, never);
    expect(requests.flat().map(numberOf)).toEqual([0, 1, 2, 3]);
  });
});

describe("secrets", () => {
  it.each([400, 401, 422, 429, 500])(
    "an answer %d that repeats our lines reaches no error, log or console",
    async (status) => {
      const printed = [
        vi.spyOn(console, "error"),
        vi.spyOn(console, "warn"),
        vi.spyOn(process.stderr, "write"),
        vi.spyOn(process.stdout, "write"),
      ];
      try {
        const { sink, logged } = await started();
        answer = (lines, response) => {
          const error = `partial write: unable to parse '${lines.join(" ")}'`;
          response.writeHead(status, error, { "content-type": "application/json", "x-influxdb-error": error });
          response.end(JSON.stringify({ error, message: error, code: error }));
        };
        const outcome = await sink.write(batch(2), never).catch((error: unknown) => error);
        const told = `${inspect(outcome, { depth: 10, showHidden: true })}\n${logged.join("\n")}\n${JSON.stringify(printed.flatMap((spy) => spy.mock.calls))}`;
        expect(requests.length).toBeGreaterThan(0);
        expect(told).not.toContain("canary");
        expect(told).not.toContain("partial write");
        expect(told).not.toContain("secret-token");
      } finally {
        for (const spy of printed) spy.mockRestore();
      }
    },
  );

  it("sends the token, and it alone", async () => {
    const seen: (string | undefined)[] = [];
    answer = (_lines, response, request) => {
      seen.push(request.headers.authorization, request.url);
      response.writeHead(204).end();
    };
    const { sink } = await started({ username: "name", password: "word", org: "my org", bucket: "b&c" });
    await sink.write(batch(1), never);
    expect(seen).toEqual(["Token secret-token", "/api/v2/write?precision=ns&org=my+org&bucket=b%26c"]);
  });
});
