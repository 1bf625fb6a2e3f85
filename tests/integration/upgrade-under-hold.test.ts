/**
 * An upgrade deletes what an older version has stored, but not what a legal hold keeps: rows and messages of anyone who is under
 * one are afterwards what they were before, to the letter, until the hold ends. Then they go as everything else.
 */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ErasureStatus } from "../../src/model/erasure.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { startFormerSystem } from "../fixtures/former-version/former-system.ts";
import { refuseNumbers } from "../fixtures/refused-field.ts";
import type { Device, TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const APPROVERS = ["legal", "privacy"].map((name) => ({ name, token: `approver-${name}-0123456789-0123456789` }));
const ORDER = { reference: "court:39", until: Date.now() + 3_600_000 };
const keyspace = keyspaceOf("consentry");

let system: TestSystem;
let held: Device;
let free: Device;

beforeAll(async () => {
  system = await startFormerSystem({ http: { approvers: APPROVERS }, hold: { sweepMs: 200 } });
  [held, free] = [await system.device(), await system.device()];
  const location = { lat: 12.9716, lon: 77.5946 };
  for (const device of [held, free]) {
    await system.say(device, { model: "HB-200", location, status: { note: "in bed", energy: 4711.25 } });
    await system.say(device, { status: { note: "of no word that is known" } });
    await system.say(device, { status: { shade: "dark", temperature: 21.5 } });
  }
  await system.settled();
  await refuseNumbers(system.stack.influxUrl, system.stack.database, "shade");
  for (const device of [held, free]) await system.say(device, { status: { shade: 5, temperature: 20 } });
  await until("they are dead-lettered", async () => (await letters()).length === 2);
});
afterAll(() => system?.stop());

const ours = (program: string, ...args: string[]) =>
  runCommand(program, [...args, "--config", system.stack.config.file]);
const letters = async () => Object.values(await system.redis.hgetall(keyspace.deadLetters));

async function hold(method: "PUT" | "DELETE", approver: number): Promise<number> {
  const authorization = `Bearer ${APPROVERS[approver]?.token}`;
  const url = `${system.stack.httpUrl}/v1/subjects/${held.subject}/hold`;
  const init =
    method === "PUT"
      ? { headers: { authorization, "content-type": "application/json" }, body: JSON.stringify(ORDER) }
      : { headers: { authorization } };
  return (await fetch(method === "PUT" ? url : `${url}?reference=${ORDER.reference}`, { method, ...init })).status;
}

/** What the store has of each name, without fields that a row does not have. */
async function rowsByName(): Promise<Record<string, unknown[]>> {
  const byName: Record<string, unknown[]> = {};
  for (const measurement of ["device_status", "device_location"] as const)
    for (const { device, ...row } of await system.rows(measurement)) {
      const own = Object.entries(row).filter(([, value]) => value !== null);
      byName[String(device)] = [...(byName[String(device)] ?? []), { measurement, ...Object.fromEntries(own) }];
    }
  return byName;
}

test("rows and messages of anyone who is under a hold are left to the letter, all others go, and the upgrade says so", async () => {
  expect([await hold("PUT", 0), await hold("PUT", 1)]).toEqual([202, 200]);
  const before = await rowsByName();
  const [lettersBefore, names] = [await letters(), Object.keys(before)];
  expect(names).toHaveLength(2);
  expect(Object.values(before).map((rows) => rows.length)).toEqual([4, 4]);
  await system.stack.gateway.stop();
  await until("it counts as working no more", async () => (await system.redis.zcard(keyspace.gateways)) === 0);

  const dry = await ours("upgrade", "--dry-run");
  expect([dry.exitCode, dry.stdout]).toEqual([0, expect.stringMatching(/names under a hold {9}\d+; their rows stay/)]);
  expect(await rowsByName()).toEqual(before);
  const done = await ours("upgrade", "--yes");
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toMatch(
    /dead letters, under a hold 1; they are left[\s\S]*names under a hold {9}\d+; their rows stay as they are/,
  );

  const after = await rowsByName();
  const [kept = "", ...more] = Object.keys(after);
  expect(more).toEqual([]);
  expect(after[kept]).toEqual(before[kept]);
  expect(JSON.stringify(after)).toContain("of no word that is known");
  expect((await letters()).filter((letter) => lettersBefore.includes(letter))).toHaveLength(1);
});

test("it is theirs, it stays while the hold stands whatever is asked for, and goes when it has ended", async () => {
  await system.stack.startGateway();
  const before = await rowsByName();
  const { api } = system.stack;
  const { id } = (await api.call("POST", "/v1/subjects/{subject}/erasures", [held.subject], {})) as ErasureStatus;
  const status = async () => (await api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
  expect((await status()).state).toBe("held");
  expect((await ours("retention")).exitCode).toBe(0);
  expect(await rowsByName()).toEqual(before);
  expect(await letters()).toHaveLength(2);

  expect(await hold("DELETE", 0)).toBe(204);
  await until("the erasure is complete", async () => (await status()).state === "completed");
  expect((await status()).receipt?.receipt).toMatchObject({ keyDestroyed: true, sinks: [{ verified: true }] });
  expect(await rowsByName()).toEqual({});
  expect(await letters()).toHaveLength(1);
});
