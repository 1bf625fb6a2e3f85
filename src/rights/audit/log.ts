/**
 * The audit log in Redis: append-only, chained, sealed. One Lua call appends lines; it refuses when the log differs
 * from the state this process continues, so that two gateways cannot fork it.
 */
import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import type {
  AuditAct,
  AuditHead,
  AuditPage,
  AuditRecord,
  AuditRepair,
  AuditRole,
  AuditVerdict,
} from "../../model/audit.ts";
import { GatewayError } from "../../model/errors.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { type AuditState, EMPTY_LOG, hashLine, nextLine, openLine, openSeal, seal } from "./chain.ts";
import { type LogKeyspace, LogLines } from "./lines.ts";
import { repairAudit } from "./repair.ts";
import { verdictOn } from "./verdict.ts";

export interface AuditOptions {
  /** The first key writes, all of them verify. */
  readonly keys: readonly [Buffer, ...Buffer[]];
  /** Unix ms. */
  now(): number;
}

const APPEND_LINES: RedisScript = {
  name: "consentryAppendAudit",
  lua: `--[[
  Appends lines to the audit log and replaces its seal, or trims lines off its beginning.
  KEYS[1] list of lines   KEYS[2] seal
  ARGV[1] expected seal, "" for none   ARGV[2] expected number of lines
  ARGV[3] seal afterwards   ARGV[4] lines to trim   ARGV[5..] lines to append
  Reply: 1 done, 0 the seal has changed, -1 the number of lines does not match the seal
]]
if (redis.call("GET", KEYS[2]) or "") ~= ARGV[1] then return 0 end
if redis.call("LLEN", KEYS[1]) ~= tonumber(ARGV[2]) then return -1 end
if tonumber(ARGV[4]) > 0 then redis.call("LTRIM", KEYS[1], ARGV[4], -1) end
for index = 5, #ARGV do redis.call("RPUSH", KEYS[1], ARGV[index]) end
redis.call("SET", KEYS[2], ARGV[3])
return 1`,
};

const MAX_BATCH = 128;
const MAX_ATTEMPTS = 20;
const MAX_BACKOFF_MS = 30;

interface Waiting {
  readonly act: AuditAct;
  readonly at: number;
  readonly resolve: (index: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Known {
  readonly sealText: string;
  readonly state: AuditState;
}

export class AuditLog {
  readonly #redis: Redis;
  readonly #keyspace: LogKeyspace;
  readonly #options: AuditOptions;
  readonly #lines: LogLines;
  #waiting: Waiting[] = [];
  #writing = false;
  /** The state this process wrote or read last; from there the log may only have grown. */
  #known: Known | undefined;

  constructor(redis: Redis, keyspace: LogKeyspace, options: AuditOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = options;
    this.#lines = new LogLines(redis, keyspace);
  }

  /**
   * Resolves with the index of the line once it is in Redis. Lines that arrive during a call are written together in
   * the next. `at` is the time of the act, Unix ms. Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`; `AUDIT_BROKEN` when
   * the log was tampered with.
   */
  append(act: AuditAct, at = this.#options.now()): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ act, at, resolve, reject });
      if (!this.#writing) void this.#write();
    });
  }

  async head(): Promise<AuditHead> {
    const { state } = await this.#read();
    return { next: state.next, hash: state.head };
  }

  /** The latest head of the log that this process knows. */
  get known(): AuditHead | undefined {
    const state = this.#known?.state;
    return state && { next: state.next, hash: state.head };
  }

  /** Whether the log continues from this head, judged by its last lines. Throws REDIS_UNAVAILABLE. */
  async continues({ next, hash }: AuditHead): Promise<boolean> {
    const { sealText } = await this.#lines.bounds();
    const state = openSeal(sealText, this.#options.keys);
    if (state === undefined || state.next < next) return false;
    if (next <= state.first) return next < state.first || state.base === hash;
    const line = await this.#lines.at(next - 1 - state.first);
    return line !== null && hashLine(line) === hash;
  }

  /** Reads the whole log. `noted` are heads recorded earlier; this log must continue each of them. */
  async verify(noted: readonly AuditHead[] = []): Promise<AuditVerdict> {
    const before = await this.#lines.bounds();
    const options = { keys: this.#options.keys, noted };
    const verdict = await verdictOn(this.#lines, before, options);
    if (verdict.intact) return verdict;
    // Retention that trimmed lines meanwhile shifted all indexes; only in this case read again.
    const now = await this.#lines.bounds();
    const [was, is] = [before, now].map(({ sealText }) => openSeal(sealText, this.#options.keys)?.first);
    return was === is ? verdict : verdictOn(this.#lines, now, options);
  }

  /**
   * Makes a log that does not verify writable again, with a line that reports the findings; `undefined` when there is
   * nothing to repair. `keep` receives the unverifiable lines before they are removed. Throws `REDIS_UNAVAILABLE`,
   * `CONSENT_CONFLICT`.
   */
  async repair(
    by: AuditRole,
    noted: readonly AuditHead[] = [],
    keep: (leftOut: readonly string[]) => Promise<void> = async () => undefined,
  ): Promise<AuditRepair | undefined> {
    const found = await this.verify(noted);
    if (found.intact) return undefined;
    return repairAudit(this.#redis, this.#keyspace, { ...this.#options, by, found, noted, keep });
  }

  /** Lines from index `from` on, oldest first. Throws `AUDIT_BROKEN` when one of them is not authentic. */
  async list({ from, limit }: { readonly from: number; readonly limit: number }): Promise<AuditPage> {
    for (;;) {
      const { state } = await this.#read();
      const start = Math.max(from, state.first);
      const end = Math.min(start + limit, state.next);
      const records: AuditRecord[] = [];
      for await (const line of this.#lines.between(start - state.first, end - state.first))
        records.push(this.#opened(line));
      // Lines trimmed meanwhile shifted all indexes.
      const moved = (await this.#read()).state.first !== state.first;
      if (!moved) return { records, first: state.first, head: { next: state.next, hash: state.head } };
    }
  }

  /** Lines written before `beforeMs` (Unix ms), which `trim` would remove. */
  async older(beforeMs: number): Promise<number> {
    const { state } = await this.#read();
    let count = 0;
    for await (const line of this.#lines.between(0, state.next - state.first)) {
      if (this.#opened(line).at >= beforeMs) break;
      count += 1;
    }
    return count;
  }

  /**
   * Retention: removes lines written before `beforeMs`; the seal records the new beginning. Of two concurrent trims
   * only one takes effect: a count is valid only for the beginning it was counted from.
   */
  async trim(beforeMs: number): Promise<number> {
    const { first } = (await this.#read()).state;
    const count = await this.older(beforeMs);
    if (count === 0) return 0;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const before = await this.#read();
      // Another gateway trimmed; the next run counts again and finds the rest.
      if (before.state.first !== first) return 0;
      const last = await this.#lines.at(count - 1);
      if (last === null) {
        if ((await this.#lines.bounds()).sealText !== before.sealText) continue;
        throw new GatewayError("AUDIT_BROKEN", "truncated");
      }
      const after = { ...before.state, first: first + count, base: hashLine(last) };
      if (await this.#replace(before, after, count, [])) return count;
      await delay(randomInt(MAX_BACKOFF_MS) + 1);
    }
    throw new GatewayError("CONSENT_CONFLICT", "audit");
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      try {
        const first = await this.#appendAll(batch);
        for (const [offset, { resolve }] of batch.entries()) resolve(first + offset);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  async #appendAll(acts: readonly Pick<Waiting, "act" | "at">[]): Promise<number> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const before = attempt === 1 && this.#known !== undefined ? this.#known : await this.#read();
      const lines: string[] = [];
      let state = before.state;
      for (const { act, at } of acts) {
        const next = nextLine(state, act, at, this.#options.keys[0]);
        lines.push(next.line);
        state = next.state;
      }
      if (await this.#replace(before, state, 0, lines)) return before.state.next;
      await delay(randomInt(MAX_BACKOFF_MS) + 1);
    }
    throw new GatewayError("CONSENT_CONFLICT", "audit");
  }

  /** `false` when another process wrote meanwhile. */
  async #replace(before: Known, after: AuditState, trimmed: number, lines: readonly string[]): Promise<boolean> {
    const sealText = seal(after, this.#options.keys[0]);
    const names = [this.#keyspace.auditLines, this.#keyspace.auditSeal];
    const count = before.state.next - before.state.first;
    const args = [before.sealText, count, sealText, trimmed, ...lines];
    const reply = await orRedisUnavailable(() => runScript(this.#redis, APPEND_LINES, names, args));
    if (reply === -1) throw new GatewayError("AUDIT_BROKEN", "lines do not match the seal");
    if (reply !== 1) return false;
    this.#known = { sealText, state: after };
    return true;
  }

  /** The sealed state, verified to be no older than what this process knows. */
  async #read(): Promise<Known> {
    const { sealText, count } = await this.#lines.bounds();
    const state = sealText === "" && count === 0 ? EMPTY_LOG : openSeal(sealText, this.#options.keys);
    if (state === undefined) throw new GatewayError("AUDIT_BROKEN", "seal");
    // Knowledge from before a repair of the log is no longer required of it.
    const latest = this.#known?.state;
    const known = (state.repaired ?? 0) > (latest?.repaired ?? 0) ? undefined : latest;
    if (known !== undefined && state.next < known.next) throw new GatewayError("AUDIT_BROKEN", "rolled back");
    if (known !== undefined && known.next > state.first) {
      const last = await this.#lines.at(known.next - 1 - state.first);
      if (last === null || hashLine(last) !== known.head) {
        // A trim between the two reads moved every line towards the front: this is no rollback.
        if ((await this.#lines.bounds()).sealText !== sealText) return this.#read();
        throw new GatewayError("AUDIT_BROKEN", "rolled back");
      }
    }
    return { sealText, state };
  }

  #opened(line: string): AuditRecord {
    const record = openLine(line, this.#options.keys);
    if (record === undefined) throw new GatewayError("AUDIT_BROKEN", "a line is not authentic");
    return record;
  }
}
