/**
 * Brings an installation back from a backup; every gateway must be stopped:
 *
 *   npm run restore -- --from <records> [--keys <subject-keys>] [--dry-run]
 */
import { parseArgs } from "node:util";
import { DENY_ALL_UNTIL_PUBLISHED } from "../consent/policy-floors.ts";
import { rebuildSubject } from "../consent/rebuild.ts";
import { Keyring } from "../deidentify/keyring.ts";
import type { AuditHead } from "../model/audit.ts";
import { readKeys, readRetiredKeys } from "../platform/key-files.ts";
import type { AuditLog } from "../rights/audit.ts";
import { Restore, type RestoreInput } from "../rights/restore.ts";
import type { RestoreSummary } from "../rights/restore-writer.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  type Operator,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";

const USAGE = `Usage: npm run restore -- --from <archive> [options]

  --from <archive>         archive of records (….records)
  --keys <archive>         archive of subject keys (….subject-keys), of the same backup or a later one;
                           without it everybody has to consent anew
  --journal <file>         erasure journal; once for each gateway. Default: backup.journalFile
  --journal-lost           there is none any more: all consent is withdrawn, no key is restored
  --replace                what the installation holds now is given up
  --dry-run                verify everything, say what would be done, change nothing
${COMMON_USAGE}`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  from: { type: "string" },
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
  if (from === undefined || (lost && journal !== undefined)) throw new UsageError();
  return withOperator(values, async (operator) => {
    const journals = lost ? ("lost" as const) : (journal ?? [operator.config.backup.journalFile]);
    const input: RestoreInput = { records: from, subjectKeys: values.keys, journals, replace: values.replace === true };
    const dryRun = values["dry-run"] === true;
    const summary = await restore(operator, input, dryRun);
    process.stdout.write(`${report(summary, input, dryRun).join("\n")}\n`);
    return 0;
  });
}

async function restore(operator: Operator, input: RestoreInput, dryRun: boolean): Promise<RestoreSummary> {
  const { config, redis, keys, acts } = operator;
  const { lookup, pepper, master, nextMaster, backup } = readKeys(config.keys.dir, { create: false });
  const retired = [...readRetiredKeys(config.keys.dir)];
  const former = (name: string): Buffer[] => retired.filter(([file]) => file.startsWith(name)).map(([, key]) => key);
  const masters = [...(nextMaster === undefined ? [] : [nextMaster]), ...former("master-")];
  const keyring = new Keyring({ masterKey: master, otherMasterKeys: masters, pepper });
  const secrets = {
    lookup,
    backup: [...(backup === undefined ? [] : [backup]), ...former("backup-")],
    masters: [master, ...masters],
  };
  const restorer = new Restore(redis, keys, config.redis.keyPrefix, secrets, {
    rebuild: rebuildSubject,
    rewrap: (wrapped) => keyring.rewrap(wrapped),
    closedFloors: DENY_ALL_UNTIL_PUBLISHED,
    now: Date.now,
  });
  if (dryRun) return restorer.check(input);
  return acts.perform({
    act: "restore",
    work: async () => {
      const summary = await restorer.run(input);
      // What was there before must not live on in the append-only file for longer than it takes to write a new one.
      await redis.bgrewriteaof().catch(() => undefined);
      return summary;
    },
    told: async ({ subjects, erased, erasing, held, withdrawn, broken, unreadable, audited }, log) => {
      const lost = await lostHead(audited, log);
      const damaged = { ...(broken > 0 && { broken }), ...(unreadable > 0 && { unreadable }) };
      return { subjects, erased, erasing, held, withdrawn, ...damaged, ...(lost !== undefined && { lost }) };
    },
  });
}

/** What was noted of the audit log and is not in the one that was brought back. */
async function lostHead(audited: readonly AuditHead[], log: AuditLog): Promise<string | undefined> {
  const last = audited.reduce<AuditHead | undefined>(
    (latest, head) => (head.next > (latest?.next ?? 0) ? head : latest),
    undefined,
  );
  const verdict = await log.verify(audited);
  const missed = !verdict.intact && verdict.problem === "rolled-back";
  return missed && last !== undefined ? `${last.next}:${last.hash}` : undefined;
}

function report(summary: RestoreSummary, { subjectKeys }: RestoreInput, dryRun: boolean): string[] {
  const { createdAt, subjects, credentials, keys, erased, erasing, held, withdrawn } = summary;
  const { tokensDropped, policyMissing, broken, unreadable } = summary;
  return [
    `${dryRun ? "would restore" : "restored"} the backup of ${new Date(createdAt).toISOString()}`,
    `  subjects           ${subjects}, ${subjectKeys === undefined ? "without keys" : `${keys} keys`}`,
    `  devices            ${credentials}`,
    `  erased since       ${erased}`,
    `  to be erased       ${erasing}`,
    `  held since         ${held}`,
    `  withdrawn          ${withdrawn}`,
    `  tokens to reissue  ${tokensDropped}`,
    ...(broken === 0
      ? []
      : [`  begun anew         ${broken}, whose record does not verify: all they consented to is withdrawn`]),
    ...(unreadable === 0 ? [] : [`  keys that no master key opens  ${unreadable}`]),
    ...(policyMissing ? ["  a policy was published since: no consent counts until it is published again"] : []),
  ];
}

runCommand("restore", USAGE, main);
