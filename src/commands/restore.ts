/**
 * Restores an installation from a backup; every gateway must be stopped:
 *
 *   npm run restore -- --from <records> [--keys <subject-keys>] [--dry-run]
 *   npm run restore -- --in-place            the data now in Redis, with everything the journal says about them
 */
import "../platform/no-debug-output.ts";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { denyAllUntilPublished } from "../consent/policy/floors.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { AuditDetail, AuditHead } from "../model/audit.ts";
import { readKeys, readRetiredKeys } from "../platform/keys/files.ts";
import { claimSchema } from "../platform/schema.ts";
import type { AuditLog } from "../rights/audit/log.ts";
import { Backup } from "../rights/backup/backup.ts";
import { holdsInstallation } from "../rights/backup/installation.ts";
import { journalHeadOf } from "../rights/journal/reading.ts";
import { Restore, type RestoreInput, type RestoreKeys } from "../rights/restore/restore.ts";
import type { RestoreSummary } from "../rights/restore/summary.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run restore -- --from <archive> | --in-place [options]

  --in-place               no archive: for a Redis that lost data (REDIS_ROLLED_BACK); keeps the data it still has and
                           withdraws everything again that was withdrawn according to the journal
  --from <archive>         archive of records (….records)
  --keys <archive>         archive of subject keys (….subject-keys), of the same backup or a later one;
                           without it all subjects have to consent again
  --journal <file>         erasure journal; once for each gateway. Default: backup.journalFile
  --journal-lost           the journal is lost: all consent is withdrawn, no key is restored
  --replace                discards the data that the installation has now
  --dry-run                verify everything, report what would be done, change nothing
${COMMON_USAGE}`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  from: { type: "string" },
  "in-place": { type: "boolean" },
  keys: { type: "string" },
  journal: { type: "string", multiple: true },
  "journal-lost": { type: "boolean" },
  replace: { type: "boolean" },
  "dry-run": { type: "boolean" },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const { from, journal } = values;
  const lost = values["journal-lost"] === true;
  const inPlace = values["in-place"] === true;
  if (inPlace && (from !== undefined || values.keys !== undefined || lost)) throw new UsageError();
  if ((from === undefined && !inPlace) || (lost && journal !== undefined)) throw new UsageError();
  return withOperator(values, async (operator) => {
    const journals = lost ? ("lost" as const) : (journal ?? [operator.config.backup.journalFile]);
    const dryRun = values["dry-run"] === true;
    const show = async (input: RestoreInput, keys?: Partial<ArchiveKeys>) => {
      const httpTokens = await operator.redis.hlen(operator.keyspace.tokens);
      const summary = await restore(operator, input, dryRun, keys);
      for (const line of report({ ...summary, httpTokens }, input, dryRun)) say(line);
    };
    if (from === undefined) await withPresentState(operator, (taken, keys) => show({ ...taken, journals }, keys));
    else await show({ records: from, subjectKeys: values.keys, journals, replace: values.replace === true });
    return 0;
  });
}

/** The data now in Redis, as archives that only this process can open and that are deleted when it ends. */
async function withPresentState(
  { config, redis, keyspace }: Operator,
  work: (input: Omit<RestoreInput, "journals">, keys: ArchiveKeys) => Promise<void>,
): Promise<void> {
  const { lookup } = readKeys(config.keys.dir, { create: false });
  const [master, backup] = [randomBytes(32), randomBytes(32)];
  const dir = await mkdtemp(join(tmpdir(), "consentry-in-place-"));
  try {
    const journal = await journalHeadOf(config.backup.journalFile, lookup);
    const own = new Backup(redis, keyspace, config.redis.keyPrefix);
    const { records, subjectKeys } = await own.take(dir, { lookup, master, backup }, journal);
    await work({ records, subjectKeys, replace: true, everything: true }, { masters: [master], backup: [backup] });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

type ArchiveKeys = Pick<RestoreKeys, "backup" | "masters">;

async function restore(
  operator: Operator,
  input: RestoreInput,
  dryRun: boolean,
  archiveKeys?: Partial<ArchiveKeys>,
): Promise<RestoreSummary> {
  const { config, redis, keyspace, acts } = operator;
  const { lookup, pepper, master, nextMaster, backup } = readKeys(config.keys.dir, { create: false });
  const retired = [...readRetiredKeys(config.keys.dir)];
  const former = (name: string): Buffer[] => retired.filter(([file]) => file.startsWith(name)).map(([, key]) => key);
  const masters = [...(nextMaster === undefined ? [] : [nextMaster]), ...former("master-")];
  const keyring = new Keyring({ masterKey: master, otherMasterKeys: masters, pepper });
  const keys = {
    lookup,
    backup: [...(backup === undefined ? [] : [backup]), ...former("backup-")],
    masters: [master, ...masters],
    ...archiveKeys,
  };
  const restorer = new Restore(redis, keyspace, config.redis.keyPrefix, keys, {
    keyring,
    closedFloors: denyAllUntilPublished,
    now: Date.now,
  });
  if (dryRun) return restorer.check(input);
  // An empty Redis becomes one of our schema: archives of an older one hold nothing that has changed its form.
  await claimSchema(redis, keyspace, await holdsInstallation(redis, keyspace));
  return acts.perform({
    act: "restore",
    work: async () => {
      const summary = await restorer.run(input);
      // Old values must not remain in the append-only file for longer than its rewrite takes.
      await redis.bgrewriteaof().catch(() => undefined);
      return summary;
    },
    told: async ({ subjects, erased, erasing, held, withdrawn, broken, unreadable, audited }, log) => {
      const lost = await lossOf(audited, log);
      const damaged = { ...(broken > 0 && { broken }), ...(unreadable > 0 && { unreadable }) };
      return { subjects, erased, erasing, held, withdrawn, ...damaged, ...lost };
    },
  });
}

/**
 * Heads that were recorded but are missing in the restored log. An earlier, rejected attempt has left lines in place of
 * the lost ones, and heads of its own in the journal: only missing heads show the extent of the loss.
 */
async function lossOf(audited: readonly AuditHead[], log: AuditLog): Promise<AuditDetail> {
  const verdict = await log.verify(audited);
  const { missed = [] } = verdict.intact ? {} : verdict;
  const [first, last] = [missed[0], missed.at(-1)];
  if (first === undefined || last === undefined) return {};
  // The line that reports the loss is the next one.
  const { next } = await log.head();
  return { lost: `${last.next}:${last.hash}`, from: Math.min(first.next - 1, next) };
}

/** `httpTokens`: named tokens of the HTTP interface that there were; a restore ends them. */
type Restored = RestoreSummary & { readonly httpTokens: number };

function report(summary: Restored, { subjectKeys }: RestoreInput, dryRun: boolean): string[] {
  const { createdAt, subjects, credentials, keys, erased, erasing, held, withdrawn } = summary;
  const { tokensDropped, servicesDropped, httpTokens, policyMissing, auditRepair, broken, unreadable } = summary;
  return [
    `${dryRun ? "would restore" : "restored"} the backup of ${new Date(createdAt).toISOString()}`,
    `  subjects           ${subjects}, ${subjectKeys === undefined ? "without keys" : `${keys} keys`}`,
    `  devices            ${credentials}`,
    `  erased since       ${erased}`,
    `  to be erased       ${erasing}`,
    `  held since         ${held}`,
    `  withdrawn          ${withdrawn}`,
    `  tokens to reissue  ${tokensDropped}`,
    `  services to register again  ${servicesDropped}`,
    ...(httpTokens === 0 ? [] : [`  HTTP tokens to make again  ${httpTokens}`]),
    ...(auditRepair === undefined
      ? []
      : [
          `  the audit log of the archive did not verify (${auditRepair.problem} at line ${auditRepair.line}) and was repaired`,
        ]),
    ...(broken === 0
      ? []
      : [`  new chain          ${broken}, whose record does not verify: all their consent is withdrawn`]),
    ...(unreadable === 0 ? [] : [`  keys that no master key opens  ${unreadable}`]),
    ...(policyMissing ? ["  a policy was published since: no consent counts until it is published again"] : []),
  ];
}

runCommand("restore", USAGE, main);
