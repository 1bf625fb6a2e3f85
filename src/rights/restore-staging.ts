/**
 * Where restored values wait until all of them are there. A waiting name lies in the same slot as the name
 * it will take, so that taking it is one RENAME.
 */
import type { ChainableCommander, Redis } from "ioredis";
import type { DeviceKey } from "../model/ids.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { SHARED_NAMES, UNITED } from "./backup-catalogue.ts";
import { execAll, keysLike, storedPages, writePage } from "./redis-values.ts";

const SUFFIX = ":restoring";

export function waitingName(key: string): string {
  return key.includes("{") ? `${key}${SUFFIX}` : `{${key}}${SUFFIX}`;
}

function finalName(waiting: string): string {
  const key = waiting.slice(0, -SUFFIX.length);
  return key.startsWith("{") && key.endsWith("}") ? key.slice(1, -1) : key;
}

export class Staging {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #prefix: string;

  constructor(redis: Redis, keys: RedisKeys, prefix: string) {
    this.#redis = redis;
    this.#keys = keys;
    this.#prefix = prefix;
  }

  /** Removes what an earlier restore left waiting. */
  async clear(): Promise<void> {
    for await (const names of this.#waiting()) await this.#redis.unlink(...names);
  }

  /** Puts what must survive a restore beside what comes with it. */
  async unite(): Promise<void> {
    for (const name of UNITED) {
      for await (const page of storedPages(this.#redis, this.#keys[name])) {
        const pipeline = this.#redis.pipeline();
        writePage(pipeline, waitingName(this.#keys[name]), { ...page, first: false });
        await execAll(pipeline);
      }
    }
  }

  /** Everything that was there goes, everything that waits takes its place. To be repeated after a crash. */
  async swap(held: () => void): Promise<void> {
    for (const pattern of [`${this.#prefix}:{*}:*`, this.#keys.credential("*" as DeviceKey)]) {
      for await (const names of keysLike(this.#redis, pattern)) {
        held();
        const old = names.filter((name) => !name.endsWith(SUFFIX));
        if (old.length > 0) await this.#redis.unlink(...old);
      }
    }
    for (const name of SHARED_NAMES) await this.#redis.unlink(this.#keys[name]);
    // A scan may miss what is renamed while it runs; so it runs until there is nothing left to rename.
    for (let found = 1; found > 0; ) {
      found = 0;
      for await (const names of this.#waiting()) {
        held();
        found += names.length;
        const pipeline: ChainableCommander = this.#redis.pipeline();
        for (const name of new Set(names)) pipeline.rename(name, finalName(name));
        await pipeline.exec();
      }
    }
  }

  async *#waiting(): AsyncGenerator<string[]> {
    for (const pattern of [`${this.#prefix}:*${SUFFIX}`, `{${this.#prefix}:*${SUFFIX}`]) {
      for await (const names of keysLike(this.#redis, pattern)) {
        // The sign that a restore is under way has a name of the same form.
        const ours = names.filter((name) => name !== this.#keys.restoring);
        if (ours.length > 0) yield ours;
      }
    }
  }
}
