/**
 * Removes an erased subject's key from the key archives in the backup folder. Together with the key files such an
 * archive would reveal the erased subject's names again, so the key must be removed there as it is in Redis.
 */
import type { Redis } from "ioredis";
import type { SubjectTag } from "../../model/ids.ts";
import { fingerprint } from "../../platform/keys/fingerprint.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import type { SealedHeader } from "../../platform/sealed-file/format.ts";
import { readSealedHeader } from "../../platform/sealed-file/reader.ts";
import { SealedFileWriter } from "../../platform/sealed-file/writer.ts";
import { archiveLines, archivesIn, type KeysLine, keysLine, subjectArchiveKey } from "./archive.ts";
import { installationOf } from "./installation.ts";

const MARK: RedisScript = {
  name: "consentryMarkErasedKey",
  lua: `--[[
  Records the time at which a subject's key was destroyed, by the clock of Redis.
  KEYS[1] sorted set of subjects
  ARGV[1] subject
  Reply: 1 first time, 0 repeated
]]
local time = redis.call("TIME")
return redis.call("ZADD", KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])`,
};

/** Clock difference allowed between the gateway that took a backup and Redis. */
const CLOCK_MARGIN_MS = 5 * 60_000;

export interface ArchiveSecrets {
  readonly lookup: Buffer;
  /** Current and former master keys. */
  readonly masters: readonly Buffer[];
}

interface Outdated {
  readonly file: string;
  readonly header: SealedHeader;
  readonly erased: ReadonlySet<SubjectTag>;
}

export class KeyArchives {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #dir: string;

  constructor(redis: Redis, keyspace: Keyspace, dir: string) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#dir = dir;
  }

  /** Call once the journal says that no restore takes this key. Throws REDIS_UNAVAILABLE. */
  async mark(tag: SubjectTag): Promise<void> {
    await orRedisUnavailable(() => runScript(this.#redis, MARK, [this.#keyspace.erasedKeys], [tag]));
  }

  /** Archives here that are older than an erasure. Throws REDIS_UNAVAILABLE. */
  async outdated(lookup: Buffer): Promise<Outdated[]> {
    const found: Outdated[] = [];
    for (const file of await archivesIn(this.#dir, "subject-keys", installationOf(lookup))) {
      const header = await readSealedHeader(file).catch(() => undefined);
      if (header === undefined) continue;
      const since = header.purgedAt ?? header.createdAt - CLOCK_MARGIN_MS;
      const erased = () => this.#redis.zrangebyscore(this.#keyspace.erasedKeys, since, "+inf");
      const tags = new Set((await orRedisUnavailable(erased)) as SubjectTag[]);
      if (tags.size > 0) found.push({ file, header, erased: tags });
    }
    return found;
  }

  /**
   * Rewrites every such archive without the destroyed keys; each file changes completely or not at all. Returns how
   * many were rewritten and how many no key opens. Throws ARCHIVE_INVALID, REDIS_UNAVAILABLE and file-system errors.
   */
  async purge({ lookup, masters }: ArchiveSecrets): Promise<{ readonly sealed: number; readonly locked: number }> {
    const archiveKeys = masters.map(subjectArchiveKey);
    // Before the list is read: what is marked meanwhile is found by the next run.
    const [seconds] = await orRedisUnavailable(() => this.#redis.time());
    const outdated = await this.outdated(lookup);
    let sealed = 0;
    for (const one of outdated) {
      const key = archiveKeys.find((candidate) => fingerprint(candidate) === one.header.keyId);
      if (key === undefined) continue;
      await sealAnew(one, key, Number(seconds) * 1_000);
      sealed += 1;
    }
    return { sealed, locked: outdated.length - sealed };
  }
}

async function sealAnew({ file, header, erased }: Outdated, key: Buffer, purgedAt: number): Promise<void> {
  const { schema, kind, createdAt, installation, backup, journals } = header;
  const writer = new SealedFileWriter(file, key, { schema, kind, createdAt, installation, backup, journals, purgedAt });
  try {
    let kept = 0;
    for await (const line of archiveLines(file, key, keysLine)) {
      if (erased.has(line.tag)) continue;
      await writer.line(JSON.stringify(line));
      kept += 1;
    }
    const end: KeysLine = { is: "end", subjects: 0, credentials: 0, keys: kept };
    await writer.line(JSON.stringify(end));
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
