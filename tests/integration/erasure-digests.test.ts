/**
 * What services are told when people are erased: names that really went to them, of the present and the former epoch, of
 * several people at once, under an id for each purpose, in random order, at a random time; and nothing of it is lost.
 */
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import type { Recipient } from "../../src/model/disclosure.ts";
import { forgottenBy } from "../../src/model/forwarded-name.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import type { NamedServicePurpose, ServicePurpose } from "../../src/model/purposes.ts";
import type { Notice } from "../../src/rights/erasure/digests.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, everythingIn, subject } from "./consent-fixture.ts";
import { EPOCH_MS, type ErasureFixture, erasuresOn, keyring, never } from "./erasure-fixture.ts";

const { store } = consentStore();

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DIGEST_MS = HOUR_MS;
const OPTIONS = { digestMs: DIGEST_MS, acknowledgeDeadlineMs: 7 * DAY_MS };
const SERVICES: Partial<Record<ServicePurpose, readonly string[]>> = {
  scene: ["lights", "alarms"],
  network: ["wires"],
};
const EPOCH = Math.floor(Date.now() / EPOCH_MS);
/** In the middle of an epoch. */
const NOON = EPOCH * EPOCH_MS + EPOCH_MS / 2;

let now = NOON;
let told: Notice[];
let listening: Set<string>;
beforeEach(async () => {
  now = NOON;
  told = [];
  listening = new Set(["lights", "alarms", "wires"]);
  // The list goes back as far as it needs to.
  await store().redis.set(store().keyspace.forwardedSince, "1");
});

interface Payload {
  readonly id: string;
  readonly part: number;
  readonly parts: number;
  readonly at: number;
  readonly pseudonyms: readonly Pseudonym[];
}

function process(of = store()): ErasureFixture {
  return erasuresOn(
    of,
    {
      services: (purpose) => SERVICES[purpose] ?? [],
      wants: ({ service }) => listening.has(service),
      tell: (notice) => {
        if (!listening.has(notice.service)) return false;
        told.push(notice);
        return true;
      },
      now: () => now,
    },
    OPTIONS,
  );
}

interface Person {
  readonly tag: SubjectTag;
  readonly devices: readonly DeviceKey[];
  readonly key: string;
}

/**
 * With keys of the keyring that these erasures use, and their clock: a consent later than "now" would have each erasure work out
 * the names of every hour that a row is kept, thousands of them.
 */
function ledger(): Ledger {
  return new Ledger(store().redis, store().keyspace, {
    journal: NO_JOURNAL,
    createSubjectKey: () => keyring.createSubjectKey(),
    now: () => now,
    controller: "vendor",
    expiryDays: 365,
  });
}

async function someone(devices = 2): Promise<Person> {
  const tag = subject(randomUUID());
  const all = Array.from({ length: devices }, () => device(randomUUID()));
  for (const one of all) await ledger().bind(tag, one);
  await ledger().give(tag, CONSENT);
  return { tag, devices: all, key: (await store().redis.hget(store().keyspace.subject(tag), "key")) ?? "" };
}

function manyDevices(count: number): DeviceKey[] {
  return Array.from({ length: count }, () => device(randomUUID()));
}

function recipient(purpose: ServicePurpose, name: string): Recipient {
  return { index: 0, name, purpose, region: "IN", contract: undefined };
}

function nameOf({ key }: Person, one: DeviceKey, purpose: NamedServicePurpose, epoch = EPOCH): Pseudonym {
  return keyring.pseudonym(key, one, purpose, epoch);
}

function namesOf(person: Person, purpose: NamedServicePurpose, epoch = EPOCH): Pseudonym[] {
  return person.devices.map((one) => nameOf(person, one, purpose, epoch));
}

/** As the pipeline does it right before it forwards. */
async function forwarded(
  fixture: ErasureFixture,
  person: Person,
  purpose: NamedServicePurpose,
  service: string,
  epoch = EPOCH,
): Promise<Pseudonym[]> {
  const names = namesOf(person, purpose, epoch);
  const until = forgottenBy(epoch * EPOCH_MS, EPOCH_MS);
  const { tag, key } = person;
  await fixture.forwarded.note(
    names.map((name) => ({
      subject: tag,
      wrappedSubjectKey: key,
      recipient: recipient(purpose, service),
      name,
      until,
    })),
  );
  return names;
}

/** Asked for, and carried out up to the point where services are waited for. */
async function erased(fixture: ErasureFixture, { tag }: Person): Promise<string> {
  await fixture.records.useEpochLength(EPOCH_MS);
  const answer = await fixture.erasures.request(tag, { by: "subject", method: "api" });
  if (answer.refused !== undefined) throw new Error(answer.refused);
  await advanced(fixture, answer.status.id);
  return answer.status.id;
}

async function advanced(fixture: ErasureFixture, id: string): Promise<void> {
  // The store is swept a moment later.
  for (let waitMs: number | undefined = 0; waitMs !== undefined && waitMs < 2_000; )
    waitMs = await fixture.erasures.advance(id, never);
}

function payloads(service?: string): Payload[] {
  return told
    .filter((one) => service === undefined || one.service === service)
    .flatMap((one) => one.payloads.map((text) => JSON.parse(text) as Payload));
}

function namesTold(service?: string): Pseudonym[] {
  return payloads(service).flatMap(({ pseudonyms }) => pseudonyms);
}

/** Everything that waits has left by then. */
async function hourLater(fixture: ErasureFixture): Promise<void> {
  now += DIGEST_MS;
  await fixture.digests.turn();
}

describe("what a notice names", () => {
  test("is the present and the former epoch, and only what went to that service", async () => {
    const fixture = process();
    const person = await someone();
    const present = await forwarded(fixture, person, "scene", "lights");
    const former = await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
    const forAlarms = await forwarded(fixture, { ...person, devices: person.devices.slice(0, 1) }, "scene", "alarms");
    await erased(fixture, person);
    await hourLater(fixture);
    expect(new Set(namesTold("lights"))).toEqual(new Set([...present, ...former]));
    expect(namesTold("alarms")).toEqual(forAlarms);
    // Network services were given nothing, so they are told nothing.
    expect(namesTold("wires")).toEqual([]);
  });

  test("is nothing of an epoch before the former one, not even while it still stands on the list", async () => {
    const fixture = process();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights", EPOCH - 2);
    await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
    now = (EPOCH + 1) * EPOCH_MS + HOUR_MS;
    const present = await forwarded(fixture, person, "scene", "lights", EPOCH);
    await erased(fixture, person);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(present));
  });

  test("is in the services' hands no longer when the epoch ends before the digest leaves", async () => {
    const fixture = process();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
    const present = await forwarded(fixture, person, "scene", "lights");
    await forwarded(fixture, person, "network", "wires", EPOCH - 1);
    now = (EPOCH + 1) * EPOCH_MS - 1_000;
    const id = await erased(fixture, person);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(present));
    // Nothing is left that this one could be told, and nothing is waited for.
    expect((await store().redis.zcard(store().keyspace.digestPool)) + payloads("wires").length).toBe(0);
    const [{ id: digest } = { id: "" }] = payloads("lights");
    await fixture.digests.acknowledge(digest, "scene", "lights");
    await advanced(fixture, id);
    expect((await fixture.erasures.status(id))?.step).toBeUndefined();
  });

  test("is told late to a service that was away, without what it had to drop by itself meanwhile", async () => {
    const fixture = process();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
    const present = await forwarded(fixture, person, "scene", "lights");
    listening.clear();
    await erased(fixture, person);
    await hourLater(fixture);
    expect(told).toEqual([]);
    now = (EPOCH + 1) * EPOCH_MS + 1;
    listening.add("lights");
    await fixture.digests.tell();
    expect(new Set(namesTold())).toEqual(new Set(present));
  });

  test("is what a clock that was ahead had forwarded too", async () => {
    const fixture = process();
    const person = await someone();
    const ahead = await forwarded(fixture, person, "scene", "lights", EPOCH + 40);
    await erased(fixture, person);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(ahead));
  });

  test("is worked out for every service while the list does not go back far enough", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    await redis.set(keyspace.forwardedSince, (EPOCH - 1) * EPOCH_MS + 1);
    const person = await someone();
    await erased(fixture, person);
    await hourLater(fixture);
    const both = (purpose: NamedServicePurpose) =>
      new Set([EPOCH - 1, EPOCH].flatMap((epoch) => namesOf(person, purpose, epoch)));
    expect(new Set(namesTold("lights"))).toEqual(both("scene"));
    expect(new Set(namesTold("alarms"))).toEqual(both("scene"));
    expect(new Set(namesTold("wires"))).toEqual(both("network"));
  });

  test("leaves out what was forwarded under a new consent, which an erasure does not reach", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    const old = await forwarded(fixture, person, "scene", "lights");
    const answer = await fixture.erasures.request(person.tag, { by: "subject", method: "api" });
    if (answer.refused !== undefined) throw new Error(answer.refused);
    await ledger().give(person.tag, CONSENT);
    const again = { ...person, key: (await redis.hget(keyspace.subject(person.tag), "key")) ?? "" };
    const fresh = await forwarded(fixture, again, "scene", "lights");
    await fixture.records.useEpochLength(EPOCH_MS);
    await advanced(fixture, answer.status.id);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(old));
    expect(await redis.zcard(keyspace.forwardedNames(person.tag))).toBe(fresh.length);
  });
});

describe("names that a version of before has sealed", () => {
  test("are told as they are, to each service of their purpose", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights");
    const id = await erased(fixture, person);
    const record = keyspace.erasure(person.tag, id);
    await redis.del(keyspace.digestPool);
    const former = JSON.stringify({ scene: ["one", "two"], network: [] });
    await redis.hset(record, "notices", Buffer.from(former).toString("base64"));
    await redis.hdel(record, "recipients");
    await advanced(fixture, id);
    await hourLater(fixture);
    for (const service of ["lights", "alarms"]) expect(new Set(namesTold(service))).toEqual(new Set(["one", "two"]));
    expect(namesTold("wires")).toEqual([]);
  });
});

describe("a digest", () => {
  test("mixes several people under an id of its own for each purpose and service", async () => {
    const fixture = process();
    const people = await Promise.all(Array.from({ length: 6 }, () => someone(4)));
    for (const person of people) {
      await forwarded(fixture, person, "scene", "lights");
      await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
      await forwarded(fixture, person, "network", "wires");
    }
    const ids: string[] = [];
    for (const person of people) {
      ids.push(await erased(fixture, person));
      await fixture.digests.turn();
      now += 60_000;
    }
    expect(told).toEqual([]);
    await hourLater(fixture);
    expect([payloads("lights").length, payloads("wires").length]).toEqual([1, 1]);
    const [scene, network] = [payloads("lights")[0], payloads("wires")[0]] as [Payload, Payload];
    expect(scene.id).not.toBe(network.id);
    expect(ids).not.toContain(scene.id);
    expect(scene.pseudonyms).toHaveLength(6 * 4 * 2);
    expect(network.pseudonyms).toHaveLength(6 * 4);
    // No one's names stand together: by chance that has a probability far below 1 in 10^20.
    const owner = new Map(
      people.flatMap((person, index) =>
        [EPOCH, EPOCH - 1].flatMap((epoch) => namesOf(person, "scene", epoch).map((name) => [name, index] as const)),
      ),
    );
    const changes = scene.pseudonyms.filter(
      (name, index) => owner.get(name) !== owner.get(scene.pseudonyms[index - 1] ?? name),
    );
    expect(changes.length).toBeGreaterThan(people.length);
  });

  test("leaves at a random time in the second half of the span, drawn for each purpose", async () => {
    const fixture = process();
    for (let round = 0; round < 12; round += 1) {
      const person = await someone(1);
      await forwarded(fixture, person, "scene", "lights");
      await forwarded(fixture, person, "network", "wires");
      await erased(fixture, person);
    }
    const { redis, keyspace } = store();
    const flat = await redis.zrange(keyspace.digestPool, "0", "-1", "WITHSCORES");
    const times = flat.filter((_, index) => index % 2 === 1).map((score) => Number(score) - NOON);
    expect(times).toHaveLength(24);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(DIGEST_MS / 2);
    expect(Math.max(...times)).toBeLessThanOrEqual(DIGEST_MS);
    expect(new Set(times).size).toBeGreaterThan(20);
    expect(await fixture.digests.survey()).toEqual({ waiting: 24, overdueMs: 0 });
    now = NOON + 2 * DIGEST_MS;
    expect((await fixture.digests.survey()).overdueMs).toBeGreaterThanOrEqual(DIGEST_MS);
    await fixture.digests.turn();
    expect(await fixture.digests.survey()).toEqual({ waiting: 0, overdueMs: 0 });
  });

  test("of one person with many devices is cut into packets of a bounded size, and not between devices", async () => {
    const fixture = process();
    // Bound or not, what counts is what went out.
    const [large, small] = [{ ...(await someone(1)), devices: manyDevices(700) }, await someone(3)];
    for (const person of [large, small])
      for (const epoch of [EPOCH, EPOCH - 1]) await forwarded(fixture, person, "scene", "lights", epoch);
    for (const person of [large, small]) await erased(fixture, person);
    await hourLater(fixture);
    const parts = payloads("lights");
    expect(parts.map(({ part, parts: of, pseudonyms }) => [part, of, pseudonyms.length])).toEqual([
      [1, 2, 1_000],
      [2, 2, 406],
    ]);
    expect(new Set(namesTold()).size).toBe(1_406);
    // Both epochs of many a device are in different packets.
    const [first] = parts as [Payload];
    const inFirst = new Set(first.pseudonyms);
    const apart = large.devices.filter(
      (one) => inFirst.has(nameOf(large, one, "scene")) !== inFirst.has(nameOf(large, one, "scene", EPOCH - 1)),
    );
    expect(apart.length).toBeGreaterThan(50);
  });

  test("says the same each time it is told", async () => {
    const fixture = process();
    const people = [await someone(5), await someone(5)];
    for (const person of people) await forwarded(fixture, person, "scene", "lights");
    for (const person of people) await erased(fixture, person);
    await hourLater(fixture);
    await fixture.digests.turn();
    expect(told).toHaveLength(2);
    expect(told[1]).toEqual(told[0]);
  });

  test("of one person alone leaves as well: that others are there cannot be waited for", async () => {
    const fixture = process();
    const person = await someone();
    const names = await forwarded(fixture, person, "scene", "lights");
    await erased(fixture, person);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(names));
  });

  test("ends with its time when no one answers, and so does the erasure", async () => {
    const fixture = process();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights", EPOCH + 1);
    const id = await erased(fixture, person);
    await hourLater(fixture);
    now += OPTIONS.acknowledgeDeadlineMs + 1;
    await fixture.digests.turn();
    await advanced(fixture, id);
    expect((await fixture.erasures.status(id))?.step).toBeUndefined();
    const { redis, keyspace } = store();
    expect(await redis.exists(keyspace.digests, keyspace.digestNames, keyspace.digestPool)).toBe(0);
  });

  test("whose time was drawn by a clock that was ahead does not wait for that day", async () => {
    const fixture = process();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights");
    now = NOON + DAY_MS;
    await erased(fixture, person);
    now = NOON;
    await fixture.digests.turn();
    await hourLater(fixture);
    expect(namesTold()).toHaveLength(2);
  });
});

describe("an answer", () => {
  test("counts for everyone in the digest, and for the service and purpose of that id alone", async () => {
    const fixture = process();
    const people = [await someone(), await someone()];
    for (const person of people) {
      await forwarded(fixture, person, "scene", "lights");
      await forwarded(fixture, person, "network", "wires");
    }
    const ids = [];
    for (const person of people) ids.push(await erased(fixture, person));
    const [first = ""] = ids;
    const waits = { purpose: "scene", notified: 0, acknowledged: 0, unacknowledged: 1, waiting: 1 };
    expect((await fixture.erasures.status(first))?.receipt?.receipt.services).toMatchObject([
      { ...waits, notifyBy: NOON + DIGEST_MS },
      { ...waits, purpose: "network" },
    ]);
    await hourLater(fixture);
    const { id: scene = "" } = payloads("lights")[0] ?? {};
    const { id: network = "" } = payloads("wires")[0] ?? {};
    expect(await fixture.digests.acknowledge(scene, "network", "wires")).toBe(false);
    expect(await fixture.digests.acknowledge(scene, "scene", "alarms")).toBe(false);
    for (const id of ids) expect(await fixture.digests.acknowledge(id, "scene", "lights")).toBe(false);
    expect(await fixture.digests.acknowledge(scene, "scene", "lights")).toBe(true);
    for (const id of ids) {
      await advanced(fixture, id);
      expect((await fixture.erasures.status(id))?.services).toEqual([
        { purpose: "scene", notified: 1, acknowledged: 1, unacknowledged: 0, notices: [scene] },
        { purpose: "network", notified: 1, acknowledged: 0, unacknowledged: 1, notices: [network] },
      ]);
    }
    expect(await fixture.digests.acknowledge(network, "network", "wires")).toBe(true);
    for (const id of ids) {
      await advanced(fixture, id);
      const status = await fixture.erasures.status(id);
      expect([status?.step, status?.receipt?.receipt.prev === undefined]).toEqual([undefined, false]);
      expect(status?.receipt?.receipt.services.map(({ unacknowledged }) => unacknowledged)).toEqual([0, 0]);
    }
  });
});

describe("nothing is lost", () => {
  test("two gateways compose what is due once, and both may tell it", async () => {
    const [one, other] = [process(), process(await store().another())];
    const people = [await someone(), await someone(), await someone()];
    for (const person of people) await forwarded(one, person, "scene", "lights");
    for (const person of people) await erased(one, person);
    now += DIGEST_MS;
    await Promise.all([one.digests.turn(), other.digests.turn()]);
    await Promise.all([one.digests.turn(), other.digests.turn()]);
    expect(new Set(payloads().map(({ id }) => id)).size).toBe(1);
    expect(new Set(namesTold()).size).toBe(6);
  });

  test("a pool or a digest that Redis lost is made again by the erasures that wait", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    const names = await forwarded(fixture, person, "scene", "lights");
    const id = await erased(fixture, person);
    await redis.del(keyspace.digestPool);
    await advanced(fixture, id);
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(names));
    await redis.del(keyspace.digests, keyspace.digestNames);
    await advanced(fixture, id);
    told.length = 0;
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(names));
  });

  test("one record that is damaged holds up no one else", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const [damaged, well] = [await someone(), await someone()];
    for (const person of [damaged, well]) await forwarded(fixture, person, "scene", "lights");
    const id = await erased(fixture, damaged);
    await erased(fixture, well);
    await redis.del(keyspace.erasure(damaged.tag, id));
    await redis.set(keyspace.erasure(damaged.tag, id), "no hash");
    await hourLater(fixture);
    expect(new Set(namesTold())).toEqual(new Set(namesOf(well, "scene")));
  });

  test("a record whose names no key opens is told of as unanswered, and not waited for", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    await forwarded(fixture, person, "scene", "lights");
    const id = await erased(fixture, person);
    await redis.hset(keyspace.erasure(person.tag, id), "notices", "?");
    await hourLater(fixture);
    expect(told).toEqual([]);
    await advanced(fixture, id);
    expect(await fixture.erasures.status(id)).toMatchObject({
      state: "completed",
      receipt: { receipt: { services: [{ purpose: "scene", notified: 0, unacknowledged: 1 }] } },
    });
  });
});

describe("the list of forwarded names", () => {
  test("says nothing without the subject's key, and holds each name once", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    const names = await forwarded(fixture, person, "scene", "lights");
    await forwarded(fixture, person, "scene", "lights");
    expect(await redis.zcard(keyspace.forwardedNames(person.tag))).toBe(2);
    const text = await everythingIn(redis);
    for (const name of names) expect(text).not.toContain(name);
    const other = await someone();
    expect(await fixture.forwarded.of(person.tag, other.key)).toEqual([]);
    expect((await fixture.forwarded.of(person.tag, person.key)).map(({ name }) => name).sort()).toEqual(
      [...names].sort(),
    );
  });

  test("dies with the epoch after that of its names, and with an erasure", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    const list = keyspace.forwardedNames(person.tag);
    await forwarded(fixture, person, "scene", "lights", EPOCH - 1);
    expect(await redis.pttl(list)).toBeLessThanOrEqual(EPOCH_MS);
    await forwarded(fixture, person, "scene", "lights");
    expect(await redis.pttl(list)).toBeLessThanOrEqual(2 * EPOCH_MS);
    await erased(fixture, person);
    expect(await redis.exists(list)).toBe(0);
  });

  test("that is no list is replaced, and prevents no erasure", async () => {
    const fixture = process();
    const { redis, keyspace } = store();
    const person = await someone();
    await redis.set(keyspace.forwardedNames(person.tag), "no list");
    const names = await forwarded(fixture, person, "scene", "lights");
    expect((await fixture.forwarded.of(person.tag, person.key)).map(({ name }) => name).sort()).toEqual(
      [...names].sort(),
    );
    await redis.set(keyspace.forwardedNames(person.tag), "no list");
    await erased(fixture, person);
  });
});
