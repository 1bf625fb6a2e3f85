/** The number of what is stored: who writes it, whom it keeps out, what an upgrade leaves alone, and which properties there ever were. */
import { createCipheriv, randomBytes } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { SCHEMA } from "../../src/model/schema.ts";
import { Presence } from "../../src/platform/keys/presence.ts";
import { formerProperties, rememberProperties } from "../../src/platform/known-properties.ts";
import { claimSchema, raiseBarrier, requireSchema, schemaIn, writeSchema } from "../../src/platform/schema.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { resealBatches, resealLetters } from "../../src/queue/reseal.ts";
import { holdsInstallation } from "../../src/rights/backup/installation.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { consentStore, device, subject } from "./consent-fixture.ts";

const { store } = consentStore();
const redis = () => store().redis;
const keyspace = () => store().keyspace;
const differs = (text: string) => ({ code: "SCHEMA_DIFFERS", message: expect.stringContaining(text) });

/** As `consentryGatewayBeat` of the version before writes it. */
async function formerGateway(untilMs = Date.now() + 60_000): Promise<void> {
  await redis().zadd(keyspace().gateways, untilMs, "former");
  await redis().hset(keyspace().gatewayReports, "former", JSON.stringify({ queue: {}, sealing: [], masters: [] }));
}

const nothing = { queue: {}, sealing: [], masters: [], wrapping: "" };
function presence(replaced: (error: Error) => void = () => undefined): Presence {
  return new Presence(redis(), keyspace(), { report: () => nothing, reported: () => undefined, replaced });
}

describe("the number", () => {
  test("is written by the first start alone, with what keeps versions without one away", async () => {
    await requireSchema(redis(), keyspace(), false);
    expect(await schemaIn(redis(), keyspace())).toBeUndefined();
    await claimSchema(redis(), keyspace(), false);
    expect(await schemaIn(redis(), keyspace())).toBe(SCHEMA);
    // What the version before asks in its own script, before it gives its word.
    const restore = JSON.parse((await redis().get(keyspace().barrier)) ?? "{}") as {
      swapping?: boolean;
      untilMs: number;
    };
    expect(restore.swapping).toBe(true);
    expect(restore.untilMs).toBeGreaterThan(Date.now() + 1e12);
    await claimSchema(redis(), keyspace(), true);
    await requireSchema(redis(), keyspace(), true);
  });

  test("is missed on anything that was begun", async () => {
    // The fixture's own.
    await redis().del(keyspace().policies);
    expect(await holdsInstallation(redis(), keyspace())).toBe(false);
    await redis().hset(keyspace().policies, "1", "{}");
    expect(await holdsInstallation(redis(), keyspace())).toBe(true);
    for (const asked of [claimSchema, requireSchema])
      await expect(asked(redis(), keyspace(), true)).rejects.toMatchObject(
        differs("holds schema 1, this version 3: run npm run upgrade"),
      );
    expect(await redis().exists(keyspace().schema, keyspace().barrier)).toBe(0);
  });

  test("of a newer version is refused as such", async () => {
    await redis().set(keyspace().schema, "4");
    for (const asked of [claimSchema, requireSchema])
      await expect(asked(redis(), keyspace(), true)).rejects.toMatchObject(differs("needs the version that wrote it"));
    expect(await redis().exists(keyspace().barrier)).toBe(0);
  });

  test("is not claimed beside a gateway without one, and not raised to by an upgrade", async () => {
    await formerGateway();
    await expect(claimSchema(redis(), keyspace(), false)).rejects.toMatchObject(differs("older version works"));
    await expect(raiseBarrier(redis(), keyspace())).rejects.toMatchObject({
      message: "UPGRADE_REFUSED: gateway-running",
    });
    expect(await redis().exists(keyspace().schema, keyspace().barrier)).toBe(0);
    await formerGateway(1);
    await raiseBarrier(redis(), keyspace());
    expect(await schemaIn(redis(), keyspace())).toBeUndefined();
    await writeSchema(redis(), keyspace());
    await requireSchema(redis(), keyspace(), true);
  });

  test("waits for a restore that a version without one has begun", async () => {
    for (const sign of [
      { id: "x", untilMs: Date.now() + 60_000, swapping: false },
      { id: "x", untilMs: 1, swapping: true },
    ]) {
      await redis().set(keyspace().barrier, JSON.stringify(sign));
      await expect(raiseBarrier(redis(), keyspace())).rejects.toMatchObject({
        message: "UPGRADE_REFUSED: restore-unfinished",
      });
    }
    await redis().set(keyspace().barrier, JSON.stringify({ id: "x", untilMs: 1, swapping: false }));
    await raiseBarrier(redis(), keyspace());
  });
});

describe("a gateway", () => {
  test("begins beside no other that tells none, nor under another number; what ran out does not count", async () => {
    await claimSchema(redis(), keyspace(), false);
    await formerGateway();
    await expect(presence().start()).rejects.toMatchObject(differs("another version"));
    expect(await redis().zcard(keyspace().gateways)).toBe(1);
    // Taken from the set alone, as a restore does.
    await redis().zrem(keyspace().gateways, "former");
    await presence().start();
    expect(await redis().hexists(keyspace().gatewayReports, "former")).toBe(0);
    await redis().set(keyspace().schema, "4");
    await expect(presence().start()).rejects.toMatchObject(differs("another version"));
  });

  test("ends when the number changes under it", async () => {
    await claimSchema(redis(), keyspace(), false);
    const ended: Error[] = [];
    const running = presence((error) => ended.push(error));
    await running.start();
    await running.beat();
    expect(ended).toEqual([]);
    await redis().set(keyspace().schema, "4");
    await running.beat();
    expect(ended).toMatchObject([{ code: "SCHEMA_DIFFERS" }]);
  });
});

describe("properties", () => {
  const of = (name: string, kind: "number" | "flag" | "counter") => ({ name, kind });

  test("are remembered by name and kind, one that is none any more too; a changed kind is refused whole", async () => {
    await rememberProperties(redis(), keyspace(), [of("tides", "number"), of("lit", "flag")]);
    await rememberProperties(redis(), keyspace(), [of("lit", "flag")]);
    expect(await formerProperties(redis(), keyspace(), [of("lit", "flag")])).toEqual([of("tides", "number")]);
    await expect(
      rememberProperties(redis(), keyspace(), [of("fresh", "flag"), of("tides", "counter")]),
    ).rejects.toMatchObject({ message: "PROPERTY_CHANGED: tides" });
    expect(await formerProperties(redis(), keyspace(), [])).toEqual([of("lit", "flag"), of("tides", "number")]);
  });
});

describe("sealing again", () => {
  const key = randomBytes(32);
  const envelope = new Envelope({ active: "q1", all: new Map([["q1", key]]) });
  const [anna, hub] = [subject("anna"), device("hub")];
  let letters: DeadLetters;
  const parts = (dryRun = false) => ({
    redis: redis(),
    keyspace: keyspace(),
    envelope,
    vocabulary: new Vocabulary(),
    dryRun,
  });
  const noHold = () => false;
  beforeEach(() => {
    letters = new DeadLetters(redis(), keyspace(), envelope, { maxBytes: 1e6 });
  });

  function sealedBefore(status: object, by = key) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", by, nonce);
    cipher.setAAD(Buffer.from("consentry batch v1 q1"));
    const text = JSON.stringify({ d: [[hub, anna, 4]], m: [[0, 0, 1_700_000_000_000, 7, { status }]] });
    const bytes = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { k: "q1", s: bytes.toString("base64") };
  }

  async function letter(id: string, sealed: object): Promise<void> {
    const text = JSON.stringify({
      reason: "sink-rejected",
      messages: 1,
      sealed,
      deviceKey: hub,
      subjectTag: anna,
      at: 1,
    });
    await redis().hset(keyspace().deadLetters, id, text);
    await redis().hset(keyspace().deadLettersOf(anna), id, hub);
    await redis().incrby(keyspace().deadLetterBytes, text.length);
  }

  const weighed = async () => (await redis().hvals(keyspace().deadLetters)).reduce((sum, text) => sum + text.length, 0);
  const statuses = async () => {
    const found: unknown[] = [];
    for await (const { message } of letters.of(anna, hub)) found.push(message?.telemetry.status);
    return found;
  };

  test("leaves of a letter what would be taken today, and none of which nothing is left; the bytes are those of the letters", async () => {
    await letter("a", sealedBefore({ temperature: 20, note: "ill", energy: 5 }));
    await letter("b", sealedBefore({ note: "ill" }));
    await letter("c", sealedBefore({ temperature: 20 }, randomBytes(32)));
    const before = await redis().hgetall(keyspace().deadLetters);
    expect(await resealLetters(parts(true), letters, noHold)).toEqual({ resealed: 2, emptied: 1, locked: 1, held: 0 });
    expect(await redis().hgetall(keyspace().deadLetters)).toEqual(before);
    expect(await resealLetters(parts(), letters, noHold)).toEqual({ resealed: 2, emptied: 1, locked: 1, held: 0 });
    expect(await statuses()).toEqual([{ temperature: 20 }, undefined]);
    expect(Number(await redis().get(keyspace().deadLetterBytes))).toBe(await weighed());
    expect(await resealLetters(parts(), letters, noHold)).toEqual({ resealed: 0, emptied: 0, locked: 1, held: 0 });
  });

  test("touches nothing that is held", async () => {
    await letter("a", sealedBefore({ temperature: 20, note: "ill" }));
    const before = await redis().hgetall(keyspace().deadLetters);
    expect(await resealLetters(parts(), letters, () => true)).toEqual({ resealed: 0, emptied: 0, locked: 0, held: 1 });
    expect(await redis().hgetall(keyspace().deadLetters)).toEqual(before);
  });

  test("keeps a batch in its place, with all its messages", async () => {
    const job = `${keyspace().queuePrefix}:${keyspace().queueName}:b00-1-1-200`;
    await redis().hset(job, { name: "batch", data: JSON.stringify(sealedBefore({ temperature: 20, energy: 5 })) });
    await redis().set(`${job}:lock`, "x");
    expect(await resealBatches(parts())).toEqual({ resealed: 1, emptied: 0, locked: 0, held: 0 });
    const sealed = JSON.parse((await redis().hget(job, "data")) ?? "{}");
    expect(sealed.v).toBe(SCHEMA);
    expect(JSON.parse(envelope.open(sealed, "batch"))).toEqual({
      d: [[hub, anna, 4]],
      m: [[0, 0, 1_700_000_000_000, 7, { status: { temperature: 20 } }]],
    });
    expect(await resealBatches(parts())).toEqual({ resealed: 0, emptied: 0, locked: 0, held: 0 });
  });
});
