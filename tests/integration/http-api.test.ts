/** Promise: the account service can bind, ask, withdraw and read back, and an answer is given only once it is true. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decide } from "../../src/consent/decision/decide.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, EVERYTHING } from "../fixtures/system.ts";
import { device, severalLooks, shippedPolicy, subject } from "./consent-fixture.ts";
import { httpApi } from "./http-fixture.ts";

const LEASE_MS = 600;
const api = httpApi({ leaseMs: LEASE_MS });
const { call } = api;

const CONSENT = consentTo(EVERYTHING);
const HUB = "/v1/subjects/anna/devices/hub-1";
const CONSENTS = "/v1/subjects/anna/consents";
const WITHDRAWALS = "/v1/subjects/anna/withdrawals";

async function verdict(subjectId = "anna", deviceId = "hub-1", of = api) {
  const { decisions, floors } = await of
    .store()
    .gate.read([{ subjectTag: subject(subjectId), deviceKey: device(deviceId) }]);
  return decide(decisions[0], floors, Date.now());
}

test("a device is bound, gets a token, is consented for, and may publish", async () => {
  const issued = await call("POST", "/v1/devices/hub-1/token");
  expect(issued.status).toBe(201);
  expect(issued.headers.get("cache-control")).toBe("no-store");
  expect(await call("PUT", HUB)).toMatchObject({ status: 204, text: "" });
  expect(await api.store().credentials.verify(device("hub-1"), issued.json.token)).toMatchObject({
    subjectTag: subject("anna"),
  });
  expect(await verdict()).toEqual({ refusal: "no-consent" });

  const given = await call("POST", CONSENTS, CONSENT);
  expect(given.status).toBe(201);
  expect(given.json).toMatchObject({
    schemaVersion: 2,
    subject: subject("anna"),
    controller: "vendor",
    fence: 0,
    epoch: 0,
    consent: {
      state: "given",
      policyVersion: 1,
      policyHash: createHash("sha256").update(shippedPolicy).digest("base64url"),
    },
    recorded: true,
  });
  expect(given.text).not.toMatch(/anna|hub-1/);
  expect((await verdict()).refusal).toBeUndefined();
  const { events, devices, holds, ...short } = (await call("GET", CONSENTS)).json;
  expect({ ...short, recorded: true }).toEqual(given.json);
  expect([events.length, devices, holds]).toEqual([2, [{ device: device("hub-1") }], []]);
});

test.each(["given", "refused", "requested"])(
  "a statement %s upon a record that has changed since is not recorded",
  async (state) => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    const read = await call("GET", CONSENTS);
    const etag = read.headers.get("etag") ?? "";
    expect(etag).toBe(`"${read.json.head}.${etag.slice(-23, -1)}"`);
    expect((await call("GET", CONSENTS, undefined, { "if-none-match": etag })).status).toBe(304);
    await call("POST", WITHDRAWALS, { purposes: ["weather"] });
    const { purposes, ...noPurposes } = CONSENT;
    const statement = { ...(state === "refused" ? noPurposes : { ...CONSENT, purposes }), state };
    const late = await call("POST", CONSENTS, statement, { "if-match": etag });
    expect(late).toMatchObject({ status: 412, json: { code: "precondition-failed" } });
    const now = await call("GET", CONSENTS);
    expect(now.json.events).toHaveLength(read.json.events.length + 1);
    const upon = { "if-match": now.headers.get("etag") ?? "" };
    expect((await call("POST", CONSENTS, statement, upon)).status).toBe(201);
    const another = { ...statement, language: "de" };
    expect([400, 412]).toContain((await call("POST", CONSENTS, another, { "if-match": '"anything"' })).status);
  },
);

test("a token may be asked for with an empty JSON body too", async () => {
  expect((await call("POST", "/v1/devices/hub-1/token", {})).status).toBe(201);
});

describe("a withdrawal", () => {
  test("is answered with the fence, and forgets what was dead-lettered for silenced devices only", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    api.purged.length = 0;
    const part = await call("POST", WITHDRAWALS, { purposes: ["weather"] });
    expect(part).toMatchObject({ status: 200, json: { drained: true, fence: 1 } });
    expect(api.purged).toEqual([]);
    const all = await call("POST", WITHDRAWALS, {});
    expect(all).toMatchObject({ status: 200, json: { drained: true, fence: 2 } });
    expect(api.purged).toEqual([{ subject: subject("anna"), devices: [device("hub-1")] }]);
    expect(api.withdrawalsMs).toHaveLength(2);
    expect(await verdict()).toEqual({ refusal: "consent-withdrawn" });
  });

  describe("where no lease ends by itself", () => {
    const patient = httpApi({ leaseMs: 100_000 });

    test("is answered only after a batch that began before it has ended, and is in force at once", async () => {
      await patient.call("PUT", HUB);
      await patient.call("POST", CONSENTS, CONSENT);
      const lease = await patient.store().leases.acquire();
      let answered = false;
      const withdrawal = patient.call("POST", WITHDRAWALS, {}).then((answer) => {
        answered = true;
        return answer;
      });
      await until(
        "it is in force",
        async () => (await verdict("anna", "hub-1", patient)).refusal === "consent-withdrawn",
      );
      await severalLooks(patient.store().redis);
      expect(answered).toBe(false);
      await lease.release();
      expect(await withdrawal).toMatchObject({ status: 200, json: { drained: true } });
    });
  });

  test("that cannot drain is a 503, never a false 200, and is in force all the same", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    const { redis, keyspace } = api.store();
    await redis.zadd(keyspace.leases, Date.now() + 60_000, "of-a-clock-that-jumped");
    const answer = await call("POST", WITHDRAWALS, {});
    expect(answer).toMatchObject({ status: 503, json: { code: "not-drained" } });
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(api.withdrawalsMs).toEqual([]);
    expect(await verdict()).toEqual({ refusal: "consent-withdrawn" });
    await redis.del(keyspace.leases);
    expect((await call("POST", WITHDRAWALS, {})).status).toBe(200);
  });

  test("of a subject no one knows, or for a foreign device, is refused", async () => {
    expect(await call("POST", WITHDRAWALS, {})).toMatchObject({ status: 404, json: { code: "unknown-subject" } });
    await call("PUT", HUB);
    expect(await call("POST", WITHDRAWALS, { devices: ["hub-2"] })).toMatchObject({
      status: 404,
      json: { code: "device-not-bound" },
    });
  });
});

test("an erasure is answered once batches that began before it have ended, and has begun all the same", async () => {
  await call("PUT", HUB);
  await call("POST", CONSENTS, CONSENT);
  const lease = await api.store().leases.acquire();
  await lease.keep(new Set([subject("anna")]));
  const early = await call("POST", "/v1/subjects/anna/erasures", {});
  expect(early).toMatchObject({ status: 503, json: { code: "not-drained" } });
  expect(await verdict()).toEqual({ refusal: "consent-withdrawn" });
  const asking = call("POST", "/v1/subjects/anna/erasures", {});
  await lease.release();
  const answer = await asking;
  expect(answer).toMatchObject({ status: 202, json: { state: "running" } });
  // Asking again was not another erasure.
  const asked = (await call("GET", CONSENTS)).json.events.filter(
    ({ type }: { type: string }) => type === "erasure-requested",
  );
  expect(asked).toMatchObject([{ erasure: answer.json.id }]);
});

describe("a device", () => {
  test("that moves to another subject leaves its consent and what was dead-lettered behind", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    expect((await call("PUT", "/v1/subjects/boris/devices/hub-1")).status).toBe(204);
    expect(api.purged).toEqual([{ subject: subject("anna"), devices: [device("hub-1")] }]);
    expect(await verdict("anna")).toEqual({ refusal: "no-consent" });
    expect(await verdict("boris")).toEqual({ refusal: "no-consent" });
    expect((await call("DELETE", HUB)).json.code).toBe("device-not-bound");
  });

  test("that is unbound may do nothing; a second time there is nothing to unbind", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    expect(await call("DELETE", HUB)).toMatchObject({ status: 204, text: "" });
    expect(await verdict()).toEqual({ refusal: "no-consent" });
    expect(await call("DELETE", HUB)).toMatchObject({ status: 404, json: { code: "device-not-bound" } });
  });

  test("may have colons, dots and 128 characters in its id, percent-encoded or not", async () => {
    const id = `a:b.c_d-${"x".repeat(120)}`;
    expect((await call("PUT", `/v1/subjects/anna/devices/${id}`)).status).toBe(204);
    expect((await call("DELETE", `/v1/subjects/anna/devices/${id.replaceAll(":", "%3A")}`)).status).toBe(204);
    const encoded = [..."h".repeat(128)].map(() => "%68").join("");
    expect((await call("PUT", `/v1/subjects/anna/devices/${encoded}`)).status).toBe(204);
    expect((await call("DELETE", `/v1/subjects/anna/devices/${"h".repeat(128)}`)).status).toBe(204);
  });
});

describe("consent", () => {
  test("can be refused, which is on record", async () => {
    await call("PUT", HUB);
    const { purposes: _, ...notice } = CONSENT;
    const refused = await call("POST", CONSENTS, { ...notice, state: "refused" });
    expect(refused).toMatchObject({ status: 201, json: { consent: { state: "refused", purposes: [] } } });
    expect(await verdict()).toEqual({ refusal: "no-consent" });
  });

  test("of a minor needs a guardian", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, { ...CONSENT, minor: true });
    expect(await verdict()).toEqual({ refusal: "guardian-missing" });
    const guardian = { verified: true, method: "id-check", evidenceRef: "case:7" };
    const answer = await call("POST", CONSENTS, { ...CONSENT, by: "guardian", minor: true, guardian });
    expect(answer.json).toMatchObject({
      minor: true,
      guardian: { status: "verified", verificationMethod: "id-check", tokenRef: "case:7" },
    });
    expect((await verdict()).refusal).toBeUndefined();
  });

  test.each([
    [422, "policy-version-unknown", { policyVersion: 9 }],
    [422, "purpose-not-in-policy", { purposes: { weather: ["ip"] } }],
    [422, "expiry-out-of-range", { expiresAt: 1 }],
    [404, "device-not-bound", { devices: ["hub-9"] }],
  ])("is answered %i %s when it cannot hold", async (status, code, change) => {
    await call("PUT", HUB);
    expect(await call("POST", CONSENTS, { ...CONSENT, ...change })).toMatchObject({ status, json: { code, status } });
    expect(await verdict()).toEqual({ refusal: "no-consent" });
  });

  test("of a subject no one knows is not found", async () => {
    expect(await call("GET", CONSENTS)).toMatchObject({ status: 404, json: { code: "unknown-subject" } });
  });
});

describe("the receipt for a consent", () => {
  const RECEIPT = `${CONSENTS}/receipt`;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "consent-receipt-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  async function verified(receipt: unknown) {
    const [file, key] = [join(dir, "receipt.json"), join(dir, "key.json")];
    await writeFile(file, JSON.stringify(receipt));
    await writeFile(key, (await call("GET", "/v1/keys/receipt")).text);
    return runCommand("receipt", ["verify", file, "--key", key]);
  }

  test("is the record of the moment, and verifies with the public key until any of it is changed", async () => {
    expect(await call("GET", RECEIPT)).toMatchObject({ status: 404, json: { code: "unknown-subject" } });
    await call("PUT", HUB);
    await call("POST", CONSENTS, CONSENT);
    const { json: signed, headers } = await call("GET", RECEIPT);
    expect(headers.get("cache-control")).toBe("no-store");
    const { kind, receiptId, issuedAt, ...record } = signed.receipt;
    expect(record).toEqual((await call("GET", CONSENTS)).json);
    expect([kind, receiptId, Date.now() - issuedAt < 60_000]).toEqual(["consent-receipt", expect.any(String), true]);

    const good = await verified(signed);
    expect(good).toMatchObject({ exitCode: 0 });
    expect(good.stdout).toContain("valid\n  consent   of ");
    expect(good.stdout).toContain("all       given, policy 1, analytics: model, location, status");
    const changed = structuredClone(signed);
    changed.receipt.events[1].purposes.pop();
    expect(await verified(changed)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("altered") });
    // Nor does it pass for the receipt of an erasure.
    const { kind: _, ...renamed } = signed.receipt;
    expect(await verified({ ...signed, receipt: renamed })).toMatchObject({ exitCode: 1 });
  });
});

describe("policies", () => {
  const second = (change: object) => {
    const document = JSON.parse(shippedPolicy.toString());
    return { ...document, version: 2, change: { kind: "minor", summary: "Wording." }, ...change };
  };

  test("the shipped one comes back byte for byte, under its hash", async () => {
    const hash = createHash("sha256").update(shippedPolicy).digest("base64url");
    const answer = await call("GET", "/v1/policies/1");
    expect(answer.text).toBe(shippedPolicy.toString());
    expect(answer.headers.get("etag")).toBe(`"${hash}"`);
    expect((await call("GET", "/v1/policies")).json).toEqual({
      policies: [{ version: 1, hash, change: "first", effectiveFrom: "2022-06-17", suspended: [] }],
      floors: { analytics: 1, weather: 1, scene: 1, network: 1 },
      devicesSuspended: { analytics: 0, weather: 0, scene: 0, network: 0 },
    });
    expect((await call("GET", "/v1/policies/2")).json.code).toBe("unknown-policy");
  });

  test("a material one suspends the purposes it affects until consent is given again", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, { ...CONSENT, purposes: { scene: ["status"] } });
    // Spacing is kept: what is archived is what was sent.
    const text = JSON.stringify(
      second({ change: { kind: "material", summary: "Scenes.", affects: ["scene"] } }),
      null,
      3,
    );
    const published = await call("POST", "/v1/policies", text);
    expect(published).toMatchObject({ status: 201, json: { version: 2, suspended: ["scene"] } });
    expect(published.headers.get("location")).toBe("/v1/policies/2");
    expect((await call("GET", "/v1/policies/2")).text).toBe(text);
    expect((await call("GET", "/v1/policies/1")).text).toBe(shippedPolicy.toString());
    expect(await verdict()).toEqual({ refusal: "policy-superseded" });
    expect((await call("GET", "/v1/policies")).json.devicesSuspended).toMatchObject({ scene: 1, weather: 0 });
    expect((await call("GET", CONSENTS)).json.consent).toMatchObject({
      state: "given",
      suspended: { version: 2, purposes: ["scene"] },
    });
    expect((await call("POST", CONSENTS, { ...CONSENT, purposes: { scene: ["status"] } })).json.code).toBe(
      "policy-superseded",
    );
    expect(
      (await call("POST", CONSENTS, { ...CONSENT, policyVersion: 2, purposes: { scene: ["status"] } })).status,
    ).toBe(201);
    expect((await verdict()).refusal).toBeUndefined();
    const anew = (await call("GET", CONSENTS)).json;
    expect(anew.consent.suspended).toBeUndefined();
    expect(anew.events.map(({ type }: { type: string }) => type)).toEqual(["bound", "given", "reconfirmed"]);
    expect((await call("POST", "/v1/policies", text)).status).toBe(201);
  });

  test("one to be reconfirmed leaves consent as it is until its day has passed, and then suspends", async () => {
    await call("PUT", HUB);
    await call("POST", CONSENTS, { ...CONSENT, purposes: { scene: ["status"] } });
    const change = { kind: "reconfirm", summary: "Please look again.", affects: ["scene"], confirmBy: "2099-12-31" };
    const until = Date.parse("2100-01-01");
    const reconfirm = { purposes: ["scene"], until };
    expect(await call("POST", "/v1/policies", second({ change }))).toMatchObject({
      status: 201,
      json: { suspended: [], reconfirm },
    });
    expect((await verdict()).refusal).toBeUndefined();
    const { consent } = (await call("GET", CONSENTS)).json;
    expect(consent).toMatchObject({ toConfirm: { version: 2, purposes: ["scene"], until } });
    expect(consent.suspended).toBeUndefined();
    expect((await call("GET", "/v1/policies")).json).toMatchObject({
      policies: [{ version: 1 }, { version: 2, change: "reconfirm", reconfirm }],
      floors: { scene: 1 },
    });

    const passed = { ...second({ change: { ...change, confirmBy: "2020-12-31" } }), version: 3 };
    expect((await call("POST", "/v1/policies", passed)).status).toBe(201);
    expect(await verdict()).toEqual({ refusal: "policy-superseded" });
    await call("POST", CONSENTS, { ...CONSENT, policyVersion: 3, purposes: { scene: ["status"] } });
    expect((await verdict()).refusal).toBeUndefined();
  });

  test.each([
    [409, "policy-version-taken", { version: 1 }],
    [409, "policy-version-gap", { version: 3 }],
    [422, "policy-change-understated", { change: { kind: "first", summary: "No." } }],
    [400, "invalid-request", { purposes: { marketing: {} } }],
    [400, "invalid-request", { version: 0 }],
    [400, "invalid-request", { change: { kind: "reconfirm", summary: "No day is named." } }],
    [400, "invalid-request", { change: { kind: "minor", summary: "A day.", confirmBy: "2026-01-31" } }],
  ])("an unfit one is answered %i %s and changes nothing", async (status, code, change) => {
    expect(await call("POST", "/v1/policies", second(change))).toMatchObject({ status, json: { code } });
    expect((await call("GET", "/v1/policies")).json.policies).toHaveLength(1);
  });

  test("terms that widen cannot be called minor, nor left to be reconfirmed", async () => {
    for (const kind of [{ kind: "minor" }, { kind: "reconfirm", confirmBy: "2099-12-31" }]) {
      const document = second({ change: { ...kind, summary: "Nothing much." } });
      document.purposes.scene.recipients.push("advertisers");
      expect(await call("POST", "/v1/policies", document)).toMatchObject({
        status: 422,
        json: { code: "policy-change-understated" },
      });
    }
  });

  test("two published at once: one of them is version 2", async () => {
    const answers = await Promise.all(
      ["A.", "B.", "C."].map((title) => call("POST", "/v1/policies", second({ title }))),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const { status } of answers) expect([201, 409]).toContain(status);
    expect((await call("GET", "/v1/policies")).json.policies).toHaveLength(2);
  });
});

describe("health", () => {
  const open = { authorization: "" };
  test("is open, and tells codes only", async () => {
    expect(await call("GET", "/livez", undefined, open)).toMatchObject({ status: 200, json: { alive: true } });
    expect(await call("GET", "/readyz", undefined, open)).toMatchObject({ status: 200, json: { ready: true } });
    api.readiness = { ready: false, reasons: ["backlog-full"] };
    expect(await call("GET", "/readyz", undefined, open)).toMatchObject({
      status: 503,
      json: { ready: false, reasons: ["backlog-full"] },
    });
    const metrics = await call("GET", "/metrics", undefined, open);
    expect((await call("GET", "/metrics")).text).toBe("consentry_messages_received_total 0 full\n");
    const wrong = await call("GET", "/metrics", undefined, { authorization: "Bearer wrong" });
    expect(wrong).toMatchObject({ status: 401, json: { code: "unauthorized" } });
    expect(metrics.text).toBe("consentry_messages_received_total 0\n");
    expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("the description can be read without the token", async () => {
    expect((await call("GET", "/docs/json", undefined, open)).json.openapi).toBe("3.1.0");
    const page = await fetch(`http://127.0.0.1:${api.port()}/docs/`);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/html")]);
  });
});

test("says on which port it listens, and nothing about any request", async () => {
  await call("PUT", HUB);
  await call("POST", CONSENTS, CONSENT);
  await call("GET", "/v1/subjects/anna/nowhere");
  expect(api.logged).toEqual([["listening", { listener: "http", host: "127.0.0.1", port: api.port() }]]);
});
