/**
 * Access and portability: anyone who asks gets everything that is held about them and nothing of anybody else,
 * in an answer that can be told from a cut-off one, and never less than all of it.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ExportLine, type ExportLineOf, exportLine } from "../../src/model/export.ts";
import { until } from "../fixtures/eventually.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { consentTo, type Device, EVERYTHING, startSystem, type TestSystem, uniqueSeq } from "../fixtures/system.ts";
import { everythingIn } from "./consent-fixture.ts";
import { query } from "./influx-fixture.ts";

const DAY_MS = 86_400_000;
const APPROVERS = ["legal", "privacy"].map((role) => ({ name: role, token: `approver-${role}-0123456789-0123456789` }));
const GUARDIAN = { verified: true, method: "id-check", evidenceRef: "case:1" };
const HOME = { lat: 12.9715987, lon: 77.5945627 };
const CITY_AWAY = { lat: 28.6139391, lon: 77.2090212 };

let system: TestSystem;

beforeAll(async () => {
  system = await startSystem({
    // Three epochs fit into what a device may send late.
    deidentify: { epochDays: 1 },
    mqtt: { clockWindowPastMs: 3 * DAY_MS },
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 100 },
    http: { approvers: APPROVERS },
    hold: { sweepMs: 200 },
  });
});
afterAll(() => system?.stop());

type Query = Readonly<Record<string, string | readonly string[]>>;

function request(subject: string, parameters: Query = {}, init: RequestInit = {}): Promise<Response> {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) for (const one of [value].flat()) search.append(key, one);
  const headers = { authorization: `Bearer ${system.stack.config.apiToken}`, ...init.headers };
  return fetch(`${system.stack.httpUrl}/v1/subjects/${encodeURIComponent(subject)}/export?${search}`, {
    ...init,
    headers,
  });
}

async function exported(subject: string, parameters: Query = {}): Promise<{ text: string; lines: ExportLine[] }> {
  const response = await request(subject, parameters);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const text = await response.text();
  return {
    text,
    lines: text
      .trimEnd()
      .split("\n")
      .map((line) => exportLine.parse(JSON.parse(line))),
  };
}

function of<K extends ExportLine["kind"]>(lines: readonly ExportLine[], kind: K): ExportLineOf<K>[] {
  return lines.filter((line): line is ExportLineOf<K> => line.kind === kind);
}

/** Published on two days before and today: three epochs, so three names in the store. */
async function threeEpochs(device: Device, mark: number, place = HOME): Promise<void> {
  const now = Date.now();
  for (const [round, daysAgo] of [2, 1, 0].entries()) {
    const status = { run: mark, seq: round, power_on: round % 2 === 0, temperature: 20.5 - round, preset: "eco" };
    await system.say(device, {
      model: "HB-200",
      location: place,
      status,
      ts: now - daysAgo * DAY_MS,
      id: `${mark}-${round}`,
    });
  }
}

const marksOf = (lines: readonly ExportLine[]) => of(lines, "status").map(({ status }) => status.run);

/** What the store holds, straight from it: time, model and status of every row that carries the mark. */
async function storedWith(mark: number): Promise<unknown[]> {
  const rows = await query(system.stack.influxUrl, "SELECT * FROM device_status", { db: system.stack.database });
  return rows
    .filter((row) => row.run === mark)
    .map(({ time, device: _, model, ...fields }) => ({
      timeNs: time,
      model,
      status: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)),
    }));
}

async function problemOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { code: string }).code;
}

async function auditLines(): Promise<{ act: string; outcome?: string; detail?: unknown; subject?: string }[]> {
  const { records } = (await system.stack.api.call("GET", "/v1/audit?limit=500", [])) as {
    records: { act: string; outcome?: string }[];
  };
  return records;
}

describe("what an export holds", () => {
  test("is what the store holds of two devices over three epochs, and nothing of a neighbour", async () => {
    const scene = await system.listen("scene");
    const one = await system.device();
    const two = await system.device({ subject: one.subject });
    const neighbour = await system.device();
    const [markOne, markTwo, markNeighbour] = [uniqueSeq(), uniqueSeq(), uniqueSeq()];
    await Promise.all([
      threeEpochs(one, markOne),
      threeEpochs(two, markTwo),
      threeEpochs(neighbour, markNeighbour, CITY_AWAY),
    ]);
    await system.settled();

    const { text, lines } = await exported(one.subject, { device: [two.id, one.id] });
    const keys = of(lines, "device");
    const keyOf = (asked: number) => keys.find((line) => line.asked === asked)?.device;
    expect(keys).toHaveLength(2);
    for (const [asked, mark] of [markTwo, markOne].entries()) {
      const held = of(lines, "status").filter(({ device }) => device === keyOf(asked));
      expect(held.map(({ timeNs, model, status }) => ({ timeNs, model, status }))).toEqual(await storedWith(mark));
      expect(held.map(({ status }) => status.seq)).toEqual([0, 1, 2]);
      expect(held[0]).toMatchObject({ model: "hub", status: { power_on: true, temperature: 20.5, preset: "eco" } });
    }
    expect(text).not.toContain(String(markNeighbour));
    expect(marksOf(lines)).toHaveLength(6);
    expect((await storedWith(markNeighbour)).length).toBe(3);

    // No one else is near, so no place is stored. What is noted is coarse, with the middle of the cell instead of the door.
    expect(of(lines, "location")).toEqual([]);
    const places = of(lines, "noted-place");
    expect(places.map(({ device }) => device).sort()).toEqual([keyOf(0), keyOf(1)].sort());
    for (const { center, resolution } of places) {
      expect(resolution).toBeLessThanOrEqual(6);
      expect(Math.abs((center?.lat ?? 0) - HOME.lat)).toBeLessThan(1);
    }
    expect(text).not.toContain(String(HOME.lat));

    // Beside what is stored: what was agreed, what holds, and who was given something.
    const [first] = lines;
    const record = (await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [one.subject])) as object;
    expect(first).toMatchObject({ kind: "export", format: 1, by: "subject" });
    expect(of(lines, "consent-record")[0]?.record).toEqual(record);
    expect(of(lines, "decision")).toHaveLength(2);
    expect(of(lines, "decision")[0]).toMatchObject({
      state: "given",
      given: EVERYTHING,
      used: EVERYTHING,
      suspended: [],
    });
    expect(of(lines, "disclosure").map(({ purpose }) => purpose)).toContain("scene");
    // The key that leads to the rows is not among it, nor any name the rows have.
    const rows = await query(system.stack.influxUrl, "SELECT * FROM device_status", { db: system.stack.database });
    for (const { device } of rows) expect(text).not.toContain(device);
    const subjectHash = (await system.redis.keys("*:subject")).find((key) =>
      key.includes(String((record as { subject: string }).subject)),
    );
    expect(text).not.toContain(await system.redis.hget(subjectHash ?? "", "key"));

    // The last line vouches for all before it.
    const end = lines.at(-1) as ExportLineOf<"end">;
    expect(end).toMatchObject({ kind: "end", counts: { devices: 2, locations: 0, statuses: 6, setAside: 0 } });
    const before = text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1);
    expect(createHash("sha256").update(before).digest("hex")).toBe(end.sha256);
    await scene.stop();
  });

  test("can be had in words", async () => {
    const device = await system.device();
    await threeEpochs(device, uniqueSeq());
    await system.settled();
    const response = await request(device.subject, { device: device.id }, { headers: { accept: "text/plain" } });
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const text = await response.text();
    expect(text).toContain("Status readings stored: 3, from ");
    expect(text).toContain("Places stored: none.");
    expect(text).toMatch(/Noted since .* stored no more finely than this/);
    expect(text).toContain("What is not held, and why");
    for (const secret of [device.id, device.subject, String(HOME.lat)]) expect(text).not.toContain(secret);
    expect(await (await request(device.subject, { format: "summary" })).text()).toContain("What is held about you");
  });

  test("after an erasure is the record alone, and after a new consent what came since", async () => {
    const device = await system.device();
    const [before, after] = [uniqueSeq(), uniqueSeq()];
    await threeEpochs(device, before);
    await system.settled();
    const { id } = (await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], {})) as {
      id: string;
    };
    await until("it is erased", async () => {
      const { state } = (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as { state: string };
      return state === "completed";
    });
    const { lines, text } = await exported(device.subject);
    expect(text).not.toContain(String(before));
    expect([...of(lines, "status"), ...of(lines, "location")]).toEqual([]);
    expect(of(lines, "erasure")).toMatchObject([
      { id, state: "completed", receipt: { receipt: { keyDestroyed: true } } },
    ]);
    expect(of(lines, "consent-record")[0]?.record.events.map(({ type }) => type)).toEqual([
      "bound",
      "given",
      "erasure-requested",
      "erased",
    ]);

    await system.stack.api.consent(device.subject, consentTo(EVERYTHING));
    await system.say(device, { status: { run: after } });
    await system.settled();
    expect(marksOf((await exported(device.subject)).lines)).toEqual([after]);
  });

  test("under a legal hold is all of it, also what waits for an erasure under a key out of use", async () => {
    const device = await system.device();
    const [held, since] = [uniqueSeq(), uniqueSeq()];
    await threeEpochs(device, held);
    await system.settled();
    const until = Date.now() + DAY_MS;
    for (const { token } of APPROVERS) {
      const response = await fetch(`${system.stack.httpUrl}/v1/subjects/${device.subject}/hold`, {
        method: "PUT",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ reference: "court:1", until }),
      });
      expect(response.ok).toBe(true);
    }
    await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [device.subject], {});
    await system.stack.api.consent(device.subject, consentTo(EVERYTHING));
    await system.say(device, { status: { run: since } });
    await system.settled();
    const { lines } = await exported(device.subject);
    expect(marksOf(lines)).toEqual([held, held, held]);
    expect(of(lines, "hold")).toEqual([{ kind: "hold", reference: "court:1", until }]);
    expect(of(lines, "erasure")).toMatchObject([{ state: "held" }]);
    expect(of(lines, "decision")[0]).toMatchObject({ held: true, used: {}, refusal: "legal-hold" });
  });

  test("includes what was dead-lettered, opened for whose it is and for no one after them", async () => {
    await system.say(await system.device(), { status: { power_on: true } });
    await system.settled();
    await refuseNumbers(system.stack.influxUrl, system.stack.database, "co2");
    const device = await system.device();
    const secret = uniqueSeq();
    await system.say(device, {
      model: "HB-7",
      ip: "203.0.113.9",
      location: HOME,
      status: { co2: 500, run: secret },
    });
    await system.settled();
    const { lines } = await exported(device.subject);
    expect(of(lines, "set-aside")).toMatchObject([
      {
        reason: "sink-rejected",
        message: { model: "HB-7", location: HOME, ip: "203.0.113.9", status: { co2: 500, run: secret } },
      },
    ]);
    expect(of(lines, "end")[0]?.counts.setAside).toBe(1);

    // As it would stand there had a hold kept it when the device was sold: under the person it is about.
    const letters = "{consentry:queue}:dead-letters";
    const [index = ""] = await system.redis.keys(`${letters}:*`);
    const [[id = "", about = ""] = []] = Object.entries(await system.redis.hgetall(index));
    const letter = (await system.redis.hget(letters, id)) ?? "";
    const buyer = await system.device({ id: device.id });
    await system.redis.multi().hset(index, id, about).hset(letters, id, letter).exec();
    const { text } = await exported(buyer.subject);
    expect(text).not.toContain(String(secret));
    expect((await exported(device.subject)).text).toContain(String(secret));
  });

  test("of a device that was sold is with the person it was about", async () => {
    const seller = await system.device();
    const [sold, bought] = [uniqueSeq(), uniqueSeq()];
    await system.say(seller, { status: { run: sold } });
    await system.settled();
    const buyer = await system.device({ id: seller.id });
    await system.say(buyer, { status: { run: bought } });
    await system.settled();
    const { lines } = await exported(seller.subject, { device: seller.id });
    expect(marksOf(lines)).toEqual([sold]);
    expect(of(lines, "device")).toMatchObject([{ bound: false, asked: 0 }]);
    expect(marksOf((await exported(buyer.subject)).lines)).toEqual([bought]);
  });
});

describe("who gets none, and when", () => {
  test("a subject of whom nothing is held, a foreign device, and a request that is none", async () => {
    const [device, foreign] = await system.devices(2);
    if (!device || !foreign) throw new Error("devices");
    const unknown = await request("nobody");
    expect([unknown.status, await problemOf(unknown)]).toEqual([404, "unknown-subject"]);
    const other = await request(device.subject, { device: [device.id, foreign.id] });
    expect([other.status, await problemOf(other)]).toEqual([404, "device-not-bound"]);
    const tooMany = Array.from({ length: 257 }, (_, index) => `d${index}`);
    for (const wrong of [
      { by: "controller" },
      { device: "a b" },
      { format: "xml" },
      { device: tooMany },
      { more: "1" },
    ]) {
      const answer = await request(device.subject, wrong);
      expect([answer.status, await problemOf(answer)], Object.keys(wrong).join()).toEqual([400, "invalid-request"]);
    }
    const head = await request(device.subject, {}, { method: "HEAD" });
    expect([head.status, head.headers.get("allow")]).toEqual([405, "GET"]);
    const stranger = await request(device.subject, {}, { headers: { authorization: "Bearer wrong" } });
    expect(stranger.status).toBe(401);
  });

  test("a guardian who is another child's; the right one gets it", async () => {
    const child = await system.device({
      consent: consentTo({ scene: ["status"] }, { by: "guardian", minor: true, guardian: GUARDIAN }),
    });
    for (const guardianRef of [{}, { guardianRef: "case:2" }]) {
      const answer = await request(child.subject, { by: "guardian", ...guardianRef });
      expect([answer.status, await problemOf(answer)]).toEqual([403, "guardian-mismatch"]);
    }
    const { lines } = await exported(child.subject, { by: "guardian", guardianRef: "case:1" });
    expect(lines[0]).toMatchObject({ by: "guardian" });
    expect(of(lines, "decision")[0]).toMatchObject({
      minor: true,
      guardianVerified: true,
      used: { scene: ["status"] },
    });
  });

  test("everyone while the store is away, before the first byte", async () => {
    const device = await system.device();
    await system.say(device, { status: { run: uniqueSeq() } });
    await system.settled();
    await system.stack.influx.kill("SIGKILL");
    for (const format of ["ndjson", "summary"]) {
      const answer = await request(device.subject, { format });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      expect(await problemOf(answer)).toBe("store-unavailable");
    }
    await system.stack.influx.start();
    expect(of((await exported(device.subject)).lines, "status")).toHaveLength(1);
  });
});

describe("a long export", () => {
  const ROWS = 40_000;
  let device: Device;

  beforeAll(async () => {
    device = await system.device();
    const run = uniqueSeq();
    await system.say(device, { status: { run } });
    await system.settled();
    const stored = await query(system.stack.influxUrl, "SELECT * FROM device_status", { db: system.stack.database });
    const mine = String(stored.find((row) => row.run === run)?.device);
    const now = Date.now() - 60_000;
    const filling = "temperature=21.5,humidity=40,pressure=1000,noise=40,voc=50,battery=80,rssi=-60,brightness=50";
    const lines = Array.from(
      { length: ROWS },
      (_, n) =>
        `device_status,device=${mine} seq=${n},preset="schedule",running_state="idle",${filling} ${now}${String(n).padStart(6, "0")}`,
    );
    const url = `${system.stack.influxUrl}/write?db=${system.stack.database}&precision=ns`;
    expect((await fetch(url, { method: "POST", body: lines.join("\n") })).ok).toBe(true);
  });

  test("comes whole, without the gateway holding all of it at once", async () => {
    const before = await system.residentBytes();
    const { lines } = await exported(device.subject);
    expect(
      of(lines, "status")
        .slice(0, ROWS)
        .map(({ status }) => status.seq),
    ).toEqual(Array.from({ length: ROWS }, (_, n) => n));
    expect(of(lines, "end")[0]?.counts.statuses).toBe(ROWS + 1);
    expect((await system.residentBytes()) - before).toBeLessThan(150 * 1024 * 1024);
  });

  test("is one at a time for a subject, and a receiver that goes away frees its place", async () => {
    const leaving = new AbortController();
    const slow = await request(device.subject, {}, { signal: leaving.signal });
    expect(slow.status).toBe(200);
    const second = await request(device.subject);
    expect([second.status, second.headers.get("retry-after"), await problemOf(second)]).toEqual([
      429,
      "10",
      "too-many-exports",
    ]);
    // Others are not kept waiting by it.
    expect((await request((await system.device()).subject)).status).toBe(200);
    leaving.abort();
    await until("its place is free", async () => {
      const again = await request(device.subject, {}, { method: "GET" });
      await again.body?.cancel();
      return again.status === 200;
    });
  });

  test("that is interrupted in the middle has no end, and the audit log says so", async () => {
    await until("nothing else is in progress", async () => {
      const again = await request(device.subject);
      if (again.status !== 200) return false;
      await again.text();
      return true;
    });
    const broken = await request(device.subject);
    expect(broken.status).toBe(200);
    const reader = broken.body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    let text = Buffer.from(value ?? []).toString();
    await system.stack.influx.kill("SIGKILL");
    const rest = async () => {
      for (;;) {
        const { value: more, done } = (await reader?.read()) ?? { done: true, value: undefined };
        if (done) return;
        text += Buffer.from(more ?? []).toString();
      }
    };
    await expect(rest()).rejects.toThrow();
    await system.stack.influx.start();
    expect(text).toContain('"kind":"status"');
    expect(text).not.toContain('"kind":"end"');
    const acts = async () => (await auditLines()).filter(({ act }) => act === "export");
    await until("it is in the audit log", async () => (await acts()).some(({ outcome }) => outcome === "failed"));
    expect(await acts()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ outcome: "asked", detail: { stated: "guardian" } }),
        expect.objectContaining({ outcome: "refused", detail: { status: 429 } }),
        expect.objectContaining({ outcome: "done" }),
      ]),
    );
  });

  test("nothing of it is in the log of the gateway, nor in Redis", async () => {
    const [log, redis] = await Promise.all([
      readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8"),
      everythingIn(system.redis),
    ]);
    expect(log).toContain("export aborted");
    for (const secret of [device.id, device.subject, device.token]) {
      expect(log).not.toContain(secret);
      expect(redis).not.toContain(secret);
    }
  });
});
