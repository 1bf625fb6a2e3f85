/**
 * The operator's command for keys. Key material is never shown: ids, fingerprints and ages only.
 *
 *   npm run keys -- list                   every key
 *   npm run keys -- create                 a whole new set, or the backup key where only that is missing
 *   npm run keys -- rotate queue           batches are sealed under a new key; older ones go on opening
 *   npm run keys -- rotate master          all subject keys are wrapped anew; goes on where it was broken off
 *   npm run keys -- rotate backup          archives are sealed under a new key
 *   npm run keys -- rotate receipt         receipts are signed with a new key; those of before stay valid
 *   npm run keys -- destroy <id>           a queue key or a retired key that nothing needs any more
 *   npm run keys -- check                  files, gateways and everything sealed agree
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { DAY_MS } from "../model/durations.ts";
import { describeKeys } from "../platform/keys/changes.ts";
import { readKeys } from "../platform/keys/files.ts";
import { checkKeys, destroyKey, rotateBackup, rotateMaster, rotateQueue, rotateReceipt } from "./key-commands.ts";
import {
  COMMON_OPTIONS,
  COMMON_USAGE,
  commandConfig,
  runCommand,
  UsageError,
  withOperator,
} from "./operator-command.ts";

const USAGE = `Usage: npm run keys -- <command> [options]

  list                     every key: id, what it is for, fingerprint, age
  create                   a whole new set, or the backup key where only that is missing
  rotate queue             batches are sealed under a new key from now on; older ones go on opening
  rotate master            all subject keys are wrapped anew; goes on where it was broken off
  rotate backup            archives are sealed under a new key
  rotate receipt           receipts are signed with a new key after a restart; those of before stay valid
  destroy <id>             removes a queue key or a retired key that nothing needs any more
  check                    whether files, gateways and everything sealed agree

${COMMON_USAGE}`;
const COMMANDS = /^(?:check |rotate (?:queue|master|backup|receipt)|destroy [a-z][a-z0-9-]{0,40})$/;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: COMMON_OPTIONS, allowPositionals: true });
  const [command, what, ...more] = positionals;
  if (more.length > 0) throw new UsageError();
  if (what === undefined && (command === "list" || command === "create")) {
    const { dir } = commandConfig(values.config, process.env).keys;
    if (command === "list") return list(dir);
    const done = create(dir);
    if (done !== undefined) return say(done);
  } else if (!COMMANDS.test([command, what].join(" "))) throw new UsageError();
  return withOperator(values, async (operator) => {
    switch (`${command} ${what ?? ""}`.trim()) {
      case "rotate queue":
        return say(await rotateQueue(operator));
      case "rotate master":
        return say(await rotateMaster(operator, say));
      case "rotate receipt":
        return say(await rotateReceipt(operator));
      case "rotate backup":
      case "create":
        return say(await rotateBackup(operator));
      case "check": {
        const problems = await checkKeys(operator);
        say(problems.length === 0 ? ["every key is there, private, and agrees with gateways and data"] : problems);
        return problems.length === 0 ? 0 : 1;
      }
      default:
        return say(await destroyKey(operator, what ?? ""));
    }
  });
}

function list(dir: string): number {
  const now = Date.now();
  const rows = describeKeys(dir).map(({ id, role, fingerprint, createdAt }) => {
    const days = `${Math.max(0, Math.floor((now - createdAt) / DAY_MS))} d`;
    return `${id.padEnd(24)} ${fingerprint}  ${days.padStart(7)}  ${role}`;
  });
  return say(rows);
}

/** A whole set comes before there is a log to write it in. `undefined` when the backup key alone is missing. */
function create(dir: string): string[] | undefined {
  const { backup, queue } = readKeys(dir, { create: true });
  return backup === undefined ? undefined : [`keys are in place; ${queue.active} seals`];
}

function say(lines: readonly string[]): number {
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

runCommand("keys", USAGE, main);
