/**
 * Takes a backup, while the gateway works or not:
 *
 *   npm run backup -- --out <dir>    two archives: everything but the subject keys, and the subject keys
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { GatewayError } from "../model/errors.ts";
import { readKeys } from "../platform/key-files.ts";
import { Backup } from "../rights/backup.ts";
import { journalHeadOf } from "../rights/journal-reading.ts";
import { COMMON_OPTIONS, COMMON_USAGE, runCommand, UsageError, withOperator } from "./operator-command.ts";

const USAGE = `Usage: npm run backup -- --out <dir> [options]

  --out <dir>              where the two archives go; key archives of earlier backups in it are removed
${COMMON_USAGE}`;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { ...COMMON_OPTIONS, out: { type: "string" } } });
  const { out } = values;
  if (out === undefined || out === "") throw new UsageError();
  return withOperator(values, async ({ config, redis, keys, acts }) => {
    const { lookup, master, backup } = readKeys(config.keys.dir, { create: false });
    if (backup === undefined) throw new GatewayError("KEY_INVALID", "backup.key: missing");
    const taken = await acts.perform({
      act: "backup",
      work: async () => {
        const journal = await journalHeadOf(config.backup.journalFile, lookup);
        return new Backup(redis, keys, config.redis.keyPrefix).take(out, { lookup, master, backup }, journal);
      },
      told: ({ subjects, keys: count }) => ({ subjects, keys: count }),
    });
    const { records, subjectKeys, subjects, credentials, auditProblem } = taken;
    process.stdout.write(
      `${subjects} subjects, ${credentials} devices\nrecords       ${records}\nsubject keys  ${subjectKeys}\n`,
    );
    if (auditProblem !== undefined)
      process.stderr.write(`backup: the audit log does not verify (${auditProblem}); see npm run audit -- repair\n`);
    return 0;
  });
}

runCommand("backup", USAGE, main);
