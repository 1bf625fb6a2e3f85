/** Promise: whatever is sent, the answer is a problem from the table, repeats no value and no key but a mistyped word, and the next request works. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { PROBLEMS, type ProblemCode } from "../../src/http/problems.ts";
import { shippedPolicy } from "./consent-fixture.ts";
import { type Answer, httpApi, TOKEN } from "./http-fixture.ts";

const api = httpApi();
const { call } = api;
const CONSENTS = "/v1/subjects/anna/consents";
const WITHDRAWALS = "/v1/subjects/anna/withdrawals";
const CONSENT = {
  policyVersion: 1,
  purposes: { scene: ["status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};

function expectProblem(answer: Answer, code: ProblemCode): void {
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.json).toMatchObject({ type: `urn:consentry:problem:${code}`, code, status: PROBLEMS[code].status });
  expect(answer.status).toBe(PROBLEMS[code].status);
  expect(answer.text).not.toMatch(/canary/i);
}

afterEach(async () => {
  expect((await call("GET", "/livez")).status).toBe(200);
  expect(JSON.stringify(api.logged)).not.toMatch(/canary|anna/i);
});

describe("without the token", () => {
  test.each([
    "",
    "Bearer",
    "Bearer wrong-canary",
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Basic ${TOKEN}`,
    `Bearer ${"x".repeat(4_000)}`,
  ])("%#: every address behind it answers 401, whatever else is wrong", async (authorization) => {
    for (const [method, path] of [
      ["GET", CONSENTS],
      ["POST", WITHDRAWALS],
      ["PUT", "/v1/subjects/canary%20/devices/canary"],
      ["PATCH", CONSENTS],
      ["GET", "/v1/policies"],
      ["GET", "/v1/subjects/canary/export?device=canary%20"],
      ["POST", "/v1/devices/canary/token"],
    ] as const) {
      const answer = await call(method, path, undefined, { authorization });
      expectProblem(answer, "unauthorized");
      expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="consentry"');
    }
  });
});

describe("addresses", () => {
  test.each([
    "/v1",
    "/v1/subjects",
    "/v1/subjects/canary",
    "/v1/subjects/canary/erasures/canary",
    "/docs/../canary",
    "/v2/policies",
  ])("%s is not found", async (path) => expectProblem(await call("GET", path), "unknown-route"));

  test.each([
    ["DELETE", CONSENTS, "GET, HEAD, POST"],
    ["GET", WITHDRAWALS, "POST"],
    ["POST", "/v1/subjects/canary/devices/canary", "DELETE, PUT"],
    ["PUT", "/v1/policies", "GET, HEAD, POST"],
    ["DELETE", "/v1/policies/1", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
  ])("%s %s is not allowed, but %s", async (method, path, allowed) => {
    const answer = await call(method, path);
    expectProblem(answer, "method-not-allowed");
    expect(answer.headers.get("allow")).toBe(allowed);
  });

  test.each([
    "/v1/subjects/canary%20space/consents",
    "/v1/subjects/canary%2Fslash/consents",
    "/v1/subjects/canary@example.org/consents",
    `/v1/subjects/${"c".repeat(129)}/consents`,
    "/v1/subjects/%C3%A9/consents",
    "/v1/subjects/%00/consents",
    "/v1/subjects//consents",
    "/v1/policies/0",
    "/v1/policies/1e3",
    "/v1/policies/__proto__",
  ])("%s names nothing valid", async (path) => {
    const answer = await call("GET", path);
    expectProblem(answer, "invalid-request");
    expect(answer.json.errors).toEqual([
      { path: expect.stringMatching(/^params\.(subject|version)$/), code: "invalid_format" },
    ]);
  });

  test("a broken percent-encoding is a bad request", async () => {
    expectProblem(await call("GET", "/v1/subjects/%canary/consents"), "invalid-request");
  });

  test("a parameter without end is refused before it is looked at", async () => {
    expectProblem(await call("GET", `/v1/subjects/${"c".repeat(2_000)}/consents`), "uri-too-long");
  });

  test("`__proto__` is an id like any other", async () => {
    expect((await call("PUT", "/v1/subjects/__proto__/devices/constructor")).status).toBe(204);
    expect((await call("GET", "/v1/subjects/__proto__/consents")).status).toBe(200);
    expect((await call("GET", "/v1/subjects/constructor/consents")).status).toBe(404);
  });
});

describe("bodies", () => {
  test.each([
    "",
    "{",
    "canary",
    '{"a":1}}',
    '{"__proto__":{"canary":1}}',
    '{"purposes":{"__proto__":{"canary":1}}}',
    '{"constructor":{"prototype":{"canary":1}}}',
    "[".repeat(10_000),
  ])("number %# is not acceptable JSON", async (body) => {
    for (const path of [WITHDRAWALS, "/v1/policies"]) expectProblem(await call("POST", path, body), "invalid-json");
  });

  test("that are no UTF-8, or open with a byte order mark, are no policy", async () => {
    const document = {
      ...JSON.parse(shippedPolicy.toString()),
      version: 2,
      change: { kind: "minor", summary: "Wording." },
    };
    const bytes = Buffer.from(JSON.stringify({ ...document, title: "A title that is broken on the way" }));
    const broken = Buffer.from(bytes);
    broken[broken.indexOf("broken")] = 0xff;
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    for (const body of [broken, marked]) expectProblem(await call("POST", "/v1/policies", body), "policy-invalid");
    expect((await call("POST", "/v1/policies", bytes)).status).toBe(201);
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=x",
    "canary",
  ])("of type %s are refused", async (type) =>
    expectProblem(await call("POST", WITHDRAWALS, "{}", { "content-type": type }), "unsupported-media-type"),
  );

  test("above the limit are refused; policies have a wider one", async () => {
    expectProblem(await call("POST", CONSENTS, { ...CONSENT, method: "c".repeat(20_000) }), "payload-too-large");
    expectProblem(await call("POST", "/v1/policies", { title: "c".repeat(20_000) }), "invalid-request");
    expectProblem(await call("POST", "/v1/policies", { title: "c".repeat(300_000) }), "payload-too-large");
  });

  test("that are missing are a bad request", async () => {
    expect((await call("POST", WITHDRAWALS)).status).toBe(400);
    expect((await call("POST", CONSENTS)).status).toBe(400);
  });

  test.each<[string, unknown, string]>([
    ["a mistyped field", { ...CONSENT, policyVersoin: 1 }, "body.policyVersoin"],
    ["account data", { ...CONSENT, email: "canary@example.org" }, "body.email"],
    ["account data as a key", { ...CONSENT, "canary@example.org": 1 }, "body.#7"],
    ["unknown purpose", { ...CONSENT, purposes: { scenes: ["status"] } }, "body.purposes.scenes"],
    ["an id as a purpose", { ...CONSENT, purposes: { "canary-7": ["status"] } }, "body.purposes.#1"],
    ["unknown category", { ...CONSENT, purposes: { scene: ["canary"] } }, "body.purposes.scene.0"],
    ["no purpose", { ...CONSENT, purposes: {} }, "body.purposes"],
    ["no category", { ...CONSENT, purposes: { scene: [] } }, "body.purposes.scene"],
    ["purposes when refused", { ...CONSENT, state: "refused" }, "body.purposes"],
    ["a version that is none", { ...CONSENT, policyVersion: "canary" }, "body.policyVersion"],
    ["a version that is no integer", { ...CONSENT, policyVersion: 1.5 }, "body.policyVersion"],
    ["a time that is none", { ...CONSENT, expiresAt: "canary" }, "body.expiresAt"],
    ["free text as method", { ...CONSENT, method: "Canary Street 5" }, "body.method"],
    ["an address as evidence", { ...CONSENT, evidenceRef: "canary@example.org" }, "body.evidenceRef"],
    ["a long evidence", { ...CONSENT, evidenceRef: "c".repeat(129) }, "body.evidenceRef"],
    ["an authority that consents", { ...CONSENT, by: "authority" }, "body.by"],
    ["a country that is none", { ...CONSENT, jurisdiction: ["canary"] }, "body.jurisdiction.0"],
    ["no jurisdiction", { ...CONSENT, jurisdiction: [] }, "body.jurisdiction"],
    ["a guardian without method", { ...CONSENT, guardian: { verified: true } }, "body.guardian.method"],
    ["a device id that is none", { ...CONSENT, devices: ["canary device"] }, "body.devices.0"],
    [
      "too many devices",
      { ...CONSENT, devices: Array.from({ length: 257 }, (_, index) => `d${index}`) },
      "body.devices",
    ],
    ["not an object", ["canary"], "body"],
    ["null", null, "body"],
  ])("with %s are answered by the field, not by what it held", async (_name, body, path) => {
    const answer = await call("POST", CONSENTS, body);
    expectProblem(answer, "invalid-request");
    expect(answer.json.errors.map((error: { path: string }) => error.path)).toContain(path);
    expect((await call("GET", CONSENTS)).status).toBe(404);
  });

  test.each([
    { purposes: [] },
    { purposes: ["canary"] },
    { categories: ["canary"] },
    { devices: [] },
    { everything: true },
  ])("%j withdraws nothing", async (body) => expectProblem(await call("POST", WITHDRAWALS, body), "invalid-request"));
});

test("an outage of Redis is a 503 with a time to come back, and a log line with codes only", async () => {
  await call("PUT", "/v1/subjects/anna/devices/hub-1");
  api.store().redis.disconnect();
  for (const [method, path, body] of [
    ["GET", CONSENTS, undefined],
    ["POST", CONSENTS, CONSENT],
    ["POST", WITHDRAWALS, {}],
    ["POST", "/v1/devices/hub-1/token", undefined],
    ["GET", "/v1/policies", undefined],
  ] as const) {
    const answer = await call(method, path, body);
    expectProblem(answer, "unavailable");
    expect(answer.headers.get("retry-after")).toBe("2");
  }
  const failed = ["request failed", { stage: "http", status: 503, code: "REDIS_UNAVAILABLE" }];
  // A withdrawal is tried although its audit lines cannot be written: before it, and after it.
  const late = ["audit line not written, will be retried", { stage: "audit", code: "REDIS_UNAVAILABLE" }];
  expect(api.logged.slice(1)).toEqual([failed, failed, late, failed, late, failed, failed]);
});

test("a broken ledger is a 500 that says no more than that", async () => {
  await call("PUT", "/v1/subjects/anna/devices/hub-1");
  const { redis } = api.store();
  const [list = ""] = await redis.keys("*:ledger");
  for (const key of await redis.keys("*:ledger")) await redis.lset(key, 0, '{"canary":true}');
  expect(list).not.toBe("");
  expectProblem(await call("GET", CONSENTS), "internal");
  expect(api.logged.at(-1)).toEqual(["request failed", { stage: "http", status: 500, code: "LEDGER_BROKEN" }]);
});

describe("on the wire", () => {
  /** Sends raw bytes, returns everything that comes back until the end. */
  function exchange(bytes: string): Promise<string> {
    const socket = connect({ host: "127.0.0.1", port: api.port() });
    socket.write(bytes);
    return text(socket);
  }

  test("what is not HTTP gets a problem and a closed connection", async () => {
    const answer = await exchange("canary canary canary\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"invalid-request"/s);
    expect(answer).not.toMatch(/canary/);
  });

  test("headers without end get one too", async () => {
    const answer = await exchange(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Canary: ${"c".repeat(20_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*"headers-too-large"/s);
  });

  test("a request that does not arrive in time is cut off", { timeout: 240_000 }, async () => {
    const answer = await exchange(
      `POST ${WITHDRAWALS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*"request-timeout"/s);
  });

  /** One request with the token, its status, header fields and body. */
  async function ask(method: string, path: string, fields: readonly string[], body = "") {
    const head = [
      `${method} ${path} HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${TOKEN}`,
      "Connection: close",
      ...fields,
    ];
    const answer = await exchange(`${head.join("\r\n")}\r\n\r\n${body}`);
    const [start = "", rest = ""] = answer.split("\r\n\r\n");
    return { status: Number(start.split(" ")[1]), head: start.toLowerCase(), case: start, body: rest };
  }
  const AS_JSON = "Content-Type: application/json";

  test("a route without a body takes the type of JSON with an empty one", async () => {
    const path = "/v1/subjects/anna/devices/hub-1";
    expect((await ask("PUT", path, [AS_JSON, "Content-Length: 0"])).status).toBe(204);
    expect((await ask("POST", "/v1/devices/hub-1/token", [AS_JSON, "Content-Length: 0"])).status).toBe(201);
    expect((await ask("DELETE", path, [AS_JSON, "Content-Length: 0"])).status).toBe(204);
    expect((await ask("DELETE", path, [AS_JSON])).status).not.toBe(400);
    // One that needs a body does not.
    const empty = await ask("POST", WITHDRAWALS, [AS_JSON, "Content-Length: 0"]);
    expect(empty).toMatchObject({ status: 400, body: expect.stringContaining("invalid-json") });
  });

  test("a body with a coding is refused, with the codings that are taken: none", async () => {
    const path = "/v1/devices/hub-1/token";
    for (const coding of ["gzip", "br", "identity, gzip"]) {
      const answer = await ask("POST", path, [AS_JSON, `Content-Encoding: ${coding}`, "Content-Length: 2"], "{}");
      expect(answer).toMatchObject({ status: 415, head: expect.stringContaining("\r\naccept-encoding: identity") });
      expect(answer.body).toContain("unsupported-coding");
    }
    const plain = await ask("POST", path, [AS_JSON, "Content-Encoding: identity", "Content-Length: 2"], "{}");
    expect(plain.status).toBe(201);
  });

  test.each(["gzip, br", "identity", "*", "identity;q=0", ""])(
    "with Accept-Encoding %j an answer comes as it is",
    async (codings) => {
      const answer = await ask("GET", "/livez", [`Accept-Encoding: ${codings}`]);
      expect(answer).toMatchObject({ status: 200, body: '{"alive":true}' });
      expect(answer.head).not.toContain("content-encoding");
    },
  );

  test("conditions on reading are honoured where there is an ETag, and left alone where there is none", async () => {
    await call("POST", "/v1/policies", shippedPolicy);
    const path = "/v1/policies/1";
    const [, etag = ""] = /\r\netag: ("[^"]+")/i.exec((await ask("GET", path, [])).case) ?? [];
    for (const [field, status] of [
      [`If-None-Match: ${etag}`, 304],
      [`If-None-Match: "other", W/${etag}`, 304],
      ["If-None-Match: *", 304],
      ['If-None-Match: "other"', 200],
      [`If-Match: ${etag}`, 200],
      ['If-Match: "other"', 412],
      ["If-Modified-Since: Mon, 30 Nov 2026 00:00:00 GMT", 200],
      ["If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT", 200],
      ["Range: bytes=0-1", 200],
    ] as const) {
      const answer = await ask("GET", path, [field]);
      expect([field, answer.status]).toEqual([field, status]);
      expect(answer.body === "").toBe(status === 304);
    }
    expect((await ask("GET", "/livez", ['If-Match: "other"'])).status).toBe(200);
  });

  test("HEAD is GET without its body, and OPTIONS says what may be asked", async () => {
    const [head, get] = [await ask("HEAD", "/livez", []), await ask("GET", "/livez", [])];
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.head.replace(/\r\ndate: .*/, "")).toBe(get.head.replace(/\r\ndate: .*/, ""));
    const options = await ask("OPTIONS", CONSENTS, ["Origin: https://elsewhere.example"]);
    expect(options).toMatchObject({ status: 204, body: "" });
    expect(options.head).toContain("\r\nallow: get, head, post, options");
    expect(options.head).not.toContain("access-control");
    expect((await call("OPTIONS", CONSENTS, undefined, { authorization: "" })).status).toBe(401);
  });
});
