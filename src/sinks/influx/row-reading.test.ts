/** What an InfluxDB 2 is asked to read, and how its answers are pieced together. InfluxDB 1 is asked for real elsewhere. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Pseudonym } from "../../model/ids.ts";
import type { StoredRow } from "./row-answers.ts";
import { RowReading } from "./row-reading.ts";

const never = new AbortController().signal;
const [A, B, C] = ["a", "b", "c"].map((letter) => letter.repeat(22) as Pseudonym) as [Pseudonym, Pseudonym, Pseudonym];

interface Stored {
  readonly device: Pseudonym;
  readonly model?: string;
  readonly field: string;
  readonly type: "double" | "boolean" | "string";
  /** RFC 3339 → value as CSV has it. */
  readonly values: readonly (readonly [time: string, value: string])[];
}

let server: Server;
let reading: RowReading;
interface Asked {
  readonly url: string;
  readonly query: string;
  readonly dialect?: unknown;
}
let asked: Asked[];
let stored: Stored[];
let fault: ((query: string) => { status: number; body: string } | undefined) | undefined;

const HEAD = "#group,false,false,true,true,false,true\r\n#default,_result,,,,,\r\n";

/** Answers the two queries of a reading as an InfluxDB 2 does: a table for each series. */
function answer(query: string): string {
  const from = /range\(start: (\S+), stop: (\S+)\)/.exec(query) ?? [];
  const limit = Number(/limit\(n: (\d+)\)/.exec(query)?.[1]);
  const known = stored.filter(({ device }) => query.includes(`r.device == "${device}"`));
  if (query.includes("keep(")) {
    const tables = [...new Set(known.map(({ device }) => device))];
    const rows = tables.map((device, table) => `,,${table},${device}`);
    return `#datatype,string,long,string\r\n#group,false,false,true\r\n#default,_result,,\r\n,result,table,device\r\n${rows.join("\r\n")}\r\n\r\n`;
  }
  return known
    .map(({ device, model, field, type, values }, table) => {
      const within = values.filter(([time]) => time >= String(from[1]) && time < String(from[2])).slice(0, limit);
      if (within.length === 0) return "";
      const rows = within.map(
        ([time, value]) => `,,${table},${field},${device},${time},${value}${model ? `,${model}` : ""}`,
      );
      const datatype = `#datatype,string,long,string,string,dateTime:RFC3339,${type}${model ? ",string" : ""}\r\n`;
      return `${HEAD.replace("\r\n", model ? ",true\r\n" : "\r\n")}${datatype},result,table,_field,device,_time,_value${model ? ",model" : ""}\r\n${rows.join("\r\n")}\r\n\r\n`;
    })
    .join("");
}

beforeEach(async () => {
  asked = [];
  stored = [];
  fault = undefined;
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const influxQl = new URLSearchParams(body).get("q");
    const { query, dialect } = (influxQl === null ? JSON.parse(body) : { query: influxQl }) as Omit<Asked, "url">;
    asked.push({ url: request.url ?? "", query, dialect });
    const wrong = fault?.(query);
    response.writeHead(wrong?.status ?? 200, { "content-type": "text/csv" }).end(wrong?.body ?? answer(query));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const v2 = { api: "v2", org: "my home", bucket: "data", token: "secret" } as const;
  reading = new RowReading({ url, ...v2, database: "", retentionPolicy: "" }, 2);
  reading.start();
});
afterEach(async () => {
  reading.stop();
  await new Promise((resolve) => server.close(resolve));
});

const at = (second: number) => `2026-01-02T03:04:${String(second).padStart(2, "0")}.000000007Z`;
const ns = (second: number) => `${Date.UTC(2026, 0, 2, 3, 4, second)}000007`;

async function read(names: readonly Pseudonym[]): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const page of reading.rows("device_status", names, ns(59), never)) rows.push(...page);
  return rows;
}

describe("on InfluxDB 2", () => {
  test("values come back as the types they were, under the keys the device used", async () => {
    const device = A;
    stored = [
      { device, model: "hub", field: "n", type: "double", values: [[at(1), "21.5"]] },
      { device, model: "hub", field: "on", type: "boolean", values: [[at(1), "false"]] },
      { device, model: "hub", field: "text", type: "string", values: [[at(1), '"a ""b"", c"']] },
      { device, model: "hub", field: "empty", type: "string", values: [[at(1), ""]] },
      { device, model: "hub", field: "digits", type: "string", values: [[at(1), "42"]] },
      { device, model: "hub", field: "time_", type: "double", values: [[at(1), "7"]] },
    ];
    const fields = { n: 21.5, on: false, text: 'a "b", c', empty: "", digits: "42", time: 7 };
    expect(await read([A])).toEqual([{ device, timeNs: ns(1), model: "hub", fields }]);
    expect(new Set(asked.map(({ url }) => url))).toEqual(new Set(["/api/v2/query?org=my+home"]));
    expect(asked[0]?.dialect).toMatchObject({ header: true, annotations: expect.arrayContaining(["datatype"]) });
  });

  test("only devices that have rows are read, each to its end, whatever is in a page", async () => {
    const seconds = Array.from({ length: 9 }, (_, second) => second + 1);
    stored = [
      { device: A, field: "often", type: "double", values: seconds.map((second) => [at(second), `${second}`]) },
      {
        device: A,
        field: "seldom",
        type: "boolean",
        values: [
          [at(3), "true"],
          [at(8), "true"],
        ],
      },
      {
        device: A,
        model: "hub",
        field: "often",
        type: "double",
        values: [
          [at(3), "30"],
          [at(9), "90"],
        ],
      },
      { device: C, field: "once", type: "string", values: [[at(5), "x"]] },
    ];
    const rows = await read([A, B, C]);
    expect(rows.filter(({ device, model }) => device === A && model === undefined)).toEqual(
      seconds.map((second) => ({
        device: A,
        timeNs: ns(second),
        fields: { often: second, ...((second === 3 || second === 8) && { seldom: true }) },
      })),
    );
    expect(rows.filter(({ model }) => model === "hub").map(({ timeNs }) => timeNs)).toEqual([ns(3), ns(9)]);
    expect(rows.filter(({ device }) => device === C)).toEqual([{ device: C, timeNs: ns(5), fields: { once: "x" } }]);
    expect(rows).toHaveLength(12);
    expect(asked.some(({ query }) => query.includes("limit(n: 2)") && query.includes(B))).toBe(false);
  });

  test("nothing later than asked for is read", async () => {
    stored = [
      {
        device: A,
        field: "n",
        type: "double",
        values: [
          [at(1), "1"],
          [at(2), "2"],
        ],
      },
    ];
    const rows: StoredRow[] = [];
    for await (const page of reading.rows("device_status", [A], ns(1), never)) rows.push(...page);
    expect(rows).toHaveLength(1);
  });

  test("a page that is too long is asked for again, smaller, and nothing is lost", async () => {
    const long = "x".repeat(2_000);
    stored = [
      { device: A, field: "text", type: "string", values: Array.from({ length: 40 }, (_, n) => [at(n), long]) },
    ];
    reading.stop();
    const { port } = server.address() as AddressInfo;
    const v2 = { api: "v2", org: "o", bucket: "b", database: "", retentionPolicy: "" } as const;
    reading = new RowReading({ url: `http://127.0.0.1:${port}`, ...v2 }, 40);
    reading.start();
    const tooLong = "y".repeat(5 * 1024 * 1024);
    fault = (query) => (query.includes("limit(n: 40)") ? { status: 200, body: tooLong } : undefined);
    expect(await read([A])).toHaveLength(40);
  });

  test.each([
    ["is away", { status: 503, body: "" }, "SINK_UNAVAILABLE"],
    ["does not let us look", { status: 401, body: "{}" }, "SINK_DENIED"],
    ["knows no queries", { status: 404, body: "" }, "SINK_DENIED"],
    ["imitates another", { status: 400, body: "" }, "SINK_DENIED"],
    [
      "breaks off in the middle",
      {
        status: 200,
        body: "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,out of memory,897\r\n",
      },
      "SINK_UNAVAILABLE",
    ],
  ])("a store that %s is an error, never a shorter answer", async (_, wrong, code) => {
    stored = [{ device: A, field: "n", type: "double", values: [[at(1), "1"]] }];
    await expect(reading.check(never)).resolves.toBeUndefined();
    fault = () => wrong;
    await expect(reading.check(never)).rejects.toMatchObject({ code });
    fault = (query) => (query.includes("keep(") ? undefined : wrong);
    await expect(read([A])).rejects.toMatchObject({ code });
  });
});

describe("on InfluxDB 3, which knows no Flux", () => {
  const series = (columns: string[], values: unknown[][]) =>
    JSON.stringify({ results: [{ statement_id: 0, series: [{ name: "device_status", columns, values }] }] });

  test("pages are asked for in InfluxQL, from the database that has the name of the bucket", async () => {
    fault = (query) => {
      if (query.startsWith("from(")) return { status: 404, body: "" };
      if (query.startsWith("SHOW")) return { status: 200, body: series(["fieldKey", "fieldType"], [["n", "float"]]) };
      const columns = ["time", "device", "model", "n"];
      if (query.includes("time >= 0 ")) {
        return {
          status: 200,
          body: series(columns, [
            [at(1), A, "hub", 1.5],
            [at(2), B, null, 2],
          ]),
        };
      }
      return { status: 200, body: series(columns, [[at(2), B, null, 2]]) };
    };
    expect(await read([A, B])).toEqual([
      { device: A, timeNs: ns(1), model: "hub", fields: { n: 1.5 } },
      { device: B, timeNs: ns(2), fields: { n: 2 } },
    ]);
    expect(asked.at(-1)?.url).toBe("/query?db=data");
    expect(asked.at(-1)?.query).toContain(`time >= ${ns(2)}`);
  });

  test("a server that answers every query with the same list is an error", async () => {
    const list = series(["name"], [["data"]]);
    fault = (query) => (query.startsWith("from(") ? { status: 404, body: "" } : { status: 200, body: list });
    await expect(reading.check(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
  });
});
