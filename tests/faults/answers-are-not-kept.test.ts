/**
 * Promise: no answer of the HTTP interface, errors included, is kept on the way or taken for another type; a request
 * that says a thing twice is refused; and what a statement leaves on record for good cannot be someone's number.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { APPROVERS } from "../fixtures/approvers.ts";
import { type Answer, httpApi, TOKEN } from "../integration/http-fixture.ts";

const api = httpApi();
const { call } = api;
const CONSENTS = "/v1/subjects/anna/consents";
const WITHDRAWALS = "/v1/subjects/anna/withdrawals";
const HOLD = "/v1/subjects/anna/hold";
const APPROVER = { authorization: `Bearer ${APPROVERS[0]?.token}` };
const CONSENT = {
  policyVersion: 1,
  purposes: { scene: ["status"] },
  method: "app",
  by: "subject",
  language: "en",
  jurisdiction: ["IN"],
};

/** Sends raw bytes, returns everything that comes back until the end. */
function exchange(...lines: string[]): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: api.port() });
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  return text(socket);
}

function expectUnkept(what: string, { headers }: Pick<Answer, "headers">): void {
  const seen = [headers.get("cache-control"), headers.get("x-content-type-options")];
  expect([what, ...seen]).toEqual([what, "no-store", "nosniff"]);
}

describe("every answer", () => {
  test("of every route says so, whether it is the answer, a refusal or a fault", async () => {
    const { paths } = (await call("GET", "/docs/json")).json as { paths: Record<string, Record<string, object>> };
    const routes = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((one) => [one, path]));
    expect(routes.length).toBeGreaterThan(20);
    for (const [method = "", path = ""] of routes) {
      const url = path.replaceAll(/\{\w+\}/g, "1");
      for (const headers of [{}, APPROVER, { authorization: "Bearer wrong" }, { "content-type": "text/plain" }]) {
        const answer = await call(method.toUpperCase(), url, method === "get" ? undefined : "{}", headers);
        expectUnkept(`${method} ${url} ${answer.status}`, answer);
      }
    }
  });

  test("to what is no route, no method, no JSON or too large says so too", async () => {
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    for (const [method, path, body] of [
      ["GET", "/v1/nowhere", undefined],
      ["PATCH", CONSENTS, undefined],
      ["HEAD", CONSENTS, undefined],
      ["POST", CONSENTS, "{"],
      ["POST", CONSENTS, { method: "c".repeat(20_000) }],
      ["GET", "/v1/subjects/%zz/consents", undefined],
      ["GET", `/v1/subjects/${"c".repeat(2_000)}/consents`, undefined],
      ["GET", "/v1/policies/1", undefined],
      ["GET", "/v1/subjects/anna/export", undefined],
    ] as const) {
      const answer = await call(method, path, body);
      expectUnkept(`${method} ${path} ${answer.status}`, answer);
    }
    api.store().redis.disconnect();
    const away = await call("GET", CONSENTS);
    expect(away.status).toBe(503);
    expectUnkept("without Redis", away);
  });

  test.each([
    ["no HTTP", 400, ["canary canary"]],
    ["no host", 400, ["GET /v1/policies HTTP/1.1"]],
    ["headers without end", 431, ["GET /v1/policies HTTP/1.1", "Host: x", `X-Canary: ${"c".repeat(20_000)}`]],
    ["an expectation", 417, ["GET /v1/policies HTTP/1.1", "Host: x", "Expect: canary"]],
    ["a body of two lengths", 400, ["POST /v1/policies HTTP/1.1", "Host: x", "Content-Length: 2", "Content-Length: 3"]],
  ])("to %s says so too, and is a problem", async (_name, status, lines) => {
    const answer = await exchange(...lines);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    for (const header of ["cache-control: no-store", "x-content-type-options: nosniff", "application/problem+json"])
      expect(answer.toLowerCase()).toContain(header);
    expect(answer).not.toMatch(/canary/);
  });
});

describe("a request that says a thing twice is refused", () => {
  const right = `Authorization: Bearer ${TOKEN}`;
  test.each([
    ["the same token", [right, right]],
    ["a right and a wrong token", [right, "Authorization: Bearer wrong"]],
    ["a wrong and a right token", ["AUTHORIZATION: Bearer wrong", right]],
    ["hosts", [right, "Host: x"]],
    ["other hosts", [right, "host: y"]],
    ["types", [right, "Content-Type: application/json", "Content-Type: text/plain"]],
    ["cookies", [right, "Cookie: consentry-centre=a", "Cookie: consentry-centre=b"]],
    ["keys", [right, "Idempotency-Key: a", "Idempotency-Key: b"]],
    ["lengths", [right, "Content-Length: 0", "Content-Length: 0"]],
    ["a length and chunks", [right, "Content-Length: 2", "Transfer-Encoding: chunked"]],
    ["chunks", [right, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]],
    ["a token over two lines", ["Authorization: Bearer", ` ${TOKEN}`, "Content-Length: 2", "Content-Length: 1"]],
  ])("%s", async (_name, headers) => {
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    const answer = await exchange(`POST ${WITHDRAWALS} HTTP/1.1`, "Host: x", ...headers);
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*"invalid-request"/s);
    expect((await call("GET", CONSENTS)).json.fence).toBe(0);
  });

  test("but not one that says each once", async () => {
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    const headers = ["Host: x", right, "Content-Type: application/json", "Content-Length: 2", "Connection: close"];
    const answer = await exchange(`POST ${WITHDRAWALS} HTTP/1.1`, ...headers, "", "{}");
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("what rests for good", () => {
  const NUMBERS = [
    "9845012345",
    "call-1234567",
    "tel:+919845012345",
    "1234-5678-9012",
    "984.501.23.45.6",
    "203.0.113.7",
    "aa:bb:cc:dd:ee:ff",
    "aabb.ccdd.eeff",
    "2001:db8::7",
    "ip/fe80:0:0:1",
    "anna@example.org",
    "anna smith",
    "form 7",
    "",
  ];

  test.each(NUMBERS)("cannot be %j", async (value) => {
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    const guardian = { verified: true, method: "id-check", evidenceRef: value };
    const hold = { reference: value, until: Date.now() + 60_000 };
    for (const [method, path, body, headers] of [
      ["POST", CONSENTS, { ...CONSENT, evidenceRef: value }],
      ["POST", CONSENTS, { ...CONSENT, method: value.toLowerCase() }],
      ["POST", CONSENTS, { ...CONSENT, by: "guardian", minor: true, guardian }],
      ["POST", CONSENTS, { ...CONSENT, guardian: { ...guardian, evidenceRef: "guardian:7f31", method: value } }],
      ["POST", WITHDRAWALS, { evidenceRef: value }],
      ["POST", WITHDRAWALS, { method: value }],
      ["POST", "/v1/subjects/anna/erasures", { evidenceRef: value }],
      ["POST", "/v1/subjects/anna/erasures", { method: value }],
      ["PUT", HOLD, hold, APPROVER],
    ] as [string, string, object, Record<string, string>?][]) {
      const answer = await call(method, path, body, headers);
      expect([method, path, Object.keys(body), answer.status]).toEqual([method, path, Object.keys(body), 400]);
    }
    expect((await call("GET", CONSENTS)).json.events).toHaveLength(1);
  });

  test("nor can a language, and a hold that is ended under such a reference leaves none in the log", async () => {
    await call("PUT", "/v1/subjects/anna/devices/hub-1");
    expect((await call("POST", CONSENTS, { ...CONSENT, language: "en-98450123" })).status).toBe(400);
    expect((await call("DELETE", `${HOLD}?reference=9845012345`, undefined, APPROVER)).json.code).toBe("hold-unknown");
    expect((await call("GET", "/v1/audit?limit=500")).text).not.toContain("9845012345");
  });

  test.each(["form:2f81", "guardian:7f31", "court:2026-118", "2026-03-07", "case/118/04", "ZvT9qLm2Xc7bNfR1wYsA=="])(
    "may be %j",
    async (evidenceRef) => {
      await call("PUT", "/v1/subjects/anna/devices/hub-1");
      expect((await call("POST", CONSENTS, { ...CONSENT, evidenceRef })).status).toBe(201);
    },
  );
});
