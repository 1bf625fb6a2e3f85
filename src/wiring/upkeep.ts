/**
 * Wires the upkeep of data subjects' rights beside the message path: the audit log, legal holds, minors, and all
 * retention.
 */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import type { Leases } from "../consent/fence/leases.ts";
import { LedgerHolds } from "../consent/ledger/holds.ts";
import { Minors } from "../consent/ledger/minors.ts";
import { LedgerStore } from "../consent/ledger/store.ts";
import type { SubjectTurns } from "../consent/ledger/subject-turns.ts";
import { Suspensions } from "../consent/ledger/suspensions.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import type { HttpPorts } from "../http/ports.ts";
import type { AuditHead } from "../model/audit.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { SubjectTag } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import type { Keys } from "../platform/keys/files.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import { auditKey } from "../rights/audit/chain.ts";
import { AuditLog } from "../rights/audit/log.ts";
import { AuditTrail } from "../rights/audit/trail.ts";
import { MinorPurge } from "../rights/erasure/minor-purge.ts";
import { purgeOf } from "../rights/holds/held-devices.ts";
import { LegalHolds } from "../rights/holds/legal-holds.ts";
import { holdSurvey } from "../rights/holds/survey.ts";
import { Schedule } from "../rights/retention/schedule.ts";
import { RowRetention } from "../sinks/influx/row-retention.ts";
import { createRetention } from "./retention.ts";
import type { Safekeeping } from "./safekeeping.ts";

export interface UpkeepDeps {
  readonly config: Config;
  readonly keys: Pick<Keys, "lookup">;
  readonly redis: { readonly store: Redis; readonly producer: Redis; readonly worker: Redis };
  readonly keyspace: Keyspace;
  readonly metrics: Pick<Metrics, "auditLate" | "devicesSuspended" | "gauge">;
  readonly damaged: TellDamage;
  readonly leases: Pick<Leases, "acquire">;
  readonly log: Log;
  readonly keyring: Pick<Keyring, "pseudonym" | "opens">;
  readonly turns: SubjectTurns;
  readonly deadLetters: Pick<DeadLetters, "count" | "older" | "expire" | "purge">;
  /** Begins the erasure of all stored data of a subject. */
  purgeStored(tag: SubjectTag): Promise<unknown>;
  readonly journal: Pick<Safekeeping["journal"], "holding" | "audited">;
  /** The last hold on the subject has ended: what waited for that may continue. */
  freed(tag: SubjectTag): Promise<void>;
}

export interface Upkeep {
  readonly parts: readonly Part[];
  readonly trail: AuditTrail;
  readonly holds: LegalHolds;
  readonly suspensions: Suspensions;
  /** The latest head of the audit log that this process knows. */
  auditHead(): AuditHead | undefined;
  readonly http: Pick<HttpPorts, "audit" | "holds" | "minors">;
}

const HOLD_SURVEY_MS = 60_000;
/** How much of the audit log, at most, could be rolled back without detection. */
const HEAD_MS = 300_000;

export function createUpkeep(deps: UpkeepDeps): Upkeep {
  const { config, keyspace, log, deadLetters } = deps;
  const redis = deps.redis.store;
  const audit = new AuditLog(redis, keyspace, { keys: [auditKey(deps.keys.lookup)], now: Date.now });
  // The end of a hold cannot be undone, nor can the deletion after it: one clock that is ahead must not end it early.
  const clock = new AgreedClock(redis);
  const now = () => clock.earliest();
  const trail = new AuditTrail({ audit, late: () => deps.metrics.auditLate(), log, now: Date.now });

  const holds = new LegalHolds(
    redis,
    keyspace,
    { maxMs: config.hold.maxDays * DAY_MS, proposalMs: config.hold.proposalHours * HOUR_MS, now },
    {
      ledger: new LedgerHolds(redis, keyspace, {
        turns: deps.turns,
        now,
        journal: deps.journal,
        broken: () => deps.damaged("ledger"),
      }),
      approved: (subject, hold, [proposedBy, confirmedBy]) => {
        const detail = { proposedBy, confirmedBy, reference: hold.ref, until: hold.until };
        return trail.append({ act: "hold-approved", by: "approver", subject, detail });
      },
      expired: (subject) => trail.note({ act: "hold-expired", by: "gateway", subject }),
      purge: purgeOf({ redis, keyspace, leases: deps.leases, deadLetters, damaged: deps.damaged }),
      damaged: deps.damaged,
      freed: (tag) => deps.freed(tag),
    },
  );
  const ledgers = new LedgerStore(redis, keyspace);
  const tellOfHolds = async (): Promise<void> => {
    const { open, oldestMs } = await holdSurvey(await holds.held.all(), (tag) => ledgers.read(tag), Date.now());
    deps.metrics.gauge("holdsOpen", open);
    deps.metrics.gauge("holdOldest", oldestMs / 1_000);
  };
  const suspensions = new Suspensions(redis, keyspace, { now: Date.now });
  let noted = "";
  const noteHead = async (): Promise<void> => {
    const head = await audit.head();
    if (head.hash !== noted) await deps.journal.audited(head);
    noted = head.hash;
  };
  const heads = new Periodic([{ name: "audit head", everyMs: HEAD_MS, run: noteHead }], log);
  const sweeps = new Periodic(
    [
      {
        name: "legal holds",
        everyMs: config.hold.sweepMs,
        run: async () => {
          await clock.compare();
          await holds.sweep();
        },
      },
      { name: "hold survey", everyMs: HOLD_SURVEY_MS, run: tellOfHolds },
      {
        name: "suspended devices",
        everyMs: 1_000,
        run: async () => deps.metrics.devicesSuspended(await suspensions.counts()),
      },
    ],
    log,
  );

  const minors = new MinorPurge({
    minors: new Minors(redis, keyspace),
    audit: (act) => trail.append(act),
    erase: (tag) => deps.purgeStored(tag),
  });

  const rows = new RowRetention(config.sinks.influx);
  const retention = createRetention({
    ...deps,
    redis,
    rows,
    holds: holds.held,
    auditLog: audit,
    audit: (act) => trail.note(act),
    purgeStored: (tag) => minors.purge(tag),
  });
  const everyMs = config.retention.everyMinutes * MINUTE_MS;
  const schedule = new Schedule(
    deps.redis,
    keyspace,
    [{ name: "retention", everyMs, run: (stop) => retention.run("gateway", stop) }],
    log,
  );

  return {
    parts: [
      partOf("row retention", rows),
      {
        name: "audit",
        start: () => heads.start(),
        stop: async () => {
          heads.stop();
          await trail.stop();
          await noteHead().catch(() => log.warn("audit head not recorded", { stage: "audit" }));
        },
      },
      {
        name: "legal holds",
        start: async () => {
          await clock.compare();
          await tellOfHolds().catch(() => undefined);
          sweeps.start();
        },
        stop: () => sweeps.stop(),
      },
      partOf("schedule", schedule),
    ],
    trail,
    holds,
    suspensions,
    auditHead: () => audit.known,
    http: {
      audit: trail,
      holds,
      minors,
    },
  };
}
