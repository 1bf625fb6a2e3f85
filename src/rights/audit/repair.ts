/**
 * No line can be appended to a log that does not verify. The repaired log keeps the lines up to the first breach; the
 * first new line reports what was found, then all other authentic lines follow. Lines that are not authentic are
 * counted, identified by hash, and left out.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import type { AuditAct, AuditHead, AuditProblem, AuditRecord, AuditRepair, AuditRole } from "../../model/audit.ts";
import { GatewayError } from "../../model/errors.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { type AuditState, ChainCheck, EMPTY_LOG, hashLine, nextLine, openLine, openSeal, seal } from "./chain.ts";
import { HeadCheck } from "./head-check.ts";
import { type LogKeyspace, LogLines } from "./lines.ts";

export interface RepairOptions {
  /** The first key writes, all of them verify. */
  readonly keys: readonly [Buffer, ...Buffer[]];
  readonly by: AuditRole;
  /** The first problem found, and its line. */
  readonly found: { readonly index: number; readonly problem: AuditProblem };
  /** Heads recorded outside Redis. */
  readonly noted: readonly AuditHead[];
  /** Receives the unverifiable lines before they are removed. */
  keep(leftOut: readonly string[]): Promise<void>;
  /** Unix ms. */
  now(): number;
}

const REPLACE_LOG: RedisScript = {
  name: "consentryRepairAudit",
  lua: `--[[
  Keeps the beginning of the audit log, appends lines after it and replaces the seal.
  KEYS[1] list of lines   KEYS[2] seal
  ARGV[1] expected seal, "" for none   ARGV[2] expected number of lines
  ARGV[3] seal afterwards   ARGV[4] lines to keep   ARGV[5..] lines to append
  Reply: 1 done, 0 the log has changed
]]
if (redis.call("GET", KEYS[2]) or "") ~= ARGV[1] then return 0 end
if redis.call("LLEN", KEYS[1]) ~= tonumber(ARGV[2]) then return 0 end
if tonumber(ARGV[4]) == 0 then redis.call("DEL", KEYS[1]) else redis.call("LTRIM", KEYS[1], 0, ARGV[4] - 1) end
for index = 5, #ARGV do redis.call("RPUSH", KEYS[1], ARGV[index]) end
redis.call("SET", KEYS[2], ARGV[3])
return 1`,
};

const MAX_ATTEMPTS = 20;

/** Throws REDIS_UNAVAILABLE; CONSENT_CONFLICT when others keep writing to the log. */
export async function repairAudit(redis: Redis, keyspace: LogKeyspace, options: RepairOptions): Promise<AuditRepair> {
  const log = new LogLines(redis, keyspace);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const { sealText, count } = await log.bounds();
    const remains = new Remains(openSeal(sealText, options.keys), options);
    for await (const line of log.between(0, count)) remains.add(line);
    const { lines, state, repair } = remains.written();
    await options.keep(remains.leftOut);
    const args = [sealText, count, seal(state, options.keys[0]), repair.kept, ...lines];
    const names = [keyspace.auditLines, keyspace.auditSeal];
    if ((await orRedisUnavailable(() => runScript(redis, REPLACE_LOG, names, args))) === 1) return repair;
  }
  throw new GatewayError("CONSENT_CONFLICT", "audit");
}

/** The lines of a log that does not verify, sorted into kept, rewritten and left out. */
class Remains {
  readonly #options: RepairOptions;
  readonly #sealed: AuditState | undefined;
  readonly #seen = new Set<string>();
  readonly #again: AuditRecord[] = [];
  readonly #left: string[] = [];
  #chain: ChainCheck | undefined;
  #heads: HeadCheck | undefined;
  /** State after the verified lines at the beginning. */
  #state: AuditState | undefined;

  constructor(sealed: AuditState | undefined, options: RepairOptions) {
    this.#options = options;
    this.#sealed = sealed;
    if (sealed !== undefined) this.#begin(sealed);
  }

  add(line: string): void {
    const record = openLine(line, this.#options.keys);
    // Without a seal the log begins where its first line says it does.
    if (record !== undefined && this.#state === undefined)
      this.#begin({ first: record.index, base: record.prev, next: record.index, head: record.prev });
    const hash = hashLine(line);
    if (this.#again.length + this.#left.length === 0 && this.#chain?.follow(line) === undefined && this.#state) {
      this.#state = { ...this.#state, next: this.#state.next + 1, head: hash };
      this.#heads?.follow(this.#state.next, hash, undefined);
    } else if (record === undefined || this.#seen.has(hash)) this.#left.push(line);
    else this.#again.push(record);
    this.#seen.add(hash);
  }

  written(): { lines: string[]; state: AuditState; repair: AuditRepair } {
    const { keys, by, found, now } = this.#options;
    const kept = this.#state ?? EMPTY_LOG;
    const [again, left] = [this.#again.length, this.#left.length];
    const counts = { problem: found.problem, line: found.index, kept: kept.next - kept.first, again, left };
    const digest = createHash("sha256").update(this.#left.join("\n")).digest("base64url");
    const detail = { ...counts, ...(left > 0 && { digest }), ...this.#lost(kept) };
    // Tells running gateways that the log was repaired, and not rolled back to an earlier state.
    let state: AuditState = { ...kept, repaired: Math.max(now(), (this.#sealed?.repaired ?? 0) + 1) };
    const lines: string[] = [];
    const append = (act: AuditAct, at: number): void => {
      const next = nextLine(state, act, at, keys[0]);
      lines.push(next.line);
      state = next.state;
    };
    append({ act: "audit-repaired", by, detail }, now());
    const moved = new Map<number, number>();
    for (const { index, at, prev: _prev, of, ...act } of this.#again) {
      moved.set(index, state.next);
      append({ ...act, of: of === undefined ? undefined : (moved.get(of) ?? of) }, at);
    }
    return { lines, state, repair: { index: kept.next, ...counts } };
  }

  get leftOut(): readonly string[] {
    return this.#left;
  }

  #begin(state: AuditState): void {
    const from = { ...state, next: state.first, head: state.base };
    this.#state = from;
    this.#chain = new ChainCheck({ ...from, next: Number.MAX_SAFE_INTEGER }, this.#options.keys);
    const { noted } = this.#options;
    const known = this.#sealed === undefined ? noted : [...noted, headOf(this.#sealed)];
    this.#heads = new HeadCheck(known, from);
  }

  /** What the log lost although it must have contained it: from which line, and up to which head. */
  #lost({ next }: AuditState): { from?: number; lost?: string } {
    const known = [...this.#options.noted, ...(this.#sealed === undefined ? [] : [headOf(this.#sealed)])];
    const missed = this.#heads?.missed() ?? known.sort((left, right) => left.next - right.next);
    const [first, last] = [missed[0], missed.at(-1)];
    if (first === undefined || last === undefined) return {};
    return { from: Math.min(first.next - 1, next), lost: `${last.next}:${last.hash}` };
  }
}

function headOf({ next, head }: AuditState): AuditHead {
  return { next, hash: head };
}
