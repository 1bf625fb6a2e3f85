/**
 * Promise: what befalls one device or one person is no proof of a Redis that was put back: a device that changed hands,
 * a token that another gateway has issued, a damaged record. What was put back of others is found all the same.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Credentials } from "../../src/consent/credentials.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import type { AuditAct } from "../../src/model/audit.ts";
import { connectHeldRedis } from "../../src/platform/redis.ts";
import { journalKey } from "../../src/rights/journal/format.ts";
import { ErasureJournal } from "../../src/rights/journal/journal.ts";
import { createProof } from "../../src/wiring/proof.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { tokenOf } from "../fixtures/token.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";
import { Installation } from "../integration/backup-fixture.ts";
import { device, lookup, subject } from "../integration/consent-fixture.ts";

let root: string;
let server: PrivateServer;
let here: Installation;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consentry-start-"));
  server = await startUnsyncedRedis(join(root, "redis"));
});
afterAll(async () => {
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  here = new Installation(root, server.url);
  await here.open();
});
afterEach(() => here.close());

/** As a gateway with a journal of its own, or the one of the installation, issues tokens and binds devices. */
function gateway(journal = here.journal) {
  const { redis, keyspace } = here;
  const credentials = new Credentials(redis, keyspace, Buffer.alloc(32, 9), (device, mac, number) =>
    journal.record({ what: "token-issued", device, mac, number }),
  );
  const ledger = new Ledger(redis, keyspace, {
    createSubjectKey: () => here.keyring.createSubjectKey(),
    now: Date.now,
    controller: "vendor",
    expiryDays: 365,
    journal: {
      ...NO_JOURNAL,
      narrowing: (tag, fence) => journal.record({ what: "narrowed", tag, fence }),
      tokenEnded: (device, number, standing = "e".repeat(43)) =>
        journal.record({ what: "token-issued", device, mac: standing, number }),
    },
  });
  return { credentials, ledger };
}

/** What a gateway that starts now finds to be taken back. Throws what lets it not start. */
async function started(): Promise<AuditAct[]> {
  const acts: AuditAct[] = [];
  const redis = connectHeldRedis(server.url);
  await redis.connect();
  const part = createProof({
    config: {
      redis: { url: server.url, commandTimeoutMs: 5_000 },
      backup: { journalFile: here.journalFile },
    } as never,
    lookup: here.keys.lookup,
    redis,
    keyspace: here.keyspace,
    auditLog: { known: undefined },
    audited: async () => undefined,
    audit: { note: async (act) => void acts.push(act) },
    fatal: () => undefined,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  try {
    await part.start();
  } finally {
    part.stop();
    redis.disconnect();
  }
  return acts;
}

test("a device that came to someone else, and has no token yet or again", async () => {
  const { credentials, ledger } = gateway();
  const [one, two] = [await here.home("one"), await here.home("two")];
  for (const home of [one, two]) await tokenOf(credentials, home.device);
  for (const home of [one, two]) await ledger.bind(subject("next"), home.device);
  const token = await tokenOf(credentials, two.device);
  expect(await started()).toEqual([]);
  expect(await credentials.verify(two.device, token)).toMatchObject({ subjectTag: subject("next") });
});

test("a move that was interrupted, was gone on with, and a token issued in between", async () => {
  const { credentials, ledger } = gateway();
  const home = await here.home("one");
  await tokenOf(credentials, home.device);
  const next = subject("next");
  await here.redis.set(here.keyspace.ledger(next), "of another type");
  // Only the first step is made: the ledger of the next owner cannot be read.
  await expect(ledger.bind(next, home.device)).rejects.toThrow();
  await here.redis.del(here.keyspace.ledger(next));
  await here.redis.hset(
    here.keyspace.credential(home.device),
    "claim",
    "x",
    "target",
    next,
    "from",
    `${home.tag},${next}`,
  );
  await here.redis.hdel(here.keyspace.credential(home.device), "tag", "mac");
  const token = await tokenOf(credentials, home.device);
  await ledger.bind(next, home.device);
  expect(await started()).toEqual([]);
  expect(await credentials.verify(home.device, token)).toMatchObject({ subjectTag: next });
});

test("a token that a gateway with a journal of its own has issued since; one that came back is taken away", async () => {
  const file = join(here.dir, "other.journal");
  const journal = new ErasureJournal(file, journalKey(here.keys.lookup));
  await journal.start(async () => true);
  const [mine, other] = [gateway(), gateway(journal)];
  const [moved, back] = [await here.home("moved"), await here.home("back")];
  const first = await tokenOf(mine.credentials, back.device);
  const credential = here.keyspace.credential(back.device);
  const before = await here.redis.dumpBuffer(credential);
  for (const home of [moved, back]) await tokenOf(mine.credentials, home.device);
  const token = await tokenOf(other.credentials, moved.device);
  await journal.stop();
  await here.redis.restore(credential, 0, before ?? Buffer.alloc(0), "REPLACE");
  expect(await started()).toEqual([{ act: "journal-replayed", by: "gateway", device: back.device }]);
  expect(await mine.credentials.verify(moved.device, token)).toMatchObject({ subjectTag: moved.tag });
  expect(await mine.credentials.verify(back.device, first)).toBeUndefined();
  // Once, and the next one is good.
  const anew = await tokenOf(mine.credentials, back.device);
  expect(await started()).toEqual([]);
  expect(await mine.credentials.verify(back.device, anew)).toMatchObject({ subjectTag: back.tag });
});

test("a hub that was unbound keeps its token; a registration that ended and came back with Redis ends again", async () => {
  const { credentials, ledger } = gateway();
  const [one, lamp, plug] = [await here.home("one"), device("lamp behind it"), device("plug behind it")];
  const hub = one.device;
  for (const child of [lamp, plug]) await ledger.bind(one.tag, child);
  const children = [lamp, plug].map((key) => ({ key, alias: lookup.aliasMac(hub, key), otherSubject: false }));
  const heard = async () => (await here.hubs.load(hub)).flatMap(({ key, subjectTag }) => (subjectTag ? [key] : []));
  const token = await tokenOf(credentials, hub, { dialect: "zigbee2mqtt" });
  await here.hubs.register(hub, children);
  await ledger.unbind(one.tag, hub);
  await ledger.bind(one.tag, hub);
  expect(await started()).toEqual([]);
  expect(await credentials.verify(hub, token)).toMatchObject({ subjectTag: one.tag, dialect: "zigbee2mqtt" });

  await here.hubs.register(hub, children);
  const [credential, list] = [here.keyspace.credential(lamp), here.keyspace.children(hub)];
  const before = [await here.redis.dumpBuffer(credential), await here.redis.dumpBuffer(list)];
  await here.hubs.remove(hub, lamp);
  await here.redis.restore(credential, 0, before[0] ?? Buffer.alloc(0), "REPLACE");
  await here.redis.restore(list, 0, before[1] ?? Buffer.alloc(0), "REPLACE");
  expect((await heard()).sort()).toEqual([lamp, plug].sort());
  expect(await started()).toEqual([]);
  expect(await heard()).toEqual([plug]);
  expect(await here.hubs.register(hub, children)).toEqual(["registered", "already"]);
  expect((await heard()).sort()).toEqual([lamp, plug].sort());
});

describe("a damaged record of someone whose withdrawal is in the journal, because", () => {
  const HARMS: Readonly<Record<string, (names: { subject: string; ledger: string; credential: string }) => unknown>> = {
    "their hash is gone": ({ subject: name }) => here.redis.del(name),
    "their hash is none": ({ subject: name }) => here.redis.set(name, "x"),
    "their ledger is gone": ({ ledger }) => here.redis.del(ledger),
    "their ledger is none": ({ ledger }) => here.redis.set(ledger, "x"),
    "their fence is none": ({ subject: name }) => here.redis.hset(name, "fence", "many"),
    "their credential is none": ({ credential }) => here.redis.set(credential, "x"),
  };

  test.each(Object.entries(HARMS))("%s", async (_, harm) => {
    const { credentials, ledger } = gateway();
    const [bad, good] = [await here.home("bad"), await here.home("good")];
    for (const home of [bad, good]) await tokenOf(credentials, home.device);
    const names = [
      here.keyspace.subject(good.tag),
      here.keyspace.ledger(good.tag),
      here.keyspace.decision(good.tag, good.device),
    ];
    const before = await Promise.all(names.map((name) => here.redis.dumpBuffer(name)));
    for (const { tag } of [bad, good]) await ledger.withdraw(tag, {});
    await harm({
      subject: here.keyspace.subject(bad.tag),
      ledger: here.keyspace.ledger(bad.tag),
      credential: here.keyspace.credential(bad.device),
    });
    for (const [index, name] of names.entries())
      await here.redis.restore(name, 0, before[index] ?? Buffer.alloc(0), "REPLACE");
    expect(typeof (await here.grants(good))).toBe("number");
    expect(await started()).toEqual([{ act: "journal-replayed", by: "gateway", subject: good.tag }]);
    expect(await here.grants(good)).toBe("consent-withdrawn");
    expect(typeof (await here.grants(bad))).not.toBe("number");
  });

  test("and where their fence is none, what was put back of theirs is found as well", async () => {
    const { ledger } = gateway();
    const home = await here.home("one");
    const names = [
      here.keyspace.subject(home.tag),
      here.keyspace.ledger(home.tag),
      here.keyspace.decision(home.tag, home.device),
    ];
    const before = await Promise.all(names.map((name) => here.redis.dumpBuffer(name)));
    await ledger.withdraw(home.tag, {});
    for (const [index, name] of names.entries())
      await here.redis.restore(name, 0, before[index] ?? Buffer.alloc(0), "REPLACE");
    await here.redis.hset(here.keyspace.subject(home.tag), "fence", "many");
    expect(await started()).toEqual([{ act: "journal-replayed", by: "gateway", subject: home.tag }]);
    expect(await here.grants(home)).toBe("consent-withdrawn");
  });

  test("and one that is lost altogether refuses the start", async () => {
    const { ledger } = gateway();
    const home = await here.home("one");
    await ledger.withdraw(home.tag, {});
    await here.redis.del(here.keyspace.subject(home.tag), here.keyspace.ledger(home.tag));
    await expect(started()).rejects.toMatchObject({ code: "REDIS_ROLLED_BACK" });
  });
});
