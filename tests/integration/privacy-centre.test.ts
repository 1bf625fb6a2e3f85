/**
 * Promise: anyone who holds a fresh link for a person sees and changes everything about that person's data,
 * no one else does, and nothing about them is left behind by it.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { exchange, issueLink, linkFor, Session, tokenIn } from "../fixtures/centre-client.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, name, startSystem, type TestSystem } from "../fixtures/system.ts";
import { everythingIn, shippedPolicy } from "./consent-fixture.ts";

const MOTHER = { by: "guardian", verification: { method: "id-check", evidenceRef: "guardian:mother" } };
const FATHER = { by: "guardian", verification: { method: "id-check", evidenceRef: "guardian:father" } };
const APPROVERS = [
  { name: "legal", token: "approver-token-of-the-centre-test-legal-01" },
  { name: "privacy", token: "approver-token-of-the-centre-test-privacy-2" },
];
const KEYS = keyspaceOf("consentry");
const ASKED = consentTo({ analytics: ["status"], weather: ["location"], scene: ["status"] }, { minor: true });

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 0 },
    http: { approvers: APPROVERS },
  });
});
afterAll(() => system?.stop());

function code(answer: { status: number; json: { code?: string } }): string {
  return `${answer.status} ${answer.json.code}`;
}

describe("a link", () => {
  test("opens one session, once", async () => {
    const { subject } = await system.device();
    const url = await linkFor(system, subject);
    expect(url).toMatch(new RegExp(`^${system.stack.httpUrl}/centre/#1\\.[A-Za-z0-9_-]+$`));
    expect((await exchange(system, tokenIn(url))).status).toBe(201);
    expect(code(await exchange(system, tokenIn(url)))).toBe("410 link-used");
  });

  test("that two show at the same moment opens for one", async () => {
    const { subject } = await system.device();
    const token = tokenIn(await linkFor(system, subject));
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(system, token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(410)]);
  });

  test("ends with its time, and the gateway's longest", async () => {
    const { subject } = await system.device();
    const { json } = await issueLink(system, subject, { ttlSeconds: 1 });
    expect(json.expiresAt).toBeLessThanOrEqual(Date.now() + 1_000);
    await until("the link is too old", async () => Date.now() > json.expiresAt);
    expect(code(await exchange(system, tokenIn(json.url)))).toBe("410 link-expired");
    expect((await issueLink(system, subject, { ttlSeconds: 901 })).status).toBe(400);
  });

  test("that was altered, is no link or is a session is refused", async () => {
    const { subject } = await system.device();
    const token = tokenIn(await linkFor(system, subject));
    for (const wrong of [`${token}A`, token.slice(0, -1), token.toUpperCase(), "1.", "nonsense"]) {
      expect(code(await exchange(system, wrong)), wrong.slice(0, 4)).toBe("401 link-invalid");
    }
    expect((await exchange(system, token)).status).toBe(201);
  });

  test("is for known people and their own devices, in the bounds of a cookie", async () => {
    const [one, other] = await system.devices(2);
    if (!one || !other) throw new Error("devices");
    expect(code(await issueLink(system, name("nobody"), {}))).toBe("404 unknown-subject");
    const named = (device: string, label = "Lamp") => ({ devices: [{ device, label }] });
    expect(code(await issueLink(system, one.subject, named(other.id)))).toBe("404 device-not-bound");
    expect((await issueLink(system, one.subject, named(one.id, "x".repeat(65)))).status).toBe(400);
    const many = Array.from({ length: 40 }, () => ({ device: one.id, label: "灯".repeat(64) }));
    expect(code(await issueLink(system, one.subject, { devices: many }))).toBe("422 link-too-large");
    expect((await issueLink(system, one.subject, MOTHER)).status).toBe(201);
    expect((await issueLink(system, one.subject, { verification: MOTHER.verification })).status).toBe(400);
  });

  test("is given to the account service alone", async () => {
    const { subject } = await system.device();
    const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${subject}/links`, { method: "POST" });
    expect(answer.status).toBe(401);
  });
});

/** What a browser is given that asked for the gateway under another name. */
async function cookieFrom(host: string, token: string): Promise<string> {
  const headers = { host, "x-privacy-centre": "1", "content-type": "application/json" };
  const sent = request(`${system.stack.httpUrl}/centre/session`, { method: "POST", headers });
  sent.end(JSON.stringify({ token }));
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  return answer.headers["set-cookie"]?.[0] ?? "";
}

async function overviewOver(host: string, cookie: string): Promise<number | undefined> {
  const sent = request(`${system.stack.httpUrl}/centre/api/overview`, { headers: { host, cookie } });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

describe("a session", () => {
  test("is a cookie for this page alone, and never over a plain connection to elsewhere", async () => {
    const { subject } = await system.device();
    const here = await exchange(system, tokenIn(await linkFor(system, subject)));
    const cookie = here.headers.get("set-cookie") ?? "";
    for (const part of ["Path=/centre;", "HttpOnly", "SameSite=Strict", "Max-Age=900"]) expect(cookie).toContain(part);
    expect(cookie).not.toContain("Secure");
    const token = tokenIn(await linkFor(system, subject));
    const overTls = await cookieFrom("privacy.example", token);
    // What a browser asks of this prefix, or it throws the cookie away: RFC 6265bis, 4.1.3.2.
    expect(overTls).toMatch(
      /^__Host-consentry-centre=1\.\S+; Max-Age=900; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    const [own = ""] = overTls.split(";");
    expect(await overviewOver("privacy.example", own)).toBe(200);
    // Under the bare name a neighbour of the host, or a plain connection to it, could have put it there.
    expect(await overviewOver("privacy.example", own.replace("__Host-", ""))).toBe(401);
    expect(here.headers.get("cache-control")).toBe("no-store");
    expect(here.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("is needed for everything, and another's is no help", async () => {
    const [one, other] = await system.devices(2);
    if (!one || !other) throw new Error("devices");
    const nobody = new Session(system.stack.httpUrl, "consentry-centre=1.nonsense");
    for (const path of ["overview", "export", "devices/1/live"]) {
      expect(code(await nobody.get(path)), path).toBe("401 session-ended");
    }
    const mine = await Session.of(system, one.subject);
    const erased = await (await Session.of(system, other.subject)).post("erasures", {});
    const id = erased.json.erasure.status.id;
    expect(code(await mine.get(`erasures/${id}`))).toBe("404 unknown-erasure");
    expect(code(await mine.get("devices/2/live"))).toBe("404 device-not-bound");
  });

  test("changes nothing for a page of another site", async () => {
    const { subject } = await system.device();
    const session = await Session.of(system, subject);
    expect(code(await session.post("withdrawals", {}, {}))).toBe("403 not-from-the-page");
    const token = tokenIn(await linkFor(system, subject));
    expect(code(await exchange(system, token, { "x-privacy-centre": "0" }))).toBe("403 not-from-the-page");
    expect((await session.overview()).standing.state).toBe("given");
  });

  test("that was left is good no longer, no matter who has a copy of it", async () => {
    const { subject } = await system.device();
    const session = await Session.of(system, subject);
    expect((await session.leave()).status).toBe(204);
    for (const path of ["overview", "export", "devices/1/live"]) {
      expect(code(await session.get(path)), path).toBe("401 session-ended");
    }
    expect(code(await session.post("withdrawals", {}))).toBe("401 session-ended");
    expect((await (await Session.of(system, subject)).overview()).standing.state).toBe("given");
  });

  test("yields to the next link of the same browser, and a page that shows the one can do nothing in the other", async () => {
    const [one, other] = await system.devices(2);
    if (!one || !other) throw new Error("devices");
    const first = await Session.of(system, one.subject);
    const shown = (await first.overview()).session;
    const { status, headers } = await first.openAnother(tokenIn(await linkFor(system, other.subject)));
    expect(status).toBe(201);
    expect(code(await first.get("overview"))).toBe("401 session-ended");
    const second = new Session(system.stack.httpUrl, (headers.get("set-cookie") ?? "").split(";")[0] ?? "");
    expect(code(await second.shownAs(shown, "POST", "erasures", {}))).toBe("401 session-ended");
    expect(code(await second.shownAs(shown, "GET", "overview"))).toBe("401 session-ended");
    const { session, standing } = await second.overview();
    expect(standing.state).toBe("given");
    expect((await second.shownAs(session, "POST", "withdrawals", {})).status).toBe(200);
  });

  test("shows devices under their names, what holds, and the policy it holds under", async () => {
    const { id, subject } = await system.device();
    await system.device({ subject });
    const session = await Session.of(system, subject, { devices: [{ device: id, label: "Küchenlampe" }] });
    const overview = await session.overview();
    expect(overview.devices).toEqual([
      { number: 1, label: "Küchenlampe", held: false, connected: false },
      { number: 2, held: false, connected: false },
    ]);
    expect(overview.purposes.map((one) => one.id)).toEqual(["analytics", "weather", "scene", "network"]);
    expect(overview.standing).toMatchObject({ state: "given", used: { network: ["model", "ip"] } });
    expect(JSON.stringify(overview)).not.toContain(id);
  });

  test("switches a category for one device, and leaves the others as they are", async () => {
    const { subject } = await system.device();
    await system.device({ subject });
    const session = await Session.of(system, subject);
    const narrowed = await session.post("withdrawals", { purposes: ["weather"], categories: ["location"], device: 2 });
    expect(narrowed.json.devices[1].own.used.weather).toEqual(["status"]);
    expect(narrowed.json.standing.used.weather).toEqual(["location", "status"]);
    const widened = await session.agree({ weather: ["location"] }, { device: 2 });
    expect(widened.json.devices[1].own.used.weather).toEqual(["location", "status"]);
    expect(code(await session.agree({ weather: ["location"] }, { device: 3 }))).toBe("404 device-not-bound");
  });

  test("agrees to nothing upon a state that has passed", async () => {
    const { subject } = await system.device();
    const session = await Session.of(system, subject);
    const { head } = await session.overview();
    await system.stack.api.withdraw(subject, { categories: ["location"] });
    const stale = await session.post("consents", { purposes: { scene: ["model"] }, head });
    expect(code(stale)).toBe("409 changed-meanwhile");
    const fresh = await session.agree({ scene: ["model"] });
    expect(fresh.json.standing.used).toMatchObject({ weather: ["status"], scene: ["model", "status"] });
  });

  test("can only follow an erasure once it was asked for, and a later one begins again", async () => {
    const { subject } = await system.device();
    const session = await Session.of(system, subject);
    const { status, json } = await session.post("erasures", {});
    expect([status, json.closed]).toEqual([202, true]);
    for (const [path, body] of [
      ["consents", { purposes: { scene: ["status"] }, head: json.head }],
      ["withdrawals", {}],
      ["erasures", {}],
    ] as const) {
      expect(code(await session.post(path, body)), path).toBe("409 session-closed");
    }
    expect(code(await session.get("export"))).toBe("409 session-closed");
    expect(code(await session.get("devices/1/live"))).toBe("409 session-closed");
    const { id } = json.erasure.status;
    await until("the receipt is there", async () => (await session.get(`erasures/${id}`)).json.state === "completed");
    const later = await (await Session.of(system, subject)).overview();
    expect([later.closed, later.erasure?.status.id]).toEqual([false, id]);
  });
});

test.each([
  ["POST", "session", {}, "400 invalid-request"],
  ["POST", "session", { token: 7 }, "400 invalid-request"],
  ["POST", "session", { token: "x".repeat(4_097) }, "400 invalid-request"],
  ["POST", "session", { token: "1.x", more: 1 }, "400 invalid-request"],
  ["POST", "session", "{", "400 invalid-json"],
  ["PUT", "session", {}, "405 method-not-allowed"],
  ["POST", "api/overview", {}, "405 method-not-allowed"],
  ["POST", "api/consents", {}, "400 invalid-request"],
  ["POST", "api/consents", { purposes: {}, head: "h".repeat(43) }, "400 invalid-request"],
  ["POST", "api/consents", { purposes: { marketing: ["ip"] }, head: "h".repeat(43) }, "400 invalid-request"],
  ["POST", "api/withdrawals", { purposes: [] }, "400 invalid-request"],
  ["POST", "api/withdrawals", { device: 0 }, "400 invalid-request"],
  ["POST", "api/erasures", { by: "authority" }, "400 invalid-request"],
  ["GET", "api/erasures/nonsense", undefined, "400 invalid-request"],
  ["GET", "api/devices/-1/live", undefined, "400 invalid-request"],
  ["GET", "api/export?format=pdf", undefined, "400 invalid-request"],
  ["GET", "../centre/..%2f..%2fpackage.json", undefined, "404 unknown-route"],
  ["GET", "nothing.js", undefined, "404 unknown-route"],
] as const)("bad input: %s %s %o", async (method, path, body, expected) => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const answer = await session.raw(method, path, text);
  expect(code(answer)).toBe(expected);
  expect((await session.overview()).standing.state).toBe("given");
});

test("a legal hold is shown, and what is asked for under it waits", async () => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const until = Date.now() + 3_600_000;
  for (const { token } of APPROVERS) {
    const placed = await fetch(`${system.stack.httpUrl}/v1/subjects/${subject}/hold`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ reference: "court:1", until }),
    });
    expect(placed.ok).toBe(true);
  }
  expect(await session.overview()).toMatchObject({ heldUntil: until, devices: [{ held: true }] });
  expect((await session.post("erasures", {})).json.erasure.status).toMatchObject({ state: "held", heldUntil: until });
});

describe("a minor", () => {
  test("can look and switch off, and nothing on", async () => {
    const { subject } = await system.device({
      consent: { ...ASKED, guardian: { verified: true, method: "id-check", evidenceRef: "guardian:mother" } },
    });
    const session = await Session.of(system, subject);
    expect(code(await session.agree({ scene: ["model"] }))).toBe("403 guardian-needed");
    const off = await session.post("withdrawals", { purposes: ["weather"] });
    expect(off.json.standing).toMatchObject({ state: "given", used: { scene: ["status"] } });
  });

  test("needs a guardian's word, which opens the services and never analytics", async () => {
    const device = await system.device({ consent: ASKED });
    const session = await Session.of(system, device.subject, MOTHER);
    const before = await session.overview();
    expect(before).toMatchObject({ minor: true, by: "guardian", standing: { state: "unapproved", used: {} } });
    expect(code(await session.agree({ analytics: ["status"] }))).toBe("422 purpose-not-in-policy");
    const agreed = await session.agree(before.standing.waiting);
    expect(agreed.json).toMatchObject({ guardian: true, standing: { state: "given", used: { scene: ["status"] } } });
    const scene = await system.listen("scene");
    await system.say(device, { status: { power_on: true } });
    await until("the service hears the device", () => scene.records.length > 0);
    await scene.stop();
  });

  test("has one guardian: another's link is refused when it is made, and when it is used later", async () => {
    const { subject } = await system.device({ consent: ASKED });
    const mother = await Session.of(system, subject, MOTHER);
    await mother.agree({ scene: ["status"] });
    const waiting = await linkFor(system, subject, MOTHER);
    expect(code(await issueLink(system, subject, FATHER))).toBe("403 guardian-mismatch");
    expect(code(await issueLink(system, subject, { by: "guardian" }))).toBe("403 guardian-mismatch");
    const father = await Session.of(system, subject, { ...FATHER, guardianRef: "guardian:mother" });
    expect((await father.agree({ weather: ["location"] })).status).toBe(201);
    for (const path of ["overview", "export", "devices/1/live"]) {
      expect(code(await mother.get(path)), path).toBe("403 guardian-mismatch");
    }
    expect(code(await mother.post("withdrawals", {}))).toBe("403 guardian-mismatch");
    expect(code(await mother.post("erasures", {}))).toBe("403 guardian-mismatch");
    expect(code(await exchange(system, tokenIn(waiting)))).toBe("403 guardian-mismatch");
    expect((await father.post("erasures", {})).status).toBe(202);
  });

  test("cannot be spoken for by a guardian no one verified", async () => {
    const { subject } = await system.device({ consent: ASKED });
    expect(code(await issueLink(system, subject, { by: "guardian" }))).toBe("422 guardian-unverified");
  });
});

describe("looking on", () => {
  async function events(response: Response): Promise<() => Promise<string>> {
    const reader = response.body?.getReader();
    let text = "";
    return async () => {
      const { value, done } = (await reader?.read()) ?? { done: true };
      text += done ? "\nclosed" : new TextDecoder().decode(value as Uint8Array);
      return text;
    };
  }

  test("shows the message and what became of it, to two at a time, and ends with a withdrawal", async () => {
    const device = await system.device();
    const session = await Session.of(system, device.subject);
    const leave = new AbortController();
    const [one, two, three] = [
      await session.live(1, leave.signal),
      await session.live(1, leave.signal),
      await session.live(1, leave.signal),
    ];
    expect([one.status, two.status, three.status]).toEqual([200, 200, 429]);
    const [heard, also] = [await events(one), await events(two)];
    await system.say(device, { ip: "203.0.113.9", status: { brightness: 5 } });
    await until("the message is seen", async () => (await heard()).includes("203.0.113.9"));
    await until("by both", async () => (await also()).includes('"analytics":{"given":{"name"'));
    await system.stack.api.withdraw(device.subject);
    await until("it ends", async () => /event: end\ndata: {"why":"withdrawn"}\n\n\nclosed/.test(await heard()));
    leave.abort();
  });

  test("ends for a guardian who is replaced, and for no one else", async () => {
    const device = await system.device({ consent: ASKED });
    const mother = await Session.of(system, device.subject, MOTHER);
    await mother.agree({ scene: ["status"] });
    const father = await Session.of(system, device.subject, { ...FATHER, guardianRef: "guardian:mother" });
    const leave = new AbortController();
    const hers = await events(await mother.live(1, leave.signal));
    const his = await events(await father.live(1, leave.signal));
    expect((await father.agree({ weather: ["location"] })).status).toBe(201);
    await system.say(device, { ip: "203.0.113.77", location: { lat: 12.97, lon: 77.59 } });
    await until("he sees it", async () => (await his()).includes("203.0.113.77"));
    await until("hers is closed", async () => (await hers()).endsWith("closed"));
    expect(await hers()).toMatch(/^: open\n\n(?:: open\n\n)*event: end\ndata: {"why":"changed"}\n\n\nclosed/);
    leave.abort();
  });

  test("ends when the session was left on another gateway, which may be heard of or not", async () => {
    const device = await system.device();
    const session = await Session.of(system, device.subject);
    const leave = new AbortController();
    const heard = await events(await session.live(1, leave.signal));
    await system.redis.set(KEYS.leftSession((await session.overview()).session), "1", "PX", 60_000);
    await until("it ends", async () => (await heard()).includes('{"why":"changed"}'));
    leave.abort();
  });

  test("ends when the device is unbound, and when the person leaves", async () => {
    const device = await system.device();
    const session = await Session.of(system, device.subject);
    const leave = new AbortController();
    const heard = await events(await session.live(1, leave.signal));
    await system.stack.api.call("DELETE", "/v1/subjects/{subject}/devices/{device}", [device.subject, device.id]);
    await until("it ends", async () => /"why":"unbound"/.test(await heard()));
    expect(code(await session.get("devices/1/live"))).toBe("404 device-not-bound");
    const other = await system.device();
    const another = await Session.of(system, other.subject);
    const still = await events(await another.live(1, leave.signal));
    expect((await another.leave()).status).toBe(204);
    await until("it ends as well", async () => /event: end/.test(await still()));
    leave.abort();
  });
});

test("every act stands in the audit log under its role, and what is no link of the gateway does not", async () => {
  const before = ((await system.stack.api.call("GET", "/v1/audit?limit=1", [])) as { head: { next: number } }).head
    .next;
  const { subject } = await system.device({ consent: ASKED });
  const session = await Session.of(system, subject, MOTHER);
  await exchange(system, "1.nonsense");
  await session.agree({ scene: ["status"] });
  await session.get("export?format=summary");
  await session.post("withdrawals", {});
  await session.post("erasures", {});
  const { records } = (await system.stack.api.call("GET", `/v1/audit?from=${before}&limit=100`, [])) as {
    records: { act: string; by: string; outcome?: string; subject?: string }[];
  };
  const done = records.filter(({ outcome }) => outcome === "done");
  const tags = new Set(done.filter(({ act }) => act !== "token-issued").map((line) => line.subject));
  expect(tags.size).toBe(1);
  expect(done.map(({ act, by }) => `${act} ${by}`)).toEqual([
    "device-bound account-service",
    "token-issued account-service",
    "consent-given account-service",
    "link-issued account-service",
    "link-used guardian",
    "consent-given guardian",
    "export guardian",
    "consent-withdrawn guardian",
    "erasure-requested guardian",
  ]);
  expect(records.filter(({ act, outcome }) => act === "link-used" && outcome === "refused")).toEqual([]);
});

test("nothing of link, session or label rests anywhere", async () => {
  const device = await system.device();
  const label = name("label");
  const url = await linkFor(system, device.subject, { devices: [{ device: device.id, label }] });
  const { headers } = await exchange(system, tokenIn(url));
  const cookie = (headers.get("set-cookie") ?? "").split(";")[0]?.split("=")[1] ?? "";
  const session = new Session(system.stack.httpUrl, `consentry-centre=${cookie}`);
  await session.agree({ scene: ["model"] });
  const rests =
    (await everythingIn(system.redis)) + (await readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8"));
  expect(rests).toContain("spent-link");
  for (const secret of [label, tokenIn(url), cookie, device.id, device.subject]) expect(rests).not.toContain(secret);
});

test("a gateway that stops sends away those who look on, and is not held up by them", async () => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const response = await session.live(1, new AbortController().signal);
  const stopped = system.stack.gateway.stop();
  expect(await response.text()).toContain('event: end\ndata: {"why":"stopping"}');
  expect(await stopped).toEqual({ code: 0, signal: null });
  await system.stack.startGateway();
  // What seals sessions is in the key directory, so they outlive the process.
  expect((await session.overview()).standing.state).toBe("given");
});

test("a newer policy asks again for what it suspends, and is not agreed to by agreeing to something else", async () => {
  const { subject } = await system.device();
  const session = await Session.of(system, subject);
  const shipped = JSON.parse(shippedPolicy.toString("utf8"));
  const change = { kind: "material", summary: "Kept longer.", affects: ["analytics"] };
  const next = { ...shipped, version: 2, change };
  await system.stack.api.call("POST", "/v1/policies", [], next);
  const suspended = await session.overview();
  expect(suspended.policy.version).toBe(2);
  expect(suspended.standing).toMatchObject({
    suspended: ["analytics"],
    waiting: { analytics: ["model", "location", "status"] },
  });
  expect(suspended.standing.used).not.toHaveProperty("analytics");
  const { json } = await session.agree({ scene: ["model"] });
  expect(json.standing).toMatchObject({ policyVersion: 2, used: { scene: ["model", "status"] }, waiting: {} });
  expect(json.standing.used).not.toHaveProperty("analytics");
  expect((await session.agree(suspended.standing.waiting)).json.standing.used).toHaveProperty("analytics");
});
