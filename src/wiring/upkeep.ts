/**
 * What watches over the rights of data subjects besides the path of a message: the head of the audit log, legal holds,
 * minors, and the retention of everything that is kept.
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
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { Log } from "../model/log.ts";
import type { SinkRetention } from "../model/sink.ts";
import type { Metrics } from "../observe/metrics.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import type { AuditLog } from "../rights/audit/log.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import type { Erasures } from "../rights/erasure/erasures.ts";
import { MinorPurge } from "../rights/erasure/minor-purge.ts";
import { purgeOf } from "../rights/holds/held-devices.ts";
import { LegalHolds } from "../rights/holds/legal-holds.ts";
import { holdSurvey } from "../rights/holds/survey.ts";
import { Schedule } from "../rights/retention/schedule.ts";
import { createRetention } from "./retention.ts";
import type { Safekeeping } from "./safekeeping.ts";

export interface UpkeepDeps {
  readonly config: Config;
  readonly redis: { readonly store: Redis; readonly producer: Redis; readonly worker: Redis };
  readonly keyspace: Keyspace;
  readonly metrics: Pick<Metrics, "devicesSuspended" | "gauge">;
  readonly audit: AuditTrail;
  readonly auditLog: AuditLog;
  readonly damaged: TellDamage;
  readonly leases: Pick<Leases, "acquire">;
  readonly log: Log;
  readonly keyring: Pick<Keyring, "pseudonym" | "opens">;
  readonly rows: SinkRetention;
  readonly turns: SubjectTurns;
  readonly deadLetters: Pick<DeadLetters, "count" | "older" | "expire" | "purge">;
  readonly erasures: Pick<Erasures, "request" | "wakeAll">;
  readonly journal: Pick<Safekeeping["journal"], "holding" | "audited">;
}

export interface Upkeep {
  readonly parts: readonly Part[];
  readonly http: Pick<HttpPorts, "holds" | "minors"> & { readonly suspensions: Suspensions };
}

const HOLD_SURVEY_MS = 60_000;
/** How much of the audit log, at most, could be rolled back without detection. */
const HEAD_MS = 300_000;

export function createUpkeep(deps: UpkeepDeps): Upkeep {
  const { config, keyspace, log, deadLetters } = deps;
  const redis = deps.redis.store;
  // A hold that ends is gone for good, and so is what it held: a clock ahead alone ends none early.
  const clock = new AgreedClock(redis);
  const now = () => clock.earliest();
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
      audit: deps.audit,
      purge: purgeOf({ redis, keyspace, leases: deps.leases, deadLetters, damaged: deps.damaged }),
      damaged: deps.damaged,
      freed: () => deps.erasures.wakeAll(),
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
    const head = await deps.auditLog.head();
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
        run: async () => {
          deps.metrics.devicesSuspended(await suspensions.counts());
          deps.metrics.gauge("peopleToAsk", await suspensions.people());
        },
      },
    ],
    log,
  );

  const minors = new MinorPurge({
    minors: new Minors(redis, keyspace),
    audit: deps.audit,
    erasures: deps.erasures,
  });

  const retention = createRetention({
    ...deps,
    redis,
    holds: holds.held,
    minors,
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
      partOf("row retention", deps.rows),
      {
        name: "audit",
        start: () => heads.start(),
        stop: async () => {
          heads.stop();
          await deps.audit.stop();
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
    http: { holds, minors, suspensions },
  };
}
