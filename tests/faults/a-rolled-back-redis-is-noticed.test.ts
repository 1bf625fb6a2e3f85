/**
 * Promise: a Redis that was put back to an earlier state, emptied, or replaced by a copy that lacks the last seconds is
 * not served as if nothing had happened; an ordinary outage is no reason to refuse anything.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { DeviceId, SubjectId } from "../../src/model/ids.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { consentTo, type Device, EVERYTHING, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ sinks: { influx: { timeoutMs: 900 } } });
});
afterAll(() => system?.stop());

type State = readonly (readonly [name: string, value: Buffer])[];

async function state(): Promise<State> {
  const names = await system.redis.keys("*");
  const values = await Promise.all(names.map((name) => system.redis.dumpBuffer(name)));
  return names.map((name, index) => [name, values[index] as Buffer] as const);
}

/** In one step, as a server that was replaced does it. */
async function putBack(earlier: State): Promise<void> {
  const all = system.redis.multi().flushall();
  for (const [name, value] of earlier) all.restore(name, 0, value);
  await all.exec();
}

function run(program: string, ...args: string[]) {
  return runCommand(program, [...args, "--config", system.stack.config.file]);
}

const lookup = () => new Lookup(readKeys(join(system.stack.dir, "keys"), { create: false }).lookup);
const killed = async () => {
  await system.stack.gateway.kill("SIGKILL");
  // A gateway that was killed counts as working for a while.
  await system.redis.del("{consentry:gateways}", "{consentry:gateways}:reports");
};

/** What of a device's messages is stored, or why not. */
async function becomesOf(device: Device): Promise<string> {
  const before = await system.books();
  await system.say(device, { status: { power_on: true } });
  const after = await system.settled();
  const were: Readonly<Record<string, number>> = before.refused;
  return Object.entries(after.refused).find(([reason, count]) => count > (were[reason] ?? 0))?.[0] ?? "stored";
}

test("an ordinary outage, a restart and a load of acts meanwhile are no reason to refuse anything", async () => {
  const devices = await system.devices(4);
  const [device] = devices;
  if (!device) throw new Error("device");
  for (let round = 0; round < 3; round += 1) {
    const acts = devices
      .slice(1)
      .map((one) => system.stack.api.consent(one.subject, consentTo(EVERYTHING)).catch(() => undefined));
    await system.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await Promise.all(acts);
    await until("it is served again", async () => (await becomesOf(device)) === "stored");
  }
  await system.stack.redis.kill("SIGKILL");
  await system.stack.redis.start();
  await until("it is served again", async () => (await becomesOf(device)) === "stored");
  expect(system.stack.gateway.running).toBe(true);
});

test("at start, where seconds are lost of single subjects: theirs is taken back again, the others' goes on", async () => {
  const [stays, withdraws, replaced, erased, child] = await system.devices(5);
  if (!stays || !withdraws || !replaced || !erased || !child) throw new Error("devices");
  const earlier = await state();
  await system.stack.api.withdraw(withdraws.subject);
  const token = await system.stack.api.issueToken(replaced.id);
  const { id } = (await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [erased.subject], {})) as {
    id: string;
  };
  await system.stack.api.consent(child.subject, consentTo({ scene: EVERYTHING.scene ?? [] }, { minor: true }));
  await killed();
  await putBack(earlier);
  await system.stack.startGateway();
  expect(await becomesOf(stays)).toBe("stored");
  expect(await becomesOf(withdraws)).toBe("consent-withdrawn");
  expect(await becomesOf(erased)).toBe("consent-withdrawn");
  for (const one of [replaced, { ...replaced, token }]) await expect(system.connect(one)).rejects.toThrow();
  const record = (await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [child.subject])) as {
    minor: boolean;
  };
  expect(record.minor).toBe(true);
  await until("the erasure comes to its end", async () => {
    const status = (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as { state: string };
    return status.state === "completed";
  });
  const list = await run("audit", "list");
  expect(list.stdout).toContain("journal-replayed");
  expect(list.stdout).toContain(lookup().subjectTag(withdraws.subject as SubjectId));
  expect(list.stdout).toContain(lookup().deviceKey(replaced.id as DeviceId));
  // Consent given again stands, also over the next start.
  await system.stack.api.consent(withdraws.subject, consentTo(EVERYTHING));
  expect(await becomesOf(withdraws)).toBe("stored");
  await killed();
  await system.stack.startGateway();
  expect(await becomesOf(withdraws)).toBe("stored");
});

/** What was put back says that a gateway is alive, for as long as its last word counts; here no one waits for that. */
async function restoredInPlace() {
  await system.redis.del("{consentry:gateways}", "{consentry:gateways}:reports");
  return run("restore", "--in-place");
}

/** With the last word of a gateway that was put back just now. */
async function refusedInPlace() {
  await system.redis.zadd("{consentry:gateways}", Date.now() + 60_000, "one-that-was-put-back");
  return run("restore", "--in-place");
}

test("at start, where the audit log proves it: nothing is served until an operator says how to go on", async () => {
  const [stays, withdraws, replaced] = await system.devices(3);
  if (!stays || !withdraws || !replaced) throw new Error("devices");
  const earlier = await state();
  await system.stack.api.withdraw(withdraws.subject);
  const token = await system.stack.api.issueToken(replaced.id);
  await system.stack.gateway.stop();
  await putBack(earlier);
  await expect(system.stack.startGateway()).rejects.toThrow("REDIS_ROLLED_BACK");
  // Refused attempts write to the log that was rolled back, and over what was lost of it.
  for (let attempt = 0; attempt < 3; attempt += 1) expect((await refusedInPlace()).stderr).toContain("gateway-running");
  const restored = await restoredInPlace();
  expect([restored.exitCode, restored.stderr]).toEqual([0, ""]);
  expect(restored.stdout).toMatch(/withdrawn {10}1[\s\S]*tokens to reissue {2}\d/);
  await system.stack.startGateway();
  expect(await becomesOf(stays)).toBe("stored");
  expect(await becomesOf(withdraws)).toBe("consent-withdrawn");
  for (const one of [replaced, { ...replaced, token }]) await expect(system.connect(one)).rejects.toThrow();
  const verified = await run("audit", "verify");
  expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining("lost before")]);
  // And it is settled: the next start has nothing to say.
  await system.stack.gateway.stop();
  await system.stack.startGateway();
  expect(await becomesOf(stays)).toBe("stored");
});

test("while it is served, with the connection lost or not: the gateway ends, and does not start again", async () => {
  const [device] = await system.devices(1);
  if (!device) throw new Error("device");
  const earlier = await state();
  await system.stack.api.withdraw(device.subject);
  await putBack(earlier);
  await system.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await until("the gateway has ended", () => !system.stack.gateway.running);
  await expect(system.stack.startGateway()).rejects.toThrow("REDIS_ROLLED_BACK");
  expect((await restoredInPlace()).exitCode).toBe(0);
  await system.stack.startGateway();
  expect(await becomesOf(device)).toBe("consent-withdrawn");

  await system.stack.api.consent(device.subject, consentTo(EVERYTHING));
  await system.redis.flushall();
  await until("the gateway has ended", () => !system.stack.gateway.running);
  await expect(system.stack.startGateway()).rejects.toThrow("REDIS_ROLLED_BACK");
});
