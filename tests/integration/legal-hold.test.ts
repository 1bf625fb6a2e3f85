/** Promise: two approvers together can freeze what is kept of a subject; while it stands nothing of it is used or deleted, and it ends by itself. */
import { describe, expect, test } from "vitest";
import { decide } from "../../src/consent/decision/decide.ts";
import { deletionOf } from "../../src/model/erasure.ts";
import { APPROVERS } from "../fixtures/approvers.ts";
import { device, subject } from "./consent-fixture.ts";
import { type Answer, httpApi, TOKEN } from "./http-fixture.ts";

/** Longer than a busy machine needs to look at what waits for a lease. */
const api = httpApi({ leaseMs: 60_000 });
const { call } = api;
const HOLD = "/v1/subjects/anna/hold";
const CONSENT = {
  policyVersion: 1,
  purposes: { weather: ["location"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};
type Name = "legal" | "privacy";

function as(name: Name, method: string, path: string, body?: unknown): Promise<Answer> {
  const token = APPROVERS.find((approver) => approver.name === name)?.token;
  return call(method, path, body, { authorization: `Bearer ${token}` });
}

function terms(more: object = {}): { reference: string; until: number } {
  return { reference: "court:1", until: api.now() + 60_000, ...more };
}

async function verdict(deviceId = "hub-1") {
  const ref = { subjectTag: subject("anna"), deviceKey: device(deviceId) };
  const { decisions, floors } = await api.store().gate.read([ref]);
  const { refusal } = decide(decisions[0], floors, Date.now());
  return refusal ?? "allowed";
}

async function anna(): Promise<void> {
  for (const hub of ["hub-1", "hub-2"]) await call("PUT", `/v1/subjects/anna/devices/${hub}`);
  await call("POST", "/v1/subjects/anna/consents", CONSENT);
}

async function held(body = terms()): Promise<void> {
  expect((await as("legal", "PUT", HOLD, body)).status).toBe(202);
  expect(await as("privacy", "PUT", HOLD, body)).toMatchObject({ status: 200, json: { state: "standing" } });
}

describe("placing a hold", () => {
  test("takes two different approvers who mean the same", async () => {
    await anna();
    const body = terms();
    expect(await as("legal", "PUT", HOLD, body)).toMatchObject({ status: 202, json: { state: "proposed" } });
    expect((await as("legal", "PUT", HOLD, body)).status).toBe(202);
    expect(await verdict()).toBe("allowed");
    const other = await as("privacy", "PUT", HOLD, terms({ until: body.until + 1 }));
    expect(other).toMatchObject({ status: 409, json: { code: "hold-terms-differ" } });
    expect(await verdict()).toBe("allowed");
    expect((await as("legal", "GET", HOLD)).json).toMatchObject({
      standing: [],
      proposed: [{ ref: "court:1", approver: "legal" }],
    });
    expect((await as("privacy", "PUT", HOLD, body)).status).toBe(200);
    expect(await verdict()).toBe("legal-hold");
    expect((await as("legal", "GET", HOLD)).json).toEqual({
      standing: [{ ref: "court:1", until: body.until }],
      proposed: [],
    });
    // Asked again by anybody it stands already.
    expect((await as("legal", "PUT", HOLD, body)).status).toBe(200);
    const record = await api.store().ledger.record(subject("anna"));
    expect(record?.events.filter(({ type }) => type === "held")).toHaveLength(1);
  });

  test("is for approvers only, and what they may do ends there", async () => {
    await anna();
    expect((await call("PUT", HOLD, terms())).status).toBe(401);
    expect((await call("PUT", HOLD, terms(), { authorization: `Bearer ${TOKEN}` })).status).toBe(401);
    expect((await as("legal", "GET", "/v1/subjects/anna/consents")).status).toBe(401);
  });

  test("is refused when it makes no sense", async () => {
    expect(await as("legal", "PUT", HOLD, terms({ until: Date.now() - 1 }))).toMatchObject({
      status: 422,
      json: { code: "hold-too-long" },
    });
    expect(await as("legal", "PUT", HOLD, terms({ until: Date.now() + 3_700_000 }))).toMatchObject({ status: 422 });
    expect((await as("legal", "PUT", HOLD, { reference: "a b", until: 1 })).status).toBe(400);
    const unknown = { status: 404, json: { code: "unknown-subject" } };
    for (const name of ["legal", "privacy"] as const)
      expect(await as(name, "PUT", HOLD, terms())).toMatchObject(unknown);
    await anna();
    const foreign = terms({ scope: { devices: ["hub-9"] } });
    const unbound = { status: 404, json: { code: "device-not-bound" } };
    for (const name of ["legal", "privacy"] as const)
      expect(await as(name, "PUT", HOLD, foreign)).toMatchObject(unbound);
    expect((await as("legal", "GET", HOLD)).json).toEqual({ standing: [], proposed: [] });
    expect(await api.holds().held.all()).toEqual([]);
    const { records } = (await call("GET", "/v1/audit")).json;
    expect(records.map(({ act }: { act: string }) => act)).not.toContain("hold-approved");
    expect(await as("legal", "DELETE", `${HOLD}?reference=court:9`)).toMatchObject({
      status: 404,
      json: { code: "hold-unknown" },
    });
  });

  test("lapses when no one confirms it in time, and can be taken back before", async () => {
    await anna();
    const body = terms({ until: Date.now() + 600_000 });
    await as("legal", "PUT", HOLD, body);
    expect((await as("legal", "DELETE", `${HOLD}?reference=court:1`)).status).toBe(204);
    expect((await as("privacy", "PUT", HOLD, body)).status).toBe(202);
    api.now = () => Date.now() + 61_000;
    expect((await as("legal", "GET", HOLD)).json.proposed).toEqual([]);
    expect((await as("legal", "PUT", HOLD, body)).status).toBe(202);
    expect(await verdict()).toBe("allowed");
  });

  test.each(["batches", "deletions"])("waits for %s that began before", async (what) => {
    await anna();
    const body = terms();
    await as("legal", "PUT", HOLD, body);
    const lease = await api.store().leases.acquire();
    if (what === "deletions") await lease.keep(new Set([deletionOf(subject("anna"))]));
    let answered = false;
    const confirming = as("privacy", "PUT", HOLD, body).then((answer) => {
      answered = true;
      return answer;
    });
    await expect.poll(() => verdict(), { timeout: 60_000 }).toBe("legal-hold");
    expect(answered).toBe(false);
    await lease.release();
    expect((await confirming).status).toBe(200);
  });

  test("stands in the audit log with both who agreed to it", async () => {
    await anna();
    await held();
    await as("legal", "DELETE", `${HOLD}?reference=court:1`);
    const { records } = (await call("GET", "/v1/audit")).json;
    const about = records.filter(({ act }: { act: string }) => act.startsWith("hold-"));
    expect(about.map(({ act, outcome, by }: Record<string, string>) => [act, outcome, by])).toEqual([
      ["hold-placed", "asked", "approver"],
      ["hold-placed", "done", "approver"],
      ["hold-placed", "asked", "approver"],
      ["hold-approved", undefined, "approver"],
      ["hold-placed", "done", "approver"],
      ["hold-released", "asked", "approver"],
      ["hold-released", "done", "approver"],
    ]);
    expect(about[3].detail).toMatchObject({ proposedBy: "legal", confirmedBy: "privacy", reference: "court:1" });
    expect(about[3].detail.until).toBeGreaterThan(Date.now());
    expect(about[5].detail).toEqual({ approver: "legal", reference: "court:1" });
  });
});

const standing = async () => (await api.holds().list(subject("anna"))).standing;

describe("while a hold stands", () => {
  test("nothing is used, and nothing that was dead-lettered is deleted, whatever the subject says", async () => {
    await anna();
    await held();
    expect((await call("POST", "/v1/subjects/anna/withdrawals", {})).status).toBe(200);
    expect((await call("DELETE", "/v1/subjects/anna/devices/hub-2")).status).toBe(204);
    expect((await call("PUT", "/v1/subjects/boris/devices/hub-1")).status).toBe(204);
    expect(api.purged).toEqual([]);
    expect(await standing()).toMatchObject([{ ref: "court:1" }]);
  });

  test("consent given again is recorded and not used", async () => {
    await anna();
    await held();
    expect((await call("POST", "/v1/subjects/anna/consents", CONSENT)).status).toBe(201);
    expect(await verdict()).toBe("legal-hold");
  });

  test("over one device, the others go on", async () => {
    await anna();
    await held(terms({ scope: { devices: ["hub-1"] } }));
    expect([await verdict("hub-1"), await verdict("hub-2")]).toEqual(["legal-hold", "allowed"]);
    await call("POST", "/v1/subjects/anna/withdrawals", {});
    expect(api.purged).toEqual([{ subject: subject("anna"), devices: [device("hub-2")] }]);
  });
});

describe("a hold ends", () => {
  test("and what was dead-lettered goes with it, of a device too that was sold meanwhile; the new owner keeps theirs", async () => {
    await anna();
    await held();
    expect((await call("PUT", "/v1/subjects/boris/devices/hub-1")).status).toBe(204);
    expect((await call("POST", "/v1/subjects/boris/withdrawals", {})).status).toBe(200);
    expect(api.purged).toEqual([{ subject: subject("boris"), devices: [device("hub-1")] }]);
    expect((await as("privacy", "DELETE", `${HOLD}?reference=court:1`)).status).toBe(204);
    expect(api.purged.slice(1)).toEqual([{ subject: subject("anna"), devices: [device("hub-1")] }]);
  });

  test("when one approver releases it; what was withdrawn meanwhile takes its course", async () => {
    await anna();
    await held();
    await call("POST", "/v1/subjects/anna/withdrawals", {});
    expect(api.freed).toEqual([]);
    expect((await as("privacy", "DELETE", `${HOLD}?reference=court:1`)).status).toBe(204);
    expect(await verdict()).toBe("consent-withdrawn");
    expect(api.purged).toEqual([{ subject: subject("anna"), devices: [device("hub-1"), device("hub-2")].sort() }]);
    expect(api.freed).toEqual([subject("anna")]);
    expect(await api.holds().held.all()).toEqual([]);
    expect(await standing()).toEqual([]);
  });

  test("by itself when its time is over, and not before", async () => {
    await anna();
    await held();
    expect(await api.holds().sweep()).toBe(0);
    api.now = () => Date.now() + 60_001;
    expect(await api.holds().sweep()).toBe(1);
    expect(await verdict()).toBe("allowed");
    expect(api.freed).toEqual([subject("anna")]);
    const { records } = (await call("GET", "/v1/audit")).json;
    expect(records.at(-1)).toMatchObject({ act: "hold-expired", by: "gateway", subject: subject("anna") });
  });

  test("only for what no other hold covers", async () => {
    await anna();
    await held();
    await held(terms({ reference: "court:2", until: api.now() + 120_000, scope: { devices: ["hub-1"] } }));
    expect(await standing()).toHaveLength(2);
    api.now = () => Date.now() + 60_001;
    await api.holds().sweep();
    expect([await verdict("hub-1"), await verdict("hub-2")]).toEqual(["legal-hold", "allowed"]);
    expect(api.freed).toEqual([]);
    api.now = () => Date.now() + 120_001;
    await api.holds().sweep();
    expect(await standing()).toEqual([]);
    expect(await verdict("hub-1")).toBe("allowed");
    expect(api.freed).toEqual([subject("anna")]);
  });

  test("later, when both agree to prolong it", async () => {
    await anna();
    await held();
    const longer = terms({ until: api.now() + 120_000 });
    await held(longer);
    api.now = () => Date.now() + 60_001;
    await api.holds().sweep();
    expect(await verdict()).toBe("legal-hold");
    expect(await standing()).toMatchObject([{ until: longer.until }]);
  });
});
