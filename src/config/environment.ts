/** Lays `CONSENTRY_…` variables over the configuration file. A variable that names no option is an error. */
import { meant, nearest, UNKNOWN_VARIABLE } from "./advice.ts";
import { environmentName, type OptionRow } from "./options.ts";
import type { Places } from "./places.ts";
import type { ConfigProblem } from "./problems.ts";
import { put, remove, type Tree } from "./tree.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "CONSENTRY_";
const PRINTABLE_NAME = /^[A-Z0-9_]{1,60}$/;

/** Names other programs use for the same thing; our own name wins. */
const ALIASES = [
  { alias: "REDIS_URL", path: ["redis", "url"] },
  { alias: "INFLUX_URL", path: ["sinks", "influx", "url"] },
];

/** Changes `tree` in place, notes in `places` what it has set, and appends to `problems`. */
export function overlayEnvironment(
  tree: Tree,
  rows: readonly OptionRow[],
  env: Environment,
  places: Places,
  problems: ConfigProblem[],
): void {
  const given = withAliases(env);
  const known = new Set(rows.flatMap(({ environment }) => environment ?? []));
  for (const name of given.keys()) {
    if (known.has(name)) continue;
    problems.push(
      PRINTABLE_NAME.test(name)
        ? { option: name, reason: `unknown variable${meant(nearest(name, [...known]))}`, code: UNKNOWN_VARIABLE }
        : { option: `${PREFIX}(unprintable)`, reason: "unknown variable", code: UNKNOWN_VARIABLE },
    );
  }
  for (const row of rows) {
    const value = row.environment === undefined ? undefined : given.get(row.environment);
    if (value === undefined) continue;
    // A secret and its file stand for each other, so setting one here unsets the other there.
    if (row.secret !== undefined) remove(tree, fileOf(row.path));
    if (isFileOfSecret(row, rows)) remove(tree, row.path.with(-1, (row.path.at(-1) ?? "").slice(0, -"File".length)));
  }
  for (const row of rows) {
    const value = row.environment === undefined ? undefined : given.get(row.environment);
    if (value === undefined) continue;
    put(tree, row.path, coerce(row.kind, value.text));
    places.setBy(row.path, value.variable);
  }
}

interface Given {
  readonly text: string;
  /** As it is called in the environment. */
  readonly variable: string;
}

function withAliases(env: Environment): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(env)) {
    // Compose files pass on a variable that is not set as an empty one.
    if (name.startsWith(PREFIX) && value !== undefined && value !== "")
      given.set(name, { text: value, variable: name });
  }
  for (const { alias, path } of ALIASES) {
    const value = env[alias];
    const own = environmentName(path);
    if (value !== undefined && value !== "" && !given.has(own) && !given.has(`${own}_FILE`))
      given.set(own, { text: value, variable: alias });
  }
  return given;
}

function fileOf(path: readonly string[]): string[] {
  return path.with(-1, `${path.at(-1)}File`);
}

function isFileOfSecret(row: OptionRow, rows: readonly OptionRow[]): boolean {
  const name = row.path.join(".");
  return rows.some((other) => other.secret !== undefined && fileOf(other.path).join(".") === name);
}

/** What does not read as the kind is passed on as it is, for the schema to refuse. */
function coerce(kind: OptionRow["kind"], value: string): unknown {
  if (kind === "number") return /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
  if (kind === "boolean") return value === "true" ? true : value === "false" ? false : value;
  if (kind === "list") return value.split(",").map((part) => part.trim());
  return value;
}
