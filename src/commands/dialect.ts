/**
 * Dialects without a gateway: what would be taken of a publication, and whether a file of one's own compiles.
 *
 *   npm run dialect -- try <dialect> --topic <topic> (--payload <text> | --payload-file <file>) [options]
 *   npm run dialect -- check <file>…
 *   npm run dialect -- list
 */
import "../platform/no-debug-output.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadSections } from "../config/load.ts";
import { compileDialect, type Dialect, DialectFaults } from "../dialects/compile.ts";
import { readPublication } from "../dialects/read.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { shippedDialects } from "../wiring/dialects.ts";
import { COMMON_OPTIONS, COMMON_USAGE, runCommand, UsageError } from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run dialect -- <command> [options]

  try <dialect>            what is taken of a publication; <dialect> is a name of the list, or a file (.yaml)
    --topic <topic>        as the firmware publishes it
    --payload <text>       the payload, or
    --payload-file <file>  a file that holds it
    --device <id>          the device that the connection belongs to; default: device
    --alias <alias>        what the firmware calls it; default: its id
    --child <alias>=<id>   a device behind it; once for each
    --json                 one line of JSON
  check <file>...          compiles files; every fault with file, line and rule
  list                     the dialects that come with the gateway
${COMMON_USAGE}                           its \`properties:\` are known, too
`;
const OPTIONS = {
  ...COMMON_OPTIONS,
  topic: { type: "string" },
  payload: { type: "string" },
  "payload-file": { type: "string" },
  device: { type: "string" },
  alias: { type: "string" },
  child: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command, ...names] = positionals;
  const vocabulary = new Vocabulary(
    values.config === undefined
      ? []
      : loadSections({ file: values.config, env: process.env }, ["properties"]).properties,
  );
  try {
    if (command === "try" && names.length === 1) return attempt(load(names[0] ?? "", vocabulary), values);
    if (command === "check" && names.length > 0) return check(names, vocabulary);
    if (command === "list" && names.length === 0) return list(vocabulary);
  } catch (error) {
    if (!(error instanceof DialectFaults)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  throw new UsageError();
}

function load(name: string, vocabulary: Vocabulary): Dialect {
  if (/[/\\]|\.ya?ml$/.test(name)) return compileDialect(readFileSync(name, "utf8"), name, vocabulary);
  const dialects = shippedDialects(vocabulary);
  const dialect = dialects.get(name);
  if (dialect !== undefined) return dialect;
  throw new DialectFaults([`${name}: no such dialect; there are ${dialects.names.join(", ")}`]);
}

function attempt(dialect: Dialect, options: Options): number {
  const { topic, payload, "payload-file": file, device = "device", alias = device, child = [] } = options;
  if (topic === undefined || (payload === undefined) === (file === undefined)) throw new UsageError();
  const children = new Map(child.map((pair) => splitAtLast(pair)));
  const sender = { isSelf: (word: string) => word === alias, hasChild: (name: string) => children.has(name) };
  const result = readPublication(dialect, sender, topic, payload ?? readFileSync(file ?? "", "utf8"));
  const answers =
    "refused" in result
      ? [result.refused === "not-taken" ? { ignored: true } : { refused: result.refused }]
      : result.map(({ child: of, telemetry, dropped, thrownAway }) => {
          const { model, ip, location, status, ts } = telemetry;
          return {
            device: of === undefined ? device : children.get(of),
            model,
            ip,
            location,
            status,
            ts,
            dropped,
            thrownAway,
          };
        });
  const [only] = answers;
  say(JSON.stringify(answers.length === 1 ? only : answers, null, options.json ? 0 : 2));
  return 0;
}

/** An alias may hold an equals sign, an id may not. */
function splitAtLast(pair: string): [string, string] {
  const at = pair.lastIndexOf("=");
  if (at <= 0 || at === pair.length - 1) throw new UsageError();
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function check(files: readonly string[], vocabulary: Vocabulary): number {
  let faults = 0;
  for (const file of files) {
    try {
      const { name, rules } = compileDialect(readFileSync(file, "utf8"), file, vocabulary);
      say(`${file}: ${name}, ${rules.length} rules`);
    } catch (error) {
      if (!(error instanceof DialectFaults)) throw error;
      faults += error.faults.length;
      process.stderr.write(`${error.message}\n`);
    }
  }
  return faults === 0 ? 0 : 1;
}

function list(vocabulary: Vocabulary): number {
  const dialects = shippedDialects(vocabulary);
  for (const name of dialects.names) say(`${name.padEnd(20)}${dialects.get(name)?.title}`);
  return 0;
}

runCommand("dialect", USAGE, main);
