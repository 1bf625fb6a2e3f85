/**
 * Staging area for restored values until all of them are there. A staged name lies in the same slot as its final name,
 * so that one RENAME moves it into place.
 */
import type { ChainableCommander, Redis } from "ioredis";
import type { AuditRepair } from "../../model/audit.ts";
import type { DeviceKey } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { execAll, keysLike, storedPages, writePage } from "../../platform/redis-values.ts";
import { AuditLog } from "../audit/log.ts";
import { SHARED_NAMES, UNITED } from "../backup/catalogue.ts";
import { auditSurvives } from "./audit-survives.ts";

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
  readonly #keyspace: Keyspace;
  readonly #prefix: string;

  constructor(redis: Redis, keyspace: Keyspace, prefix: string) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#prefix = prefix;
  }

  /** Removes what an earlier restore left staged. */
  async clear(): Promise<void> {
    for await (const names of this.#waiting()) await this.#redis.unlink(...names);
  }

  async isEmpty(): Promise<boolean> {
    for await (const _ of this.#waiting()) return false;
    return true;
  }

  /**
   * Merges what must survive a restore with the restored values. An existing audit log that continues the restored one
   * stays; a restored log that does not verify is repaired first, and the findings are returned.
   */
  async unite(auditKeys: readonly [Buffer, ...Buffer[]], now: () => number): Promise<AuditRepair | undefined> {
    const repair = await this.#uniteAudit(auditKeys, now);
    for (const name of UNITED) {
      for await (const page of storedPages(this.#redis, this.#keyspace[name])) {
        const pipeline = this.#redis.pipeline();
        writePage(pipeline, waitingName(this.#keyspace[name]), { ...page, first: false });
        await execAll(pipeline);
      }
    }
    return repair;
  }

  async #uniteAudit(auditKeys: readonly [Buffer, ...Buffer[]], now: () => number): Promise<AuditRepair | undefined> {
    const [auditLines, auditSeal] = [waitingName(this.#keyspace.auditLines), waitingName(this.#keyspace.auditSeal)];
    if (await auditSurvives(this.#redis, this.#keyspace, auditSeal, auditKeys)) {
      await this.#redis.unlink(auditLines, auditSeal);
      return undefined;
    }
    const waiting = new AuditLog(this.#redis, { auditLines, auditSeal }, { keys: auditKeys, now });
    return waiting.repair("operator");
  }

  /** Removes everything that a staged value may replace. Repeat after a crash, but not once `take` began. */
  async removeOld(held: () => void): Promise<void> {
    const every = "*" as DeviceKey;
    for (const pattern of [`${this.#prefix}:{*}:*`, this.#keyspace.credential(every), this.#keyspace.children(every)]) {
      for await (const names of keysLike(this.#redis, pattern)) {
        held();
        const old = names.filter((name) => !name.endsWith(SUFFIX));
        if (old.length > 0) await this.#redis.unlink(...old);
      }
    }
    // The lists are gone with their subjects.
    await this.#redis.unlink(this.#keyspace.forwardedSince);
    // Of a Redis that was put back to an earlier state no one can say which of them were revoked since.
    await this.#redis.unlink(this.#keyspace.tokens);
    const auditWaits = (await this.#redis.exists(waitingName(this.#keyspace.auditSeal))) === 1;
    for (const name of SHARED_NAMES) {
      if (auditWaits || (name !== "auditLines" && name !== "auditSeal")) await this.#redis.unlink(this.#keyspace[name]);
    }
  }

  /** Moves every staged value into place. Repeat after a crash. */
  async take(held: () => void): Promise<void> {
    // SCAN may miss what is renamed while it runs; so repeat until there is nothing left to rename.
    for (let found = 1; found > 0; ) {
      found = 0;
      for await (const names of this.#waiting()) {
        held();
        found += names.length;
        const pipeline: ChainableCommander = this.#redis.pipeline();
        for (const name of new Set(names)) pipeline.rename(name, finalName(name));
        for (const [error] of (await pipeline.exec()) ?? []) {
          // SCAN may return a name twice; any other error would recur forever.
          if (error !== null && !error.message.includes("no such key")) throw error;
        }
      }
    }
  }

  async *#waiting(): AsyncGenerator<string[]> {
    for (const pattern of [`${this.#prefix}:*${SUFFIX}`, `{${this.#prefix}:*${SUFFIX}`]) {
      for await (const names of keysLike(this.#redis, pattern)) {
        // What keeps versions of before the schema number away has a name of the same form.
        const ours = names.filter((name) => name !== this.#keyspace.barrier);
        if (ours.length > 0) yield ours;
      }
    }
  }
}
