/** Wires the check whether Redis still has its data: it compares the journal, the audit log and the ledgers. */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import { catchUp } from "../consent/ledger/catch-up.ts";
import { LedgerStore } from "../consent/ledger/store.ts";
import { SubjectErasure } from "../consent/ledger/subject-erasure.ts";
import type { AuditHead } from "../model/audit.ts";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { connectRedis, orRedisUnavailable } from "../platform/redis.ts";
import { auditKey } from "../rights/audit/chain.ts";
import { AuditLog } from "../rights/audit/log.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { eraseAgain } from "../rights/erasure/erase-again.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { HeldSubjects } from "../rights/holds/held-subjects.ts";
import { journalKey } from "../rights/journal/format.ts";
import { readJournalEnd } from "../rights/journal/reading.ts";
import { type Proven, prove } from "../rights/proof.ts";
import { Proving } from "../rights/proving.ts";

export interface ProofDeps {
  readonly config: Pick<Config, "redis" | "backup">;
  readonly lookup: Buffer;
  /** Everything that concerns consent or rights goes through this connection. */
  readonly redis: HeldRedis;
  readonly keyspace: Keyspace;
  /** How far this process knows the audit log to have got. */
  readonly auditLog: Pick<AuditLog, "known">;
  readonly audited: (head: AuditHead) => Promise<void>;
  readonly audit: Pick<AuditTrail, "note">;
  readonly fatal: (error: Error) => void;
  readonly log: Log;
}

export function createProof(deps: ProofDeps): Proving {
  return new Proving(deps.redis, {
    check: async () => tell(deps, await proveAgain(deps)),
    lost: () => {
      // What Redis has confirmed so far, noted where a rolled-back Redis cannot take it back.
      const head = deps.auditLog.known;
      if (head !== undefined) void deps.audited(head).catch(() => undefined);
    },
    fatal: deps.fatal,
    log: deps.log,
  });
}

/** Over a separate connection, because the other one is blocked meanwhile. */
async function proveAgain(deps: ProofDeps): Promise<Proven> {
  const { url, commandTimeoutMs } = deps.config.redis;
  const redis = connectRedis(url, "store", commandTimeoutMs);
  try {
    await redis.connect().catch(() => {
      throw new GatewayError("REDIS_UNAVAILABLE", "proof");
    });
    return await proveOn(redis, deps);
  } finally {
    redis.disconnect();
  }
}

async function proveOn(redis: Redis, { config, keyspace, lookup, auditLog, log }: ProofDeps): Promise<Proven> {
  const store = new LedgerStore(redis, keyspace);
  const records = new ErasureRecords(redis, keyspace);
  const erasure = new SubjectErasure(redis, keyspace, { now: Date.now });
  const audit = new AuditLog(redis, keyspace, { keys: [auditKey(lookup)], now: Date.now });
  const held = new HeldSubjects(redis, keyspace, async (tag) => [...(await store.read(tag)).state.holds.values()]);
  return prove(redis, keyspace, {
    journal: async () => {
      const reading = await readJournalEnd(config.backup.journalFile, journalKey(lookup));
      if (reading.altered > 0) log.error("the erasure journal does not verify", { code: "JOURNAL_INVALID" });
      return reading;
    },
    head: () => auditLog.known,
    log: audit,
    catchUp: async (tag, noted) => {
      const added = await catchUp(store, tag, noted, Date.now());
      if (added > 0) await held.renew(tag);
      return added;
    },
    eraseAgain: async (tag, id) => {
      // Includes what precedes a new chain.
      const events = await orRedisUnavailable(() => redis.lrange(keyspace.ledger(tag), 0, -1));
      return eraseAgain(events, records, erasure, tag, id);
    },
  });
}

function tell({ audit, log }: ProofDeps, { subjects, tokens, broken }: Proven): void {
  if (subjects.length + tokens.length > 0) {
    const count = subjects.length + tokens.length;
    log.error("Redis lost data that the erasure journal has; withdrawn again", {
      code: "REDIS_ROLLED_BACK",
      count,
    });
  }
  if (broken > 0) log.warn("broken records were not compared with the erasure journal", { count: broken });
  for (const subject of subjects) void audit.note({ act: "journal-replayed", by: "gateway", subject });
  for (const device of tokens) void audit.note({ act: "journal-replayed", by: "gateway", device });
}
