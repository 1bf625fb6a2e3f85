/** Services over HTTP, on a real Redis: registered, changed under one comparison, removed; and every refusal has a type. */
import { describe, expect, test } from "vitest";
import type { PolicyDocument } from "../../src/model/policy-document.ts";
import { EntryText, entryHash } from "../../src/services/entry-text.ts";
import { entryOf, registryOn, SCENES, SERVICE_KEY } from "../fixtures/services.ts";
import { onDisk, shippedPolicy } from "./consent-fixture.ts";
import { httpApi } from "./http-fixture.ts";

const api = httpApi();

const put = (name: string, body: object = SCENES, headers: Record<string, string> = {}) =>
  api.call("PUT", `/v1/services/${name}`, body, headers);
const get = async (name: string) => (await api.call("GET", `/v1/services/${name}`)).json;
const codes = ({ status, json }: { status: number; json: { code?: string } }) => [status, json?.code];
const auditLines = async () =>
  ((await api.call("GET", "/v1/audit?limit=200")).json.records as { act: string; outcome?: string; detail?: object }[])
    .filter(({ act }) => act.startsWith("service-"))
    .map(({ act, outcome, detail }) => [act, outcome, detail]);

describe("a service", () => {
  test("is registered, shown with its ETag, changed, and removed; each act is in the audit log", async () => {
    const made = await put("scenes-north");
    expect([made.status, made.json.origin, made.json.tokens]).toEqual([201, "registry", []]);
    const shown = await api.call("GET", "/v1/services/scenes-north");
    expect(shown.headers.get("etag")).toBe(made.headers.get("etag"));
    expect(shown.json).toMatchObject({ ...SCENES, maxConnections: 64, given: ["scene"], former: [] });
    const same = await put("scenes-north");
    expect([same.status, same.headers.get("etag")]).toEqual([200, made.headers.get("etag")]);
    const changed = await put("scenes-north", { ...SCENES, categories: ["status"], maxConnections: 2 });
    expect([changed.status, changed.json.categories, changed.json.maxConnections]).toEqual([200, ["status"], 2]);
    expect(changed.headers.get("etag")).not.toBe(made.headers.get("etag"));
    const listed = (await api.call("GET", "/v1/services")).json.services as { name: string; origin: string }[];
    expect(listed.map(({ name, origin }) => `${name} ${origin}`)).toEqual([
      "of-the-file file",
      "scenes-north registry",
    ]);
    expect((await api.call("DELETE", "/v1/services/scenes-north")).status).toBe(204);
    expect(codes(await api.call("GET", "/v1/services/scenes-north"))).toEqual([404, "unknown-service"]);
    expect(codes(await api.call("DELETE", "/v1/services/scenes-north"))).toEqual([404, "unknown-service"]);
    const detail = { service: "scenes-north" };
    expect(await auditLines()).toEqual([
      ...Array(3)
        .fill([
          ["service-registered", "asked", detail],
          ["service-registered", "done", undefined],
        ])
        .flat(),
      ["service-removed", "asked", detail],
      ["service-removed", "done", undefined],
      ["service-removed", "asked", detail],
      ["service-removed", "refused", { status: 404 }],
    ]);
  });

  test("has two tokens at one time and no third, each shown once and kept as a hash alone", async () => {
    await put("scenes");
    const issue = () => api.call("POST", "/v1/services/scenes/tokens");
    const [first, second, third] = [await issue(), await issue(), await issue()];
    expect([first.status, first.json.number, second.json.number]).toEqual([201, 1, 2]);
    expect(first.headers.get("cache-control")).toBe("no-store");
    expect(codes(third)).toEqual([409, "two-tokens"]);
    expect((await get("scenes")).tokens.map(({ number }: { number: number }) => number)).toEqual([1, 2]);
    expect((await api.call("DELETE", "/v1/services/scenes/tokens/1")).status).toBe(204);
    expect(codes(await api.call("DELETE", "/v1/services/scenes/tokens/1"))).toEqual([404, "unknown-token"]);
    const fourth = await issue();
    expect(fourth.json.number).toBe(3);
    await api.store().redis.save();
    for (const { json } of [first, second, fourth]) {
      expect((await api.call("GET", "/v1/services")).text).not.toContain(json.token);
      expect(await onDisk(api.store().redis, json.token)).toBe(false);
    }
  });

  test("gets the same token again under the same Idempotency-Key, when its answer was lost", async () => {
    await put("scenes");
    const issue = () => api.call("POST", "/v1/services/scenes/tokens", undefined, { "idempotency-key": "k-1" });
    const [first, again] = [await issue(), await issue()];
    expect(again.json).toEqual(first.json);
    expect((await get("scenes")).tokens).toHaveLength(1);
  });

  test("that the configuration file names changes there alone", async () => {
    const before = await get("of-the-file");
    expect([before.origin, before.tokens, before.revision]).toEqual(["file", [], undefined]);
    expect(codes(await put("of-the-file"))).toEqual([409, "service-in-file"]);
    expect(codes(await api.call("DELETE", "/v1/services/of-the-file"))).toEqual([409, "service-in-file"]);
    expect(codes(await api.call("POST", "/v1/services/of-the-file/tokens"))).toEqual([409, "service-in-file"]);
    expect(codes(await api.call("DELETE", "/v1/services/of-the-file/tokens/1"))).toEqual([409, "service-in-file"]);
    expect(await get("of-the-file")).toEqual(before);
    expect(await api.store().redis.hlen(api.store().keyspace.services)).toBe(0);
  });

  test("that lost a purpose is still told of its erasures; with none it gets nothing and is told all the same", async () => {
    const both = { ...SCENES, purposes: ["scene", "network"] };
    await publish({ network: ["scene services", "network functions"] });
    expect((await put("both", both)).status).toBe(201);
    await put("both", { ...both, purposes: ["network"] });
    expect(await get("both")).toMatchObject({ purposes: ["network"], former: ["scene"] });
    await put("both", { ...both, purposes: [] });
    expect(await get("both")).toMatchObject({ purposes: [], former: ["scene", "network"], given: [] });
    await put("both", both);
    expect(await get("both")).toMatchObject({ purposes: ["scene", "network"], former: [] });
  });

  test("keeps its recipient, also after it was removed: the accounts of the past know it by its name", async () => {
    await put("scenes");
    const other = { ...SCENES, recipient: "another company" };
    expect(codes(await put("scenes", other))).toEqual([409, "recipient-differs"]);
    expect(codes(await put("scenes", { ...SCENES, relation: "third-party" }))).toEqual([409, "recipient-differs"]);
    await api.call("POST", "/v1/services/scenes/tokens");
    await api.call("DELETE", "/v1/services/scenes");
    expect(codes(await put("scenes", other))).toEqual([409, "recipient-differs"]);
    const again = await put("scenes");
    expect([again.status, again.json.tokens]).toEqual([201, []]);
    // The number of a token is never used twice.
    expect((await api.call("POST", "/v1/services/scenes/tokens")).json.number).toBe(2);
  });
});

describe("what the policy or the purposes do not cover is refused, part by part", () => {
  test.each([
    ["a region", { region: "DE" }, [["region.scene", "region-not-in-policy"]]],
    ["a recipient", { recipient: "somebody" }, [["recipient.scene", "recipient-not-in-policy"]]],
    ["a processor without a contract", { contractRef: undefined }, [["contractRef.scene", "contract-missing"]]],
    ["a category beyond the purpose", { categories: ["status", "ip"] }, [["categories.ip", "not-of-purpose"]]],
    ["a category too few", { categories: ["model"] }, [["categories.status", "needed-by-purpose"]]],
    ["another purpose", { purposes: ["scene", "weather"] }, [["recipient.weather", "recipient-not-in-policy"]]],
  ])("%s", async (_what, more, expected) => {
    const refused = await put("scenes", { ...SCENES, ...more });
    expect(codes(refused)).toEqual([422, "service-not-covered"]);
    expect(refused.json.errors.map(({ path, code }: { path: string; code: string }) => [path, code])).toEqual(expected);
    expect(await api.store().redis.exists(api.store().keyspace.services)).toBe(0);
  });
});

describe("bad input", () => {
  test.each([
    ["a wildcard", "%23", 400, "invalid-request"],
    ["a plus", "scene%2B", 400, "invalid-request"],
    ["a dollar", "%24share", 400, "invalid-request"],
    ["a slash", "scene%2Fnorth", 400, "invalid-request"],
    ["capitals", "Scenes", 400, "invalid-request"],
    ["a digit in front", "1scenes", 400, "invalid-request"],
    ["a line break", "scenes%0A", 400, "invalid-request"],
    ["33 characters", "s".repeat(33), 400, "invalid-request"],
    ["a thousand characters", "s".repeat(1_000), 414, "uri-too-long"],
  ])("a name with %s", async (_what, name, status, code) => {
    expect(codes(await put(name))).toEqual([status, code]);
    expect(codes(await api.call("POST", `/v1/services/${name}/tokens`))).toEqual([status, code]);
    expect(codes(await api.call("DELETE", `/v1/services/${name}`))).toEqual([status, code]);
  });

  test.each([
    ["nothing", {}],
    ["an unknown purpose", { ...SCENES, purposes: ["analytics"] }],
    ["an unknown key", { ...SCENES, token: "t".repeat(43) }],
    ["no categories at all", { ...SCENES, categories: [] }],
    ["a contract that could be someone's number", { ...SCENES, contractRef: "0049 171 2345678" }],
    ["a recipient with a control character", { ...SCENES, recipient: "scene\nservices" }],
    ["no connection", { ...SCENES, maxConnections: 0 }],
    ["a rate beyond all bounds", { ...SCENES, publishesPerSecond: 1e9 }],
    ["a list", [SCENES]],
  ])("a body with %s", async (_what, body) => {
    expect(codes(await put("scenes", body))).toEqual([400, "invalid-request"]);
  });

  test.each(["7", '"x"', 'W/"7"', '"7", "8"'])("If-Match %s", async (value) => {
    expect(codes(await put("scenes", SCENES, { "if-match": value }))).toEqual([400, "invalid-request"]);
  });

  test.each(["0", "x", "-1", "1.5", "9999999999"])("token number %s", async (number) => {
    await put("scenes");
    expect(codes(await api.call("DELETE", `/v1/services/scenes/tokens/${number}`))).toEqual([400, "invalid-request"]);
  });

  test("the token of no one", async () => {
    const answer = await put("scenes", SCENES, { authorization: "Bearer wrong" });
    expect(codes(answer)).toEqual([401, "unauthorized"]);
  });
});

describe("two changes", () => {
  test("that expect a state, one after the other: the second is told to look again", async () => {
    expect(codes(await put("scenes", SCENES, { "if-match": '"1"' }))).toEqual([412, "revision-differs"]);
    const made = await put("scenes", SCENES, { "if-none-match": "*" });
    expect(made.status).toBe(201);
    expect(codes(await put("scenes", SCENES, { "if-none-match": "*" }))).toEqual([412, "revision-differs"]);
    const seen = made.headers.get("etag") ?? "";
    const narrower = await put("scenes", { ...SCENES, categories: ["status"] }, { "if-match": seen });
    expect(narrower.status).toBe(200);
    expect(codes(await put("scenes", SCENES, { "if-match": seen }))).toEqual([412, "revision-differs"]);
    expect(codes(await api.call("DELETE", "/v1/services/scenes", undefined, { "if-match": seen }))).toEqual([
      412,
      "revision-differs",
    ]);
    expect((await get("scenes")).categories).toEqual(["status"]);
  });

  test("at once: one is done, the other is a conflict or follows; never a mixture", async () => {
    await put("scenes");
    for (let turn = 0; turn < 10; turn += 1) {
      const bodies = Array.from({ length: 6 }, (_, n) => ({ ...SCENES, maxConnections: 10 * turn + n + 1 }));
      const answers = await Promise.all(bodies.map((body) => put("scenes", body)));
      const done = answers.filter(({ status }) => status === 200);
      expect(done.length).toBeGreaterThan(0);
      for (const answer of answers)
        expect(codes(answer)).toBeOneOf([
          [200, undefined],
          [409, "conflict"],
        ]);
      const stands = (await get("scenes")).maxConnections;
      expect(done.map(({ json }) => json.maxConnections)).toContain(stands);
    }
  });

  test("of which one was made while the other was decided on: that one is a conflict, and nothing of it is there", async () => {
    const { redis, keyspace, policies } = api.store();
    await put("scenes");
    const { registry } = registryOn({
      redis,
      keyspace,
      policies: {
        newest: async (known) => {
          await put("scenes", { ...SCENES, categories: ["status"] });
          return policies.newest(known);
        },
      },
    });
    const wider = entryOf(["scene"], { relation: "processor", contractRef: "dpa-1", maxConnections: 3 });
    expect(await registry.put("scenes", wider)).toEqual({ refused: "conflict" });
    expect((await get("scenes")).categories).toEqual(["status"]);
  });
});

describe("the registry", () => {
  test("records each change outside Redis before it is answered, also one that is asked for again", async () => {
    const { redis, keyspace } = api.store();
    const noted: [string, string, number][] = [];
    let fails = false;
    const { registry, directory } = registryOn(api.store(), {
      journal: async (...line) => {
        if (fails) throw new Error("disk full");
        noted.push(line);
      },
    });
    const entry = entryOf(["scene"]);
    fails = true;
    await expect(registry.put("scenes", entry)).rejects.toThrow("disk full");
    // It is there, and in force; only its answer was not given.
    expect(directory.get("scenes")).toBeDefined();
    fails = false;
    await registry.put("scenes", entry);
    const stored = (await redis.hget(keyspace.services, "scenes")) ?? "";
    expect(noted).toEqual([["scenes", entryHash(stored), expect.any(Number)]]);
    await registry.issueToken("scenes");
    await registry.remove("scenes");
    expect(noted).toHaveLength(3);
    expect(noted.map(([, , revision]) => revision)).toEqual(
      noted.map(([, , revision]) => revision).toSorted((a, b) => a - b),
    );
    expect(noted[2]?.[1]).toBe(entryHash((await redis.hget(keyspace.services, "scenes")) ?? ""));
  });

  test("with an entry that was altered: it counts for nothing, is shown nowhere, and can be registered again", async () => {
    const { redis, keyspace } = api.store();
    await put("scenes", { ...SCENES, categories: ["status"] });
    const stored = (await redis.hget(keyspace.services, "scenes")) ?? "";
    await redis.hset(keyspace.services, "scenes", stored.replace('"categories":["status"],', ""));
    await redis.incr(keyspace.serviceChanges);
    expect(codes(await api.call("GET", "/v1/services/scenes"))).toEqual([404, "unknown-service"]);
    expect(codes(await api.call("POST", "/v1/services/scenes/tokens"))).toEqual([404, "unknown-service"]);
    expect((await put("scenes")).status).toBe(201);
    expect((await get("scenes")).categories).toBeUndefined();
  });

  test("takes no more than a thousand services, and forgets removed ones only when their accounts are gone", async () => {
    const { redis, keyspace } = api.store();
    let nowMs = 1_000_000;
    const { registry, directory } = registryOn(api.store(), { now: () => nowMs, rememberedMs: 500 });
    const entry = entryOf(["scene"]);
    const text = new EntryText(SERVICE_KEY);
    const fill = async (count: number, ended?: number) => {
      const tokens = { tokens: [], lastToken: 0, former: [], revision: 1, ...(ended !== undefined && { ended }) };
      const names = Array.from({ length: count }, (_, n) => `${ended === undefined ? "s" : "t"}-${n}`);
      const texts = names.map((name) =>
        text.write({ name, ...entry, purposes: ["scene"], categories: ["status"], ...tokens }),
      );
      await redis.hset(keyspace.services, ...names.flatMap((name, n) => [name, texts[n] ?? ""]));
    };
    await fill(1_000);
    expect(await registry.put("one-more", entry)).toEqual({ refused: "too-many-services" });
    // One that is there already may change all the same.
    expect(await registry.put("s-7", entry)).toMatchObject({ isNew: false });
    expect(await registry.remove("s-0")).toMatchObject({ entry: { ended: nowMs } });
    expect(await registry.put("one-more", entry)).toMatchObject({ isNew: true });
    await registry.remove("s-1");
    await fill(2_999, nowMs);
    expect(await redis.hlen(keyspace.services)).toBe(4_000);
    expect(await registry.put("another", entry)).toEqual({ refused: "too-many-services" });
    nowMs += 501;
    expect(await registry.put("another", entry)).toMatchObject({ isNew: true });
    expect(await redis.hlen(keyspace.services)).toBe(1_000);
    await directory.refresh();
    expect(directory.all()).toHaveLength(1_000);
  });

  test("where something of another type lies is refused with a type, and nothing is lost", async () => {
    const { redis, keyspace } = api.store();
    await redis.set(keyspace.services, "no hash");
    expect((await put("scenes")).status).toBe(503);
    expect((await api.call("GET", "/v1/services")).status).toBe(503);
    expect(await redis.get(keyspace.services)).toBe("no hash");
  });
});

test("while Redis does not answer each request is told so, and nothing is half done", async () => {
  const { redis } = api.store();
  await put("scenes");
  await api.call("POST", "/v1/services/scenes/tokens");
  redis.disconnect();
  const asked = [
    await api.call("GET", "/v1/services"),
    await api.call("GET", "/v1/services/scenes"),
    await put("scenes", { ...SCENES, categories: ["status"] }),
    await put("others"),
    await api.call("POST", "/v1/services/scenes/tokens"),
    await api.call("DELETE", "/v1/services/scenes/tokens/1"),
    await api.call("DELETE", "/v1/services/scenes"),
  ];
  expect(asked.map(codes)).toEqual(Array(7).fill([503, "unavailable"]));
  await redis.connect();
  const { services } = (await api.call("GET", "/v1/services")).json;
  expect(services.map(({ name }: { name: string }) => name)).toEqual(["of-the-file", "scenes"]);
  expect(await get("scenes")).toMatchObject({ tokens: [{ number: 1 }] });
  expect((await get("scenes")).categories).toBeUndefined();
});

/** The next policy, with other recipients of some purposes. */
async function publish(recipients: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const policy = JSON.parse(shippedPolicy.toString("utf8")) as PolicyDocument;
  const purposes = Object.fromEntries(
    Object.entries(policy.purposes).map(([purpose, terms]) => [
      purpose,
      { ...terms, recipients: recipients[purpose] ?? terms?.recipients },
    ]),
  );
  const change = { kind: "material", summary: "Other recipients." };
  const body = { ...policy, version: 2, change, purposes };
  expect((await api.call("POST", "/v1/policies", body)).status).toBe(201);
}
