/**
 * Builds the configuration: defaults < file < environment. Every problem is reported at once, with the option, the reason and
 * where it was given; no value, and so no secret, ever appears in an error.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { codeOf, type Issue, printable, reasonOf, UNKNOWN_OPTION, unknownOption } from "./advice.ts";
import { overlayEnvironment } from "./environment.ts";
import { type OptionRow, optionRows } from "./options.ts";
import { Places } from "./places.ts";
import { ConfigFault, type ConfigProblem } from "./problems.ts";
import { type CommandConfig, type Config, configSchema } from "./schema.ts";
import { at, put, remove, type Tree } from "./tree.ts";

export interface ConfigSource {
  /** A YAML file; without it the defaults hold. */
  readonly file?: string | undefined;
  /** `process.env`, or what a test wants to stand for it. An empty variable counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

const MAX_FILE_BYTES = 1_048_576;
const MAX_SECRET_BYTES = 4_096;
const OPEN_TO_OTHERS = 0o077;
/** In systemd's directory of credentials the group's bits may be the mask of an access list; only the service can enter it. */
const OPEN_CREDENTIAL = 0o007;
/** Stands for a secret that is not read; long enough for every bound. */
const UNREAD = "-".repeat(64);

/** Whether the secrets of a section are read: those of the others need not even be there. */
type Reads = (section: string) => boolean;

/**
 * @throws GatewayError CONFIG_INVALID naming every option that is wrong.
 */
export function loadConfig(source: ConfigSource): Config {
  return load(source, () => true);
}

/**
 * What a command uses: these sections, and of no other one a secret. Tokens of services are never among them. Throws as
 * `loadConfig` does.
 */
export function loadSections<Section extends keyof CommandConfig>(
  source: ConfigSource,
  sections: readonly Section[],
): Pick<CommandConfig, Section> {
  const wanted = new Set<string>(sections);
  const { http: _http, services, ...rest } = load(source, (section) => section !== "services" && wanted.has(section));
  const config: CommandConfig = { ...rest, services: services.map(({ token: _token, ...service }) => service) };
  const picked = Object.entries(config).filter(([section]) => wanted.has(section));
  return Object.fromEntries(picked) as unknown as Pick<CommandConfig, Section>;
}

/** A configuration with all that is wrong with it. */
export interface Examined {
  /** Absent when not even the rest of it can be read. With problems it holds defaults where something is wrong. */
  readonly config: Config | undefined;
  readonly problems: readonly ConfigProblem[];
  /** Where an option was given, for what only shows when its file is read. */
  placeOf(option: string): string | undefined;
}

/** As `loadConfig`, but what is wrong is told and not thrown, so that more of it can be looked for. */
export function examineConfig(source: ConfigSource): Examined {
  return examine(source, () => true);
}

function load(source: ConfigSource, reads: Reads): Config {
  const { config, problems } = examine(source, reads);
  if (config === undefined || problems.length > 0) throw new ConfigFault(problems);
  return deepFreeze(config);
}

function examine(source: ConfigSource, reads: Reads): Examined {
  const problems: ConfigProblem[] = [];
  const places = new Places();
  const rows = optionRows();
  const placeOf = (option: string) => places.of(option.split("."));
  try {
    const tree = source.file === undefined ? {} : readTree(source.file, rows, places, problems);
    overlayEnvironment(tree, rows, source.env, places, problems);
    const files = readSecretFiles(tree, rows, reads, places, problems, source.env.CREDENTIALS_DIRECTORY);
    const config = parse(tree, rows, places, problems) ?? parse(withoutFaults(tree), rows, places, []);
    const told = problems.map((problem) => bySource(problem, files, placeOf));
    return { config, problems: told, placeOf };
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    return { config: undefined, problems: error.problems, placeOf };
  }
}

function readTree(file: string, rows: readonly OptionRow[], places: Places, problems: ConfigProblem[]): Tree {
  const content = readWhole(file, MAX_FILE_BYTES);
  if ("code" in content) throw fileFault(content.code);
  const tree = parseYaml(file, content.text, places);
  if (!content.open) return tree;
  for (const place of secretPlaces(tree, rows)) {
    if (holdsSecret(place.row, at(tree, place.path)))
      problems.push({ ...placed(places, place.path), reason: "secret-in-open-file" });
  }
  return tree;
}

/** Plain YAML 1.2 only: no aliases (they can multiply), no tags, no key twice. */
function parseYaml(file: string, text: string, places: Places): Tree {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "core",
    lineCounter,
    prettyErrors: false,
    stringKeys: true,
    logLevel: "silent",
  });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined)
    throw fileFault(fault.code, `at ${basename(file)}:${lineCounter.linePos(fault.pos[0]).line}`);
  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: 0 });
  } catch {
    throw fileFault("alias-not-allowed");
  }
  if (tree === null || tree === undefined) return {};
  if (typeof tree !== "object" || Array.isArray(tree)) throw fileFault("not-a-mapping");
  places.useFile(file, document, lineCounter);
  return tree as Tree;
}

function fileFault(reason: string, place?: string): ConfigFault {
  return new ConfigFault([{ option: "file", reason, place }]);
}

function placed(places: Places, path: readonly string[]): Pick<ConfigProblem, "option" | "place"> {
  return { option: path.join("."), place: places.of(path) };
}

/** A secret that came out of a file is found fault with under the option that names the file. */
function bySource(
  problem: ConfigProblem,
  files: ReadonlySet<string>,
  placeOf: (option: string) => string | undefined,
): ConfigProblem {
  if (!files.has(problem.option)) return problem;
  const option = `${problem.option}File`;
  return { ...problem, option, place: placeOf(option) };
}

/** Puts the content of every `xFile` that belongs to a secret into `x`; it answers which those are. */
function readSecretFiles(
  tree: Tree,
  rows: readonly OptionRow[],
  reads: Reads,
  places: Places,
  problems: ConfigProblem[],
  credentials: string | undefined,
): ReadonlySet<string> {
  const files = new Set<string>();
  for (const { row, path } of secretPlaces(tree, rows)) {
    const filePath = [...path.slice(0, -1), `${path.at(-1)}File`];
    const file = at(tree, filePath);
    if (!reads(path[0] ?? "")) {
      // Something stands for the secret, so that the rest can be checked; no one is handed the section.
      if (row.secret === "with-password") remove(tree, path);
      else if (file !== undefined || at(tree, path) !== undefined) put(tree, path, `${UNREAD}${path.join(".")}`);
      continue;
    }
    if (typeof file !== "string") continue;
    const guarded = credentials !== undefined && credentials !== "" && dirname(resolve(file)) === resolve(credentials);
    const content = readWhole(file, MAX_SECRET_BYTES, guarded ? OPEN_CREDENTIAL : OPEN_TO_OTHERS);
    const faulty = (which: readonly string[], reason: string): unknown =>
      problems.push({ ...placed(places, which), reason });
    if (at(tree, path) !== undefined) faulty(path, "given-twice");
    else if ("code" in content) faulty(filePath, content.code);
    else if (content.open) faulty(filePath, "readable-by-others");
    else if (content.text.trim() === "") faulty(filePath, "empty");
    else {
      put(tree, path, content.text.replace(/\r?\n$/, ""));
      files.add(path.join("."));
    }
  }
  return files;
}

/** Where secrets may stand in this tree; entries of a list are counted out. */
function secretPlaces(tree: Tree, rows: readonly OptionRow[]): { row: OptionRow; path: readonly string[] }[] {
  return rows.flatMap((row) => {
    if (row.secret !== undefined) return [{ row, path: row.path }];
    const entries = row.kind === "objects" ? at(tree, row.path) : undefined;
    if (!Array.isArray(entries)) return [];
    const fields = row.fields.filter((field) => field.secret !== undefined);
    return entries.flatMap((_, index) =>
      fields.map((field) => ({ row: field, path: [...row.path, String(index), ...field.path] })),
    );
  });
}

function holdsSecret(row: OptionRow, value: unknown): boolean {
  if (value === undefined) return false;
  return row.secret === "always" || (typeof value === "string" && value.includes("@"));
}

/** `openBits`: of its mode, those that let others read it. */
function readWhole(
  file: string,
  maxBytes: number,
  openBits = OPEN_TO_OTHERS,
): { text: string; open: boolean } | { code: string } {
  let handle: number | undefined;
  try {
    handle = openSync(file, "r");
    const { size, mode } = fstatSync(handle);
    if (size > maxBytes) return { code: "file-too-large" };
    return { text: readFileSync(handle, "utf8"), open: (mode & openBits) !== 0 };
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code ?? "unreadable" };
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

function parse(tree: Tree, rows: readonly OptionRow[], places: Places, problems: ConfigProblem[]): Config | undefined {
  const result = configSchema.safeParse(tree);
  if (!result.success) {
    for (const issue of result.error.issues) problems.push(...problemsOf(issue, rows, places));
    return undefined;
  }
  const { http, services, ...rest } = result.data;
  const required = (token: string | undefined, path: readonly string[]): string => {
    const unread = problems.some(({ option }) => option === `${path.join(".")}File`);
    if (token === undefined && !unread) problems.push({ ...placed(places, path), reason: "required" });
    return token ?? "";
  };
  return {
    ...rest,
    http: {
      ...http,
      approvers: http.approvers.map((approver, index) => ({
        ...approver,
        token: required(approver.token, ["http", "approvers", String(index), "token"]),
      })),
    },
    services: services.map((service, index) => ({
      ...service,
      token: required(service.token, ["services", String(index), "token"]),
    })),
  };
}

function problemsOf(issue: Issue, rows: readonly OptionRow[], places: Places): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys")
    return [{ ...placed(places, path), reason: reasonOf(issue), code: codeOf(issue) }];
  const options = rows.map((row) => row.path.join("."));
  return (issue.keys ?? []).map((key) => ({
    option: [...path, printable(key)].join("."),
    reason: unknownOption(path, key, options),
    code: UNKNOWN_OPTION,
    place: places.of([...path, key]),
  }));
}

/** The same with defaults in place of every section that something is wrong with. */
function withoutFaults(tree: Tree): Tree {
  const result = configSchema.safeParse(tree);
  const left = structuredClone(tree);
  for (const { code, path, ...issue } of result.error?.issues ?? []) {
    const names = path.map(String);
    if (code === "unrecognized_keys")
      for (const key of (issue as Partial<Issue>).keys ?? []) remove(left, [...names, key]);
    else remove(left, names);
  }
  return left;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
