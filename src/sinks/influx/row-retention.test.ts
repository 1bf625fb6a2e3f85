/** What an InfluxDB 2 is asked to delete, and what its answers mean. InfluxDB 1 is asked for real elsewhere. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Pseudonym } from "../../model/ids.ts";
import { type OldRows, RowRetention } from "./row-retention.ts";

const never = new AbortController().signal;
const ROWS: OldRows = { measurement: "device_status", beforeMs: Date.UTC(2026, 0, 2), except: [] };
const HELD = "abcdefghijklmnopqrstuv" as Pseudonym;

let server: Server;
let retention: RowRetention;
let asked: { url: string; body: string; authorization: string | undefined }[];
let answer: { status: number; body: string };
let queried: typeof answer;
const queryIn = (one: { body: string } | undefined) => (JSON.parse(one?.body ?? "{}") as { query?: string }).query;

beforeEach(async () => {
  asked = [];
  answer = { status: 204, body: "" };
  queried = { status: 200, body: "" };
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    asked.push({ url: request.url ?? "", body, authorization: request.headers.authorization });
    const { status, body: text } = request.url?.startsWith("/api/v2/query") ? queried : answer;
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const v2 = { api: "v2", org: "home", bucket: "data", token: "secret" } as const;
  retention = new RowRetention({ url, ...v2, database: "", retentionPolicy: "" });
  retention.start();
});
afterEach(async () => {
  retention.stop();
  await new Promise((resolve) => server.close(resolve));
});

describe("on InfluxDB 2", () => {
  test("a measurement is deleted by age", async () => {
    expect(await retention.remove(ROWS, never)).toBe("deleted");
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe("/api/v2/delete?org=home&bucket=data");
    expect(asked[0]?.authorization).toBe("Token secret");
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
      start: "1970-01-01T00:00:00Z",
      stop: "2026-01-02T00:00:00.000Z",
      predicate: '_measurement="device_status"',
    });
  });

  test("what is held and cannot be told apart keeps all", async () => {
    for (const [status, outcome] of [
      [404, "unsupported"],
      [200, "deleted"],
    ] as const) {
      queried = { status, body: "" };
      expect(await retention.remove({ ...ROWS, except: [HELD] }, never)).toBe(outcome);
    }
    asked = [];
    for (const [status, code] of [
      [403, "SINK_DENIED"],
      [425, "SINK_UNAVAILABLE"],
    ] as const) {
      queried = { status, body: "" };
      await expect(retention.remove({ ...ROWS, except: [HELD] }, never)).rejects.toMatchObject({ code });
    }
    const many = Array.from({ length: 20_001 }, () => HELD);
    expect(await retention.remove({ ...ROWS, except: many }, never)).toBe("postponed");
    expect(asked.filter(({ url }) => url.startsWith("/api/v2/delete"))).toEqual([]);
  });

  test.each([404, 405, 501])("%i means that this store cannot delete rows", async (status) => {
    answer = { status, body: "" };
    expect(await retention.remove(ROWS, never)).toBe("unsupported");
  });

  test.each([
    [401, "SINK_DENIED"],
    [503, "SINK_UNAVAILABLE"],
    [425, "SINK_UNAVAILABLE"],
    [429, "SINK_UNAVAILABLE"],
  ])("%i is a fault: %s", async (status, code) => {
    answer = { status, body: "" };
    await expect(retention.remove(ROWS, never)).rejects.toMatchObject({ code });
  });

  test("rows are counted by their commonest field, without those that are held", async () => {
    queried = {
      status: 200,
      body: ",result,table,_measurement,_field,_time\r\n,,0,device_status,power,7\r\n,,1,device_status,mood,3\r\n",
    };
    expect(await retention.count({ ...ROWS, except: [HELD] }, never)).toBe(7);
    expect(queryIn(asked[0])).toContain(`r._measurement == "device_status" and r.device != "${HELD}"`);
    queried = { status: 403, body: "" };
    expect(await retention.count(ROWS, never)).toBeUndefined();
  });
});

test("before it is started, and after it was stopped, nothing is asked", async () => {
  retention.stop();
  await expect(retention.remove(ROWS, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
});
