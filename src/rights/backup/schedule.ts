/** Takes a backup whenever the newest one is too old, and keeps the configured number. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Redis } from "ioredis";
import type { JournalHead } from "../../model/journal-head.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { readSealedHeader } from "../../platform/sealed-file/reader.ts";
import { archivesIn, removeLeftovers } from "./archive.ts";
import type { Backup, BackupKeys, BackupResult } from "./backup.ts";
import { installationOf } from "./installation.ts";

export interface BackupScheduleOptions {
  readonly dir: string;
  /** 0: no automatic backups. */
  readonly everyMs: number;
  readonly keep: number;
}

/** One of several gateways takes the backup; if it dies, another may do so after this time. */
const TURN_MS = 30 * 60_000;

const END_TURN: RedisScript = {
  name: "consentryEndBackupTurn",
  lua: `--[[
  Ends a turn, unless it expired and belongs to another gateway by now.
  KEYS[1] holder of the turn
  ARGV[1] gateway that ends its turn
  Reply: 1 ended, 0 another gateway holds it
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])`,
};

const RENEW_TURN: RedisScript = {
  name: "consentryRenewBackupTurn",
  lua: `--[[
  Extends a turn, unless it expired and belongs to another gateway by now.
  KEYS[1] holder of the turn
  ARGV[1] gateway that extends its turn   ARGV[2] ms
  Reply: 1 extended, 0 another gateway holds it
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("PEXPIRE", KEYS[1], ARGV[2])`,
};

export class BackupSchedule {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #backup: Pick<Backup, "take">;
  readonly #options: BackupScheduleOptions;

  constructor(redis: Redis, keyspace: Keyspace, backup: Pick<Backup, "take">, options: BackupScheduleOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#backup = backup;
    this.#options = options;
  }

  /** Age of the newest backup; infinite while there is none. */
  async ageMs(lookupKey: Buffer, now = Date.now()): Promise<number> {
    const newest = (await archivesIn(this.#options.dir, "records", installationOf(lookupKey))).at(-1);
    if (newest === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, now - (await readSealedHeader(newest)).createdAt);
  }

  /** `undefined` when no backup is due or another gateway takes it. Throws what `Backup.take` throws. */
  async turn(keys: BackupKeys, journal: JournalHead | undefined): Promise<BackupResult | undefined> {
    const { dir, everyMs, keep } = this.#options;
    const due = async () => everyMs > 0 && (await this.ageMs(keys.lookup)) >= everyMs;
    await removeLeftovers(dir);
    if (!(await due())) return undefined;
    return this.alone(async () => {
      // The previous holder of the turn may just have taken the backup that was due.
      if (!(await due())) return undefined;
      const taken = await this.#backup.take(dir, keys, journal);
      const archives = await archivesIn(dir, "records", installationOf(keys.lookup));
      for (const file of archives.slice(0, -keep)) await rm(file, { force: true });
      return taken;
    });
  }

  /** Only one gateway at a time works on archives; `undefined` when another one does. */
  async alone<T>(work: () => Promise<T>): Promise<T | undefined> {
    const mine = randomBytes(8).toString("hex");
    const begin = () => this.#redis.set(this.#keyspace.backupTurn, mine, "PX", TURN_MS, "NX");
    if ((await orRedisUnavailable(begin)) === null) return undefined;
    // Renewed while the work lasts; a gateway that lost the turn completes the current step and starts no other.
    const renew = () => runScript(this.#redis, RENEW_TURN, [this.#keyspace.backupTurn], [mine, TURN_MS]);
    const timer = setInterval(() => void renew().catch(() => undefined), TURN_MS / 3);
    timer.unref();
    try {
      return await work();
    } finally {
      clearInterval(timer);
      await orRedisUnavailable(() => runScript(this.#redis, END_TURN, [this.#keyspace.backupTurn], [mine]));
    }
  }
}
