/**
 * The record of an erasure in Redis: the facts, the next step, and the result of each step. Every write is
 * idempotent, and a run that another one has overtaken writes nothing. The fields:
 *
 *   requestedAt facts step key · unreadable · heldUntil spared · waitCode waitSince
 *   freed-<spared>:<sink> rows:<sink> swept:<sink> uncounted:<sink> method:<sink> verified:<sink> sweepAt
 *   heard notices recipients nameless notifyAt remindAt · destroyedAt ledgerHead
 *   digest:<purpose>:<service> told:<purpose>:<service> ack:<purpose>:<service>
 *   completedAt receipt
 */
import type { Redis } from "ioredis";
import { ERASURE_STEPS, type ErasureFacts, type ErasureStep } from "../../model/erasure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { runScript } from "../../platform/redis-script.ts";
import type { NameTimes } from "./names-ever-given.ts";
import { type ErasureRecord, recordFrom } from "./reading.ts";
import { ENTOMB, MEND_RECORD, WRITE_RECORD } from "./scripts.ts";

export type { ErasureRecord } from "./reading.ts";

/** Deleted when the erasure is complete: what remains names no device and contains no name and no key. */
const DROPPED_AT_THE_END = [
  "facts",
  "notices",
  "recipients",
  "nameless",
  "heard",
  // Of records that a version of before began.
  "untold",
  "key",
  "unreadable",
  "step",
  "heldUntil",
  "spared",
  "waitCode",
  "waitSince",
  "sweepAt",
  "notifyAt",
  "remindAt",
] as const;

const PAGE = 200;

/** Every method throws REDIS_UNAVAILABLE when Redis does not answer. */
export class ErasureRecords {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** Before the erasure begins, so that one that began is always found again. */
  async register(id: string, tag: SubjectTag): Promise<void> {
    await this.#run((redis) =>
      Promise.all([redis.hset(this.#keyspace.erasureIndex, id, tag), redis.sadd(this.#keyspace.openErasures, id)]),
    );
  }

  /** For an id that was never begun. */
  async unregister(id: string): Promise<void> {
    await this.#run((redis) =>
      Promise.all([redis.srem(this.#keyspace.openErasures, id), redis.hdel(this.#keyspace.erasureIndex, id)]),
    );
  }

  open(): Promise<string[]> {
    return this.#run((redis) => redis.smembers(this.#keyspace.openErasures));
  }

  async read(id: string): Promise<ErasureRecord | undefined> {
    const tag = (await this.#run((redis) => redis.hget(this.#keyspace.erasureIndex, id))) as SubjectTag | null;
    if (tag === null) return undefined;
    const fields = await this.#run((redis) =>
      redis.hgetall(this.#keyspace.erasure(tag, id)).catch((error: unknown) => {
        if (!isMisshapen(error)) throw error;
        return undefined;
      }),
    );
    return recordFrom(id, tag, fields);
  }

  /**
   * `step`: the step at which the erasure must be; a run that is behind throws CONSENT_CONFLICT, and starts again from
   * the current step.
   */
  async set(
    record: ErasureRecord,
    fields: Readonly<Record<string, string | number>>,
    step: ErasureStep | "any" | undefined = record.step,
  ): Promise<void> {
    const done = await this.#write(record, step, "set", Object.entries(fields).flat());
    if (step !== "any") current(done);
  }

  /** Keeps the result of an earlier attempt. True when there was none. */
  async setOnce(
    record: ErasureRecord,
    field: string,
    value: string | number,
    step: ErasureStep | "any" | undefined = record.step,
  ): Promise<boolean> {
    const written = await this.#write(record, step, "once", [field, value]);
    return step === "any" ? written === 1 : current(written) === 1;
  }

  async unset(record: ErasureRecord, ...fields: string[]): Promise<void> {
    await this.#write(record, "any", "unset", fields);
  }

  /** False when the field has another value by now. */
  async replace(record: ErasureRecord, field: string, before: string, after: string): Promise<boolean> {
    return current(await this.#write(record, record.step, "replace", [field, before, after])) === 1;
  }

  /** For a damaged record: writes again what is known. An unreadable step restarts at the first one. */
  async mend({ tag, id }: ErasureRecord, requestedAt: number, facts: ErasureFacts): Promise<void> {
    const args = [requestedAt, JSON.stringify(facts), ERASURE_STEPS.join()];
    await this.#run((redis) => runScript(redis, MEND_RECORD, [this.#keyspace.erasure(tag, id)], args));
  }

  /** `undefined`: it was closed before. Afterwards only the fields that may be kept remain. */
  async close(record: ErasureRecord): Promise<void> {
    if (record.step !== undefined) current(await this.#write(record, record.step, "unset", DROPPED_AT_THE_END));
    await this.#run((redis) => redis.srem(this.#keyspace.openErasures, record.id));
  }

  #write(
    { tag, id }: ErasureRecord,
    step: ErasureStep | "any" | undefined,
    how: "set" | "once" | "unset" | "replace",
    fields: readonly (string | number)[],
  ): Promise<number> {
    const args = [step === "any" ? "" : (step ?? "-"), how, ...fields];
    return this.#run(async (redis) =>
      Number(await runScript(redis, WRITE_RECORD, [this.#keyspace.erasure(tag, id)], args)),
    );
  }

  /** Number of erasures completed before a time, without those of `except` and open ones. */
  older(beforeMs: number, except: ReadonlySet<SubjectTag>): Promise<number> {
    return this.#old(beforeMs, except, async () => undefined);
  }

  /** Deletes their records completely, including the fact that they existed. Idempotent. */
  expire(beforeMs: number, except: ReadonlySet<SubjectTag>): Promise<number> {
    return this.#old(beforeMs, except, async (id, tag) => {
      await this.#redis.unlink(this.#keyspace.erasure(tag, id));
      await this.#redis.hdel(this.#keyspace.erasureIndex, id);
    });
  }

  #old(
    beforeMs: number,
    except: ReadonlySet<SubjectTag>,
    each: (id: string, tag: SubjectTag) => Promise<void>,
  ): Promise<number> {
    return this.#run(async (redis) => {
      let old = 0;
      for await (const entries of redis.hscanStream(this.#keyspace.erasureIndex, { count: PAGE }) as AsyncIterable<
        string[]
      >) {
        for (let at = 0; at < entries.length; at += 2) {
          const [id = "", tag] = [entries[at], entries[at + 1] as SubjectTag];
          if (except.has(tag)) continue;
          if (!(await this.#isOld(id, tag, beforeMs))) continue;
          await each(id, tag);
          old += 1;
        }
      }
      return old;
    });
  }

  /** A record that is unreadable and not open proves nothing. */
  async #isOld(id: string, tag: SubjectTag, beforeMs: number): Promise<boolean> {
    try {
      const [completedAt, step] = await this.#redis.hmget(this.#keyspace.erasure(tag, id), "completedAt", "step");
      return completedAt != null && step == null && Number(completedAt) < beforeMs;
    } catch (error) {
      if (!isMisshapen(error)) throw error;
      return (await this.#redis.sismember(this.#keyspace.openErasures, id)) === 0;
    }
  }

  /** Records for a restore that all data of this subject up to `requestedAt` must be deleted. */
  async entomb({ id, tag, requestedAt, fields }: ErasureRecord): Promise<void> {
    const { destroyedAt, ledgerHead } = fields;
    const done = destroyedAt === undefined ? {} : { head: ledgerHead, completedAt: Number(destroyedAt) };
    const stone = JSON.stringify({ erasure: id, at: requestedAt, ...done });
    await this.#run((redis) =>
      runScript(redis, ENTOMB, [this.#keyspace.tombstones], [tag, requestedAt, stone, id, destroyedAt ?? ""]),
    );
  }

  /** Pseudonyms are made with epochs of this length from now on. */
  async useEpochLength(lengthMs: number): Promise<void> {
    await this.#run((redis) => redis.sadd(this.#keyspace.epochLengths, lengthMs));
  }

  /** Admission accepts a device's own time within these bounds from now on. Milliseconds. */
  async useClockWindow(pastMs: number, futureMs: number): Promise<void> {
    await this.#run((redis) => redis.sadd(this.#keyspace.clockWindows, `${pastMs}:${futureMs}`));
  }

  /**
   * Records a gateway's clock reading. Returns by how many milliseconds it is behind the latest reading of any gateway.
   */
  async behindLatest(nowMs: number): Promise<number> {
    const latest = await this.#run(async (redis) => {
      await redis.zadd(this.#keyspace.latestMoment, "GT", nowMs, "moment");
      return await redis.zscore(this.#keyspace.latestMoment, "moment");
    });
    return Math.max(0, Number(latest ?? nowMs) - nowMs);
  }

  /** Current and former configurations: data stored under the former ones are still there. */
  async times(): Promise<NameTimes> {
    const [lengths, windows] = await this.#run((redis) =>
      Promise.all([redis.smembers(this.#keyspace.epochLengths), redis.smembers(this.#keyspace.clockWindows)]),
    );
    const ever = windows.map((window) => window.split(":").map(Number));
    return {
      epochLengthsMs: lengths.map(Number).filter((length) => length > 0),
      clockWindowPastMs: Math.max(0, ...ever.map(([past]) => past ?? 0)),
      clockWindowFutureMs: Math.max(0, ...ever.map(([, future]) => future ?? 0)),
    };
  }

  #run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    return orRedisUnavailable(() => command(this.#redis));
  }
}

/** Throws when another run has advanced the erasure. */
function current(written: number): number {
  if (written < 0) throw new GatewayError("CONSENT_CONFLICT", "another run of the erasure is ahead");
  return written;
}
