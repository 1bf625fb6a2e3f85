/** What was dead-lettered belongs to a person and a device, is bounded, and leaves nothing behind when it goes. */
import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import type { RawMessage } from "../../src/model/raw.ts";
import { type DeadLetter, DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { consentStore, device, subject } from "./consent-fixture.ts";

const { store } = consentStore();
const envelope = new Envelope({ active: "q1", all: new Map([["q1", randomBytes(32)]]) });
const [ANNA, BORIS] = [subject("anna"), subject("boris")];
const [HUB, LAMP] = [device("hub"), device("lamp")];
const nobody = async () => () => false;

let letters: DeadLetters;
beforeEach(() => {
  letters = lettersUpTo(1e6);
});

function lettersUpTo(maxBytes: number): DeadLetters {
  return new DeadLetters(store().redis, store().keyspace, envelope, { maxBytes });
}

function message(subjectTag: SubjectTag, deviceKey: DeviceKey): RawMessage {
  return {
    device: { deviceKey, subjectTag },
    at: Date.now(),
    sub: 0,
    telemetry: { status: { power_on: true } },
    carried: 8,
  };
}

async function all(): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  for await (const letter of letters.list()) found.push(letter);
  return found;
}

async function whose(): Promise<string[]> {
  return (await all())
    .map(({ subjectTag, deviceKey }) => [names.get(subjectTag), names.get(deviceKey)].join(" "))
    .sort();
}

const names = new Map<string, string>([
  [ANNA, "anna"],
  [BORIS, "boris"],
  [HUB, "hub"],
  [LAMP, "lamp"],
]);

/** Bytes of the letters, by the letters themselves. */
async function weighed(): Promise<number> {
  const texts = await store().redis.hvals(store().keyspace.deadLetters);
  return texts.reduce((sum, text) => sum + text.length, 0);
}

describe("of two owners of a device", () => {
  beforeEach(async () => {
    await letters.add("poison", [message(ANNA, HUB), message(BORIS, HUB), message(ANNA, LAMP)]);
  });

  test("each one's withdrawal takes their own letters, of the devices it is about", async () => {
    expect(await letters.purge(BORIS, [HUB, LAMP])).toBe(1);
    expect(await whose()).toEqual(["anna hub", "anna lamp"]);
    expect(await letters.purge(ANNA, [HUB])).toBe(1);
    expect(await whose()).toEqual(["anna lamp"]);
    expect(await letters.purge(ANNA, [])).toBe(0);
  });

  test("each one's erasure takes all of theirs, and nothing of the other", async () => {
    expect(await letters.purge(ANNA, "all")).toBe(2);
    expect(await whose()).toEqual(["boris hub"]);
  });

  test("each is shown their own", async () => {
    const shown: (string | undefined)[] = [];
    for await (const { message: opened } of letters.of(ANNA, HUB)) shown.push(opened?.device.subjectTag);
    expect(shown).toEqual([ANNA]);
  });

  test("nothing is left in Redis once the last letter has gone, whichever way", async () => {
    const { redis, keyspace } = store();
    await letters.addBatch("unopenable", envelope.seal("sealed", "other"), 7);
    expect(await redis.get(keyspace.deadLetterBytes)).toBe(String(await weighed()));
    const [first] = await all();
    if (first === undefined) throw new Error("no letter");
    await letters.remove(first);
    await letters.remove(first);
    await letters.purge(ANNA, "all");
    expect(await redis.get(keyspace.deadLetterBytes)).toBe(String(await weighed()));
    const count = await letters.count();
    expect(await letters.expire(Date.now() + 1_000, nobody)).toBe(count);
    expect(await redis.keys(`${keyspace.deadLetters}*`)).toEqual([]);
    expect(await redis.exists(keyspace.deadLetterBytes)).toBe(0);
  });
});

test("a letter that is added while its person's are purged is whole: found by the next purge, or not there", async () => {
  const { redis, keyspace } = store();
  const adding: Promise<unknown>[] = [];
  for (let round = 0; round < 100; round += 1) {
    adding.push(letters.add("poison", [message(ANNA, HUB)]), letters.purge(ANNA, [HUB]));
  }
  await Promise.all(adding);
  expect(Object.keys(await redis.hgetall(keyspace.deadLettersOf(ANNA))).sort()).toEqual(
    (await all()).map(({ id }) => id).sort(),
  );
  await letters.purge(ANNA, [HUB]);
  expect(await letters.count()).toBe(0);
});

test("over the budget nothing more is dead-lettered until there is room, and it says so", async () => {
  letters = lettersUpTo(600);
  while (!letters.full) {
    await letters.add("poison", [message(ANNA, HUB)]);
    await letters.measure();
  }
  const count = await letters.count();
  await expect(letters.add("poison", [message(BORIS, HUB)])).rejects.toMatchObject({
    code: "DEAD_LETTERS_FULL",
    retryable: true,
  });
  await expect(letters.addBatch("unopenable", envelope.seal("sealed", "other"), 7)).rejects.toMatchObject({
    code: "DEAD_LETTERS_FULL",
  });
  expect(await letters.measure()).toEqual({ count, bytes: await weighed() });
  await letters.purge(ANNA, "all");
  await letters.measure();
  expect(letters.full).toBe(false);
  await letters.add("poison", [message(BORIS, HUB)]);
  expect(await whose()).toEqual(["boris hub"]);
});
