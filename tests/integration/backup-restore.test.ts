/**
 * Archives on a real Redis: what goes in comes back, what was taken back since stays taken back, what
 * cannot be trusted changes nothing.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { planChange } from "../../src/consent/ledger/plan-change.ts";
import { LedgerStore } from "../../src/consent/ledger/store.ts";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import { Presence } from "../../src/platform/keys/presence.ts";
import { SealedFileWriter } from "../../src/platform/sealed-file/writer.ts";
import { Disclosures } from "../../src/rights/access/disclosures.ts";
import { auditKey } from "../../src/rights/audit/chain.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { archiveLines, keysLine, recordsLine, subjectArchiveKey } from "../../src/rights/backup/archive.ts";
import { Backup, type BackupResult } from "../../src/rights/backup/backup.ts";
import { KeyArchives } from "../../src/rights/backup/key-archives.ts";
import { rewrapAll } from "../../src/rights/backup/rewrap.ts";
import { BackupSchedule } from "../../src/rights/backup/schedule.ts";
import { Restore, type RestoreInput } from "../../src/rights/restore/restore.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";
import { Installation } from "./backup-fixture.ts";
import { CONSENT, device, lookup, shippedPolicy, subject } from "./consent-fixture.ts";

let root: string;
let server: PrivateServer;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consentry-backup-"));
  server = await startUnsyncedRedis(join(root, "redis"));
});
afterAll(async () => {
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});

let here: Installation;
beforeEach(async () => {
  here = new Installation(root, server.url);
  await here.open();
});
afterEach(() => here.close());

const refused = (code: string, message: string) => ({ code, message: `${code}: ${message}` });

test("brings back everything that cannot be computed, and computes the rest to the same bytes", async () => {
  const homes = [await here.home("a"), await here.home("b"), await here.home("c")];
  await here.ledger.withdraw(homes[1]?.tag ?? subject("b"), { purposes: ["analytics"] });
  const log = here.log();
  await Promise.all(
    Array.from({ length: 1_300 }, (_, at) => log.append({ act: "export", by: "subject", detail: { at } })),
  );
  await here.redis.zadd(here.keyspace.heldSubjects, 1_893_456_000_000, subject("held"));
  for (const { tag } of homes) await here.disclose(tag);
  const before = await here.everything();
  const names = await Promise.all(homes.map((home) => here.pseudonym(home)));

  const made = await here.backup();
  expect([made.subjects, made.credentials, made.keys]).toEqual([3, 3, 3]);
  expect(await here.everything()).toEqual(before);
  await here.lose();
  const summary = await here.restorer().run(here.input(made));

  const { [here.keyspace.restores]: restores, ...after } = await here.everything();
  expect(restores).toBe("1");
  expect(after).toEqual(before);
  expect(await Promise.all(homes.map((home) => here.pseudonym(home)))).toEqual(names);
  expect(summary).toMatchObject({
    subjects: 3,
    credentials: 3,
    keys: 3,
    erased: 0,
    erasing: 0,
    withdrawn: 0,
    tokensDropped: 0,
    policyMissing: false,
  });
});

test("the archive of records has no key in it, the other nothing but keys, and each takes a key of its own", async () => {
  const home = await here.home("a");
  const { records, subjectKeys } = await here.backup();
  for (const file of [records, subjectKeys]) expect((await stat(file)).mode & 0o777).toBe(0o600);
  const wrapped = (await here.redis.hget(here.keyspace.subject(home.tag), "key")) ?? "none";
  const inRecords: string[] = [];
  for await (const line of archiveLines(records, here.keys.backup, recordsLine)) inRecords.push(JSON.stringify(line));
  expect(inRecords.join("\n")).not.toContain(wrapped);
  expect(inRecords.join("\n")).not.toContain('"decision');
  const inKeys: unknown[] = [];
  for await (const line of archiveLines(subjectKeys, subjectArchiveKey(here.keys.master), keysLine)) inKeys.push(line);
  expect(inKeys).toEqual([{ is: "key", tag: home.tag, name: "", key: wrapped }]);
  const exchanged = here.restorer({ ...here.keys, backup: here.keys.master, master: here.keys.backup });
  await expect(exchanged.check(here.input({ records, subjectKeys } as BackupResult))).rejects.toMatchObject(
    refused("ARCHIVE_INVALID", "foreign-key"),
  );
});

test("a backup removes the key archives before it and keeps the records; the newest keys fit older records", async () => {
  const home = await here.home("a");
  const first = await here.backup();
  const second = await here.backup();
  expect((await readdir(join(here.dir, "backups"))).filter((name) => name.endsWith("subject-keys"))).toHaveLength(1);
  const name = await here.pseudonym(home);
  await here.lose();
  await here.restorer().run(here.input({ ...first, subjectKeys: second.subjectKeys }));
  expect(await here.pseudonym(home)).toBe(name);
});

test("archives from before a change of the master key and of the backup key open with the former ones", async () => {
  const home = await here.home("a");
  const name = await here.pseudonym(home);
  const made = await here.backup();
  const [master, backup] = [randomBytes(32), randomBytes(32)];
  const changed = new Keyring({ masterKey: master, otherMasterKeys: [here.keys.master], pepper: here.pepper });
  const { lookup } = here.keys;
  const restorer = new Restore(
    here.redis,
    here.keyspace,
    here.prefix,
    {
      lookup,
      backup: [backup, here.keys.backup],
      masters: [master, here.keys.master],
    },
    { keyring: changed, closedFloors: () => "", now: Date.now },
  );
  await here.lose();
  await restorer.run(here.input(made));
  const wrapped = (await here.redis.hget(here.keyspace.subject(home.tag), "key")) ?? "";
  const present = new Keyring({ masterKey: master, pepper: here.pepper });
  expect(present.pseudonym(wrapped, home.device, "analytics", 2900)).toBe(name);
});

test("wrapping again reaches every key and decision, leaves no name changed, and brings nothing back", async () => {
  const homes = await Promise.all(Array.from({ length: 12 }, (_, index) => here.home(`h${index}`)));
  const [gone, erasing] = [homes[10], homes[11]];
  if (!gone || !erasing) throw new Error("homes");
  const id = randomUUID();
  await here.erasure.begin(erasing.tag, { id, by: "subject", method: "api" });
  await here.redis.hdel(here.keyspace.subject(gone.tag), "key");
  const names = await Promise.all(homes.slice(0, 10).map((home) => here.pseudonym(home)));
  const before = await here.everything();
  const former = await Promise.all(homes.map(({ tag }) => here.redis.hget(here.keyspace.subject(tag), "key")));
  const master = randomBytes(32);
  const both = new Keyring({ masterKey: master, otherMasterKeys: [here.keys.master], pepper: here.pepper });
  const pass = () => rewrapAll(here.redis, here.keyspace, (wrapped) => both.rewrap(wrapped));
  // Someone changes a ledger in the middle of it.
  const [first] = await Promise.all([pass(), here.ledger.withdraw(homes[0]?.tag ?? gone.tag, { categories: ["ip"] })]);
  expect(first).toBe(11);
  expect(await pass()).toBe(0);
  const present = new Keyring({ masterKey: master, pepper: here.pepper });
  for (const [index, { tag, device: key }] of homes.slice(0, 10).entries()) {
    const wrapped = (await here.redis.hget(here.keyspace.subject(tag), "key")) ?? "";
    expect(present.pseudonym(wrapped, key, "analytics", 2900)).toBe(names[index]);
    expect((await here.redis.get(here.keyspace.decision(tag, key)))?.endsWith(`|${wrapped}`)).toBe(true);
  }
  const everything = JSON.stringify(await here.everything());
  for (const wrapped of former) if (wrapped !== null) expect(everything).not.toContain(wrapped);
  expect(await here.value(here.keyspace.subject(gone.tag))).toEqual(before[here.keyspace.subject(gone.tag)]);
  expect(await here.redis.hget(here.keyspace.subject(erasing.tag), "key")).toBeNull();
  expect(present.rewrap((await here.redis.hget(here.keyspace.erasure(erasing.tag, id), "key")) ?? "")).toBeUndefined();
});

test("a change that builds on a key wrapped the former way is made again on the present one", async () => {
  const home = await here.home("a");
  const store = new LedgerStore(here.redis, here.keyspace);
  const before = await store.read(home.tag);
  const master = randomBytes(32);
  const both = new Keyring({ masterKey: master, otherMasterKeys: [here.keys.master], pepper: here.pepper });
  await rewrapAll(here.redis, here.keyspace, (wrapped) => both.rewrap(wrapped));
  const planned = planChange(
    before,
    { type: "withdrawn", by: "subject" },
    { wrappedSubjectKey: before.wrappedSubjectKey ?? "", now: 1 },
  );
  expect(await store.append(before, planned)).toBe(false);
  await here.ledger.withdraw(home.tag, {});
  expect(await here.redis.get(here.keyspace.decision(home.tag, home.device))).not.toContain(before.wrappedSubjectKey);
});

describe("what happened since the backup", () => {
  test("a withdrawal, a narrower consent and an unbinding are not undone; others keep theirs", async () => {
    const [stays, withdraws, narrows, unbinds] = [
      await here.home("s"),
      await here.home("w"),
      await here.home("n"),
      await here.home("u"),
    ];
    const given = await here.grants(stays);
    const made = await here.backup();
    await here.ledger.withdraw(withdraws.tag, { purposes: ["analytics"] });
    await here.ledger.give(narrows.tag, { ...CONSENT, purposes: { weather: ["location"] } });
    await here.ledger.unbind(unbinds.tag, unbinds.device);
    await here.lose();
    const summary = await here.restorer().run(here.input(made));
    expect(summary.withdrawn).toBe(3);
    expect(await here.grants(stays)).toBe(given);
    for (const home of [withdraws, narrows, unbinds]) expect(await here.grants(home)).toBe("consent-withdrawn");
    const record = await here.ledger.record(withdraws.tag);
    expect(record?.events.at(-1)).toMatchObject({ type: "withdrawn", by: "controller", method: "restore" });
    expect((await here.ledger.give(withdraws.tag, CONSENT)).refused).toBeUndefined();
    expect(await here.grants(withdraws)).toBe(given);
  });

  test("an erasure is not undone: no key, no consent, the ledger says why, and the tombstone stands", async () => {
    const [stays, goes] = [await here.home("s"), await here.home("g")];
    const [kept, lost] = [await here.pseudonym(stays), await here.pseudonym(goes)];
    const wrapped = (await here.redis.hget(here.keyspace.subject(goes.tag), "key")) ?? "none";
    for (const { tag } of [stays, goes]) await here.disclose(tag);
    const made = await here.backup();
    const id = randomUUID();
    await here.journal.record({ what: "erasure-asked", tag: goes.tag, erasure: id });
    await here.journal.record({ what: "erased", tag: goes.tag, erasure: id });
    await here.lose();
    const summary = await here.restorer().run(here.input(made));
    expect(summary).toMatchObject({ subjects: 2, keys: 1, erased: 1, erasing: 0 });
    expect(JSON.stringify(await here.everything())).not.toContain(wrapped);
    const disclosures = new Disclosures(here.redis, here.keyspace);
    expect(await disclosures.of(stays.tag)).toHaveLength(1);
    expect(await disclosures.of(goes.tag)).toEqual([]);
    expect(await here.redis.hget(here.keyspace.subject(goes.tag), "key")).toBeNull();
    await expect(here.pseudonym(goes)).rejects.toMatchObject({ code: "SUBJECT_KEY_UNREADABLE" });
    expect(await here.grants(goes)).toBe("consent-withdrawn");
    expect((await here.ledger.record(goes.tag))?.events.slice(-2)).toMatchObject([
      { type: "erasure-requested", erasure: id, method: "restore" },
      { type: "erased", erasure: id, method: "restore" },
    ]);
    expect(JSON.parse((await here.redis.hget(here.keyspace.tombstones, goes.tag)) ?? "")).toMatchObject({
      erasure: id,
    });
    expect(await here.pseudonym(stays)).toBe(kept);
    await here.ledger.give(goes.tag, CONSENT);
    expect(await here.pseudonym(goes)).not.toBe(lost);
  });

  test("an erasure that was asked for and not finished begins again, with the key it needs", async () => {
    const home = await here.home("a");
    const wrapped = await here.redis.hget(here.keyspace.subject(home.tag), "key");
    const made = await here.backup();
    const id = randomUUID();
    await here.journal.record({ what: "erasure-asked", tag: home.tag, erasure: id });
    await here.lose();
    expect(await here.restorer().run(here.input(made))).toMatchObject({ erased: 0, erasing: 1 });
    expect(await here.grants(home)).toBe("consent-withdrawn");
    expect(await here.redis.hgetall(here.keyspace.subject(home.tag))).not.toHaveProperty("key");
    expect(await here.redis.hget(here.keyspace.subject(home.tag), "erasure")).toBe(id);
    const record = await here.redis.hgetall(here.keyspace.erasure(home.tag, id));
    expect(record).toMatchObject({ key: wrapped, step: "drain" });
    expect(JSON.parse(record.facts ?? "")).toMatchObject({
      devices: [home.device],
      purposes: ["analytics", "weather", "scene", "network"],
    });
    expect(await here.redis.smembers(here.keyspace.openErasures)).toEqual([id]);
    expect(await here.redis.hget(here.keyspace.erasureIndex, id)).toBe(home.tag);
    await here.erasure.destroyKey(home.tag, id);
    expect(JSON.stringify(await here.everything())).not.toContain(wrapped);
  });

  test("an erasure in progress at the backup goes on, or is at its end when its key was destroyed since", async () => {
    const [on, over] = [await here.home("on"), await here.home("over")];
    const ids = [randomUUID(), randomUUID()] as const;
    for (const [index, home] of [on, over].entries()) {
      await here.erasure.begin(home.tag, { id: ids[index] ?? "", by: "subject", method: "api" });
      await here.journal.record({ what: "erasure-asked", tag: home.tag, erasure: ids[index] ?? "" });
    }
    const keys = await Promise.all(
      [on, over].map((home, index) => here.redis.hget(here.keyspace.erasure(home.tag, ids[index] ?? ""), "key")),
    );
    const before = await here.everything();
    const made = await here.backup();
    await here.journal.record({ what: "erased", tag: over.tag, erasure: ids[1] });
    await here.lose();
    expect(await here.restorer().run(here.input(made))).toMatchObject({ erased: 1, erasing: 0, keys: 1 });
    expect(await here.value(here.keyspace.erasure(on.tag, ids[0]))).toEqual(
      before[here.keyspace.erasure(on.tag, ids[0])],
    );
    expect(await here.value(here.keyspace.subject(on.tag))).toEqual(before[here.keyspace.subject(on.tag)]);
    const everything = JSON.stringify(await here.everything());
    expect([everything.includes(keys[0] ?? "none"), everything.includes(keys[1] ?? "none")]).toEqual([true, false]);
    expect(await here.redis.hget(here.keyspace.erasure(over.tag, ids[1]), "destroyedAt")).not.toBeNull();
    expect(await here.redis.hget(here.keyspace.subject(over.tag), "erasure")).toBeNull();
  });

  test("a legal hold stands again before the erasure that waits for it begins, one that was released does not", async () => {
    const [held, freed] = [await here.home("held"), await here.home("freed")];
    const given = await here.grants(held);
    const until = Date.now() + 600_000;
    await here.holds.place(freed.tag, { ref: "court:2", until });
    const made = await here.backup();
    await here.holds.place(held.tag, { ref: "court:1", until, devices: [held.device] });
    const erasure = randomUUID();
    await here.journal.record({ what: "erasure-asked", tag: held.tag, erasure });
    await here.holds.release(freed.tag, "court:2");
    await here.lose();
    expect(await here.restorer().run(here.input(made))).toMatchObject({ held: 1, erasing: 1, withdrawn: 0 });
    expect(await here.holds.standing(held.tag)).toEqual([{ ref: "court:1", until, devices: [held.device] }]);
    expect(await here.grants(held)).toBe("legal-hold");
    expect(await here.redis.hget(here.keyspace.erasure(held.tag, erasure), "key")).not.toBeNull();
    expect(await here.redis.zscore(here.keyspace.heldSubjects, held.tag)).toBe(String(until));
    expect(await here.holds.standing(freed.tag)).toEqual([]);
    expect(await here.grants(freed)).toBe(given);
  });

  test("an empty journal, or one that ends before the backup, stops the restore", async () => {
    await here.home("a");
    const before = await readFile(here.journalFile, "utf8");
    await here.ledger.withdraw(subject("a"), { categories: ["ip"] });
    const made = await here.backup();
    await here.lose();
    for (const left of ["", before]) {
      await writeFile(here.journalFile, left);
      await expect(here.restorer().run(here.input(made))).rejects.toMatchObject(refused("JOURNAL_INVALID", "cut"));
      expect(await here.names()).toEqual([]);
    }
  });

  test("a token that was replaced since does not work again, others do", async () => {
    const [keeps, changes] = [await here.home("k"), await here.home("c")];
    const issued = async (home: { device: DeviceKey }) => {
      const [mac, number] = await here.redis.hmget(here.keyspace.credential(home.device), "mac", "number");
      await here.journal.record({
        what: "token-issued",
        device: home.device,
        mac: mac ?? "",
        number: Number(number),
      });
    };
    await issued(keeps);
    await issued(changes);
    const made = await here.backup();
    await here.credentials.issue(changes.device);
    await issued(changes);
    await here.lose();
    expect((await here.restorer().run(here.input(made))).tokensDropped).toBe(1);
    expect(await here.credentials.verify(keeps.device, keeps.token)).toMatchObject({ subjectTag: keeps.tag });
    expect(await here.credentials.verify(changes.device, changes.token)).toBeUndefined();
  });

  describe("a child behind a hub", () => {
    let home: Awaited<ReturnType<typeof here.home>>;
    let hub: DeviceKey;
    let made: BackupResult;
    const heard = async () => (await here.hubs.load(hub)).flatMap(({ key, subjectTag }) => (subjectTag ? [key] : []));
    const child = (alias: string) => ({ key: home.device, alias: lookup.aliasMac(hub, alias), otherSubject: false });

    beforeEach(async () => {
      home = await here.home("h");
      hub = device("the hub");
      await here.ledger.bind(home.tag, hub);
      expect(await here.hubs.register(hub, [child("lamp")])).toEqual(["registered"]);
      made = await here.backup();
    });
    const restored = async (more: Partial<Parameters<typeof here.input>[1]> = {}) => {
      await here.lose();
      await here.restorer().run(here.input(made, more));
    };

    test("comes back, to be heard, found as a child, and removed as one", async () => {
      await restored();
      expect(await heard()).toEqual([home.device]);
      expect(await here.hubs.register(hub, [child("lamp")])).toEqual(["already"]);
      expect(await here.credentials.issue(home.device)).toEqual({ refused: "behind-hub" });
      expect(await here.hubs.remove(hub, home.device)).toBe(true);
      expect(await heard()).toEqual([]);
    });

    test.each([
      ["was removed", () => here.hubs.remove(hub, home.device)],
      ["was sold", () => here.ledger.bind(subject("another"), home.device)],
      ["was unbound", () => here.ledger.unbind(home.tag, home.device)],
      ["was the hub's under another alias", () => here.hubs.register(hub, [child("lamp by the door")])],
      ["lost its hub to another owner", () => here.ledger.bind(subject("another"), hub)],
      ["lost its hub", () => here.ledger.unbind(home.tag, hub)],
    ])("that %s since does not come back", async (_, end) => {
      await end();
      await restored();
      expect(await heard()).toEqual([]);
      for (const one of [hub, home.device]) await here.ledger.bind(home.tag, one);
      expect(await heard()).toEqual([]);
      expect(await here.hubs.register(hub, [child("lamp")])).toEqual(["registered"]);
      expect(await heard()).toEqual([home.device]);
    });

    test("registered again after it ended comes back with the later backup", async () => {
      await here.hubs.remove(hub, home.device);
      await here.hubs.register(hub, [child("again")]);
      made = await here.backup();
      await restored();
      expect(await heard()).toEqual([home.device]);
    });

    test("is silent without a journal: no one knows what ended", async () => {
      await restored({ journals: "lost", subjectKeys: undefined });
      expect(await heard()).toEqual([]);
      expect(await here.credentials.issue(home.device)).toHaveProperty("token");
    });
  });

  test("a policy published since is missed: no consent counts until it is published again", async () => {
    const home = await here.home("a");
    const given = await here.grants(home);
    const made = await here.backup();
    await here.journal.record({ what: "policy-published", version: 3 });
    await here.lose();
    expect((await here.restorer().run(here.input(made))).policyMissing).toBe(true);
    await here.policies.ensureShipped(shippedPolicy);
    expect(await here.grants(home)).toBe("policy-superseded");
    const second = JSON.parse(shippedPolicy.toString()) as Record<string, unknown>;
    const published = (version: number) =>
      here.policies.publish(
        Buffer.from(JSON.stringify({ ...second, version, change: { kind: "minor", summary: "as before" } })),
      );
    // The third one may have suspended what the second allows.
    expect((await published(2)).refused).toBeUndefined();
    await here.policies.ensureShipped(shippedPolicy);
    expect(await here.grants(home)).toBe("policy-superseded");
    expect((await published(3)).refused).toBeUndefined();
    expect(await here.grants(home)).toBe(given);
  });

  test("a fence beside the ledger that is no number, or a high one, hides no withdrawal", async () => {
    const homes = [await here.home("a"), await here.home("b"), await here.home("c")] as const;
    const given = await here.grants(homes[2]);
    await here.redis.hset(here.keyspace.subject(homes[0].tag), "fence", "many");
    await here.redis.hset(here.keyspace.subject(homes[1].tag), "fence", "1000");
    const made = await here.backup();
    for (const { tag } of homes.slice(0, 2)) await here.ledger.withdraw(tag, {});
    await here.lose();
    await here.restorer().run(here.input(made));
    expect(await Promise.all(homes.map((home) => here.grants(home)))).toEqual([
      "consent-withdrawn",
      "consent-withdrawn",
      given,
    ]);
  });

  test("without a journal everyone has withdrawn, and no key is taken", async () => {
    const home = await here.home("a");
    const made = await here.backup();
    await here.lose();
    const restorer = here.restorer();
    await expect(restorer.run(here.input(made, { journals: "lost" }))).rejects.toMatchObject(
      refused("RESTORE_REFUSED", "subject-keys-need-a-journal"),
    );
    await expect(restorer.run(here.input(made, { journals: [join(root, "no-such.journal")] }))).rejects.toMatchObject(
      refused("JOURNAL_INVALID", "missing"),
    );
    expect(await here.names()).toEqual([]);
    await restorer.run(here.input(made, { journals: "lost", subjectKeys: undefined }));
    expect(await here.grants(home)).toBe("consent-withdrawn");
    expect(await here.redis.hget(here.keyspace.subject(home.tag), "key")).toBeNull();
  });
});

test("a journal that cannot be written keeps the answer back, never the withdrawal itself", async () => {
  const home = await here.home("a");
  const made = await here.backup();
  await here.journal.stop();
  await expect(here.ledger.withdraw(home.tag, {})).rejects.toMatchObject({
    code: "JOURNAL_UNWRITABLE",
    retryable: true,
  });
  expect(await here.grants(home)).toBe("consent-withdrawn");
  // Asked again, as anyone who got no answer does.
  await here.journal.start(async () => true);
  await here.ledger.withdraw(home.tag, {});
  await here.lose();
  await here.restorer().run(here.input(made));
  expect(await here.grants(home)).toBe("consent-withdrawn");
});

describe("refuses", () => {
  let made: BackupResult;
  beforeEach(async () => {
    await here.home("a");
    made = await here.backup();
  });

  /** Redis holds the same as before, to the byte. */
  async function changesNothing(input: RestoreInput, error: object, restorer = here.restorer()): Promise<void> {
    const before = await here.everything();
    await expect(restorer.run(input)).rejects.toMatchObject(error);
    expect(await here.everything()).toEqual(before);
  }

  const checksum = async (file: string) =>
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex");

  test.each(["records", "subjectKeys"] as const)(
    "an altered, shortened or foreign archive of %s, and changes nothing",
    async (which) => {
      const bytes = await readFile(made[which]);
      const input = here.input(made, { replace: true });
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(altered.length - 30) ^ 4, altered.length - 30);
      await writeFile(made[which], altered);
      await changesNothing(input, refused("ARCHIVE_INVALID", "altered"));
      await writeFile(made[which], bytes.subarray(0, bytes.length - 5));
      await changesNothing(input, refused("ARCHIVE_INVALID", "truncated"));
      await writeFile(made[which], bytes.toString("latin1").replace('"version":2', '"version":7'), "latin1");
      await changesNothing(input, refused("ARCHIVE_INVALID", "wrong-version"));
      await writeFile(made[which], bytes.toString("latin1").replace('"schema":3', '"schema":7'), "latin1");
      await changesNothing(input, refused("ARCHIVE_INVALID", "newer-schema"));
      const other = new Installation(root, server.url);
      await other.open();
      await other.home("x");
      const foreign = await other.backup();
      await other.close();
      await cp(foreign[which], made[which]);
      await changesNothing(input, refused("ARCHIVE_INVALID", "foreign-installation"));
      await writeFile(made[which], bytes);
      const otherKeys = here.restorer({ ...here.keys, backup: randomBytes(32), master: randomBytes(32) });
      await changesNothing(input, refused("ARCHIVE_INVALID", "foreign-key"), otherKeys);
    },
  );

  test("archives in each other's place, keys older than the records, and an archive that has no end", async () => {
    const { records, subjectKeys } = made;
    await changesNothing(
      here.input({ ...made, records: subjectKeys, subjectKeys: records }, { replace: true }),
      refused("ARCHIVE_INVALID", "wrong-kind"),
    );
    await cp(subjectKeys, join(root, "older.subject-keys"));
    const newer = await here.backup();
    await changesNothing(
      here.input({ ...newer, subjectKeys: join(root, "older.subject-keys") }, { replace: true }),
      refused("ARCHIVE_INVALID", "subject-keys-older-than-records"),
    );
    const { installationOf } = await import("../../src/rights/backup/installation.ts");
    const endless = join(root, `${here.prefix}.records`);
    const about = {
      schema: 3,
      createdAt: 1,
      installation: installationOf(here.keys.lookup),
      backup: "c".repeat(16),
      journals: [],
    };
    const writer = new SealedFileWriter(endless, here.keys.backup, { ...about, kind: "records" });
    await writer.line(JSON.stringify({ is: "credential", device: device("x"), at: 1, fields: {} }));
    await writer.finish();
    await changesNothing(
      here.input({ ...newer, records: endless }, { replace: true }),
      refused("ARCHIVE_INVALID", "incomplete"),
    );
  });

  test("an installation that is not empty, unless told to replace it; then nothing of it is left but tombstones", async () => {
    await changesNothing(here.input(made), refused("RESTORE_REFUSED", "not-empty"));
    const late = await here.home("late");
    await here.redis.hset(
      here.keyspace.tombstones,
      subject("gone"),
      JSON.stringify({ erasure: randomUUID(), at: Date.now() }),
    );
    await here.redis.set(`{${here.prefix}:queue}:batches:id`, "7");
    await here.restorer().run(here.input(made, { replace: true }));
    expect(JSON.stringify(await here.everything())).not.toContain(late.tag);
    expect(await here.redis.hkeys(here.keyspace.tombstones)).toEqual([subject("gone")]);
    expect(await here.redis.get(`{${here.prefix}:queue}:batches:id`)).toBe("7");
  });

  test("an erasure that only the replaced installation knows of is replayed all the same", async () => {
    const erasure = randomUUID();
    await here.redis.hset(
      here.keyspace.tombstones,
      subject("a"),
      JSON.stringify({ erasure, at: Date.now(), completedAt: Date.now() }),
    );
    expect(await here.restorer().run(here.input(made, { replace: true }))).toMatchObject({ erased: 1, keys: 0 });
    expect(await here.redis.hget(here.keyspace.subject(subject("a")), "key")).toBeNull();
  });

  test("while a gateway runs; and a gateway, while a restore is not finished", async () => {
    const reports: unknown[] = [];
    const replaced: unknown[] = [];
    const report = { queue: {}, sealing: [], masters: [], wrapping: "" };
    const presence = () =>
      new Presence(here.redis, here.keyspace, {
        report: () => report,
        reported: (all) => reports.push(all),
        replaced: (error) => replaced.push(error),
      });
    const running = presence();
    await running.start();
    await expect(here.restorer().run(here.input(made, { replace: true }))).rejects.toMatchObject(
      refused("RESTORE_REFUSED", "gateway-running"),
    );
    expect(reports).toEqual([[{ schema: 3, ...report }]]);
    await running.stop();

    // Interrupted while values took their places.
    await here.redis.set(here.keyspace.restoring, JSON.stringify({ id: "x", untilMs: 0, swapping: true }));
    await expect(presence().start()).rejects.toMatchObject({ code: "RESTORE_UNFINISHED" });
    await here.restorer().run(here.input(made, { replace: true }));
    await presence().start();

    // A gateway that slept through a restore must not go on with what it knew.
    await running.beat();
    expect(replaced).toMatchObject([{ code: "RESTORE_UNFINISHED" }]);
  });

  test("a second restore while one is in progress", async () => {
    await here.redis.set(
      here.keyspace.restoring,
      JSON.stringify({ id: "x", untilMs: Date.now() + 60_000, swapping: false }),
    );
    await changesNothing(here.input(made, { replace: true }), refused("RESTORE_REFUSED", "restore-running"));
  });

  test("nothing in a dry run, and says what would be done", async () => {
    await here.ledger.withdraw(subject("a"), {});
    const [records, keys] = [await checksum(made.records), await checksum(made.subjectKeys)];
    const before = await here.everything();
    expect(await here.restorer().check(here.input(made))).toMatchObject({
      subjects: 1,
      credentials: 1,
      keys: 1,
      withdrawn: 1,
    });
    expect(await here.everything()).toEqual(before);
    expect([await checksum(made.records), await checksum(made.subjectKeys)]).toEqual([records, keys]);
  });
});

describe("a restore that a fault interrupted while values took their places", () => {
  /** Redis, but one of the steps of the swap goes wrong. */
  function failing(step: "removing" | "half-taken" | "refusing"): Redis {
    let removing = false;
    return Object.create(here.redis, {
      unlink: {
        value: async (...names: string[]) => {
          removing ||= names.includes(here.keyspace.tombstones);
          if (step === "removing" && removing) throw new Error("Connection is closed.");
          return here.redis.unlink(...names);
        },
      },
      pipeline: {
        value: () => {
          const pipeline = here.redis.pipeline();
          const rename = pipeline.rename.bind(pipeline);
          let renames = false;
          pipeline.rename = (...names: Parameters<typeof rename>) => {
            renames ||= step === "refusing" || names[0].includes("tombstones");
            return step === "half-taken" && names[0].includes("tombstones") ? rename(...names) : pipeline;
          };
          const exec = pipeline.exec.bind(pipeline);
          pipeline.exec = async () => {
            const replies = await exec();
            if (renames && step === "refusing") return [[new Error("OOM command not allowed"), null]];
            if (renames && step === "half-taken") throw new Error("Connection is closed.");
            return replies;
          };
          return pipeline;
        },
      },
    }) as Redis;
  }

  test.each(["removing", "half-taken", "refusing"] as const)(
    "(%s) has lost nothing: the next one ends it",
    async (step) => {
      const home = await here.home("a");
      const name = await here.pseudonym(home);
      const made = await here.backup();
      const erased = JSON.stringify({ erasure: randomUUID(), at: 5, completedAt: 6 });
      await here.redis.hset(here.keyspace.tombstones, subject("gone"), erased);
      const input = here.input(made, { replace: true });
      await expect(here.restorer(here.keys, failing(step)).run(input)).rejects.toThrow(/closed|OOM/);
      const report = { queue: {}, sealing: [], masters: [], wrapping: "" };
      const ports = { report: () => report, reported: () => undefined, replaced: () => undefined };
      await expect(new Presence(here.redis, here.keyspace, ports).start()).rejects.toMatchObject({
        code: "RESTORE_UNFINISHED",
      });
      await here.restorer().run(input);
      expect(await here.pseudonym(home)).toBe(name);
      expect(await here.redis.hget(here.keyspace.tombstones, subject("gone"))).toBe(erased);
      expect((await here.names()).filter((key) => key.includes("restoring"))).toEqual([]);
    },
  );
});

test("an audit log that goes on from the backup is kept, one that does not yields to it", async () => {
  const log = () => new AuditLog(here.redis, here.keyspace, { keys: [auditKey(here.keys.lookup)], now: Date.now });
  await log().append({ act: "export", by: "subject" });
  await here.home("a");
  const made = await here.backup();
  await log().append({ act: "backup", by: "operator" });
  await here.restorer().run(here.input(made, { replace: true }));
  const acts = async () => (await log().list({ from: 0, limit: 9 })).records.map(({ act }) => act);
  expect(await acts()).toEqual(["export", "backup"]);
  await here.lose();
  for (let index = 0; index < 3; index += 1) await log().append({ act: "restore", by: "operator" });
  await here.restorer().run(here.input(made, { replace: true }));
  expect(await acts()).toEqual(["export"]);
});

test("a schedule takes one when the newest is too old, one gateway at a time, and keeps as many as it should", async () => {
  await here.home("a");
  const dir = join(here.dir, "backups");
  const other = new Installation(root, server.url);
  await other.open();
  const neighbour = await other.backup(dir);
  const schedule = (everyMs: number) =>
    new BackupSchedule(here.redis, here.keyspace, new Backup(here.redis, here.keyspace, here.prefix), {
      dir,
      everyMs,
      keep: 2,
    });
  expect(await schedule(0).turn(here.keys, here.journal.head)).toBeUndefined();
  expect(await schedule(1).ageMs(here.keys.lookup)).toBe(Number.POSITIVE_INFINITY);
  const first = await Promise.all([
    schedule(60_000).turn(here.keys, here.journal.head),
    schedule(60_000).turn(here.keys, here.journal.head),
  ]);
  expect(first.filter((taken) => taken !== undefined)).toHaveLength(1);
  expect(await schedule(60_000).turn(here.keys, here.journal.head)).toBeUndefined();
  expect(await schedule(60_000).ageMs(here.keys.lookup)).toBeLessThan(60_000);
  for (let round = 0; round < 3; round += 1) {
    await vi.waitFor(async () => expect(await schedule(1).ageMs(here.keys.lookup)).toBeGreaterThan(1), {
      timeout: 60_000,
    });
    expect(await schedule(1).turn(here.keys, here.journal.head)).toBeDefined();
  }
  const files = (await readdir(dir)).map((name) => join(dir, name));
  const mine = files.filter((file) => file !== neighbour.records && file !== neighbour.subjectKeys);
  expect(files).toHaveLength(mine.length + 2);
  expect(mine.filter((file) => file.endsWith(".records"))).toHaveLength(2);
  expect(mine.filter((file) => file.endsWith(".subject-keys"))).toHaveLength(1);
  expect(await here.redis.exists(here.keyspace.backupTurn)).toBe(0);
  await other.close();
});

test("a key that an erasure destroyed goes from the archives in the folder as well, and from no other", async () => {
  const [stays, goes] = [await here.home("s"), await here.home("g")];
  const dir = join(here.dir, "backups");
  const archives = new KeyArchives(here.redis, here.keyspace, dir);
  const purge = () => archives.purge({ lookup: here.keys.lookup, masters: [here.keys.master] });
  const made = await here.backup();
  const inArchive = async () => {
    const tags: SubjectTag[] = [];
    for await (const line of archiveLines(made.subjectKeys, subjectArchiveKey(here.keys.master), keysLine))
      tags.push(line.tag);
    return tags.sort();
  };
  expect(await purge()).toEqual({ sealed: 0, locked: 0 });
  expect(await inArchive()).toEqual([stays.tag, goes.tag].sort());
  await archives.mark(goes.tag);
  expect(await archives.purge({ lookup: here.keys.lookup, masters: [] })).toEqual({ sealed: 0, locked: 1 });
  expect(await purge()).toEqual({ sealed: 1, locked: 0 });
  expect(await inArchive()).toEqual([stays.tag]);
  expect((await stat(made.subjectKeys)).mode & 0o777).toBe(0o600);
  await here.lose();
  expect(await here.restorer().run(here.input(made))).toMatchObject({ subjects: 2, keys: 1, withdrawn: 1 });
});

test("what a killed process left of an archive is removed, one that is being written is not", async () => {
  const dir = join(here.dir, "backups");
  const { records, subjectKeys } = await here.backup();
  const left = [`${records}.0123abcd.part`, `${subjectKeys}.0123abcd.part`];
  const written = `${subjectKeys}.89abcdef.part`;
  const others = join(dir, "something.part");
  for (const file of [...left, written, others]) await writeFile(file, "x");
  for (const file of [...left, others]) await utimes(file, 1, 1);
  const backup = new Backup(here.redis, here.keyspace, here.prefix);
  const schedule = new BackupSchedule(here.redis, here.keyspace, backup, { dir, everyMs: 0, keep: 9 });
  expect(await schedule.turn(here.keys, here.journal.head)).toBeUndefined();
  const found = (await readdir(dir)).map((name) => join(dir, name));
  expect(found.sort()).toEqual([records, subjectKeys, written, others].sort());
});

test("a gateway whose turn begins when another has just taken the backup that was due takes none", async () => {
  await here.home("a");
  const dir = join(here.dir, "backups");
  const schedule = (redis: Redis) =>
    new BackupSchedule(redis, here.keyspace, new Backup(here.redis, here.keyspace, here.prefix), {
      dir,
      everyMs: 60_000,
      keep: 9,
    });
  const late = Object.create(here.redis, {
    set: {
      value: async (...turn: Parameters<Redis["set"]>) => {
        await schedule(here.redis).turn(here.keys, here.journal.head);
        return here.redis.set(...turn);
      },
    },
  }) as Redis;
  expect(await schedule(late).turn(here.keys, here.journal.head)).toBeUndefined();
  expect((await readdir(dir)).filter((name) => name.endsWith(".records"))).toHaveLength(1);
  expect(await here.redis.exists(here.keyspace.backupTurn)).toBe(0);
});

test("a backup taken while the ledger changes holds every subject whole", async () => {
  for (let index = 0; index < 40; index += 1) await here.home(`h${index}`);
  let writing = true;
  const changes = (async () => {
    for (let round = 0; writing; round += 1) {
      await here.ledger.withdraw(subject(`h${round % 40}`), { categories: ["ip"] });
      await here.ledger.give(subject(`h${round % 40}`), CONSENT);
    }
  })();
  const made: BackupResult[] = [];
  for (let round = 0; round < 5; round += 1) made.push(await here.backup(join(here.dir, String(round))));
  writing = false;
  await changes;
  for (const one of made)
    expect(await here.restorer().check(here.input(one))).toMatchObject({ subjects: 40, keys: 40 });
});
