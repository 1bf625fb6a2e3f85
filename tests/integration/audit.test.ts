/** Promise: every administrative act stands in the audit log, and no one can take it out, change it or move it unnoticed. */
import { describe, expect, test } from "vitest";
import type { AuditAct, AuditHead } from "../../src/model/audit.ts";
import { openSeal, seal as sealOf } from "../../src/rights/audit/chain.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { AuditTrail } from "../../src/rights/audit/trail.ts";
import { device, shippedPolicy, subject } from "./consent-fixture.ts";
import { AUDIT_KEY, httpApi } from "./http-fixture.ts";

const api = httpApi();
const { call } = api;
const OPTIONS = { keys: [AUDIT_KEY] as const satisfies readonly Buffer[], now: Date.now } as const;
const CONSENT = {
  policyVersion: 1,
  purposes: { weather: ["location"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};
const ACT: AuditAct = { act: "backup", by: "operator" };

function log(): AuditLog {
  const { redis, keyspace } = api.store();
  return new AuditLog(redis, keyspace, OPTIONS);
}

async function filled(count: number): Promise<AuditLog> {
  const one = log();
  await Promise.all(Array.from({ length: count }, (_, at) => one.append({ ...ACT, detail: { at } })));
  return one;
}

describe("every act over HTTP", () => {
  test("stands in the log before and after it, with its outcome, and names no one", async () => {
    await call("POST", "/v1/devices/hub-1/token");
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    await call("POST", "/v1/subjects/anna/consents", CONSENT);
    await call("POST", "/v1/subjects/anna/consents", { ...CONSENT, policyVersion: 99 });
    await call("POST", "/v1/subjects/anna/consents", { ...CONSENT, state: "refused", purposes: {} });
    await call("POST", "/v1/subjects/anna/withdrawals", { by: "authority" });
    await call("DELETE", "/v1/subjects/anna/devices/hub-1");
    await call("POST", "/v1/policies", shippedPolicy);
    const { json, text } = await call("GET", "/v1/audit");
    const told = json.records.map(({ act, outcome, of, detail }: AuditAct) => [act, outcome, of, detail]);
    expect(told).toEqual([
      ["token-issued", "asked", undefined, undefined],
      ["token-issued", "done", 0, undefined],
      ["device-bound", "asked", undefined, undefined],
      ["device-bound", "done", 2, undefined],
      ["consent-given", "asked", undefined, { stated: "subject", policyVersion: 1 }],
      ["consent-given", "done", 4, undefined],
      ["consent-given", "asked", undefined, { stated: "subject", policyVersion: 99 }],
      ["consent-given", "refused", 6, { status: 422 }],
      ["consent-refused", "asked", undefined, { stated: "subject", policyVersion: 1 }],
      ["consent-refused", "done", 8, undefined],
      ["consent-withdrawn", "asked", undefined, { stated: "authority" }],
      ["consent-withdrawn", "done", 10, undefined],
      ["device-unbound", "asked", undefined, undefined],
      ["device-unbound", "done", 12, undefined],
      ["policy-published", "asked", undefined, { version: 1 }],
      ["policy-published", "done", 14, undefined],
    ]);
    expect(json.records[2]).toMatchObject({ by: "account-service", subject: subject("anna"), device: device("hub-1") });
    expect(text).not.toMatch(/anna|hub-1/);
    expect(await log().verify()).toMatchObject({ intact: true, head: json.head });
  });

  test("that is not well-formed, not authorised or only looks leaves no line", async () => {
    await call("POST", "/v1/subjects/anna/consents", { policyVersion: 1 });
    await call("POST", "/v1/devices/hub-1/token", undefined, { authorization: "Bearer wrong" });
    await call("GET", "/v1/policies");
    await call("PATCH", "/v1/policies");
    expect((await call("GET", "/v1/audit")).json).toMatchObject({ records: [], first: 0, head: { next: 0 } });
  });

  test("is read back page by page", async () => {
    await filled(7);
    const first = await call("GET", "/v1/audit?limit=5");
    const rest = await call("GET", "/v1/audit?from=5&limit=5");
    expect([...first.json.records, ...rest.json.records].map(({ detail }) => detail.at)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(rest.json.head).toEqual(first.json.head);
    for (const query of ["from=-1", "limit=0", "limit=501", "from=x", "more=1"]) {
      expect((await call("GET", `/v1/audit?${query}`)).status, query).toBe(400);
    }
  });

  test("does not happen when its line cannot be written, unless it is the subject's right", async () => {
    const { redis, keyspace, ledger } = api.store();
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    await call("POST", "/v1/subjects/anna/consents", CONSENT);
    // The log is not what the gateway wrote.
    await redis.lpop(keyspace.auditLines);
    expect((await call("PUT", "/v1/subjects/boris/devices/hub-2")).status).toBe(500);
    expect(await ledger.record(subject("boris"))).toBeUndefined();
    expect((await call("POST", "/v1/subjects/anna/withdrawals", {})).status).toBe(200);
    expect((await ledger.record(subject("anna")))?.consent?.state).toBe("withdrawn");
    expect(api.logged).toContainEqual([
      "audit line not written, will be retried",
      { stage: "audit", code: "AUDIT_BROKEN" },
    ]);
  });
});

describe("anyone who has Redis in his hands", () => {
  const BREACHES: readonly [string, (lines: string[]) => string[], number, string][] = [
    ["changes a line", (lines) => lines.with(3, (lines[3] ?? "").replace("operator", "gateway")), 3, "changed"],
    ["takes one out", (lines) => lines.toSpliced(3, 1), 3, "missing"],
    ["moves one", (lines) => lines.toSpliced(3, 1).toSpliced(6, 0, lines[3] ?? ""), 3, "reordered"],
    ["cuts off the end", (lines) => lines.slice(0, 6), 6, "truncated"],
    ["cuts off the beginning", (lines) => lines.slice(2), 0, "missing"],
    ["empties it", () => [], 0, "truncated"],
    ["repeats the last line", (lines) => [...lines, lines.at(-1) ?? ""], 8, "unsealed"],
  ];

  test.each(BREACHES)("and %s is found out", async (_what, tamper, index, problem) => {
    const { redis, keyspace } = api.store();
    await filled(8);
    const lines = tamper(await redis.lrange(keyspace.auditLines, 0, -1));
    await redis.del(keyspace.auditLines);
    if (lines.length > 0) await redis.rpush(keyspace.auditLines, ...lines);
    expect(await log().verify()).toMatchObject({ intact: false, index, problem });
  });

  test("and forges or removes the seal is found out", async () => {
    const { redis, keyspace } = api.store();
    const writer = await filled(3);
    await redis.set(keyspace.auditSeal, ((await redis.get(keyspace.auditSeal)) ?? "").replace('"next":3', '"next":2'));
    expect(await log().verify()).toMatchObject({ intact: false, index: 0, problem: "seal-broken" });
    await redis.del(keyspace.auditSeal);
    expect(await log().verify()).toMatchObject({ intact: false, index: 0, problem: "seal-broken" });
    await expect(writer.append(ACT)).rejects.toMatchObject({ code: "AUDIT_BROKEN" });
  });

  test("and puts an earlier state back is found out, by the running gateway and by a noted head", async () => {
    const { redis, keyspace } = api.store();
    const writer = await filled(3);
    const [seal, lines] = [await redis.get(keyspace.auditSeal), await redis.lrange(keyspace.auditLines, 0, -1)];
    await writer.append(ACT);
    const verdict = await log().verify();
    if (!verdict.intact) throw new Error("not intact");
    expect(await log().verify([verdict.head])).toEqual(verdict);

    await redis
      .multi()
      .set(keyspace.auditSeal, seal ?? "")
      .del(keyspace.auditLines)
      .rpush(keyspace.auditLines, ...lines)
      .exec();
    await expect(writer.append(ACT)).rejects.toMatchObject({ code: "AUDIT_BROKEN" });
    expect(await log().verify()).toMatchObject({ intact: true });
    expect(await log().verify([verdict.head])).toMatchObject({ intact: false, index: 3, problem: "rolled-back" });
    // Grown again past the noted head, with other lines.
    await log().append({ ...ACT, act: "restore" });
    await log().append(ACT);
    expect(await log().verify([verdict.head])).toMatchObject({ intact: false, problem: "rolled-back" });
  });

  test("and deletes it with its seal is found out by any noted head, until a restore names what was lost", async () => {
    const { redis, keyspace } = api.store();
    const heads: AuditHead[] = [];
    for (let count = 1; count <= 6; count += 1) {
      await filled(1);
      heads.push(await log().head());
    }
    const [seal, lines] = [await redis.get(keyspace.auditSeal), await redis.lrange(keyspace.auditLines, 0, 3)];
    await redis.del(keyspace.auditSeal, keyspace.auditLines);
    expect(await log().verify()).toMatchObject({ intact: true });
    expect(await log().verify(heads)).toMatchObject({ intact: false, index: 0, problem: "rolled-back" });
    await filled(9);
    expect(await log().verify(heads.slice(3))).toMatchObject({ intact: false, index: 4, problem: "rolled-back" });

    // What a restore brings back: the first four lines.
    await redis.del(keyspace.auditSeal, keyspace.auditLines);
    const state = openSeal(seal ?? "", [AUDIT_KEY]);
    if (state === undefined) throw new Error("no seal");
    await redis.rpush(keyspace.auditLines, ...lines);
    await redis.set(keyspace.auditSeal, sealOf({ ...state, next: 4, head: heads[3]?.hash ?? "" }, AUDIT_KEY));
    expect(await log().verify(heads)).toMatchObject({ intact: false, index: 4, problem: "rolled-back" });
    const last = heads.at(-1);
    await log().append({ act: "restore", by: "operator", detail: { lost: `${last?.next}:${last?.hash}` } });
    await filled(5);
    expect(await log().verify(heads)).toMatchObject({ intact: true, lost: [{ from: 4, to: 6 }] });
    const forged = heads.with(2, { next: 3, hash: "f".repeat(43) });
    expect(await log().verify(forged)).toMatchObject({ intact: false, index: 3, problem: "rolled-back" });
  });
});

test("two gateways write into one log without a gap", async () => {
  const another = new AuditLog((await api.store().another()).redis, api.store().keyspace, OPTIONS);
  const writers = [log(), another];
  const indexes = await Promise.all(
    Array.from({ length: 300 }, (_, at) => (writers[at % 2] ?? another).append({ ...ACT, detail: { at } })),
  );
  expect(new Set(indexes)).toEqual(new Set(Array.from({ length: 300 }, (_, at) => at)));
  const page = await log().list({ from: 0, limit: 500 });
  for (const [at, index] of indexes.entries()) expect(page.records[index]?.detail).toEqual({ at });
  expect(await log().verify()).toMatchObject({ intact: true, first: 0, head: { next: 300 } });
});

test("lines past their retention go from the beginning, and the rest still verifies", async () => {
  const { redis, keyspace } = api.store();
  let now = 1_000;
  const old = new AuditLog(redis, keyspace, { keys: [AUDIT_KEY], now: () => now });
  for (; now < 1_006; now += 1) await old.append(ACT);
  expect(await old.older(1_004)).toBe(4);
  expect(await old.trim(1_004)).toBe(4);
  expect(await log().verify()).toMatchObject({ intact: true, first: 4, head: { next: 6 } });
  expect((await log().list({ from: 0, limit: 10 })).records.map(({ at }) => at)).toEqual([1_004, 1_005]);
  expect(await old.append(ACT)).toBe(6);
  expect(await old.trim(9_999_999)).toBe(3);
  expect(await log().verify()).toMatchObject({ intact: true, first: 7, head: { next: 7 } });
  await redis.rpush(keyspace.auditLines, "x");
  expect(await log().verify()).toMatchObject({ intact: false, index: 7, problem: "unsealed" });
});

test("a line about what already happened is written as soon as it can be", async () => {
  const { redis, keyspace } = api.store();
  const logged: string[] = [];
  let late = 0;
  let clock = 40;
  const line = (event: string) => void logged.push(event);
  const trail = new AuditTrail({
    audit: log(),
    metrics: {
      auditLate: () => {
        late += 1;
      },
    },
    log: { info: line, warn: line, error: line },
    now: () => (clock += 1),
  });
  await redis.set(keyspace.auditSeal, "forged");
  await trail.note({ ...ACT, detail: { at: 1 } });
  await trail.note({ ...ACT, detail: { at: 2 } });
  expect([late, logged]).toEqual([
    2,
    ["audit line not written, will be retried", "audit line not written, will be retried"],
  ]);
  await redis.del(keyspace.auditSeal);
  await trail.stop();
  const { records } = await log().list({ from: 0, limit: 9 });
  expect(records.map(({ at, detail }) => [at, detail?.at])).toEqual([
    [41, 1],
    [42, 2],
  ]);
});
