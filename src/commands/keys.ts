/**
 * The operator's command for keys. Key material is never shown: only ids, fingerprints and ages.
 *
 *   npm run keys -- list                   every key
 *   npm run keys -- create                 a complete new set, or the backup key if only that is missing
 *   npm run keys -- rotate queue           batches are sealed under a new key; older keys still open
 *   npm run keys -- rotate master          all subject keys are rewrapped; continues an interrupted rotation
 *   npm run keys -- rotate backup          archives are sealed under a new key
 *   npm run keys -- rotate receipt         receipts are signed with a new key; earlier ones stay valid
 *   npm run keys -- destroy <id>           a queue key or a retired key that is no longer needed
 *   npm run keys -- check                  files, gateways and everything sealed agree
 */
import "../platform/no-debug-output.ts";
import { parseArgs } from "node:util";
import { loadSections } from "../config/load.ts";
import { DAY_MS } from "../model/durations.ts";
import { describeKeys } from "../platform/keys/changes.ts";
import { readKeys } from "../platform/keys/files.ts";
import { checkKeys, destroyKey, rotateBackup, rotateMaster, rotateQueue, rotateReceipt } from "./key-commands.ts";
import { COMMON_OPTIONS, COMMON_USAGE, runCommand, UsageError, withOperator } from "./operator-command.ts";
import { say as sayLine } from "./output.ts";

const USAGE = `Usage: npm run keys -- <command> [options]

  list                     every key: id, fingerprint, age, use
  create                   a complete new set, or the backup key if only that is missing
  rotate queue             batches are sealed under a new key from now on; older keys still open
  rotate master            all subject keys are rewrapped; continues an interrupted rotation
  rotate backup            archives are sealed under a new key
  rotate receipt           receipts are signed with a new key after a restart; earlier ones stay valid
  destroy <id>             deletes a queue key or a retired key that is no longer needed
  check                    checks that files, gateways and everything sealed agree

${COMMON_USAGE}`;
const COMMANDS = /^(?:check |rotate (?:queue|master|backup|receipt)|destroy [a-z][a-z0-9-]{0,40})$/;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: COMMON_OPTIONS, allowPositionals: true });
  const [command, what, ...more] = positionals;
  if (more.length > 0) throw new UsageError();
  if (what === undefined && (command === "list" || command === "create")) {
    const { dir } = loadSections({ file: values.config, env: process.env }, ["keys"]).keys;
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
        say(problems.length === 0 ? ["every key is present, private, and matches gateways and data"] : problems);
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

/** A complete set is created before there is an audit log. `undefined` when only the backup key is missing. */
function create(dir: string): string[] | undefined {
  const { backup, queue } = readKeys(dir, { create: true });
  return backup === undefined ? undefined : [`keys are in place; ${queue.active} seals`];
}

function say(lines: readonly string[]): number {
  sayLine(lines.join("\n"));
  return 0;
}

runCommand("keys", USAGE, main);
