/**
 * Promise: the operator's console opens with a token of scope `operate` alone, shows how the gateway is, does what it is asked to once
 * and in the open, ends with its token, and says nothing of any person.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONFIRM, cells, keyAges, letters, overview, refusals, trace } from "../../src/http/operate/shapes.ts";
import type { TokenScope } from "../../src/model/named-token.ts";
import type { TokenRegistry } from "../../src/tokens/registry.ts";
import { redisChunks } from "../../tools/stack/redis-reader.ts";
import { ConsoleClient, type StreamEvent, tokensOf } from "../fixtures/console-client.ts";
import { until } from "../fixtures/eventually.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let registry: TokenRegistry;
/** Signed in for as long as the tests run. */
let operator: ConsoleClient;
const clients: ConsoleClient[] = [];

beforeAll(async () => {
  system = await startSystem({ console: { enabled: true, port: 0 }, http: { failedTokensPerMinute: 30 } });
  registry = await tokensOf(system);
  operator = await signedIn("on-call");
});
afterAll(() => system?.stop());

/** A new token that the gateway knows. */
async function token(name: string, ...scopes: TokenScope[]): Promise<string> {
  const made = await registry.create(name, scopes);
  if (made.refused !== undefined) throw new Error(made.refused);
  const headers = { authorization: `Bearer ${made.token}` };
  await until("the gateway knows the token", async () => {
    const { status } = await fetch(`${system.stack.httpUrl}/v1/keys/receipt`, { headers });
    return status !== 401;
  });
  return made.token;
}

async function signedIn(name: string): Promise<ConsoleClient> {
  const client = await ConsoleClient.signedIn(system, await token(name, "operate"));
  clients.push(client);
  return client;
}

function code({ status, json }: { status: number; json: { code?: string } }): string {
  return `${status} ${json.code}`;
}

/** The next event of a stream that is left afterwards. */
async function firstEvent(client: ConsoleClient): Promise<StreamEvent | undefined> {
  const leave = new AbortController();
  try {
    for await (const event of client.events(leave.signal)) return event;
    return undefined;
  } finally {
    leave.abort();
  }
}

/** Acts of the console in the audit log, without their times. */
async function audited(act: string): Promise<string[]> {
  const { records } = (await system.stack.api.call("GET", "/v1/audit", [])) as {
    records: { act: string; by: string; outcome?: string; detail?: object }[];
  };
  return records
    .filter((line) => line.act === act)
    .map(({ by, outcome, detail }) => `${by} ${outcome} ${JSON.stringify(detail ?? {})}`);
}

describe("the way in", () => {
  test("is a token of scope operate, or that of the configuration; no other and none opens it", async () => {
    const client = new ConsoleClient(system);
    expect(code(await client.get("overview"))).toBe("401 session-ended");
    expect(code(await client.signIn(randomBytes(32).toString("base64url")))).toBe("401 unauthorized");
    expect(code(await client.signIn(await token("reader", "read", "export")))).toBe("403 forbidden");
    const answer = await client.signIn(await token("second", "operate", "read"));
    expect(answer).toMatchObject({ status: 201, json: { name: "second" } });
    const cookie = answer.headers.get("set-cookie") ?? "";
    for (const part of ["Path=/operate/", "HttpOnly", "SameSite=Strict"]) expect(cookie).toContain(part);
    expect((await client.get("session")).json).toMatchObject({ name: "second" });
    expect((await new ConsoleClient(system).signIn(system.stack.config.apiToken)).json.name).toBeUndefined();
  });

  test("is for the page alone, and too many wrong tokens are answered 429 while a right one is let in", async () => {
    const right = await token("third", "operate");
    const client = new ConsoleClient(system);
    expect(code(await client.signIn(right, {}))).toBe("403 not-from-the-page");
    const wrong = () => client.signIn(randomBytes(32).toString("base64url"));
    await until("there are too many", async () => code(await wrong()) === "429 too-many-failures");
    expect((await client.signIn(right)).status).toBe(201);
  });

  test("a session opens the console and nothing else", async () => {
    const stolen = operator.cookie;
    const secret = stolen.split("=")[1] ?? "";
    const { httpUrl } = system.stack;
    for (const headers of [{ cookie: stolen }, { authorization: `Bearer ${secret}` }]) {
      for (const path of ["/v1/audit", "/v1/erasures", "/v1/services"])
        expect((await fetch(`${httpUrl}${path}`, { headers })).status).toBe(401);
      expect((await fetch(`${httpUrl}/centre/api/overview`, { headers })).status).toBe(401);
    }
    expect((await fetch(`${operator.url}/v1/audit`, { headers: { cookie: stolen } })).status).toBe(404);
    expect((await fetch(`${httpUrl}/operate/api/overview`, { headers: { cookie: stolen } })).status).toBe(404);
  });

  test("leaving ends the session, copies of the cookie included", async () => {
    const client = await signedIn("leaver");
    const { cookie } = client;
    expect((await client.ask("DELETE", "session")).status).toBe(204);
    client.cookie = cookie;
    expect(code(await client.get("overview"))).toBe("401 session-ended");
  });

  test("of one token there are eight sessions; another one ends the oldest", async () => {
    const text = await token("busy", "operate");
    const all = await Promise.all(Array.from({ length: 8 }, () => ConsoleClient.signedIn(system, text)));
    await ConsoleClient.signedIn(system, text);
    const statuses = await Promise.all(all.map(async (one) => (await one.get("session")).status));
    expect(statuses.filter((status) => status === 401)).toHaveLength(1);
  });

  test("a token that is revoked takes its sessions and their streams with it, at once", async () => {
    const client = await signedIn("leaked");
    const other = await signedIn("kept");
    const [leave, events] = [new AbortController(), [] as string[]];
    const ended = (async () => {
      for await (const { event, data } of client.events(leave.signal)) events.push(event === "end" ? data.why : event);
    })();
    await until("it looks on", async () => events.length > 0);
    await registry.revoke("leaked");
    await ended;
    expect(events.at(-1)).toBe("session");
    expect(code(await client.get("overview"))).toBe("401 session-ended");
    expect((await other.get("overview")).status).toBe(200);
  });
});

describe("what is to be seen", () => {
  test("is the page, with everything forbidden that it does not need", async () => {
    const page = await fetch(`${operator.url}/operate/`);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    const text = await page.text();
    for (const [, file] of text.matchAll(/(?:src|href)="([^"#]+)"/g))
      expect([file, (await fetch(new URL(file ?? "", `${operator.url}/operate/`))).status]).toEqual([file, 200]);
    expect((await fetch(`${operator.url}/operate`, { redirect: "manual" })).status).toBe(308);
  });

  test("is the gateway as its metrics say, by the schema, at once and live", async () => {
    const device = await system.device();
    await system.say(device, { status: { power_on: true } });
    await system.settled();
    const books = await system.books();
    const seen = async () => overview.parse((await operator.get("overview")).json);
    await until("it is seen", async () => (await seen()).frame.books.stored === books.stored);
    const { history, frame } = await seen();
    expect(frame).toMatchObject({ ready: true, durability: "fsync", redisWrites: true, books: { inFlight: 0 } });
    expect(frame.gateways).toMatchObject([{ self: true, ready: true, differs: [] }]);
    expect(Object.keys(frame.gateways[0]?.keys ?? {})).toContain("queue.q0001");
    expect(frame.services.map(({ name, connections }) => [name, connections])).toEqual([
      ["weather-service", 0],
      ["scene-service", 0],
      ["network-service", 0],
    ]);
    expect(history.received.length).toBe(history.at.length);
    expect(await firstEvent(operator)).toMatchObject({ event: "frame", data: { version: frame.version } });
  });

  test("services are shown as they listen", async () => {
    const listener = await system.listen("scene");
    await until("it listens", async () => {
      const { frame } = overview.parse((await operator.get("overview")).json);
      const [scene] = frame.services.filter(({ name }) => name === "scene-service");
      return scene?.connections === 1 && scene.purposes[0]?.listening === true && scene.purposes[0].covered;
    });
    await listener.stop();
  });

  test("streams are bounded, of one session as well", async () => {
    const client = await signedIn("many-tabs");
    const leave = new AbortController();
    const tabs = await Promise.all(Array.from({ length: 6 }, () => client.live(leave.signal)));
    expect(tabs.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 429, 429]);
    leave.abort();
    const text = await token("many-browsers", "operate");
    const leaveAll = new AbortController();
    const browsers = await Promise.all(Array.from({ length: 3 }, () => ConsoleClient.signedIn(system, text)));
    const ofToken = browsers.flatMap((one) => Array.from({ length: 3 }, () => one.live(leaveAll.signal)));
    const statuses = (await Promise.all(ofToken)).map(({ status }) => status);
    expect(statuses.filter((status) => status !== 200)).toEqual([429]);
    leaveAll.abort();
  });

  test("a gateway of another version is shown with what it tells, and changes nothing here", async () => {
    const { gateways, gatewayReports } = {
      gateways: `{${system.stack.keyPrefix}:gateways}`,
      gatewayReports: `{${system.stack.keyPrefix}:gateways}:reports`,
    };
    const own = JSON.parse(Object.values(await system.redis.hgetall(gatewayReports))[0] ?? "{}");
    const notice = { ...own.notice, id: "00000000000000aa", version: "9.9.9", moon: "full" };
    const keep = async () => {
      await system.redis.zadd(gateways, Date.now() + 6_000, "other", Date.now() + 6_000, "strange");
      await system.redis.hset(gatewayReports, "other", JSON.stringify({ ...own, notice }), "strange", '{"schema":1}');
    };
    await until("both are shown", async () => {
      await keep();
      const { frame } = overview.parse((await operator.get("overview")).json);
      return frame.gateways.length === 3;
    });
    const { frame } = overview.parse((await operator.get("overview")).json);
    const others = frame.gateways.slice(1).map(({ version = "tells none", differs }) => `${version} ${differs[0]}`);
    expect(others.sort()).toEqual(["9.9.9 version", "tells none version"]);
    expect(frame.ready).toBe(true);
  });

  test("keys and told cells stand there by fingerprint and cell alone", async () => {
    const { keys } = keyAges.parse((await operator.get("keys")).json);
    expect(keys.map(({ id }) => id)).toEqual(expect.arrayContaining(["lookup", "master", "q0001"]));
    expect(cells.parse((await operator.get("cells")).json)).toEqual({ cells: [] });
  });
});

describe("one device", () => {
  test("shows why something of it was refused, to who types its id", async () => {
    const device = await system.device();
    await system.say(device, "no json");
    const shown = refusals.parse((await operator.post("refusals", { device: device.id })).json);
    expect(shown.refusals.map(({ reason }) => reason)).toEqual(["invalid-payload"]);
    expect((await audited("refusals-read")).slice(0, 2)).toEqual([
      'operator asked {"token":"on-call"}',
      "operator done {}",
    ]);
    const silent = await system.device({ consent: null });
    await system.say(silent, { status: { power_on: true } });
    const ofSilent = refusals.parse((await operator.post("refusals", { device: silent.id })).json).refusals;
    expect(ofSilent.map(({ reason }) => reason)).toEqual(["not-consented"]);
    const { books } = overview.parse((await operator.get("overview")).json).frame;
    expect(Object.keys(books.refused)).not.toContain("no-consent");
    const other = await operator.post("refusals", { device: "no-such-device" });
    expect(other.json).toEqual({ refusals: [] });
    expect(code(await operator.post("refusals", { device: device.id }, {}))).toBe("403 not-from-the-page");
  });

  test("is followed for ten minutes, by step and without what it says, and the log says who did", async () => {
    const client = await signedIn("tracer");
    const [device, silent] = [await system.device(), await system.device({ consent: null })];
    const begin = (id: string, confirm: string = CONFIRM.trace) => client.post("traces", { device: id, confirm });
    expect(code(await begin(device.id, "yes"))).toBe("400 not-confirmed");
    const begun = trace.parse((await begin(device.id)).json);
    const other = trace.parse((await begin(silent.id)).json);
    expect(begun.endsAt - begun.startedAt).toBe(600_000);
    expect(code(await begin(device.id))).toBe("429 too-many-traces");
    await system.say(silent, { status: { power_on: true } });
    await system.say(device, { status: { power_on: true, temperature: 21.5 } });
    await system.say(device, "no json");
    await system.settled();
    const of = async (id: string) => trace.parse((await client.get(`traces/${id}`)).json).lines;
    const steps = async () => (await of(begun.id)).map(({ step, outcome, reason }) => `${step} ${reason ?? outcome}`);
    await until("its end is there", async () => (await steps()).filter((one) => one === "session ended").length === 2);
    expect((await steps()).filter((one) => !one.startsWith("session")).sort()).toEqual([
      "admission admitted",
      "admission invalid-payload",
      "store stored",
    ]);
    // Of what may not be used there is no step at all.
    expect((await of(other.id)).filter(({ step }) => step !== "session")).toEqual([]);
    const spy = await signedIn("spy");
    expect(code(await spy.get(`traces/${begun.id}`))).toBe("404 unknown-trace");
    expect((await audited("device-traced")).slice(0, 2)).toEqual([
      'operator asked {"token":"tracer"}',
      "operator done {}",
    ]);
    for (const { id } of [begun, other]) expect((await client.ask("DELETE", `api/traces/${id}`)).status).toBe(204);
    expect((await client.get("traces")).json).toEqual({ traces: [] });
  });
});

describe("acts", () => {
  test("two operators put one dead letter back: one does it, the other is told", async () => {
    const device = await system.device();
    await system.say(device, { status: { power_on: true } });
    await system.settled();
    await refuseNumbers(system.stack.influxUrl, system.stack.database, "co2");
    await system.say(device, { status: { co2: 700 } });
    const listed = async () => letters.parse((await operator.get("letters")).json);
    await until("there is a letter", async () => (await listed()).total === 1);
    const { byReason, letters: one } = await listed();
    expect(byReason).toMatchObject([{ reason: "sink-rejected", letters: 1, messages: 1 }]);
    const id = one[0]?.id ?? "";
    for (const at of [one[0]?.at, byReason[0]?.oldestAt]) expect((at ?? 1) % 60_000).toBe(0);
    expect(code(await operator.post("letters/replay", { id, confirm: "yes" }))).toBe("400 not-confirmed");
    const colleague = await signedIn("colleague");
    const act = { id, confirm: CONFIRM.replay(id) };
    const both = await Promise.all([operator, colleague].map((client) => client.post("letters/replay", act)));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 200)?.json).toEqual({ done: 1, left: 0 });
    expect(code(both.find(({ status }) => status === 409) ?? { status: 0, json: {} })).toBe("409 letter-taken");
    expect((await audited("dead-letters-replayed")).some((line) => line.includes('"token":"on-call"'))).toBe(true);
    await system.settled();
  });

  test("the configuration is read again, in the name of the token", async () => {
    const confirm = CONFIRM.reload;
    expect(code(await operator.post("reload", { confirm: "" }))).toBe("400 not-confirmed");
    expect(await operator.post("reload", { confirm })).toMatchObject({ status: 200, json: { changed: [] } });
    expect(await audited("configuration-reloaded")).toEqual(['operator asked {"token":"on-call"}', "operator done {}"]);
  });
});

test("nothing personal was in any answer, in any stream, or is in Redis or the log by them", async () => {
  const people: Device[] = await system.devices(3);
  for (const device of people) {
    await system.say(device, { location: { lat: 12.971_598_7, lon: 77.594_562_7 }, ip: "203.0.113.77" });
    await operator.post("refusals", { device: device.id });
    await operator.post("traces", { device: device.id, confirm: CONFIRM.trace });
  }
  await system.settled();
  const { json } = await operator.get("traces");
  for (const { id } of json.traces) await operator.get(`traces/${id}`);
  for (const path of ["overview", "letters", "cells", "keys", "session"]) await operator.get(path);
  await firstEvent(operator);
  const secrets = people.flatMap(({ id, subject, token }) => [id, subject, token]);
  const heard = clients.flatMap((client) => client.heard).join("\n");
  for (const secret of [...secrets, "12.9715", "77.5945", "203.0.113.77"]) expect(heard).not.toContain(secret);
  const sessions = clients.map(({ cookie }) => cookie.split("=")[1] ?? "");
  for await (const { bytes } of redisChunks(system.stack.redisUrl))
    for (const secret of [...secrets, ...sessions]) expect(bytes.includes(secret)).toBe(false);
  const log = await readFile(join(system.stack.dir, "logs", "gateway.log"), "utf8");
  for (const secret of [...secrets, ...sessions]) expect(log).not.toContain(secret);
});

test("a gateway that stops tells those who look on", async () => {
  const [leave, ends] = [new AbortController(), [] as string[]];
  const watching = (async () => {
    for await (const { event, data } of operator.events(leave.signal)) ends.push(event === "end" ? data.why : event);
  })();
  await until("it looks on", async () => ends.length > 0);
  await system.stack.gateway.stop();
  await watching;
  expect(ends.at(-1)).toBe("stopping");
});
