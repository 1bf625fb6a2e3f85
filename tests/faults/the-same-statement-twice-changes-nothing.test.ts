/**
 * Promise: what is in force already is not recorded once more, however often it is said; a request that comes
 * again under its Idempotency-Key is answered as it was and done once; and no answer to a change grows with the record.
 */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { device, everythingIn, CONSENT as GIVEN, subject } from "../integration/consent-fixture.ts";
import { type Answer, httpApi } from "../integration/http-fixture.ts";

const api = httpApi({ centre: true });
const { call } = api;

const CONSENTS = "/v1/subjects/anna/consents";
const WITHDRAWALS = "/v1/subjects/anna/withdrawals";
const CONSENT = {
  policyVersion: 1,
  purposes: { scene: ["model", "status"], weather: ["location"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN", "DE"],
};
const { purposes: _, ...NOTICE } = CONSENT;

async function bound(...devices: string[]): Promise<void> {
  for (const device of devices) await call("PUT", `/v1/subjects/anna/devices/${device}`);
}

async function events(): Promise<string[]> {
  const { json } = await call("GET", CONSENTS);
  return json.events.map(({ type }: { type: string }) => type).filter((type: string) => type !== "bound");
}

async function said(...bodies: object[]): Promise<boolean[]> {
  const recorded: boolean[] = [];
  for (const body of bodies) {
    const answer = await call("POST", CONSENTS, body);
    expect([answer.status, answer.json.code]).toEqual([201, undefined]);
    recorded.push(answer.json.recorded);
  }
  return recorded;
}

describe("a statement", () => {
  test.each([
    ["consent", CONSENT, "given"],
    ["consent with an end", { ...CONSENT, expiresAt: Date.now() + 86_400_000 }, "given"],
    ["a refusal", { ...NOTICE, state: "refused" }, "refused"],
    ["a request", { ...CONSENT, state: "requested" }, "requested"],
    ["about some devices", { ...CONSENT, devices: ["hub-1", "hub-2"] }, "given"],
    [
      "of a guardian",
      {
        ...CONSENT,
        by: "guardian",
        minor: true,
        guardian: { verified: true, method: "id-check", evidenceRef: "guardian:7f31" },
      },
      "given",
    ],
  ])("that is in force already appends nothing: %s", async (_name, body, type) => {
    await bound("hub-1", "hub-2");
    const first = (await call("POST", CONSENTS, body)).json;
    const { head } = (await call("GET", CONSENTS)).json;
    const before = await events();
    expect(before.at(-1)).toBe(type);
    expect(await said(...Array(5).fill(body))).toEqual(Array(5).fill(false));
    const again = (await call("POST", CONSENTS, body)).json;
    expect(await events()).toEqual(before);
    expect([again.head, again.fence, again.consent]).toEqual([head, first.fence, first.consent]);
  });

  test("in another order of words is the same, also after a device came", async () => {
    await bound("hub-1");
    await said(CONSENT);
    await bound("hub-2");
    const turned = {
      ...CONSENT,
      jurisdiction: ["DE", "IN"],
      purposes: { weather: ["location"], scene: ["status", "model"] },
    };
    expect(await said(turned)).toEqual([false]);
    expect(await events()).toEqual(["given"]);
  });

  test("by turns about one device and another appends each once", async () => {
    await bound("hub-1", "hub-2");
    const [one, two] = ["hub-1", "hub-2"].map((device) => ({ ...CONSENT, devices: [device] }));
    expect(await said(one as object, two as object, one as object, two as object)).toEqual([true, true, false, false]);
  });

  test("said at once by many appends once", async () => {
    await bound("hub-1");
    const answers = await Promise.all(Array.from({ length: 8 }, () => call("POST", CONSENTS, CONSENT)));
    expect(answers.map(({ status }) => status).every((status) => [201, 409].includes(status))).toBe(true);
    expect(await events()).toEqual(["given"]);
  });

  test("asked for over and over while there is an answer appends once", async () => {
    await bound("hub-1");
    const request = { ...CONSENT, state: "requested" };
    expect(await said(CONSENT, request, request, request)).toEqual([true, true, false, false]);
  });

  test.each([
    ["another purpose", { purposes: { scene: ["status"] } }],
    ["another end", { expiresAt: Date.now() + 86_400_000 }],
    ["other evidence", { evidenceRef: "form:2f81" }],
    ["another way", { method: "phone" }],
    ["another language", { language: "de" }],
    ["another jurisdiction", { jurisdiction: ["IN"] }],
    ["one device", { devices: ["hub-1"] }],
    ["a minor", { minor: true }],
  ])("that differs is recorded: %s", async (_name, change) => {
    await bound("hub-1");
    expect(await said(CONSENT, { ...CONSENT, ...change })).toEqual([true, true]);
  });

  test("is recorded again after anything was taken back, all or a part, or answered otherwise", async () => {
    await bound("hub-1");
    await said(CONSENT);
    await call("POST", WITHDRAWALS, { purposes: ["weather"] });
    expect(await said(CONSENT)).toEqual([true]);
    await call("POST", WITHDRAWALS, { devices: ["hub-1"] });
    expect(await said(CONSENT)).toEqual([true]);
    await call("POST", WITHDRAWALS, {});
    expect(await said(CONSENT, { ...NOTICE, state: "refused" }, CONSENT)).toEqual([true, true, true]);
  });
});

describe("a withdrawal", () => {
  const withdraw = async (body: object): Promise<number> => {
    const answer = await call("POST", WITHDRAWALS, body);
    expect(answer).toMatchObject({ status: 200, json: { drained: true } });
    return answer.json.fence;
  };
  const withdrawals = async () => (await events()).filter((type) => type === "withdrawn").length;

  test.each([
    ["of everything", {}],
    ["of a purpose", { purposes: ["weather"] }],
    ["of categories", { categories: ["location", "status"] }],
    ["of a device", { devices: ["hub-1"] }],
    ["of what was never given", { purposes: ["network"] }],
  ])("of which nothing is left to take back appends nothing: %s", async (_name, body) => {
    await bound("hub-1", "hub-2");
    await said(CONSENT);
    const fence = await withdraw(body);
    const { head } = (await call("GET", CONSENTS)).json;
    const turned = Object.fromEntries(Object.entries(body).map(([name, value]) => [name, value.toReversed()]));
    for (const again of [body, turned, body]) expect(await withdraw(again)).toBe(fence);
    await Promise.all(Array.from({ length: 8 }, () => withdraw(body)));
    expect((await call("GET", CONSENTS)).json.head).toBe(head);
  });

  test("by turns appends each once", async () => {
    await bound("hub-1");
    await said(CONSENT);
    for (let times = 0; times < 3; times += 1)
      for (const body of [{ purposes: ["weather"] }, { purposes: ["scene"] }, {}]) await withdraw(body);
    expect(await withdrawals()).toBe(3);
    await bound("hub-2");
    await withdraw({});
    expect(await withdrawals()).toBe(3);
  });

  test("is recorded again after anything was stated, in other words, and after an erasure", async () => {
    await bound("hub-1");
    await withdraw({});
    await said(CONSENT);
    await withdraw({});
    await withdraw({ evidenceRef: "call:7f" });
    expect(await withdrawals()).toBe(3);
    await call("POST", "/v1/subjects/anna/erasures", {});
    await withdraw({});
    expect(await withdrawals()).toBe(4);
  });

  test("said again is answered no sooner than it is true", async () => {
    await bound("hub-1");
    await said(CONSENT);
    await withdraw({});
    const lease = await api.store().leases.acquire();
    let answered = false;
    const again = withdraw({}).then(() => {
      answered = true;
    });
    await call("GET", CONSENTS);
    expect(answered).toBe(false);
    await lease.release();
    await again;
  });
});

describe("what failed between the record and what is recorded outside of it", () => {
  const ANNA = subject("anna");
  const HUB = device("hub-1");
  const CHILD = { ...GIVEN, purposes: { scene: ["status"] as const }, minor: true };

  test.each<[string, (ledger: Ledger) => Promise<unknown>]>([
    ["a withdrawal", (ledger) => ledger.withdraw(ANNA, {})],
    ["a refusal", (ledger) => ledger.refuse(ANNA, GIVEN)],
    ["consent to less", (ledger) => ledger.give(ANNA, { ...GIVEN, purposes: { scene: ["status"] } })],
    ["a device that was taken away", (ledger) => ledger.unbind(ANNA, HUB)],
    ["a child", (ledger) => ledger.request(ANNA, CHILD)],
  ])("is noted when it is said again, although nothing is appended: %s", async (_name, say) => {
    const { redis, keyspace } = api.store();
    const noted: unknown[] = [];
    let fails = false;
    const note = async (...what: unknown[]) => {
      if (fails) throw new Error("disk full");
      noted.push(what);
    };
    const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now };
    const ledger = new Ledger(redis, keyspace, {
      ...options,
      journal: { ...NO_JOURNAL, narrowing: note, minority: note },
    });
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, GIVEN);
    fails = true;
    await expect(say(ledger)).rejects.toThrow("disk full");
    fails = false;
    const before = await events();
    await say(ledger);
    expect(await events()).toEqual(before);
    expect(noted.length).toBeGreaterThan(0);
  });
});

test("the answer to a change stays as short as it was, the record is read with GET", async () => {
  await bound("hub-1");
  const lengths: number[] = [];
  for (let times = 0; times < 20; times += 1) {
    const answer = await call("POST", CONSENTS, { ...CONSENT, method: times % 2 === 0 ? "app" : "web" });
    lengths.push(answer.text.length);
    expect(answer.json.events).toBeUndefined();
  }
  expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(10);
  expect(Math.max(...lengths)).toBeLessThan(2_000);
  expect(await events()).toHaveLength(20);
});

const POLICY = JSON.parse(await readFile(new URL("../../config/policies/1.json", import.meta.url), "utf8"));

describe("under an Idempotency-Key", () => {
  const key = (value: string) => ({ "idempotency-key": value });
  test.each<[string, unknown]>([
    ["/v1/devices/hub-1/token", undefined],
    [CONSENTS, CONSENT],
    [WITHDRAWALS, {}],
    ["/v1/subjects/anna/erasures", {}],
    ["/v1/subjects/anna/links", { by: "subject", jurisdiction: ["IN"] }],
    ["/v1/policies", { ...POLICY, version: 2, change: { kind: "minor", summary: "The same." } }],
  ])("the same request to %s is done once and answered twice alike", async (path, body) => {
    await bound("hub-1");
    const first = await call("POST", path, body, key("one"));
    const before = await everythingIn(api.store().redis);
    const again = await call("POST", path, body, key("one"));
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect(first.status).toBeLessThan(300);
    for (const name of ["content-type", "location", "cache-control", "x-content-type-options"])
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    expect([first.headers.get("idempotency-replayed"), again.headers.get("idempotency-replayed")]).toEqual([
      null,
      "true",
    ]);
    expect(await everythingIn(api.store().redis)).toBe(before);
    const other = await call("POST", path, body, key("two"));
    expect(other.headers.get("idempotency-replayed")).toBeNull();
  });

  test("another body is refused, and so is none of the other addresses", async () => {
    await bound("hub-1");
    expect((await call("POST", WITHDRAWALS, { purposes: ["scene"] }, key("one"))).status).toBe(200);
    const { fence } = (await call("GET", CONSENTS)).json;
    const other = await call("POST", WITHDRAWALS, {}, key("one"));
    expect(other).toMatchObject({ status: 422, json: { code: "idempotency-key-reused" } });
    expect(other.headers.get("content-type")).toBe("application/problem+json");
    expect((await call("GET", CONSENTS)).json.fence).toBe(fence);
    expect((await call("POST", CONSENTS, CONSENT, key("one"))).status).toBe(201);
  });

  test("two at once are done once: the other one is told to come back, or gets the same answer", async () => {
    await bound("hub-1");
    const lease = await api.store().leases.acquire();
    const first = call("POST", WITHDRAWALS, {}, key("one"));
    let second: Answer;
    do second = await call("POST", WITHDRAWALS, {}, key("one"));
    while (second.status === 200 && second.headers.get("idempotency-replayed") === null);
    expect(second).toMatchObject({ status: 409, json: { code: "idempotency-key-in-use" } });
    expect(second.headers.get("retry-after")).toBe("1");
    await lease.release();
    expect((await first).status).toBe(200);
    expect((await call("POST", WITHDRAWALS, {}, key("one"))).text).toBe((await first).text);
    expect((await events()).filter((type) => type === "withdrawn")).toHaveLength(1);
  });

  test("what was refused, or could not be finished, may be tried again", async () => {
    expect((await call("POST", WITHDRAWALS, {}, key("one"))).json.code).toBe("unknown-subject");
    await bound("hub-1");
    const { redis, keyspace } = api.store();
    await redis.zadd(keyspace.leases, Date.now() + 60_000, "of-a-clock-that-jumped");
    expect((await call("POST", WITHDRAWALS, {}, key("one"))).json.code).toBe("not-drained");
    await redis.del(keyspace.leases);
    expect((await call("POST", WITHDRAWALS, {}, key("one"))).status).toBe(200);
  });

  test.each(["two words", "x".repeat(129)])("%j is no key", async (value) => {
    await bound("hub-1");
    const answer = await call("POST", WITHDRAWALS, {}, key(value));
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ path: "headers.idempotency-key" }] } });
    expect(await events()).toEqual([]);
  });

  test("nothing of it rests readable, it ends by itself, and the oldest yield", async () => {
    const { redis, keyspace } = api.store();
    const token = (await call("POST", "/v1/devices/hub-1/token", undefined, key("canary-key"))).json.token;
    await bound("hub-1");
    const named = { by: "subject", jurisdiction: ["IN"], devices: [{ device: "hub-1", label: "canary-label" }] };
    const { url } = (await call("POST", "/v1/subjects/anna/links", named, key("canary-key"))).json;
    const resting = await everythingIn(redis);
    const link = url.split("#")[1];
    for (const canary of [token, link, "canary-key", "canary-label", "hub-1", Buffer.from(token).toString("base64url")])
      expect(resting).not.toContain(canary);
    for (const name of [keyspace.keptAnswers, keyspace.keptAnswerEnds])
      expect(await redis.pttl(name)).toBeGreaterThan(0);
    for (let count = 0; count < 25; count += 1)
      await call("POST", `/v1/devices/d${count}/token`, undefined, key("same"));
    expect([await redis.hlen(keyspace.keptAnswers), await redis.zcard(keyspace.keptAnswerEnds)]).toEqual([20, 20]);
    expect((await call("POST", "/v1/devices/hub-1/token", undefined, key("canary-key"))).json.token).not.toBe(token);
  });
});
