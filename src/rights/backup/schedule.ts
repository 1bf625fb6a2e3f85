/** Takes a backup whenever the newest one has grown too old, and keeps as many as it was told to. */
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
  /** 0: never by itself. */
  readonly everyMs: number;
  readonly keep: number;
}

/** Of several gateways one takes the backup; should it die meanwhile, another may after this long. */
const TURN_MS = 30 * 60_000;

const END_TURN: RedisScript = {
  name: "consentryEndBackupTurn",
  lua: `--[[
  Ends a turn, unless it ran out and is somebody else's by now.
  KEYS[1] whose turn it is
  ARGV[1] who ends theirs
  Reply: 1 ended, 0 it was another one's
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])`,
};

const RENEW_TURN: RedisScript = {
  name: "consentryRenewBackupTurn",
  lua: `--[[
  Prolongs a turn, unless it ran out and is somebody else's by now.
  KEYS[1] whose turn it is
  ARGV[1] who has theirs   ARGV[2] ms
  Reply: 1 prolonged, 0 it is another one's
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

  /** Of the newest backup; infinite while there is none. */
  async ageMs(lookupKey: Buffer, now = Date.now()): Promise<number> {
    const newest = (await archivesIn(this.#options.dir, "records", installationOf(lookupKey))).at(-1);
    if (newest === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, now - (await readSealedHeader(newest)).createdAt);
  }

  /** `undefined` when it is not time yet or another gateway has its turn. Throws what `Backup.take` throws. */
  async turn(keys: BackupKeys, journal: JournalHead | undefined): Promise<BackupResult | undefined> {
    const { dir, everyMs, keep } = this.#options;
    const due = async () => everyMs > 0 && (await this.ageMs(keys.lookup)) >= everyMs;
    await removeLeftovers(dir);
    if (!(await due())) return undefined;
    return this.alone(async () => {
      // Whoever had the turn before may have taken the very backup that was due.
      if (!(await due())) return undefined;
      const taken = await this.#backup.take(dir, keys, journal);
      const archives = await archivesIn(dir, "records", installationOf(keys.lookup));
      for (const file of archives.slice(0, -keep)) await rm(file, { force: true });
      return taken;
    });
  }

  /** Of all gateways only one works on archives at a time; `undefined` when another one does. */
  async alone<T>(work: () => Promise<T>): Promise<T | undefined> {
    const mine = randomBytes(8).toString("hex");
    const begin = () => this.#redis.set(this.#keyspace.backupTurn, mine, "PX", TURN_MS, "NX");
    if ((await orRedisUnavailable(begin)) === null) return undefined;
    // For as long as the work takes; one that lost its turn ends what it began, and begins nothing more.
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
