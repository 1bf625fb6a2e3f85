/** The sink on a real InfluxDB 1: what it says is stored is stored, and what it says is refused is named exactly. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AnalyticsRecord } from "../../src/model/deidentified.ts";
import type { CellId } from "../../src/model/ids.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { startInflux } from "../../tools/private-servers/services.ts";
import {
  AT,
  never,
  placed,
  query,
  quiet,
  record,
  sinkFor,
  startInfluxWithPasswords,
  temporaryFolder,
  writeBeside,
  writeRequests,
} from "./influx-fixture.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;
let logged: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: `${folder.dir}/open`, say: quiet });
});

afterAll(async () => {
  await sink.stop();
  await influx.stop();
  await folder.remove();
});

beforeEach(async () => {
  await query(influx.url, "DROP DATABASE consentry");
  ({ sink, logged } = sinkFor(influx.url));
  await sink.start(never);
});

const statusRows = () => query(influx.url, "SELECT * FROM device_status");
const locationRows = () => query(influx.url, "SELECT * FROM device_location");

describe("storing", () => {
  it("keeps every field, tag and time as it was given, odd characters included", async () => {
    const odd = ['"', "\\", 'end\\"', "a,b=c d", "\\\\", "", "#", "€😀", " lead and trail ", "\\n", "ü".repeat(64)];
    const records = odd.map(
      (text, n): AnalyticsRecord => ({ ...record("dev", n, { text, n, on: n % 2 === 0 }), model: "hub" }),
    );
    expect(await sink.write(records, never)).toEqual({ rejected: [] });
    const rows = await statusRows();
    expect(rows.map((row) => row.text)).toEqual(odd);
    expect(rows.map((row) => row.n)).toEqual(odd.map((_, n) => n));
    expect(rows.map((row) => row.on)).toEqual(odd.map((_, n) => n % 2 === 0));
    expect(rows.map((row) => row.time)).toEqual(records.map((one) => one.timestampNs));
    expect(new Set(rows.map((row) => `${row.device} ${row.model}`))).toEqual(new Set(["dev hub"]));
  });

  it("accepts every model name, and keeps it", async () => {
    const models = ["a b", "a,b", "a=b", "a\\b", "a\\,b", 'a"b', "a\\\\b", "é", "trailing"];
    await sink.write(
      models.map((model, n): AnalyticsRecord => ({ ...record("dev", n, { n }), model })),
      never,
    );
    await sink.write([{ ...record("dev", models.length, { n: models.length }), model: "trailing\\" }], never);
    const rows = await statusRows();
    expect(rows.map((row) => row.model)).toEqual([...models, "trailing"]);
  });

  it("stores numbers as floats, the largest and the smallest too", async () => {
    const numbers = [0, -0, 1, 1e21, -1.7976931348623157e308, 5e-324, 0.1, Number.MAX_SAFE_INTEGER];
    expect(
      await sink.write(
        numbers.map((value, n) => record("dev", n, { value })),
        never,
      ),
    ).toEqual({ rejected: [] });
    expect((await statusRows()).map((row) => Number(row.value))).toEqual(numbers.map((value) => value + 0));
    const [key] = await query(influx.url, "SHOW FIELD KEYS FROM device_status");
    expect(key).toMatchObject({ fieldKey: "value", fieldType: "float" });
  });

  it("writes the fields of its table alone, and of them no value of another type", async () => {
    const status = { time: 1, device: 2, model: "x", unknown: 3, n: "3", on: 1, text: false, power: 5, total: 7 };
    expect(await sink.write([{ ...record("dev", 1, status), model: "hub" }], never)).toEqual({ rejected: [] });
    expect(await sink.write([record("dev", 2, { unknown: 3, n: "3" })], never)).toEqual({ rejected: [] });
    expect(await statusRows()).toEqual([{ time: `${AT}000001`, device: "dev", model: "hub", power: 5, total: 7 }]);
  });

  it("overwrites a batch that comes again with itself", async () => {
    const batch = [record("a", 1, { n: 1 }), record("b", 1, { n: 2 })];
    for (let time = 0; time < 3; time += 1) {
      await sink.write(batch, never);
      await sink.writePlaces([placed("p", "8560145bfffffff")], never);
    }
    expect(await statusRows()).toHaveLength(2);
    expect(await locationRows()).toHaveLength(1);
  });

  it("keeps one place for each device and epoch, the last that was written, however often it moved", async () => {
    for (let n = 0; n < 500; n += 1) await sink.writePlaces([placed("mover", `cell ${n}`)], never);
    expect(await locationRows()).toEqual([{ time: `${AT}000000`, device: "mover", cell: "cell 499", resolution: 5 }]);
  });

  it("counts the rows of devices, and leaves not even their names when they are removed", async () => {
    const [gone, kept] = ["gone", "kept"].map((name) => record(name, 0, {}).device);
    if (gone === undefined || kept === undefined) throw new Error("names");
    expect(await sink.countRows([gone], never)).toBe(0);
    for (const name of ["gone", "kept"]) {
      const rows = [record(name, 1, { a: 1, b: 1 }), record(name, 2, { a: 2 }), record(name, 3, { b: 3 })];
      await sink.write([...rows, { ...record(name, 4, { a: 4 }), model: "hub" }], never);
      await sink.writePlaces([placed(name, "here")], never);
    }
    // Three rows have the commonest field, one is a place.
    expect(await sink.countRows([gone], never)).toBe(4);
    expect(await sink.countRows([gone, kept], never)).toBe(8);
    expect(await sink.removeDevices([gone], never)).toBe("verified");
    expect(await sink.countRows([gone, kept], never)).toBe(4);
    const names = await query(influx.url, "SHOW TAG VALUES WITH KEY = device");
    expect(new Set(names.map(({ value }) => value))).toEqual(new Set(["kept"]));
  });

  it("writes the activity of cells, and nothing for a batch without lines", async () => {
    const start = AT - (AT % 60_000);
    const count = { cell: "8560145bfffffff" as CellId, devices: 15, messages: 40, timestampNs: `${start}000000` };
    // Written again, it overwrites itself.
    for (let time = 0; time < 2; time += 1) {
      expect(await sink.writeActivity([count], never)).toEqual({ rejected: [] });
    }
    expect(await query(influx.url, "SELECT * FROM cell_activity")).toEqual([
      { time: `${start}000000`, cell: "8560145bfffffff", devices: 15, messages: 40 },
    ]);
    const before = await writeRequests(influx.url);
    expect(await sink.write([], never)).toEqual({ rejected: [] });
    expect(await sink.write([{ device: placed("a", "x").device, timestampNs: "1" }], never)).toEqual({
      rejected: [],
    });
    expect(await writeRequests(influx.url)).toBe(before);
  });

  it("splits a batch into requests of the size it was given", async () => {
    const small = sinkFor(influx.url, { maxLinesPerRequest: 7 }).sink;
    await small.start(never);
    const before = await writeRequests(influx.url);
    await small.write(
      Array.from({ length: 50 }, (_, n) => record("dev", n, { n })),
      never,
    );
    expect((await writeRequests(influx.url)) - before).toBe(8);
    expect(await statusRows()).toHaveLength(50);
    await small.stop();
  });
});

/** A place that the store refuses, because someone else has given its field another type. */
const refusePlaces = () => writeBeside(influx.url, `device_location,device=first cell=1 ${AT}000000`);

describe("refused lines", () => {
  it("names exactly the records that are refused, and stores all others", async () => {
    await writeBeside(influx.url, `device_status,device=someone-else power="x" ${AT}000000`);
    const bad = new Set([0, 7, 8, 99, 150, 199]);
    const records = Array.from({ length: 200 }, (_, n) => record(`dev${n}`, n + 1, bad.has(n) ? { power: n } : { n }));
    const result = await sink.write(records, never);
    expect(result.rejected).toEqual([...bad]);
    expect(await statusRows()).toHaveLength(200 - bad.size + 1);
  });

  it("names the places that are refused", async () => {
    await refusePlaces();
    expect(await sink.writePlaces([placed("dev", "here"), placed("dev2", "there")], never)).toEqual({
      rejected: [0, 1],
    });
    expect(await locationRows()).toHaveLength(1);
  });

  it("isolates lines that are not the protocol at all", async () => {
    const good = { cell: "8560145bfffffff" as CellId, devices: 5, messages: 9, timestampNs: "1" };
    const counts = [
      good,
      { ...good, devices: Number.NaN },
      { ...good, timestampNs: "2" },
      { ...good, timestampNs: "x" },
    ];
    expect(await sink.writeActivity(counts, never)).toEqual({ rejected: [1, 3] });
    expect(await query(influx.url, "SELECT * FROM cell_activity")).toHaveLength(2);
  });

  it("dead-letters the record whose field someone else has given another type, and stores its neighbours", async () => {
    await writeBeside(influx.url, `device_status,device=someone-else n="x" ${AT}000000`);
    const records = Array.from({ length: 100 }, (_, n) => record(`dev${n}`, n, n === 42 ? { n } : { power: n }));
    expect(await sink.write(records, never)).toEqual({ rejected: [42] });
    expect(await query(influx.url, "SELECT power FROM device_status")).toHaveLength(99);
  });

  it("needs one request to learn that a whole batch is older than the store keeps", async () => {
    await query(influx.url, "CREATE RETENTION POLICY brief ON consentry DURATION 1h REPLICATION 1 DEFAULT");
    const old = Array.from({ length: 300 }, (_, n) => ({
      ...record("dev", n, { n }),
      timestampNs: `${AT - 7_200_000}${100_000 + n}`,
    }));
    const before = await writeRequests(influx.url);
    const { rejected } = await sink.write(old, never);
    expect(rejected).toEqual(old.map((_, n) => n));
    expect((await writeRequests(influx.url)) - before).toBe(1);
  });

  it("takes a refused record when it is sent again after the store was repaired", async () => {
    await refusePlaces();
    const repaired = [placed("dev", "here")];
    expect(await sink.writePlaces(repaired, never)).toEqual({ rejected: [0] });
    await query(influx.url, "DROP MEASUREMENT device_location");
    expect(await sink.writePlaces(repaired, never)).toEqual({ rejected: [] });
    expect(await locationRows()).toHaveLength(1);
  });

  it("logs how many were refused and no word of what they said", async () => {
    await refusePlaces();
    await sink.writePlaces([placed("canary-device", "canary-value")], never);
    expect(logged.join("\n")).toContain('lines refused by the store {"sink":"influx","count":1}');
    expect(logged.join("\n")).not.toContain("canary");
  });
});

describe("starting", () => {
  it("creates a missing database when it may, and says so when it may not", async () => {
    await query(influx.url, "DROP DATABASE consentry");
    const careful = sinkFor(influx.url, { createDatabase: false }).sink;
    await expect(careful.start(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
    const odd = sinkFor(influx.url, { database: 'odd "name" of a database' });
    await odd.sink.start(never);
    expect(odd.logged[0]).toBe('database created {"sink":"influx"}');
    expect(await odd.sink.write([record("dev", 1, { n: 1 })], never)).toEqual({ rejected: [] });
    await odd.sink.stop();
  });

  it("does not start with a retention policy the database has not", async () => {
    const unknown = sinkFor(influx.url, { retentionPolicy: "forever" }).sink;
    await expect(unknown.start(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
    await query(influx.url, "CREATE RETENTION POLICY forever ON consentry DURATION INF REPLICATION 1");
    await unknown.start(never);
    await unknown.write([record("dev", 1, { n: 1 })], never);
    expect(await query(influx.url, "SELECT * FROM forever.device_status")).toHaveLength(1);
    await unknown.stop();
  });

  it("says that a database which vanished is the operator's business", async () => {
    await query(influx.url, "DROP DATABASE consentry");
    await expect(sink.write([record("dev", 1, { n: 1 })], never)).rejects.toMatchObject({
      code: "SINK_DENIED",
      retryable: true,
    });
  });

  it("logs in with a name and password, and says when they are wrong", async () => {
    const user = { name: "gateway", password: "pass word:ä" };
    const guarded = await startInfluxWithPasswords(`${folder.dir}/guarded`, user);
    const right = sinkFor(guarded.url, { username: user.name, password: user.password }).sink;
    await right.start(never);
    expect(await right.write([record("dev", 1, { n: 1 })], never)).toEqual({ rejected: [] });
    const authorization = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString("base64")}`;
    expect(await query(guarded.url, "SELECT * FROM device_status", { authorization })).toHaveLength(1);
    const wrong = sinkFor(guarded.url, { username: user.name, password: "guess" });
    await expect(wrong.sink.start(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
    await expect(wrong.sink.write([record("dev", 2, { n: 1 })], never)).rejects.toMatchObject({ code: "SINK_DENIED" });
    expect(wrong.logged).toEqual([]);
    await Promise.all([right.stop(), wrong.sink.stop()]);
    await guarded.stop();
  });
});

describe("removing", () => {
  const rows = [
    { ...record("a", 1, { n: 1 }), model: "hub" },
    { ...record("a", 2, { n: 2 }), model: "hub" },
    record("a", 1, { n: 3 }),
    record("b", 1, { n: 4 }),
  ];
  const left = async () => (await statusRows()).map(({ n }) => n).sort();

  it("takes exactly the rows of a record: this device, this time, this model or none", async () => {
    expect(await sink.rowDelete(never)).toBe("sync");
    await sink.write(rows, never);
    expect(await sink.remove(rows.slice(0, 1), never)).toBe("verified");
    expect(await left()).toEqual([2, 3, 4]);
    expect(await sink.remove(rows.slice(2, 3), never)).toBe("verified");
    expect(await left()).toEqual([2, 4]);
    expect(await sink.remove(rows, never)).toBe("verified");
    expect(await left()).toEqual([]);
    expect(await sink.remove(rows, never)).toBe("verified");
  });

  it("takes the place of a device in that epoch, and lets it be written again", async () => {
    const before = AT - 86_400_000;
    await sink.writePlaces([placed("a", "here", before), placed("b", "here"), placed("a", "here")], never);
    const places = async () => (await locationRows()).map(({ device, time }) => `${device} ${time}`).sort();
    expect(await sink.removePlaces([placed("a", "whichever")], never)).toBe("verified");
    expect(await places()).toEqual([`a ${before}000000`, `b ${AT}000000`]);
    await sink.writePlaces([placed("a", "here")], never);
    expect(await places()).toEqual([`a ${before}000000`, `a ${AT}000000`, `b ${AT}000000`]);
  });

  it("takes thousands of rows, and rows of odd models, in a named retention policy too", async () => {
    await query(influx.url, "CREATE RETENTION POLICY brief ON consentry DURATION 1h REPLICATION 1");
    const brief = sinkFor(influx.url, { retentionPolicy: "brief" }).sink;
    await brief.start(never);
    const models = ["it's", 'a "hub"', "a\\b", "é €", "tail\\", "a\nb", ""];
    const many = Array.from({ length: 2_000 }, (_, n) => ({
      ...record(`dev-${n % 7}`, n, { n }),
      model: models[n % models.length] ?? "",
    }));
    expect(await brief.write(many, never)).toEqual({ rejected: [] });
    const count = () => query(influx.url, "SELECT count(n) FROM brief.device_status");
    expect(await count()).toMatchObject([{ count: 2_000 }]);
    expect(await brief.remove(many, never)).toBe("verified");
    expect(await count()).toEqual([]);
    await brief.stop();
  });

  it("takes everything of a device, its name included, and nothing of others", async () => {
    await sink.write(rows, never);
    await sink.writePlaces([placed("a", "here"), placed("b", "there")], never);
    expect(await sink.removeDevices([record("a", 0, {}).device], never)).toBe("verified");
    expect((await query(influx.url, "SHOW SERIES")).map(({ key }) => key)).toEqual([
      "device_location,device=b",
      "device_status,device=b",
    ]);
  });

  it("with a user that may only write, removes and says that no one could look", async () => {
    const admin = { name: "admin", password: "of the store" };
    const authorization = `Basic ${Buffer.from(`${admin.name}:${admin.password}`).toString("base64")}`;
    const guarded = await startInfluxWithPasswords(`${folder.dir}/writers`, admin);
    for (const q of ["CREATE DATABASE consentry", "CREATE USER w WITH PASSWORD 'w'", "GRANT WRITE ON consentry TO w"]) {
      await query(guarded.url, q, { authorization });
    }
    const writer = sinkFor(guarded.url, { username: "w", password: "w" }).sink;
    await writer.start(never);
    await writer.write(rows, never);
    expect(await writer.remove(rows.slice(1), never)).toBe("accepted");
    expect(await query(guarded.url, "SELECT * FROM device_status", { authorization })).toHaveLength(1);
    await writer.stop();
    await guarded.stop();
  });

  it("fails while the store is down or refuses", async () => {
    await sink.write(rows, never);
    const hasty = sinkFor(influx.url, { timeoutMs: 150 }).sink;
    await hasty.start(never);
    process.kill(influx.pid, "SIGSTOP");
    try {
      await expect(hasty.remove(rows, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    } finally {
      process.kill(influx.pid, "SIGCONT");
    }
    await hasty.stop();
    await query(influx.url, "DROP DATABASE consentry");
    await expect(sink.remove(rows, never)).rejects.toMatchObject({ code: "SINK_DENIED" });
  });
});

describe("a store that fails", () => {
  it("is unavailable while it is down, and takes the same batch when it is back", async () => {
    const batch = [record("dev", 1, { n: 1 })];
    await sink.write(batch, never);
    await influx.kill("SIGKILL");
    try {
      await expect(sink.write(batch, never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE", retryable: true });
      const late = sinkFor(influx.url, { startTimeoutMs: 20_000 }).sink;
      const starting = late.start(never);
      await influx.start();
      await starting;
      await late.stop();
    } finally {
      await influx.start();
    }
    expect(await sink.write(batch, never)).toEqual({ rejected: [] });
    expect(await statusRows()).toHaveLength(1);
  });

  it("is unavailable when it does not answer in time, and the batch can come again", async () => {
    const hasty = sinkFor(influx.url, { timeoutMs: 150 }).sink;
    await hasty.start(never);
    process.kill(influx.pid, "SIGSTOP");
    try {
      await expect(hasty.write([record("dev", 1, { n: 1 })], never)).rejects.toMatchObject({
        code: "SINK_UNAVAILABLE",
      });
    } finally {
      process.kill(influx.pid, "SIGCONT");
    }
    await sink.write([record("dev", 1, { n: 1 })], never);
    expect(await statusRows()).toHaveLength(1);
    await hasty.stop();
  });

  it("is given up on while starting when a stop is asked for, or when its time is over", async () => {
    const elsewhere = "http://127.0.0.1:9";
    const stop = new AbortController();
    const starting = sinkFor(elsewhere, { startTimeoutMs: 60_000 }).sink.start(stop.signal);
    stop.abort();
    await expect(starting).rejects.toMatchObject({ code: "START_CANCELLED" });
    const hopeless = sinkFor(elsewhere, { startTimeoutMs: 300 }).sink;
    await expect(hopeless.start(never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
  });
});
