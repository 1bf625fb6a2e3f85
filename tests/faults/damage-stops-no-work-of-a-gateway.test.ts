/**
 * Promise: a gateway in whose Redis one person's ledger and another one's key were damaged goes on with everyone else:
 * messages, backup, a change of the master key, erasures, a new owner, a restart and a restore.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ErasureStatus } from "../../src/model/erasure.ts";
import type { DeviceId, SubjectId } from "../../src/model/ids.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, type Device, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({
    sinks: { influx: { timeoutMs: 900 } },
    erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 300 },
  });
});
afterAll(() => system?.stop());

function run(program: string, ...args: string[]) {
  return runCommand(program, [...args, "--config", system.stack.config.file]);
}

async function stored(device: Device): Promise<boolean> {
  const before = (await system.rows("device_status")).length;
  await system.say(device, { status: { power_on: true } });
  await system.settled();
  return (await system.rows("device_status")).length === before + 1;
}

async function erased({ subject }: Device): Promise<ErasureStatus> {
  const body = { by: "subject", method: "app" };
  const { id } = (await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [subject], body)) as {
    id: string;
  };
  let status: ErasureStatus | undefined;
  await until("the erasure has ended", async () => {
    status = (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
    return status.state === "completed";
  });
  if (status === undefined) throw new Error("no erasure");
  return status;
}

test("one ledger and one key are damaged, and everyone else is served", async () => {
  const keyspace = keyspaceOf(system.stack.keyPrefix);
  const lookup = new Lookup(readKeys(join(system.stack.dir, "keys"), { create: false }).lookup);
  const [ledger, key, good, gone] = await system.devices(4);
  if (!ledger || !key || !good || !gone) throw new Error("devices");
  for (const device of [ledger, key, good, gone]) expect(await stored(device)).toBe(true);
  const tagOf = ({ subject }: Device) => lookup.subjectTag(subject as SubjectId);
  const log = keyspace.ledger(tagOf(ledger));
  await system.redis.lset(
    log,
    1,
    ((await system.redis.lindex(log, 1)) ?? "").replace('"type":"given"', '"type":"gi_en"'),
  );
  const wrapped = (await system.redis.hget(keyspace.subject(tagOf(key)), "key")) ?? "";
  await system.redis.hset(
    keyspace.subject(tagOf(key)),
    "key",
    wrapped.replace(/.(.{8})$/, (end) => `${end[0] === "A" ? "B" : "A"}${end.slice(1)}`),
  );

  const out = join(system.stack.dir, "out");
  const backup = await run("backup", "--out", out);
  expect(backup.exitCode).toBe(0);
  expect(backup.stderr).toContain("damaged: 1 (ledger)");
  expect(backup.stderr).toContain("damaged: 1 (subject-key)");
  const archive = (kind: string) => new RegExp(`^${kind} +(\\S+)$`, "m").exec(backup.stdout)?.[1] ?? "none";

  const rotated = await run("keys", "rotate", "master");
  expect([rotated.exitCode, rotated.stdout]).toEqual([
    0,
    expect.stringContaining("1 subject keys could not be unwrapped"),
  ]);
  expect(await stored(good)).toBe(true);

  expect((await erased(gone)).receipt?.receipt).toMatchObject({ sinks: [{ method: "deleted", verified: true }] });
  expect((await erased(key)).receipt?.receipt).toMatchObject({ sinks: [{ method: "unlinkable", verified: false }] });
  const owner = name("subject");
  await system.stack.api.bind(owner, ledger.id);
  await system.stack.api.consent(owner, consentTo(EVERYTHING));
  const moved = { ...ledger, subject: owner, token: await system.stack.api.issueToken(ledger.id) };
  expect(await stored(moved)).toBe(true);
  expect((await erased(ledger)).receipt?.receipt).toMatchObject({ record: "unverifiable" });
  expect(await stored(moved)).toBe(true);
  expect(await system.metric("damaged_records_total", '{kind="ledger"}')).toBeGreaterThan(0);
  expect(await system.metric("damaged_records_total", '{kind="subject-key"}')).toBeGreaterThan(0);

  await system.stack.gateway.stop();
  await system.redis.flushall();
  const restored = await run("restore", "--from", archive("records"), "--keys", archive("subject keys"));
  expect([restored.exitCode, restored.stderr]).toEqual([0, ""]);
  expect(restored.stdout).toMatch(/new chain {10}1,/);
  await system.stack.startGateway();
  expect(await stored(good)).toBe(true);
  expect(await system.redis.exists(keyspace.credential(lookup.deviceKey(good.id as DeviceId)))).toBe(1);
});
