/** Takes a backup whenever the newest one has grown too old, and keeps as many as it was told to. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Redis } from "ioredis";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { archivesIn, installationOf } from "./archive.ts";
import type { Backup, BackupKeys, BackupResult } from "./backup.ts";
import { readSealedHeader } from "./sealed-reader.ts";

export interface BackupScheduleOptions {
  readonly dir: string;
  /** 0: never by itself. */
  readonly everyMs: number;
  readonly keep: number;
}

/** Of several gateways one takes the backup; should it die meanwhile, another may after this long. */
const TURN_MS = 30 * 60_000;

export class BackupSchedule {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #backup: Pick<Backup, "take">;
  readonly #options: BackupScheduleOptions;

  constructor(redis: Redis, keys: RedisKeys, backup: Pick<Backup, "take">, options: BackupScheduleOptions) {
    this.#redis = redis;
    this.#keys = keys;
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
  async turn(secrets: BackupKeys): Promise<BackupResult | undefined> {
    const { dir, everyMs, keep } = this.#options;
    if (everyMs === 0 || (await this.ageMs(secrets.lookup)) < everyMs) return undefined;
    const mine = randomBytes(8).toString("hex");
    if ((await this.#redis.set(this.#keys.backupTurn, mine, "PX", TURN_MS, "NX")) === null) return undefined;
    try {
      const taken = await this.#backup.take(dir, secrets);
      const archives = await archivesIn(dir, "records", installationOf(secrets.lookup));
      for (const file of archives.slice(0, -keep)) await rm(file, { force: true });
      return taken;
    } finally {
      if ((await this.#redis.get(this.#keys.backupTurn)) === mine) await this.#redis.del(this.#keys.backupTurn);
    }
  }
}
