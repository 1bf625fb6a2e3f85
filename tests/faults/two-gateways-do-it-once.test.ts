/**
 * Promise: what two gateways, or two commands of operators, find to do at the same moment is done once, and a late one
 * undoes nothing. Each is a process of its own, and where an order of events does harm it is forced.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { DeviceId, SubjectId } from "../../src/model/ids.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { auditKey } from "../../src/rights/audit/chain.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { linkFor, tokenIn } from "../fixtures/centre-client.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import { consentTo, EVERYTHING, name } from "../fixtures/system.ts";
import { type Asked, type Said, startTwoGateways, type TwoGateways } from "../fixtures/two-gateways.ts";

/** Processes start in it, beside those of other tests. */
vi.setConfig({ testTimeout: 240_000 });

const LEGAL = "legal-token-of-this-test-0123456789abcdef";
const PRIVACY = "privacy-token-of-this-test-0123456789abcdef";
const ROUNDS = 20;

let two: TwoGateways;
let lookup: Lookup;
beforeAll(async () => {
  const approvers = [
    { name: "legal", token: LEGAL },
    { name: "privacy", token: PRIVACY },
  ];
  two = await startTwoGateways({ http: { approvers } });
  lookup = new Lookup(readKeys(join(two.system.stack.dir, "keys"), { create: false }).lookup);
});
afterAll(() => two?.stop());

const keyspace = keyspaceOf("consentry");
const tagOf = (home: string) => lookup.subjectTag(home as SubjectId);
const keyOf = (lamp: string) => lookup.deviceKey(lamp as DeviceId);
const pathOf = (home: string, lamp: string) => `/v1/subjects/${home}/devices/${lamp}`;

/** The same asked of both at once. */
async function ofBoth(method: string, path: string, asked: Asked = {}): Promise<[Said, Said]> {
  return Promise.all([two.ask(two.first, method, path, asked), two.ask(two.second, method, path, asked)]);
}

/** Whose ledger names the device, and whose its credential: they lie apart and must agree. */
async function ownersOf(lamp: string, homes: readonly string[]) {
  const { redis } = two.system;
  const tag = await redis.hget(keyspace.credential(keyOf(lamp)), "tag");
  const listed = await Promise.all(homes.map((home) => redis.sismember(keyspace.devices(tagOf(home)), keyOf(lamp))));
  return {
    ledgers: homes.filter((_, index) => listed[index] === 1),
    credential: homes.filter((home) => tagOf(home) === tag),
  };
}

const CLAIM_TO_SETTLE = ["consentryClaimDevice", "consentryAppendEvent", "consentrySettleDevice"];

test.each([...CLAIM_TO_SETTLE.map((script) => [script, false] as const), ["consentryClaimDevice", true] as const])(
  "a device that one binds while the other unbinds it is bound in ledger and credential or in neither (at %s, bound before: %s)",
  async (script, before) => {
    const [home, lamp] = [name("home"), name("lamp")];
    const path = pathOf(home, lamp);
    await two.ask(two.first, "PUT", pathOf(home, before ? lamp : name("lamp")));
    const binds = () => two.ask(two.second, "PUT", path);
    const { status } = await two.interrupted(script, binds, () => two.ask(two.first, "DELETE", path));
    expect([204, 409]).toContain(status);
    const { ledgers, credential } = await ownersOf(lamp, [home]);
    expect(ledgers).toEqual(credential);
    expect((await binds()).status).toBe(204);
    expect(await ownersOf(lamp, [home])).toEqual({ ledgers: [home], credential: [home] });
    expect((await two.ask(two.first, "DELETE", path)).status).toBe(204);
    expect(await ownersOf(lamp, [home])).toEqual({ ledgers: [], credential: [] });
  },
);

test.each(CLAIM_TO_SETTLE)(
  "a device that two homes bind on two gateways has one of them for its owner (at %s)",
  async (script) => {
    const [one, other, lamp] = [name("home"), name("home"), name("lamp")];
    const late = await two.interrupted(
      script,
      () => two.ask(two.second, "PUT", pathOf(one, lamp)),
      async () => expect((await two.ask(two.first, "PUT", pathOf(other, lamp))).status).toBe(204),
    );
    const { ledgers, credential } = await ownersOf(lamp, [one, other]);
    expect(ledgers).toHaveLength(1);
    expect(credential).toEqual(ledgers);
    // Before its claim it is the later one; after it, it was overtaken and says so.
    const won = script === "consentryClaimDevice";
    expect([late.status, ledgers]).toEqual(won ? [204, [one]] : [409, [other]]);
  },
);

test("what two gateways record of one person at once is on record exactly when it was answered so", async () => {
  const home = name("home");
  const lamps = Array.from({ length: ROUNDS }, () => name("lamp"));
  for (const lamp of lamps) await two.ask(two.first, "PUT", pathOf(home, lamp));
  const path = `/v1/subjects/${home}/consents`;
  const given = await Promise.all(
    lamps.map(async (lamp, index) => {
      const body = consentTo(EVERYTHING, { devices: [lamp] });
      const gateway = index % 2 === 0 ? two.first : two.second;
      return { lamp, status: (await two.ask(gateway, "POST", path, { body })).status };
    }),
  );
  expect(new Set(given.map(({ status }) => (status === 409 ? 201 : status)))).toEqual(new Set([201]));
  const { json } = await two.ask(two.first, "GET", path);
  const recorded = (json.events as { type: string; devices?: string[] }[]).flatMap(({ type, devices }) =>
    type === "given" ? (devices ?? []) : [],
  );
  const answered = given.filter(({ status }) => status === 201).map(({ lamp }) => keyOf(lamp) as string);
  expect(answered.length).toBeGreaterThan(0);
  expect(recorded.sort()).toEqual(answered.sort());
});

test("a consent that meets a withdrawal on another gateway is recorded behind it, and both count", async () => {
  const [home, kept, gone] = [name("home"), name("lamp"), name("lamp")];
  for (const lamp of [kept, gone]) await two.ask(two.first, "PUT", pathOf(home, lamp));
  const path = `/v1/subjects/${home}`;
  await two.ask(two.first, "POST", `${path}/consents`, { body: consentTo(EVERYTHING, { devices: [gone] }) });
  const consent = consentTo(EVERYTHING, { devices: [kept] });
  const { status } = await two.interrupted(
    "consentryAppendEvent",
    () => two.ask(two.second, "POST", `${path}/consents`, { body: consent }),
    async () => {
      const withdrawal = { by: "subject", method: "app", devices: [gone] };
      expect((await two.ask(two.first, "POST", `${path}/withdrawals`, { body: withdrawal })).status).toBe(200);
    },
  );
  expect(status).toBe(201);
  const { json } = await two.ask(two.second, "GET", `${path}/consents`);
  expect(json.events.map(({ type }: { type: string }) => type).slice(-3)).toEqual(["given", "withdrawn", "given"]);
});

test("an act under one key that is asked of both is done once", async () => {
  const lamp = name("lamp");
  await two.ask(two.first, "PUT", pathOf(name("home"), lamp));
  const path = `/v1/devices/${lamp}/token`;
  const asked = { key: randomUUID() };
  let meanwhile: Said | undefined;
  const first = await two.interrupted(
    "consentrySettleAnswer",
    () => two.ask(two.second, "POST", path, asked),
    async () => {
      meanwhile = await two.ask(two.first, "POST", path, asked);
    },
  );
  expect([first.status, meanwhile?.status]).toEqual([201, 409]);
  expect((await two.ask(two.first, "POST", path, asked)).json).toEqual(first.json);
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await ofBoth("POST", path, { key: randomUUID() });
    const tokens = answers.filter(({ status }) => status === 201).map(({ json }) => json.token as string);
    expect(new Set(tokens).size).toBe(1);
  }
});

test("a link to the privacy centre is good once", async () => {
  const { subject } = await two.system.device();
  for (let round = 0; round < ROUNDS; round += 1) {
    const body = { token: tokenIn(await linkFor(two.system, subject)) };
    const answers = await ofBoth("POST", "/centre/session", { body, headers: { "x-privacy-centre": "1" } });
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 410]);
  }
});

test("a hold that one approver takes back while another confirms it elsewhere does not stand", async () => {
  const { subject } = await two.system.device();
  const path = `/v1/subjects/${subject}/hold`;
  const body = { reference: "case-7", until: Date.now() + 3_600_000 };
  expect((await two.ask(two.first, "PUT", path, { body, token: LEGAL })).status).toBe(202);
  const confirmed = await two.interrupted(
    "consentryAppendEvent",
    () => two.ask(two.second, "PUT", path, { body, token: PRIVACY }),
    async () => {
      const gone = await two.ask(two.first, "DELETE", `${path}?reference=case-7`, { token: LEGAL });
      expect(gone.status).toBeLessThan(300);
    },
  );
  expect(confirmed.status).toBe(409);
  const list = async () => (await two.ask(two.first, "GET", path, { token: LEGAL })).json;
  expect(await list()).toEqual({ standing: [], proposed: [] });
  expect(await two.system.redis.zscore(keyspace.heldSubjects, tagOf(subject))).toBeNull();
  expect((await two.ask(two.second, "PUT", path, { body, token: PRIVACY })).status).toBe(202);
  expect((await two.ask(two.first, "PUT", path, { body, token: LEGAL })).status).toBe(200);
  expect((await two.ask(two.first, "DELETE", `${path}?reference=case-7`, { token: LEGAL })).status).toBeLessThan(300);
});

test("an erasure that another gateway has finished meanwhile is neither set back nor signed again", {
  timeout: 240_000,
}, async () => {
  const { redis } = two.system;
  const device = await two.system.device();
  const tag = tagOf(device.subject);
  await two.haltBefore("consentryDestroyKey");
  // So that the second one takes it.
  two.first.signal("SIGSTOP");
  const asked = await two.ask(two.second, "POST", `/v1/subjects/${device.subject}/erasures`, { body: {} });
  expect(asked.status).toBe(202);
  const { id } = asked.json as { id: string };
  await two.halted("consentryDestroyKey");
  await two.haltBefore("consentryDestroyKey", "moveToActive");
  // Its hold on the job ran out, as it does when its process stands still.
  await redis.del(`${keyspace.erasureQueuePrefix}:${keyspace.erasureQueueName}:${id}:lock`);
  two.first.signal("SIGCONT");
  const status = async () => (await two.ask(two.first, "GET", `/v1/erasures/${id}`)).json;
  await until("the first one has finished it", async () => (await status()).step === "remind");
  const stored = async () => [
    await redis.hgetall(keyspace.erasure(tag, id)),
    await redis.hget(keyspace.tombstones, tag),
    await redis.lrange(keyspace.ledger(tag), 0, -1),
  ];
  const finished = await stored();

  await two.haltBefore("consentryWriteErasure");
  await two.halted("consentryWriteErasure");
  expect(await stored()).toEqual(finished);
  await two.goOn();
  await two.answered();
  expect(await stored()).toEqual(finished);
});

test("dead letters are put back into the queue once by two commands at work at once", async () => {
  const { system } = two;
  const { stack } = system;
  const device = await system.device();
  await system.say(device, { status: { power_on: true } });
  await system.settled();
  await refuseNumbers(stack.influxUrl, stack.database, "co2");
  const client = await system.connect(device);
  const letters = 40;
  await Promise.all(
    Array.from({ length: letters }, (_, index) =>
      client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ co2: 400 + 10 * index, seq: index }), {
        qos: 1,
      }),
    ),
  );
  await until("all are dead-lettered", async () => (await system.redis.hlen(keyspace.deadLetters)) === letters);
  const drop = new URLSearchParams({ db: stack.database, q: "DROP MEASUREMENT device_status" });
  expect((await fetch(`${stack.influxUrl}/query`, { method: "POST", body: drop })).ok).toBe(true);

  const replay = () => runCommand("dead-letters", ["replay", "all", "--config", stack.config.file]);
  const commands = await Promise.all([replay(), replay()]);
  expect(commands.map(({ stderr }) => stderr)).toEqual(["", ""]);
  const counts = commands.map(({ stdout }) => Number(/^(\d+) put back/m.exec(stdout)?.[1]));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(letters);
  await until("all are stored", async () => (await system.rows("device_status")).length === letters);
  expect(await system.redis.hlen(keyspace.deadLetters)).toBe(0);
});

test("of two policies published as the same version one is the policy, and the other is refused", async () => {
  const first = JSON.parse(await readFile(new URL("../../config/policies/1.json", import.meta.url), "utf8")) as object;
  const policy = (summary: string) => ({ body: { ...first, version: 2, change: { kind: "minor", summary } } });
  let early: Said | undefined;
  const late = await two.interrupted(
    "consentryPublishPolicy",
    () => two.ask(two.second, "POST", "/v1/policies", policy("Late.")),
    async () => {
      early = await two.ask(two.first, "POST", "/v1/policies", policy("Early."));
    },
  );
  expect([early?.status, late.status]).toEqual([201, 409]);
  expect((await two.ask(two.second, "GET", "/v1/policies/2")).json.change.summary).toBe("Early.");
});

test("old lines of the audit log go once when two commands delete by age at once", async () => {
  const { dir, redisUrl, config } = two.system.stack;
  // A log of its own, that begins with old lines.
  const prefix = "elsewhere";
  const { auditLines, auditSeal, schema } = keyspaceOf(prefix);
  await two.system.redis.copy(keyspace.schema, schema);
  const keys = readKeys(join(dir, "keys"), { create: false });
  const options = { keys: [auditKey(keys.lookup)], now: Date.now } as const;
  const log = new AuditLog(two.system.redis, { auditLines, auditSeal }, options);
  for (let at = 1; at <= ROUNDS; at += 1) await log.append({ act: "backup", by: "operator" }, at);
  const env = {
    CONSENTRY_REDIS_URL: redisUrl,
    CONSENTRY_REDIS_KEY_PREFIX: prefix,
    CONSENTRY_BACKUP_JOURNAL_FILE: join(dir, `${prefix}.journal`),
  };
  const run = () => runCommand("retention", ["--json", "--config", config.file], env);
  const commands = await Promise.all([run(), run()]);
  expect(commands.map(({ stderr }) => stderr)).toEqual(["", ""]);
  const trimmed = commands.flatMap(({ stdout }) =>
    stdout.split("\n").flatMap((line) => {
      const result = JSON.parse(line) as { kind: string; count?: number };
      return result.kind === "audit" ? (result.count ?? 0) : [];
    }),
  );
  expect(trimmed.sort((a, b) => b - a)).toEqual([ROUNDS, 0]);
  expect(await log.verify()).toMatchObject({ intact: true, first: ROUNDS });
});

test("what both have written into the audit log meanwhile is one chain", async () => {
  const { dir, config } = two.system.stack;
  const journals = ["erasures.journal", "second.journal"].flatMap((file) => ["--journal", join(dir, file)]);
  const { exitCode, stdout, stderr } = await runCommand("audit", ["verify", "--config", config.file, ...journals]);
  expect([exitCode, stderr], stdout).toEqual([0, ""]);
});
