/** Everything with a retention time and how it is deleted; used by the gateway and by the operator's command. */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import type { Leases } from "../consent/fence/leases.ts";
import { erasureFacts } from "../consent/ledger/erasure-facts.ts";
import { ConsentExpiry } from "../consent/ledger/expiry.ts";
import { Minors } from "../consent/ledger/minors.ts";
import { ledgerOrRemains } from "../consent/ledger/new-chain.ts";
import { Suspensions } from "../consent/ledger/suspensions.ts";
import { Policies } from "../consent/policy/policies.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import { NO_SUBJECT_KEY } from "../model/consent.ts";
import { forEachUndamaged, type TellDamage } from "../model/damage.ts";
import { dayOf } from "../model/disclosure.ts";
import type { Log } from "../model/log.ts";
import type { Measurement, SinkRetention } from "../model/sink.ts";
import { AgreedClock } from "../platform/agreed-clock.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import type { DeadLetters } from "../queue/dead-letters.ts";
import { Disclosures } from "../rights/access/disclosures.ts";
import type { AuditLog } from "../rights/audit/log.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { keyIsWhole } from "../rights/backup/rewrap.ts";
import type { MinorPurge } from "../rights/erasure/minor-purge.ts";
import { ErasureRecords } from "../rights/erasure/record.ts";
import { deletingOfAll, deletionGuard, heldLetters, purgeOf } from "../rights/holds/held-devices.ts";
import { heldNames } from "../rights/holds/held-names.ts";
import type { HeldSubjects } from "../rights/holds/held-subjects.ts";
import { Cutoffs } from "../rights/retention/cutoffs.ts";
import { Retention, type RetentionItem, type RetentionKind } from "../rights/retention/retention.ts";
import { rowItem } from "../rights/retention/row-item.ts";
import { queueKeyRetention } from "./queue-keys.ts";

export interface RetentionDeps {
  readonly config: Pick<Config, "retention" | "queue" | "keys">;
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly keyring: Pick<Keyring, "pseudonym" | "opens">;
  readonly leases: Pick<Leases, "acquire">;
  readonly rows: Pick<SinkRetention, "count" | "remove">;
  readonly deadLetters: Pick<DeadLetters, "count" | "older" | "expire" | "purge">;
  readonly holds: Pick<HeldSubjects, "all" | "standing">;
  readonly auditLog: Pick<AuditLog, "older" | "trim">;
  readonly audit: Pick<AuditTrail, "note">;
  /** Absent: erasing what is stored of minors is left to the gateway. */
  readonly minors?: Pick<MinorPurge, "purge">;
  readonly damaged: TellDamage;
  readonly log: Log;
}

export function createRetention(deps: RetentionDeps): Retention {
  const { retention, queue } = deps.config;
  const clock = new AgreedClock(deps.redis);
  const cutoffs = new Cutoffs(clock, new Policies(deps.redis, deps.keyspace));
  const disclosures = new Disclosures(deps.redis, deps.keyspace, deps.damaged);
  const held = async () => new Set(await deps.holds.all());
  const letters = () => heldLetters(deps.redis, deps.keyspace, deps.damaged);
  const erasures = new ErasureRecords(deps.redis, deps.keyspace);
  const items = [
    rows(deps, "deviceStatus", "device_status", () => cutoffs.promised(retention.deviceStatusDays)),
    rows(deps, "deviceLocation", "device_location", () => cutoffs.promised(retention.deviceLocationDays)),
    rows(deps, "cellActivity", "cell_activity", () => cutoffs.before(retention.cellActivityDays)),
    expiredConsents(deps, clock),
    suspendedConsents(deps),
    minors(deps),
    counted("deadLetters", {
      due: async () => deps.deadLetters.older(await cutoffs.before(queue.deadLetterRetentionDays), letters),
      run: async () =>
        deps.deadLetters.expire(
          await cutoffs.before(queue.deadLetterRetentionDays),
          letters,
          deletionGuard(deps.leases),
        ),
    }),
    // After the dead letters: they may have been the last to need a key.
    queueKeyRetention(deps),
    counted("disclosures", {
      due: async () => disclosures.older(dayOf(await cutoffs.before(retention.disclosureDays)), await held()),
      run: async () => {
        const day = dayOf(await cutoffs.before(retention.disclosureDays));
        return deletingOfAll(deps.leases, async () => disclosures.expire(day, await held()));
      },
    }),
    counted("receipts", {
      due: async () => erasures.older(await cutoffs.before(retention.receiptDays), await held()),
      run: async () => {
        const beforeMs = await cutoffs.before(retention.receiptDays);
        return deletingOfAll(deps.leases, async () => erasures.expire(beforeMs, await held()));
      },
    }),
    counted("audit", {
      due: async () => deps.auditLog.older(await cutoffs.before(retention.auditDays)),
      run: async () => deps.auditLog.trim(await cutoffs.before(retention.auditDays)),
    }),
  ];
  return new Retention(items, deps);
}

function counted(kind: RetentionKind, work: { due(): Promise<number>; run(): Promise<number> }): RetentionItem {
  return { kind, due: () => work.due(), run: async () => ({ state: "done", count: await work.run() }) };
}

function rows(
  deps: RetentionDeps,
  kind: RetentionKind,
  measurement: Measurement,
  beforeMs: () => Promise<number>,
): RetentionItem {
  return rowItem(kind, {
    beforeMs,
    // Counts per cell identify no one and are under no hold.
    except: async (before) => (measurement === "cell_activity" ? [] : namesUnderHold(deps, before)),
    count: (old, signal) => deps.rows.count({ measurement, ...old }, signal),
    remove: (old, signal) => deps.rows.remove({ measurement, ...old }, signal),
    deleting: (work) => deletingOfAll(deps.leases, work),
  });
}

function expiredConsents(deps: RetentionDeps, clock: AgreedClock): RetentionItem {
  const { redis, keyspace, audit, damaged } = deps;
  const purge = purgeOf(deps);
  const expiry = new ConsentExpiry(redis, keyspace, { now: () => clock.earliest() });
  return counted("expiredConsents", {
    due: async () => {
      await clock.compare();
      return (await expiry.due()).length;
    },
    run: async () => {
      await clock.compare();
      let count = 0;
      await forEachUndamaged(await expiry.due(), damaged, async (subject) => {
        const change = await expiry.expire(subject);
        if (change === undefined) return;
        count += 1;
        if (change.silenced.length > 0) await purge(subject, change.silenced);
        await audit.note({ act: "consent-expired", by: "gateway", subject });
      });
      return count;
    },
  });
}

/** The policy stopped their use already; here it is recorded in the ledgers. */
function suspendedConsents({ redis, keyspace, audit, damaged }: RetentionDeps): RetentionItem {
  const suspensions = new Suspensions(redis, keyspace, { now: Date.now, damaged });
  return counted("suspendedConsents", {
    due: () => suspensions.due(),
    run: () => suspensions.note((subject) => audit.note({ act: "consent-invalidated", by: "gateway", subject })),
  });
}

/** Normally purged as soon as it is known; here is found what a crash cut short. */
function minors({ redis, keyspace, minors: purge, damaged }: RetentionDeps): RetentionItem {
  const minors = new Minors(redis, keyspace);
  return {
    kind: "minors",
    due: async () => (await minors.due(damaged)).length,
    run: async () => {
      const due = await minors.due(damaged);
      if (purge === undefined) return { state: due.length === 0 ? "done" : "postponed", count: due.length };
      for (const tag of due) await purge.purge(tag);
      return { state: "done", count: due.length };
    },
  };
}

/** Names under which rows must stay whatever their age; with a time (Unix ms) those under which rows can be older. */
export function namesUnderHold(
  deps: Pick<RetentionDeps, "redis" | "keyspace" | "keyring" | "holds" | "damaged">,
  rowsBeforeMs?: number,
) {
  const { redis, keyspace, keyring, holds, damaged } = deps;
  return heldNames({
    holds,
    facts: async (tag) => {
      const { events, wrappedSubjectKey } = await ledgerOrRemains(redis, keyspace, tag, () => damaged("ledger"));
      const key = wrappedSubjectKey === NO_SUBJECT_KEY ? undefined : wrappedSubjectKey;
      return { facts: erasureFacts(events), wrappedSubjectKey: key };
    },
    erasures: new ErasureRecords(redis, keyspace),
    keyring,
    keyIsWhole: keyIsWhole(redis, keyspace, keyring, { alone: true }),
    damaged,
    now: Date.now,
    ...(rowsBeforeMs !== undefined && { rowsBeforeMs }),
  });
}
