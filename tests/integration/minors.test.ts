/** Promise: anyone who turns out to be a minor is refused and purged; their guardian, and no one else's, may say otherwise. */
import { describe, expect, test } from "vitest";
import { decide } from "../../src/consent/decision/decide.ts";
import { Minors } from "../../src/consent/ledger/minors.ts";
import { usable } from "../../src/model/consent.ts";
import { PURPOSES, type Purpose } from "../../src/model/purposes.ts";
import { device, subject } from "./consent-fixture.ts";
import { httpApi } from "./http-fixture.ts";

const api = httpApi();
const { call } = api;
const CONSENTS = "/v1/subjects/anna/consents";
const WITHDRAWALS = "/v1/subjects/anna/withdrawals";
const ADULT = {
  policyVersion: 1,
  purposes: { analytics: ["status"], weather: ["location"], scene: ["status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};
const MOTHER = { verified: true, method: "id-check", evidenceRef: "guardian:mother" };
const MOTHER_ON_FILE = { status: "verified", verificationMethod: "id-check", tokenRef: "guardian:mother" };
const MINOR = { ...ADULT, minor: true };
const GUARDED = { ...MINOR, by: "guardian", guardian: MOTHER };

async function verdict(): Promise<string | Purpose[]> {
  const ref = { subjectTag: subject("anna"), deviceKey: device("hub-1") };
  const { decisions, floors } = await api.store().gate.read([ref]);
  const { refusal, grants } = decide(decisions[0], floors, Date.now());
  return refusal ?? PURPOSES.filter((purpose) => usable(grants, purpose, 0xf) !== 0);
}

async function events(): Promise<string[]> {
  return ((await api.store().ledger.record(subject("anna")))?.events ?? []).map(({ type }) => type);
}

async function say(body: object): Promise<number> {
  return (await call("POST", CONSENTS, body)).status;
}

async function bound(): Promise<void> {
  await call("PUT", "/v1/subjects/anna/devices/hub-1");
}

describe("an adult who turns out to be a minor", () => {
  test("is refused without a guardian, and what was stored goes", async () => {
    await bound();
    expect(await say(ADULT)).toBe(201);
    expect(await verdict()).toEqual(["analytics", "weather", "scene"]);
    expect(await say(MINOR)).toBe(201);
    expect(await verdict()).toBe("guardian-missing");
    expect(await events()).toEqual(["bound", "given", "given", "erasure-requested", "given"]);
    // Said again it is not erased again.
    await say(MINOR);
    expect((await events()).filter((type) => type === "erasure-requested")).toHaveLength(1);
  });

  test("keeps the service purposes with a guardian, and what was stored goes all the same", async () => {
    await bound();
    await say(ADULT);
    expect(await say(GUARDED)).toBe(201);
    expect(await verdict()).toEqual(["weather", "scene"]);
    expect(await events()).toContain("erasure-requested");
  });

  test("is one with a refusal too: it is on record, and what was stored goes", async () => {
    await bound();
    await say(ADULT);
    const { purposes: _, ...notice } = ADULT;
    const refused = await call("POST", CONSENTS, { ...notice, state: "refused", minor: true, guardian: MOTHER });
    expect(refused).toMatchObject({
      status: 201,
      json: { minor: true, guardian: MOTHER_ON_FILE, consent: { state: "refused" } },
    });
    expect(await events()).toEqual(["bound", "given", "refused", "erasure-requested", "refused"]);
  });

  test("is found later when the answer was cut short", async () => {
    const { ledger, redis, keyspace } = api.store();
    const minors = new Minors(redis, keyspace);
    await bound();
    await say(ADULT);
    expect(await minors.due()).toEqual([]);
    await ledger.give(subject("anna"), { ...MINOR, by: "subject", purposes: { scene: ["status"] } });
    expect(await minors.due()).toEqual([subject("anna")]);
  });
});

describe("a guardian", () => {
  test("may give, look, change and withdraw for the child", async () => {
    await bound();
    expect(await say(GUARDED)).toBe(201);
    expect(await verdict()).toEqual(["weather", "scene"]);
    expect(await events()).not.toContain("erasure-requested");
    const record = (await call("GET", CONSENTS)).json;
    expect(record).toMatchObject({ minor: true, guardian: MOTHER_ON_FILE });
    expect(await say({ ...GUARDED, purposes: { scene: ["status"] } })).toBe(201);
    expect(await verdict()).toEqual(["scene"]);
    expect(await say({ ...ADULT, by: "guardian", guardianRef: "guardian:mother" })).toBe(201);
    expect(await verdict()).toEqual(["weather", "scene"]);
    const withdrawn = await call("POST", WITHDRAWALS, { by: "guardian", guardianRef: "guardian:mother" });
    expect(withdrawn.status).toBe(200);
    expect(await verdict()).toBe("consent-withdrawn");
    const said = (await api.store().ledger.record(subject("anna")))?.events.filter(({ by }) => by === "guardian");
    expect(said?.map(({ type, guardianRef }) => [type, guardianRef])).toEqual([
      ["given", "guardian:mother"],
      ["given", "guardian:mother"],
      ["given", "guardian:mother"],
      ["withdrawn", "guardian:mother"],
    ]);
  });

  test("may have everything erased", async () => {
    await bound();
    await say(GUARDED);
    const body = { by: "guardian", guardianRef: "guardian:mother" };
    expect((await call("POST", "/v1/subjects/anna/erasures", body)).status).toBe(202);
    const record = await api.store().ledger.record(subject("anna"));
    expect(record?.events.at(-1)).toMatchObject({ type: "erasure-requested", ...body });
  });

  test("of another child is refused, whatever they ask", async () => {
    await bound();
    await say(GUARDED);
    const before = await events();
    const stranger = { ...MOTHER, evidenceRef: "guardian:stranger" };
    const attempts: [string, object][] = [
      [CONSENTS, { ...GUARDED, guardian: stranger }],
      [CONSENTS, { ...ADULT, by: "guardian" }],
      [CONSENTS, { ...ADULT, by: "guardian", guardianRef: "guardian:stranger" }],
      [CONSENTS, { ...ADULT, guardian: stranger }],
      [CONSENTS, { ...ADULT, state: "refused", purposes: {}, by: "guardian", guardianRef: "guardian:stranger" }],
      [WITHDRAWALS, { by: "guardian", guardianRef: "guardian:stranger" }],
      [WITHDRAWALS, { by: "guardian" }],
      ["/v1/subjects/anna/erasures", { by: "guardian", guardianRef: "guardian:stranger" }],
    ];
    for (const [path, body] of attempts) {
      expect(await call("POST", path, body), path).toMatchObject({ status: 403, json: { code: "guardian-mismatch" } });
    }
    expect(await events()).toEqual(before);
    expect(await verdict()).toEqual(["weather", "scene"]);
  });

  const UNVERIFIED = { verified: false, method: "asked", evidenceRef: "guardian:mother" };
  test.each([
    ["where no one is on file", MINOR],
    ["where the one on file was not verified", { ...MINOR, guardian: UNVERIFIED }],
    ["of an adult", ADULT],
  ])("is no one %s, unless the consent itself verifies them", async (_where, stated) => {
    await bound();
    await say(stated);
    const before = await events();
    const { purposes: _, ...notice } = ADULT;
    for (const named of [{}, { guardianRef: "guardian:mother" }]) {
      const who = { by: "guardian", ...named };
      const attempts: [string, object][] = [
        [CONSENTS, { ...ADULT, ...who }],
        [CONSENTS, { ...ADULT, ...who, guardian: UNVERIFIED }],
        [CONSENTS, { ...notice, ...who, state: "refused" }],
        [WITHDRAWALS, who],
        ["/v1/subjects/anna/erasures", who],
      ];
      for (const [path, body] of attempts) {
        const answer = await call("POST", path, body);
        expect(answer, path).toMatchObject({ status: 403, json: { code: "guardian-not-on-file" } });
      }
      const query = new URLSearchParams(who).toString();
      expect(await call("GET", `/v1/subjects/anna/export?${query}`)).toMatchObject({
        status: 403,
        json: { code: "guardian-not-on-file" },
      });
    }
    expect(await events()).toEqual(before);
    expect(await say(GUARDED)).toBe(201);
  });

  test("is verified under a reference, or not at all", async () => {
    await bound();
    const { evidenceRef: _, ...nameless } = MOTHER;
    expect((await call("POST", CONSENTS, { ...GUARDED, guardian: nameless })).json).toMatchObject({
      code: "invalid-request",
      errors: [{ path: "body.guardian.evidenceRef" }],
    });
  });

  test("can be replaced by anyone who names the one on file", async () => {
    await bound();
    await say(GUARDED);
    const father = { ...MOTHER, evidenceRef: "guardian:father" };
    expect(await say({ ...GUARDED, guardian: father, guardianRef: "guardian:mother" })).toBe(201);
    expect((await call("POST", WITHDRAWALS, { by: "guardian", guardianRef: "guardian:mother" })).status).toBe(403);
    expect((await call("POST", WITHDRAWALS, { by: "guardian", guardianRef: "guardian:father" })).status).toBe(200);
  });

  test("does not stand behind what the child alone says later", async () => {
    await bound();
    await say(GUARDED);
    expect(await say(MINOR)).toBe(201);
    expect(await verdict()).toBe("guardian-missing");
  });
});

describe("a minor who says that they are none", () => {
  const ASKED = { ...ADULT, state: "requested", minor: false, method: "account", evidenceRef: "age:2026" };

  test.each([
    ["alone", { ...ADULT, minor: false }],
    ["in a refusal", { ...ADULT, purposes: {}, state: "refused", minor: false }],
    ["by asking for consent", { ...ADULT, state: "requested", minor: false, evidenceRef: "age:1" }],
    ["with their guardian", { ...GUARDED, minor: false, guardianRef: "guardian:mother" }],
    ["through a service without evidence", { ...ASKED, by: "controller", evidenceRef: undefined }],
  ])("%s, stays one", async (_how, body) => {
    await bound();
    await say(GUARDED);
    expect(await call("POST", CONSENTS, body)).toMatchObject({ status: 403, json: { code: "still-a-minor" } });
    expect(await verdict()).toEqual(["weather", "scene"]);
    expect((await call("GET", CONSENTS)).json.minor).toBe(true);
  });

  test.each(["controller", "authority"])("is of age once the %s says so, and is asked again", async (by) => {
    await bound();
    await say(GUARDED);
    const asked = await call("POST", CONSENTS, { ...ASKED, by });
    expect(asked).toMatchObject({ status: 201, json: { minor: false, consent: { state: "requested" } } });
    expect(asked.json.guardian).toBeUndefined();
    expect(await verdict()).toBe("no-consent");
    const mother = { by: "guardian", guardianRef: "guardian:mother" };
    expect((await call("POST", WITHDRAWALS, mother)).json.code).toBe("guardian-not-on-file");
    expect(await say(ADULT)).toBe(201);
    expect(await verdict()).toEqual(["analytics", "weather", "scene"]);
  });
});

test("a child asks, which allows nothing, until the guardian answers", async () => {
  await bound();
  const asked = await call("POST", CONSENTS, { ...MINOR, state: "requested" });
  expect(asked).toMatchObject({ status: 201, json: { minor: true, consent: { state: "requested", purposes: [] } } });
  expect((await call("GET", CONSENTS)).json.events.at(-1)).toMatchObject({
    type: "requested",
    purposes: [{ id: "analytics" }, {}, {}],
  });
  expect(await verdict()).toBe("no-consent");
  expect(await say(GUARDED)).toBe(201);
  expect(await verdict()).toEqual(["weather", "scene"]);
  // Asked again, what was answered stays.
  expect((await call("POST", CONSENTS, { ...MINOR, state: "requested" })).status).toBe(201);
  expect(await verdict()).toEqual(["weather", "scene"]);
});

test("what is asked for in the name of the service is no answer", async () => {
  await bound();
  for (const by of ["controller", "authority"]) {
    for (const body of [
      { ...ADULT, by },
      { ...ADULT, by, state: "refused", purposes: {} },
    ]) {
      expect(await call("POST", CONSENTS, body)).toMatchObject({ status: 400, json: { code: "invalid-request" } });
    }
  }
});
