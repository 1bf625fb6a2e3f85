/**
 * Wires what protects an installation against loss: keys that may change at run time, the heartbeat that shows other
 * gateways that this one is alive, backups, and the journal of what no restore may undo.
 */
import type { Config } from "../config/schema.ts";
import { ledgerVerifies } from "../consent/ledger/store.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { AuditDetail } from "../model/audit.ts";
import { DAMAGE_KINDS } from "../model/damage.ts";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { HeldRedis } from "../platform/held-redis.ts";
import { type Keys, readRetiredKeys } from "../platform/keys/files.ts";
import { LiveKeys } from "../platform/keys/live-keys.ts";
import { Presence } from "../platform/keys/presence.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { AuditLog } from "../rights/audit/log.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { removeLeftovers } from "../rights/backup/archive.ts";
import { Backup, type BackupResult } from "../rights/backup/backup.ts";
import { claimInstallation, isEmptyInstallation } from "../rights/backup/installation.ts";
import { KeyArchives } from "../rights/backup/key-archives.ts";
import { BackupSchedule } from "../rights/backup/schedule.ts";
import { journalKey } from "../rights/journal/format.ts";
import { ErasureJournal } from "../rights/journal/journal.ts";
import { type JournalNotes, journalNotes } from "../rights/journal/notes.ts";
import { createProof } from "./proof.ts";

export interface SafekeepingDeps {
  readonly config: Config;
  readonly keys: Keys;
  readonly redis: HeldRedis;
  readonly keyspace: Keyspace;
  readonly metrics: Pick<Metrics, "gauge" | "beforeScrapeCostly" | "backupDamaged">;
  readonly audit: Pick<AuditTrail, "note">;
  readonly auditLog: Pick<AuditLog, "known">;
  /** What it says to the other gateways beside its keys, and what it hears of them. */
  readonly announcement: { notice(): object; heard(reports: readonly unknown[]): void };
  readonly fatal: (error: Error) => void;
  readonly log: Log;
}

export interface Safekeeping {
  readonly liveKeys: LiveKeys;
  readonly journal: JournalNotes;
  /** Reloads changed key files at once. Never throws. */
  reloadKeys(): void;
  /** No other gateway works on this Redis, as of the last heartbeat. */
  alone(): boolean;
  /** Start right after Redis, before anything is read or written. */
  readonly parts: readonly Part[];
}

const HOUR_MS = 3_600_000;
const BEAT_MS = 1_500;
const BACKUP_CHECK_MS = 30_000;

export function createSafekeeping(deps: SafekeepingDeps): Safekeeping {
  const { config, keys, redis, keyspace, log } = deps;
  const liveKeys = new LiveKeys({ dir: config.keys.dir, sealedLateMs: 2 * config.mqtt.enqueueDeadlineMs }, keys, log);
  let gateways = 1;
  const presence = new Presence(redis, keyspace, {
    report: () => ({ ...liveKeys.report(), journal: file.head, notice: deps.announcement.notice() }),
    reported: (reports) => {
      gateways = reports.length;
      deps.announcement.heard(reports);
      liveKeys.settle(reports);
    },
    replaced: deps.fatal,
    forgotten: () => proof.doubt(),
  });
  const archives = new KeyArchives(redis, keyspace, config.backup.dir);
  const file = new ErasureJournal(config.backup.journalFile, journalKey(keys.lookup));
  const journal = journalNotes(file, archives);
  const mayBegin = async () => config.backup.createJournal || (await isEmptyInstallation(redis, keyspace));
  const proof = createProof({
    ...deps,
    lookup: keys.lookup,
    audited: journal.audited,
  });
  const beat = async (): Promise<void> => {
    liveKeys.reload();
    // Without Redis no gateway can be told; the next heartbeat reports again.
    await presence.beat().catch(() => undefined);
  };
  const beats = new Periodic([{ name: "presence", everyMs: BEAT_MS, run: beat }], log);

  return {
    liveKeys,
    journal,
    reloadKeys: () => void beat(),
    alone: () => gateways <= 1,
    parts: [
      { name: "installation", start: () => claimInstallation(redis, keyspace, keys.lookup), stop: () => undefined },
      { name: "journal", start: () => file.start(mayBegin), stop: () => file.stop() },
      {
        name: "presence",
        start: async () => {
          await presence.start();
          beats.start();
        },
        stop: async () => {
          beats.stop();
          await presence.stop();
        },
      },
      proof,
      backups(deps, liveKeys, file, archives),
    ],
  };
}

/** For the audit log: the kinds of damage found. */
export function toldDamage({ damaged }: Pick<BackupResult, "damaged">): AuditDetail {
  return Object.fromEntries(
    DAMAGE_KINDS.flatMap((kind) => (damaged[kind] === 0 ? [] : [[`damaged-${kind}`, damaged[kind]]])),
  );
}

function backups(
  { config, redis, keyspace, metrics, audit, log }: SafekeepingDeps,
  liveKeys: LiveKeys,
  journal: ErasureJournal,
  archives: KeyArchives,
): Part {
  const { dir, everyHours, keep } = config.backup;
  const keyring = new Keyring(liveKeys.subjects);
  const check = { ledger: ledgerVerifies, key: (wrapped: string) => keyring.opens(wrapped) };
  const backup = new Backup(redis, keyspace, config.redis.keyPrefix, check);
  const schedule = new BackupSchedule(redis, keyspace, backup, { dir, keep, everyMs: everyHours * HOUR_MS });
  const turn = async (): Promise<void> => {
    const { lookup, backup: key } = liveKeys.present;
    if (key === undefined || everyHours === 0) return;
    const taken = await schedule.turn({ lookup, master: liveKeys.wrapping, backup: key }, journal.head);
    if (taken === undefined) return;
    log.info("backup taken", { count: taken.subjects });
    if (taken.auditProblem !== undefined) log.error("the audit log does not verify", { code: "AUDIT_BROKEN" });
    metrics.backupDamaged(taken.damaged);
    for (const kind of DAMAGE_KINDS) {
      const count = taken.damaged[kind];
      if (count > 0) log.error("damaged records in a backup", { reason: kind, count });
    }
    await audit.note({
      act: "backup",
      by: "gateway",
      detail: { subjects: taken.subjects, keys: taken.keys, ...toldDamage(taken) },
    });
  };
  const purge = async (): Promise<void> => {
    await removeLeftovers(dir);
    const { lookup } = liveKeys.present;
    if ((await archives.outdated(lookup)).length === 0) return;
    const former = [...readRetiredKeys(config.keys.dir)].flatMap(([name, key]) =>
      name.startsWith("master-") ? [key] : [],
    );
    const done = await schedule.alone(() => archives.purge({ lookup, masters: [...liveKeys.masters, ...former] }));
    if (done === undefined) return;
    if (done.sealed > 0) log.info("keys of erased subjects removed from archives", { count: done.sealed });
    if (done.locked > 0) log.warn("archives of subject keys that no configured key opens", { count: done.locked });
  };
  const turns = new Periodic(
    [
      { name: "key archives", everyMs: BACKUP_CHECK_MS, run: purge },
      { name: "backup", everyMs: BACKUP_CHECK_MS, run: turn },
    ],
    log,
  );
  metrics.beforeScrapeCostly(async () => {
    metrics.gauge("backupAge", (await schedule.ageMs(liveKeys.present.lookup)) / 1_000);
  });
  return {
    name: "backups",
    start: () => {
      if (everyHours > 0 && liveKeys.present.backup === undefined) {
        throw new GatewayError("KEY_INVALID", "backup.key: missing");
      }
      turns.start();
      // The first backup must not delay the start.
      void turn().catch(() => log.warn("backup failed, will be retried", { stage: "backup" }));
      void purge().catch(() => log.warn("key archives not purged, will be retried", { stage: "backup" }));
    },
    stop: () => turns.stop(),
  };
}
