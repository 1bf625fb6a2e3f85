/**
 * Network services hear of a device once in a round (an hour), at a minute of its own, and when its prefix or family has changed; never
 * because a message came. Steps and rounds are short here; who takes consent back, is held or erased is not heard of from then on.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGateway } from "../../tools/stack/gateway-process.ts";
import { SHORT_STEPS } from "../../tools/stack/step-lengths.ts";
import { until } from "../fixtures/eventually.ts";
import { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, name, startSystem, type TestSystem } from "../fixtures/system.ts";

const { stepMs, roundMs } = SHORT_STEPS.network;
const APPROVERS = ["legal", "privacy"].map((one) => ({ name: one, token: `approver-${one}-0123456789-0123456789` }));
const NETWORK = consentTo({ network: ["model", "ip"] });
const HOME = { model: "HB-200", ip: "203.0.113.7" };
const ELSEWHERE = { model: "HB-200", ip: "198.51.100.9" };

let system: TestSystem;
let wires: Listener;
beforeAll(async () => {
  system = await startSystem({ http: { approvers: APPROVERS } }, { shortSteps: true });
  wires = await system.listen("network");
});
afterAll(() => system?.stop());

interface Heard {
  readonly device: string;
  readonly model?: string;
  readonly ipPrefix?: string;
  readonly at: number;
}

const heard = (listener = wires) => listener.records as unknown as Heard[];
const names = () => new Set(heard().map(({ device }) => device));
const of = (device: string, listener = wires) => heard(listener).filter((one) => one.device === device);

/** Of a device that has just said something: its name, when it is told. */
async function told(act: () => Promise<unknown>): Promise<string> {
  const known = names();
  await act();
  let found: string | undefined;
  await until("it is told", () => {
    found = [...names()].find((one) => !known.has(one));
    return found !== undefined;
  });
  return found ?? "";
}

/** From now on nothing comes under the name, while another one is told twice more. */
async function silent(gone: string, other: string): Promise<void> {
  await wires.caughtUp();
  const [before, others] = [of(gone).length, of(other).length];
  await until("the other one is told", () => of(other).length >= others + 2);
  await wires.caughtUp();
  expect(of(gone)).toHaveLength(before);
}

test("a device that talks all the time is heard of as often as one that spoke once, and never with the time of a message", async () => {
  const [talkative, quiet] = [await system.device({ consent: NETWORK }), await system.device({ consent: NETWORK })];
  const one = await told(() => system.say(talkative, HOME));
  const other = await told(() => system.say(quiet, HOME));
  await wires.caughtUp();
  const since = Date.now();
  const client = await system.connect(talkative);
  let messages = 0;
  while (of(other).filter(({ at }) => at > since).length < 8) {
    await client.publishAsync(`devices/${talkative.id}/telemetry`, JSON.stringify(HOME), { qos: 1 });
    messages += 1;
  }
  await wires.caughtUp();
  const counts = [one, other].map((device) => of(device).filter(({ at }) => at > since).length);
  expect(messages).toBeGreaterThan(20);
  expect(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0))).toBeLessThanOrEqual(1);
  for (const { at, model, ipPrefix } of [...of(one), ...of(other)]) {
    expect([at % stepMs, model, ipPrefix]).toEqual([0, "hub", "203.0.0.0/16"]);
  }
  const books = await system.settled();
  expect(books.forwardedOnly).toBe(messages + 2);
});

test("a change of the prefix is heard of at the next step, and no more than once in a round however often it changes", async () => {
  const device = await system.device({ consent: NETWORK });
  const device_ = await told(() => system.say(device, HOME));
  await system.say(device, ELSEWHERE);
  await until("the new prefix is told", () => of(device_).at(-1)?.ipPrefix === "198.51.0.0/16");
  const client = await system.connect(device);
  const [since, before] = [Date.now(), of(device_).length];
  for (let n = 0; Date.now() < since + 3 * roundMs; n += 1) {
    const message = n % 2 === 0 ? HOME : ELSEWHERE;
    await client.publishAsync(`devices/${device.id}/telemetry`, JSON.stringify(message), { qos: 1 });
  }
  await wires.caughtUp();
  const rounds = (Date.now() - since) / roundMs;
  expect(of(device_).length - before).toBeLessThanOrEqual(2 * Math.ceil(rounds + 1));
});

describe("from the answer to it on", () => {
  let other: string;
  beforeAll(async () => {
    const device = await system.device({ consent: NETWORK });
    other = await told(() => system.say(device, HOME));
  });

  test("a withdrawal keeps it back, and takes the note of it away", async () => {
    const device = await system.device({ consent: NETWORK });
    const gone = await told(() => system.say(device, HOME));
    const noted = await system.networkNoted();
    expect(await system.stack.api.withdraw(device.subject)).toMatchObject({ drained: true });
    expect(await system.networkNoted()).toBe(noted - 1);
    await silent(gone, other);
  });

  test("a withdrawal of one part takes out that part alone", async () => {
    const device = await system.device({ consent: NETWORK });
    const device_ = await told(() => system.say(device, HOME));
    expect(of(device_).at(-1)).toMatchObject({ model: "hub", ipPrefix: "203.0.0.0/16" });
    await system.stack.api.withdraw(device.subject, { categories: ["ip"] });
    await wires.caughtUp();
    const before = of(device_).length;
    await until("it is told again", () => of(device_).length >= before + 2);
    for (const one of of(device_).slice(before)) expect([one.model, one.ipPrefix]).toEqual(["hub", undefined]);
    // What was withdrawn stays withdrawn for what was said before, also after a new consent.
    await system.stack.api.consent(device.subject, NETWORK);
    const then = of(device_).length;
    await until("it is told again", () => of(device_).length >= then + 2);
    for (const one of of(device_).slice(before)) expect(one.ipPrefix).toBeUndefined();
    await system.say(device, HOME);
    await until("what is said now is told", () => of(device_).at(-1)?.ipPrefix === "203.0.0.0/16");
  });

  test("a hold keeps it back, and the note of it as it is, to be told when the hold has ended", async () => {
    const device = await system.device({ consent: NETWORK });
    const held = await told(() => system.say(device, HOME));
    const noted = await system.networkNoted();
    const order = { reference: "court:47", until: Date.now() + 600_000 };
    const url = `${system.stack.httpUrl}/v1/subjects/${device.subject}/hold`;
    const ask = async (approver: number, init: RequestInit, query = "") => {
      const headers = { authorization: `Bearer ${APPROVERS[approver]?.token}`, "content-type": "application/json" };
      return (await fetch(`${url}${query}`, { ...init, headers })).status;
    };
    const place = { method: "PUT", body: JSON.stringify(order) };
    expect([await ask(0, place), await ask(1, place)]).toEqual([202, 200]);
    await silent(held, other);
    expect(await system.networkNoted()).toBe(noted);
    const before = of(held).length;
    const headers = { authorization: `Bearer ${APPROVERS[0]?.token}` };
    const ended = await fetch(`${url}?reference=${order.reference}`, { method: "DELETE", headers });
    expect(ended.status).toBe(204);
    await until("it is told again", () => of(held).length > before);
  });

  test("an erasure keeps it back and takes the note away", async () => {
    const device = await system.device({ consent: NETWORK });
    const gone = await told(() => system.say(device, HOME));
    const noted = await system.networkNoted();
    const { receipt } = await system.erase(device.subject);
    expect(receipt?.receipt).toMatchObject({ keyDestroyed: true });
    expect(await system.networkNoted()).toBe(noted - 1);
    await silent(gone, other);
  });

  test("a device that gets another owner is not heard of under the name it had", async () => {
    const device = await system.device({ consent: NETWORK });
    const gone = await told(() => system.say(device, HOME));
    const noted = await system.networkNoted();
    await system.stack.api.bind(name("subject"), device.id);
    expect(await system.networkNoted()).toBe(noted - 1);
    await silent(gone, other);
  });
});

test("what is noted is exported to its person, and can be read by no one else", async () => {
  const device = await system.device({ consent: NETWORK });
  await told(() => system.say(device, HOME));
  const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${device.subject}/export`, {
    headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
  });
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string });
  expect(lines.filter(({ kind }) => kind === "noted-network")).toMatchObject([
    { model: { text: "hub" }, ipPrefix: { text: "203.0.0.0/16" } },
  ]);
  const texts = await system.redis.hvals("{consentry:network}:records");
  expect(texts.length).toBeGreaterThan(0);
  for (const text of texts) expect(Buffer.from(text, "base64url").toString("latin1")).not.toMatch(/hub|203\.0/);
});

test("two gateways on one Redis tell each name once", async () => {
  const device = await system.device({ consent: NETWORK });
  const device_ = await told(() => system.say(device, HOME));
  const second = await startGateway({
    configFile: system.stack.config.file,
    logFile: join(system.stack.dir, "logs", "second.log"),
    entry: "tools/stack/short-steps.ts",
    env: {
      CONSENTRY_BACKUP_JOURNAL_FILE: join(system.stack.dir, "second.journal"),
      CONSENTRY_BACKUP_CREATE_JOURNAL: "true",
    },
  });
  const there = new Listener(
    `mqtt://127.0.0.1:${second.port("mqtt-tcp")}`,
    "network",
    system.stack.serviceCredential("network"),
  );
  try {
    await there.start();
    const since = Date.now();
    const all = () => [...of(device_), ...of(device_, there)].filter(({ at }) => at > since);
    await until("both have had a turn, or one has had many", () => all().length >= 8);
    expect(new Set(all().map(({ at }) => at)).size).toBe(all().length);
    const [first = 0, last = 0] = [Math.min(...all().map(({ at }) => at)), Math.max(...all().map(({ at }) => at))];
    expect(all().length).toBeLessThanOrEqual((last - first) / roundMs + 2);
  } finally {
    await there.stop();
    await second.stop();
  }
});

describe("a gateway that is killed", () => {
  const killed = async (device: Device, payload: unknown): Promise<void> => {
    await system.say(device, payload);
    await system.stack.gateway.kill("SIGKILL");
    wires.packets.length = 0;
    await system.stack.startGateway();
    await system.ready();
    await wires.start();
  };

  test("has lost nothing that was acknowledged, also where it is for the network alone", async () => {
    const device = await system.device({ consent: NETWORK });
    await system.settled();
    const known = await system.networkNoted();
    await killed(device, { model: "TH-100", ip: "192.0.2.1" });
    await until("it is told", () => heard().some(({ ipPrefix }) => ipPrefix === "192.0.0.0/16"));
    expect(await system.networkNoted()).toBe(known + 1);
  });
});
