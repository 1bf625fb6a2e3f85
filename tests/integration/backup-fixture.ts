/** One installation with a backup and a restore of its own, on a Redis that the test file has started. */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { Credentials } from "../../src/consent/credentials.ts";
import { decide } from "../../src/consent/decision/decide.ts";
import { ConsentGate } from "../../src/consent/decision/gate.ts";
import { Hubs } from "../../src/consent/hubs.ts";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import { denyAllUntilPublished } from "../../src/consent/policy/floors.ts";
import { Policies } from "../../src/consent/policy/policies.ts";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import { type Keyspace, keyspaceOf } from "../../src/platform/keyspace.ts";
import { Disclosures } from "../../src/rights/access/disclosures.ts";
import { auditKey } from "../../src/rights/audit/chain.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { Backup, type BackupResult } from "../../src/rights/backup/backup.ts";
import { journalKey } from "../../src/rights/journal/format.ts";
import { ErasureJournal } from "../../src/rights/journal/journal.ts";
import { Restore, type RestoreInput } from "../../src/rights/restore/restore.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { connectPatiently } from "../fixtures/patient-redis.ts";
import { tokenOf } from "../fixtures/token.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";
import { CONSENT, device, shippedPolicy, subject } from "./consent-fixture.ts";

class Place {
  readonly root: string;
  readonly redis: Redis;

  /** `root`: a folder for the files of this and other installations. */
  constructor(root: string, redisUrl: string) {
    this.root = root;
    this.redis = connectPatiently(redisUrl, "store");
  }
}

/** One installation on a Redis of the test file: its keys, its Redis names, its files, and the parts that work on them. */
export class Installation extends Place {
  readonly keys = { lookup: randomBytes(32), master: randomBytes(32), backup: randomBytes(32) };
  readonly pepper = randomBytes(32);
  readonly prefix = `t-${randomUUID().slice(0, 8)}`;
  readonly keyspace: Keyspace = keyspaceOf(this.prefix);
  readonly dir = join(this.root, this.prefix);
  readonly keyring = new Keyring({ masterKey: this.keys.master, pepper: this.pepper });
  readonly policies = new Policies(this.redis, this.keyspace);
  readonly credentials = new Credentials(this.redis, this.keyspace, Buffer.alloc(32, 9), async () => undefined);
  readonly hubs = new Hubs(this.redis, this.keyspace, {
    ended: (device, number, standing = "e".repeat(43)) =>
      this.journal.record({ what: "token-issued", device, mac: standing, number }),
    holder: this.credentials.holder,
  });
  readonly gate = new ConsentGate(this.redis, this.keyspace);
  readonly erasure = new SubjectErasure(this.redis, this.keyspace, { now: Date.now });
  readonly journalFile = join(this.dir, "erasures.journal");
  readonly journal = new ErasureJournal(this.journalFile, journalKey(this.keys.lookup));
  readonly ledger = new Ledger(this.redis, this.keyspace, {
    createSubjectKey: () => this.keyring.createSubjectKey(),
    now: Date.now,
    controller: "vendor",
    expiryDays: 365,
    journal: {
      ...NO_JOURNAL,
      narrowing: (tag, fence) => this.journal.record({ what: "narrowed", tag, fence }),
      tokenEnded: (device, number, standing = "e".repeat(43)) =>
        this.journal.record({ what: "token-issued", device, mac: standing, number }),
      minority: (tag, party) => this.journal.record({ what: "minority", tag, ...party }),
    },
  });
  readonly holds = new LedgerHolds(this.redis, this.keyspace, {
    now: Date.now,
    journal: {
      holding: (tag, ref, hold) =>
        this.journal.record(hold === undefined ? { what: "released", tag, ref } : { what: "held", tag, hold }),
    },
  });

  async open(): Promise<void> {
    await this.redis.connect();
    await this.policies.ensureShipped(shippedPolicy);
    await this.journal.start(async () => true);
  }

  async close(): Promise<void> {
    await this.journal.stop();
    this.redis.disconnect();
  }

  async home(name: string): Promise<{ tag: SubjectTag; device: DeviceKey; token: string }> {
    const home = { tag: subject(name), device: device(`${name}-lamp`) };
    const token = await tokenOf(this.credentials, home.device);
    await this.ledger.bind(home.tag, home.device);
    await this.ledger.give(home.tag, CONSENT);
    return { ...home, token };
  }

  backup(dir = join(this.dir, "backups")): Promise<BackupResult> {
    return new Backup(this.redis, this.keyspace, this.prefix).take(dir, this.keys, this.journal.head);
  }

  restorer(keys = this.keys, redis = this.redis): Restore {
    const all = { lookup: keys.lookup, backup: [keys.backup], masters: [keys.master] };
    return new Restore(redis, this.keyspace, this.prefix, all, {
      keyring: this.keyring,
      closedFloors: denyAllUntilPublished,
      now: Date.now,
    });
  }

  input({ records, subjectKeys }: BackupResult, more: Partial<RestoreInput> = {}): RestoreInput {
    return { records, subjectKeys, journals: [this.journalFile], replace: false, ...more };
  }

  /** Everything is lost but the key files, the archives and the journal. */
  async lose(): Promise<void> {
    const names = await this.names();
    if (names.length > 0) await this.redis.del(...names);
  }

  async names(): Promise<string[]> {
    return (await this.redis.keys(`*${this.prefix}:*`)).sort();
  }

  /** Every key with its value. */
  async everything(): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {};
    for (const name of await this.names()) found[name] = await this.value(name);
    return found;
  }

  async value(name: string): Promise<unknown> {
    const type = await this.redis.type(name);
    if (type === "hash") return this.redis.hgetall(name);
    if (type === "list") return this.redis.lrange(name, 0, -1);
    if (type === "set") return (await this.redis.smembers(name)).sort();
    if (type === "zset") return this.redis.zrange(name, "0", "-1", "WITHSCORES");
    return this.redis.get(name);
  }

  async grants(home: { tag: SubjectTag; device: DeviceKey }): Promise<number | string> {
    const { decisions, floors } = await this.gate.read([{ subjectTag: home.tag, deviceKey: home.device }]);
    const verdict = decide(decisions[0], floors, Date.now());
    return verdict.grants ?? verdict.refusal;
  }

  /** On the account, and counted: one message to a scene service. */
  async disclose(tag: SubjectTag): Promise<void> {
    const recipient = { index: 0, name: "lights", purpose: "scene", region: "IN", contract: undefined } as const;
    const revision = await this.redis.llen(this.keyspace.ledger(tag));
    const line = { subject: tag, revision, recipient, day: "2026-03-07" };
    const disclosures = new Disclosures(this.redis, this.keyspace);
    await disclosures.open([line]);
    await disclosures.add(1, [[line, 1]]);
    await this.redis.del(await this.redis.keys(this.keyspace.disclosureWriter("*")));
  }

  async pseudonym(home: { tag: SubjectTag; device: DeviceKey }): Promise<string> {
    const key = (await this.redis.hget(this.keyspace.subject(home.tag), "key")) ?? "";
    return this.keyring.pseudonym(key, home.device, "analytics", 2900);
  }

  log(): AuditLog {
    return new AuditLog(this.redis, this.keyspace, { keys: [auditKey(this.keys.lookup)], now: Date.now });
  }
}

/** A Redis for the file, and for each of its tests an installation on it that is open. */
export function eachOnItsOwn(opened: (here: Installation) => void | Promise<void>): void {
  let root: string;
  let server: PrivateServer | undefined;
  let here: Installation | undefined;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "consentry-installation-"));
    server = await startUnsyncedRedis(join(root, "redis"));
  });
  afterAll(async () => {
    await server?.stop();
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    here = new Installation(root, server?.url ?? "");
    await here.open();
    await opened(here);
  });
  afterEach(() => here?.close());
}
