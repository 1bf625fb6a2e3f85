/**
 * Wires the question whether Redis is still what it was: asked before anything is served, whenever the connection was
 * lost, and whenever Redis does not remember this gateway's last word. Until it is answered nothing goes through.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import { catchUp } from "../consent/ledger/catch-up.ts";
import { LedgerStore } from "../consent/ledger/store.ts";
import { SubjectErasure } from "../consent/ledger/subject-erasure.ts";
import type { AuditAct, AuditHead } from "../model/audit.ts";
import { GatewayError } from "../model/errors.ts";
import type { SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import type { Part } from "../platform/lifecycle.ts";
import { connectRedis } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { auditKey } from "../rights/audit/chain.ts";
import { AuditLog } from "../rights/audit/log.ts";
import { erasureIdsIn } from "../rights/erasure/in-ledger.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { HeldSubjects } from "../rights/holds/held-subjects.ts";
import { journalKey } from "../rights/journal/format.ts";
import { readJournalEnd } from "../rights/journal/reading.ts";
import { type Proven, prove } from "../rights/proof.ts";

export interface ProofDeps {
  readonly config: Pick<Config, "redis" | "backup">;
  readonly lookup: Buffer;
  /** Everything that asks about consent, and every right, goes through it. */
  readonly redis: HeldRedis;
  readonly keys: RedisKeys;
  /** How far this process knows the audit log to have got. */
  readonly head: () => AuditHead | undefined;
  readonly audited: (head: AuditHead) => Promise<void>;
  readonly audit: (act: AuditAct) => Promise<unknown>;
  readonly fatal: (error: Error) => void;
  readonly log: Log;
}

export interface Proof {
  readonly part: Part;
  /** To be called when Redis does not remember what it was told. */
  doubt(): void;
}

const AGAIN_MS = 200;

export function createProof(deps: ProofDeps): Proof {
  const { redis, log, fatal } = deps;
  let losses = 0;
  let asking = false;
  let stopped = false;

  const check = async (): Promise<void> => tell(deps, await proveAnew(deps));
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    while (redis.held && !stopped && redis.status === "ready") {
      const before = losses;
      try {
        await check();
        if (before === losses) redis.release();
      } catch (error) {
        const code = error instanceof GatewayError ? error.code : "FAULT";
        if (error instanceof GatewayError && code === "REDIS_ROLLED_BACK") return fatal(error);
        log.warn("not known whether Redis is what it was, nothing is served", { code });
        await delay(AGAIN_MS);
      }
    }
    asking = false;
  };
  const lost = (): void => {
    if (stopped) return;
    losses += 1;
    redis.hold();
    // What Redis has confirmed so far, noted where a rolled-back Redis cannot take it back.
    const head = deps.head();
    if (head !== undefined) void deps.audited(head).catch(() => undefined);
  };
  const back = (): void => void ask();

  return {
    doubt: () => {
      if (redis.held) return;
      lost();
      void ask();
    },
    part: {
      name: "proof",
      start: async () => {
        // Before the first look: what is lost while that is taken is looked at again.
        redis.on("close", lost);
        redis.on("ready", back);
        await check();
      },
      stop: () => {
        stopped = true;
        redis.off("close", lost);
        redis.off("ready", back);
        redis.release();
      },
    },
  };
}

/** Over a connection of its own, since nothing goes through the other one meanwhile. */
async function proveAnew(deps: ProofDeps): Promise<Proven> {
  const { url, commandTimeoutMs } = deps.config.redis;
  const redis = connectRedis(url, "store", commandTimeoutMs);
  try {
    await redis.connect().catch(() => {
      throw new GatewayError("CONSENT_UNREACHABLE", "proof");
    });
    return await proveOn(redis, deps);
  } finally {
    redis.disconnect();
  }
}

async function proveOn(redis: Redis, { config, keys, lookup, head, log }: ProofDeps): Promise<Proven> {
  const store = new LedgerStore(redis, keys);
  const audit = new AuditLog(redis, keys, { keys: [auditKey(lookup)], now: Date.now });
  const held = new HeldSubjects(redis, keys, async (tag) => [...(await store.read(tag)).state.holds.values()]);
  return prove(redis, keys, {
    journal: async () => {
      const reading = await readJournalEnd(config.backup.journalFile, journalKey(lookup));
      if (reading.altered > 0) log.error("the erasure journal does not verify", { code: "JOURNAL_INVALID" });
      return reading;
    },
    head,
    log: audit,
    catchUp: async (tag, noted) => {
      const added = await catchUp(store, tag, noted, Date.now());
      if (added > 0) await held.renew(tag);
      return added;
    },
    eraseAgain: (tag, id) => eraseAgain(redis, keys, tag, id),
  });
}

async function eraseAgain(redis: Redis, keys: RedisKeys, tag: SubjectTag, id: string): Promise<boolean> {
  // Also what lies before a new chain.
  const texts = await redis.lrange(keys.ledger(tag), 0, -1).catch(() => {
    throw new GatewayError("CONSENT_UNREACHABLE", "proof");
  });
  if (texts.length === 0) throw new GatewayError("REDIS_ROLLED_BACK", "subjects");
  if (erasureIdsIn(texts).includes(id)) return false;
  const records = new ErasureRecords(redis, keys);
  await records.register(id, tag);
  const begun = await new SubjectErasure(redis, keys, { now: Date.now }).begin(tag, {
    id,
    by: "controller",
    method: "restore",
  });
  if (begun.refused === undefined && begun.id === id) return true;
  await records.unregister(id);
  return false;
}

function tell({ audit, log }: ProofDeps, { subjects, tokens, broken }: Proven): void {
  if (subjects.length + tokens.length > 0) {
    const count = subjects.length + tokens.length;
    log.error("Redis lacked what the erasure journal says; it is taken back again", {
      code: "REDIS_ROLLED_BACK",
      count,
    });
  }
  if (broken > 0) log.warn("records that do not verify were not compared with the erasure journal", { count: broken });
  for (const subject of subjects) void audit({ act: "journal-replayed", by: "gateway", subject });
  for (const device of tokens) void audit({ act: "journal-replayed", by: "gateway", device });
}
