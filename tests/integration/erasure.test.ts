/**
 * Erasure from the request to the receipt: nothing stored under the subject's names is left, no one can
 * make those names again, the services are told what to forget, and the receipt proves it to anyone.
 */

import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import type { ConsentRecord } from "../../src/model/consent-record.ts";
import type { ErasureStatus, ReceiptKey } from "../../src/model/erasure.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";
import { ErasureRecords } from "../../src/rights/erasure/record.ts";
import { ReceiptSigner, verifyReceipt } from "../../src/rights/receipts/signer.ts";
import { influxRows } from "../../tools/stack/influx-reader.ts";
import { subscribe } from "../../tools/wire/service-subscriber.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, EVERYTHING, marks, startSystem, type TestSystem } from "../fixtures/system.ts";
import { everythingIn } from "./consent-fixture.ts";

let system: TestSystem;
let scene: Listener;

beforeAll(async () => {
  system = await startSystem(
    {
      properties: [marks(...WORDS)],
      sinks: { influx: { timeoutMs: 900 } },
      erasure: { sweepAfterMs: 1_000, acknowledgeWaitMs: 300 },
    },
    { shortSteps: true },
  );
  // As if the lists of forwarded names went back as far as they need to.
  await system.redis.set(keyspaceOf(system.stack.keyPrefix).forwardedSince, 1);
  scene = await system.listen("scene");
  expect(await subscribe(scene.client, ["privacy/erased/scene"])).toBe("granted");
});
afterAll(() => system?.stop());

const WORDS =
  "gone other first between second twice again meanwhile seller buyer stored queued new late orphaned killed".split(
    " ",
  );
const HOME = { lat: 12.9715987, lon: 77.5945627 };

async function request(subject: string, body: Record<string, unknown> = {}): Promise<ErasureStatus> {
  return (await system.stack.api.call("POST", "/v1/subjects/{subject}/erasures", [subject], body)) as ErasureStatus;
}

async function status(id: string): Promise<ErasureStatus> {
  return (await system.stack.api.call("GET", "/v1/erasures/{id}", [id])) as ErasureStatus;
}

async function completed(id: string): Promise<ErasureStatus> {
  await until("the erasure is complete", async () => (await status(id)).state === "completed");
  return await status(id);
}

async function key(): Promise<ReceiptKey> {
  return (await system.stack.api.call("GET", "/v1/keys/receipt", [])) as ReceiptKey;
}

function say(device: Device, mark: string): Promise<void> {
  return system.say(device, { model: "HB-200", location: HOME, status: { mark } });
}

async function storedMarks(): Promise<unknown[]> {
  return (await system.rows("device_status")).map((row) => row.mark);
}

/** Ids of the digests in which the names of an erasure went to the services of a purpose. */
async function noticesOf(id: string, purpose: "scene" | "network" = "scene"): Promise<readonly string[]> {
  return (await status(id)).services.find((one) => one.purpose === purpose)?.notices ?? [];
}

/** What the scene service was told to forget in an erasure, and of others beside it. */
async function told(id: string): Promise<{ id: string; pseudonyms: string[] }[]> {
  const ids = await noticesOf(id);
  return scene.packets
    .filter(({ topic }) => topic === "privacy/erased/scene")
    .map(({ payload }) => JSON.parse(payload.toString()) as { id: string; pseudonyms: string[] })
    .filter((notice) => ids.includes(notice.id));
}

function answer(listener: Listener, id: string, purpose = "scene"): Promise<unknown> {
  return listener.client.publishAsync(`privacy/erased/${purpose}/ack`, JSON.stringify({ id }), { qos: 1 });
}

function sceneNames(mark: string): string[] {
  const records = scene.packets
    .filter(({ topic }) => topic.startsWith("processed/"))
    .map(({ payload }) => JSON.parse(payload.toString()) as { device: string; status: { mark: string } });
  return records.filter((record) => record.status.mark === mark).map(({ device }) => device);
}

test("nothing is left, services are told, and the receipt verifies; others keep everything", async () => {
  const [gone, other] = await system.devices(2);
  if (!gone || !other) throw new Error("devices");
  for (let round = 0; round < 3; round += 1) await Promise.all([say(gone, "gone"), say(other, "other")]);
  await system.settled();
  const before = await storedMarks();
  expect(before.filter((mark) => mark === "gone")).toHaveLength(3);

  const { id, state } = await request(gone.subject, { evidenceRef: "form:1" });
  expect(state).toBe("running");
  await until("the service is told", async () => (await told(id)).length > 0);
  const [notice] = await told(id);
  expect(notice?.id).not.toBe(id);
  expect(new Set(notice?.pseudonyms)).toEqual(new Set(sceneNames("gone")));
  await answer(scene, notice?.id ?? "");
  await until("it is closed", async () => (await status(id)).step === undefined);

  const { receipt, services } = await completed(id);
  expect(await storedMarks()).toEqual(["other", "other", "other"]);
  const names = new Set((await system.rows("device_status")).map(({ device }) => device));
  expect(names.size).toBe(1);
  expect(await system.placesNoted()).toBe(1);
  // Not even the index of the store knows the names any more.
  const series = await influxRows(system.stack.influxUrl, system.stack.database, "SHOW TAG VALUES WITH KEY = device");
  expect(new Set(series.map(({ value }) => value))).toEqual(names);

  // Network services were given nothing of it.
  expect(services).toEqual([
    { purpose: "scene", notified: 1, acknowledged: 1, unacknowledged: 0, notices: [notice?.id] },
  ]);
  expect(receipt?.receipt).toMatchObject({
    schemaVersion: 1,
    id,
    keyDestroyed: true,
    policyVersion: 1,
    // Three states; of the place, which no one else was near, there was a note alone.
    sinks: [{ name: "influx", region: "IN", rowsDeleted: 3, verified: true, method: "deleted" }],
  });
  const { pem } = await key();
  expect(verifyReceipt(receipt, pem).valid).toBe(true);
  for (const secret of [gone.id, gone.subject, ...names]) expect(JSON.stringify(receipt)).not.toContain(secret);

  expect(await system.metric("erasures_total", '{outcome="deleted"}')).toBe(1);
  expect(await system.metric("erasure_answers_total", '{outcome="accepted"}')).toBe(1);
});

test("the key is nowhere any more, and consent afterwards begins under other names", async () => {
  const device = await system.device();
  await say(device, "first");
  await system.settled();
  const [tag = ""] = [
    ...new Set((await system.rows("device_status")).filter(({ mark }) => mark === "first").map((row) => row.device)),
  ];
  const keysBefore = await wrappedKeys();
  const { id } = await request(device.subject);
  await completed(id);
  expect(await storedMarks()).not.toContain("first");
  const keysAfter = await wrappedKeys();
  const destroyed = [...keysBefore].filter((one) => !keysAfter.has(one));
  expect(destroyed).toHaveLength(1);
  expect(await everything()).not.toContain(destroyed[0]);

  await system.say(device, { status: { mark: "between" } });
  await system.settled();
  expect(await storedMarks()).not.toContain("between");

  await system.stack.api.consent(device.subject, consentTo({ analytics: ["status"] }));
  await system.say(device, { status: { mark: "second" } });
  await system.settled();
  const row = (await system.rows("device_status")).find(({ mark }) => mark === "second");
  expect(row?.device).toBeDefined();
  expect(row?.device).not.toBe(tag);
});

test("asked twice it is one erasure; after new consent it is another, and both leave nothing", async () => {
  const device = await system.device();
  await say(device, "twice");
  await system.settled();
  const answers = await Promise.all(Array.from({ length: 5 }, () => request(device.subject)));
  const ids = new Set(answers.map(({ id }) => id));
  expect(ids.size).toBe(1);
  await system.stack.api.consent(device.subject, consentTo(EVERYTHING));
  await say(device, "again");
  await system.settled();
  const second = await request(device.subject);
  expect(ids).not.toContain(second.id);
  for (const id of [...ids, second.id]) {
    const { receipt } = await completed(id);
    expect(receipt?.receipt.sinks[0]).toMatchObject({ verified: true, method: "deleted", rowsDeleted: 1 });
  }
  const left = await storedMarks();
  expect(left).not.toContain("twice");
  expect(left).not.toContain("again");
});

test("withdrawal, binding and a token while it runs change nothing about it", async () => {
  const device = await system.device();
  await say(device, "meanwhile");
  await system.settled();
  const { id } = await request(device.subject);
  const { api } = system.stack;
  expect(await api.withdraw(device.subject)).toMatchObject({ drained: true });
  await api.bind(device.subject, `${device.id}-new`);
  await api.issueToken(device.id);
  const { receipt } = await completed(id);
  expect(receipt?.receipt).toMatchObject({ keyDestroyed: true, sinks: [{ verified: true, rowsDeleted: 1 }] });
  expect(await storedMarks()).not.toContain("meanwhile");
});

test("a device that was sold: its new owner has new names, and the old owner's erasure leaves theirs alone", async () => {
  const old = await system.device();
  await say(old, "seller");
  await system.settled();
  const sold = await system.device({ id: old.id });
  expect(sold.subject).not.toBe(old.subject);
  await say(sold, "buyer");
  await system.settled();
  const rows = (await system.rows("device_status")).filter(({ mark }) => mark === "seller" || mark === "buyer");
  expect(new Set(rows.map(({ device }) => device)).size).toBe(2);
  expect(sceneNames("buyer")).not.toEqual(sceneNames("seller"));

  // The device is no longer theirs, what it said is.
  const { id } = await request(old.subject);
  await completed(id);
  const left = await storedMarks();
  expect(left).not.toContain("seller");
  expect(left).toContain("buyer");
  await until("the service is told", async () => (await told(id)).length > 0);
  const notices = (await told(id)).flatMap(({ pseudonyms }) => pseudonyms);
  expect(notices).toEqual(expect.arrayContaining(sceneNames("seller")));
  for (const name of sceneNames("buyer")) expect(notices).not.toContain(name);
});

test("of what waits in a backlog nothing is stored, not even after a new consent, and a store that is away is waited for", async () => {
  const device = await system.device();
  await say(device, "stored");
  await system.settled();
  await system.stack.influx.kill("SIGKILL");
  await say(device, "queued");
  const { id } = await request(device.subject);
  await system.stack.api.consent(device.subject, consentTo(EVERYTHING));
  await say(device, "new");
  expect(await status(id)).toMatchObject({ state: "running" });
  await system.stack.influx.start();
  const { receipt } = await completed(id);
  expect(receipt?.receipt.sinks[0]).toMatchObject({ verified: true, rowsDeleted: 1 });
  await system.settled();
  const left = await storedMarks();
  expect(left).not.toContain("stored");
  expect(left).not.toContain("queued");
  expect(left).toContain("new");
});

test("a service that was away is told when it comes back, and its answer makes a new receipt", async () => {
  const device = await system.device();
  const before = await system.listen("network");
  await system.say(device, { ip: "203.0.113.7", status: { mark: "late" } });
  await system.settled();
  await system.networkTold();
  await before.stop();
  const { id } = await request(device.subject);
  const first = (await completed(id)).receipt;
  expect(first?.receipt.services).toContainEqual({
    purpose: "network",
    notified: 0,
    acknowledged: 0,
    unacknowledged: 1,
    waiting: 1,
    notifyBy: expect.any(Number),
  });

  await until("both digests are made", async () =>
    (await status(id)).services.every((one) => one.notices?.length === 1),
  );
  for (const notice of await noticesOf(id)) await answer(scene, notice);
  const network = await system.listen("network");
  expect(await subscribe(network.client, ["privacy/erased/network"])).toBe("granted");
  const [notice = ""] = await noticesOf(id, "network");
  expect(await noticesOf(id)).not.toContain(notice);
  const notices = () => network.packets.filter(({ payload }) => payload.toString().includes(notice));
  await until("the service is told", () => notices().length > 0);
  await answer(network, notice, "network");
  await until("the receipt is renewed", async () => (await status(id)).receipt?.receipt.prev !== undefined);
  const last = await status(id);
  expect(last.services.map(({ unacknowledged }) => unacknowledged)).toEqual([0, 0]);
  expect(last.receipt?.receipt.services).toEqual(last.services);
  expect(verifyReceipt(last.receipt, (await key()).pem).valid).toBe(true);
  await network.stop();
  // Then the names themselves are forgotten here too.
  await until("it is closed", async () => (await status(id)).step === undefined);
  const record = (await system.redis.keys(`*erasure:${id}`))[0] ?? "";
  expect(Object.keys(await system.redis.hgetall(record))).not.toEqual(expect.arrayContaining(["notices"]));
  const { digests, digestNames } = keyspaceOf(system.stack.keyPrefix);
  for (const name of [digests, digestNames]) expect(await system.redis.hexists(name, notice)).toBe(0);
});

test("killed with a digest made and not sent, the next run sends it", async () => {
  const device = await system.device();
  await say(device, "killed");
  await system.settled();
  await scene.client.unsubscribeAsync("privacy/erased/scene");
  const { id } = await request(device.subject);
  await until("it is made", async () => (await noticesOf(id)).length > 0);
  await system.stack.gateway.kill("SIGKILL");
  await system.stack.startGateway();
  await scene.stop();
  scene = await system.listen("scene");
  expect(await subscribe(scene.client, ["privacy/erased/scene"])).toBe("granted");
  await until("the service is told", async () => (await told(id)).length > 0);
  expect((await status(id)).services).toMatchObject([{ purpose: "scene", notified: 1 }]);
});

test("a foreign service cannot answer, and unknown or malformed answers change nothing", async () => {
  const denied = await system.metric("erasure_answers_total", '{outcome="denied"}');
  const unexpected = await system.metric("erasure_answers_total", '{outcome="unexpected"}');
  const id = "00000000-0000-4000-8000-000000000000";
  await scene.client.publishAsync("privacy/erased/network/ack", JSON.stringify({ id }), { qos: 1 });
  await scene.client.publishAsync("privacy/erased/scene/ack", "not json", { qos: 1 });
  await scene.client.publishAsync("privacy/erased/scene/ack", JSON.stringify({ id }), { qos: 1 });
  expect(await system.metric("erasure_answers_total", '{outcome="denied"}')).toBe(denied + 2);
  expect(await system.metric("erasure_answers_total", '{outcome="unexpected"}')).toBe(unexpected + 1);
});

test("the command tells a true receipt from a tampered one", async () => {
  const device = await system.device();
  const { id } = await request(device.subject);
  const { receipt } = await completed(id);
  const files = {
    receipt: join(system.stack.dir, "receipt.json"),
    forged: join(system.stack.dir, "forged.json"),
    key: join(system.stack.dir, "key.pem"),
  };
  await writeFile(files.receipt, JSON.stringify(receipt));
  await writeFile(files.forged, JSON.stringify({ ...receipt, receipt: { ...receipt?.receipt, keyDestroyed: false } }));
  await writeFile(files.key, (await key()).pem);
  const run = (...args: string[]) => runCommand("receipt", args);
  const [good, forged, wrong] = await Promise.all([
    run("verify", files.receipt, "--key", files.key),
    run("verify", files.forged, "--key", files.key),
    run("verify"),
  ]);
  expect([good.exitCode, good.stderr]).toEqual([0, ""]);
  expect(good.stdout).toContain(`erasure   ${id}`);
  expect([forged.exitCode, forged.stdout]).toEqual([1, ""]);
  expect(forged.stderr).toContain("altered");
  expect([wrong.exitCode, wrong.stderr.split("\n")[0]]).toEqual([2, expect.stringContaining("Usage:")]);
});

test("one whose process ended before it had given it a turn is taken by the one who is there", async () => {
  const device = await system.device();
  await say(device, "orphaned");
  await system.settled();
  const keyspace = keyspaceOf(system.stack.keyPrefix);
  const record = await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [device.subject]);
  const tag = (record as ConsentRecord).subject;
  // All that a request does before it gives the first turn.
  const id = randomUUID();
  await new ErasureRecords(system.redis, keyspace).register(id, tag);
  await new SubjectErasure(system.redis, keyspace, { now: Date.now }).begin(tag, { id, by: "subject", method: "api" });
  const { receipt } = await completed(id);
  expect(receipt?.receipt).toMatchObject({ keyDestroyed: true, sinks: [{ verified: true, rowsDeleted: 1 }] });
  expect(await storedMarks()).not.toContain("orphaned");
});

test("a receipt can be verified after the key that signs them was replaced, and no one can slip in a key", async () => {
  const device = await system.device();
  const { receipt } = await completed((await request(device.subject)).id);
  const former = await key();
  const file = join(system.stack.dir, "keys", "receipt.key");
  await writeFile(file, `${randomBytes(32).toString("hex")}\n`);
  await system.stack.gateway.stop();
  await system.stack.startGateway();
  const stranger = new ReceiptSigner(randomBytes(32)).publicKey;
  await system.redis.hset(keyspaceOf(system.stack.keyPrefix).receiptKeys, stranger.jwk.x, "A".repeat(43));

  const answer = (await key()) as ReceiptKey & { keys: ReceiptKey[] };
  expect(answer.kid).not.toBe(former.kid);
  expect(answer.keys.map(({ kid }) => kid)).toEqual([answer.kid, former.kid]);
  expect(verifyReceipt(receipt, ...answer.keys.map(({ pem }) => pem))).toMatchObject({ valid: true, kid: former.kid });
  const files = { receipt: join(system.stack.dir, "former.json"), keys: join(system.stack.dir, "keys.json") };
  await writeFile(files.receipt, JSON.stringify(receipt));
  await writeFile(files.keys, JSON.stringify(answer));
  const args = ["verify", files.receipt, "--key", files.keys];
  expect(await runCommand("receipt", args)).toMatchObject({ exitCode: 0, stderr: "" });
});

test("unknown subjects and erasures are answered as such", async () => {
  await expect(request("nobody")).rejects.toMatchObject({ status: 404 });
  await expect(status("00000000-0000-4000-8000-000000000000")).rejects.toMatchObject({ status: 404 });
});

async function wrappedKeys(): Promise<Set<string>> {
  const found = new Set<string>();
  for (const name of await system.redis.keys("*:subject")) {
    const wrapped = await system.redis.hget(name, "key");
    if (wrapped !== null) found.add(wrapped);
  }
  return found;
}

async function everything(): Promise<string> {
  return everythingIn(system.redis);
}
