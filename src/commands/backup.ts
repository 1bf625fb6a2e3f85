/**
 * Takes a backup, with or without a running gateway:
 *
 *   npm run backup -- --out <dir>    two archives: everything except the subject keys, and the subject keys
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { ledgerVerifies } from "../consent/ledger/store.ts";
import { Keyring } from "../deidentify/keyring.ts";
import { GatewayError } from "../model/errors.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { Backup } from "../rights/backup/backup.ts";
import { journalHeadOf } from "../rights/journal/reading.ts";
import { toldDamage } from "../wiring/safekeeping.ts";
import { COMMON_OPTIONS, COMMON_USAGE, runCommand, UsageError, withOperator } from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run backup -- --out <dir> [options]

  --out <dir>              directory for the two archives; key archives of earlier backups in it are removed
${COMMON_USAGE}`;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { ...COMMON_OPTIONS, out: { type: "string" } } });
  const { out } = values;
  if (out === undefined || out === "") throw new UsageError();
  return withOperator(values, async ({ config, redis, keyspace, acts }) => {
    const names = ["lookup", "master", "nextMaster", "pepper", "backup"] as const;
    const { lookup, master, nextMaster, pepper, backup } = readKeysOf(config.keys.dir, names);
    if (backup === undefined) throw new GatewayError("KEY_INVALID", "backup.key: missing");
    const keyring = new Keyring({ masterKey: master, otherMasterKeys: nextMaster ? [nextMaster] : [], pepper });
    const check = { ledger: ledgerVerifies, key: (wrapped: string) => keyring.opens(wrapped) };
    const taken = await acts.perform({
      act: "backup",
      work: async () => {
        const journal = await journalHeadOf(config.backup.journalFile, lookup);
        return new Backup(redis, keyspace, config.redis.keyPrefix, check).take(
          out,
          { lookup, master, backup },
          journal,
        );
      },
      told: (result) => ({ subjects: result.subjects, keys: result.keys, ...toldDamage(result) }),
    });
    const { records, subjectKeys, subjects, credentials, auditProblem } = taken;
    say(`${subjects} subjects, ${credentials} devices\nrecords       ${records}\nsubject keys  ${subjectKeys}`);
    if (auditProblem !== undefined)
      process.stderr.write(`backup: the audit log does not verify (${auditProblem}); see npm run audit -- repair\n`);
    for (const [kind, count] of Object.entries(taken.damaged)) {
      if (count > 0) process.stderr.write(`damaged: ${count} (${kind}); included in the backup unchanged\n`);
    }
    return 0;
  });
}

runCommand("backup", USAGE, main);
