/**
 * Builds the configuration: defaults < file < environment. Every problem is reported at once, as
 * `path: code`; no value, and so no secret, ever appears in an error.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { GatewayError } from "../model/errors.ts";
import { overlayEnvironment } from "./environment.ts";
import { type OptionRow, optionRows } from "./options.ts";
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
/** As long as any secret has to be. */
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

function load(source: ConfigSource, reads: Reads): Config {
  const problems: string[] = [];
  const rows = optionRows();
  const tree = source.file === undefined ? {} : readTree(source.file, rows, problems);
  overlayEnvironment(tree, rows, source.env, problems);
  const files = readSecretFiles(tree, rows, reads, problems, source.env.CREDENTIALS_DIRECTORY);
  const config = parse(tree, problems);
  if (config === undefined || problems.length > 0)
    throw new GatewayError("CONFIG_INVALID", problems.map((problem) => bySource(problem, files)).join("; "));
  return deepFreeze(config);
}

function readTree(file: string, rows: readonly OptionRow[], problems: string[]): Tree {
  const content = readWhole(file, MAX_FILE_BYTES);
  if ("code" in content) throw new GatewayError("CONFIG_INVALID", `file: ${content.code}`);
  const tree = parseYaml(content.text);
  if (!content.open) return tree;
  for (const place of secretPlaces(tree, rows)) {
    if (holdsSecret(place.row, at(tree, place.path))) problems.push(`${place.path.join(".")}: secret-in-open-file`);
  }
  return tree;
}

/** Plain YAML 1.2 only: no aliases (they can multiply), no tags, no key twice. */
function parseYaml(text: string): Tree {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "core",
    lineCounter,
    prettyErrors: false,
    stringKeys: true,
    logLevel: "silent",
  });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    throw new GatewayError("CONFIG_INVALID", `file line ${lineCounter.linePos(fault.pos[0]).line}: ${fault.code}`);
  }
  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: 0 });
  } catch {
    throw new GatewayError("CONFIG_INVALID", "file: alias-not-allowed");
  }
  if (tree === null || tree === undefined) return {};
  if (typeof tree !== "object" || Array.isArray(tree)) throw new GatewayError("CONFIG_INVALID", "file: not-a-mapping");
  return tree as Tree;
}

/** A secret that came out of a file is found fault with under the option that names the file. */
function bySource(problem: string, files: ReadonlySet<string>): string {
  const [path = "", ...reason] = problem.split(": ");
  return [files.has(path) ? `${path}File` : path, ...reason].join(": ");
}

/** Puts the content of every `xFile` that belongs to a secret into `x`; it answers which those are. */
function readSecretFiles(
  tree: Tree,
  rows: readonly OptionRow[],
  reads: Reads,
  problems: string[],
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
    if (at(tree, path) !== undefined) problems.push(`${path.join(".")}: given-twice`);
    else if ("code" in content) problems.push(`${filePath.join(".")}: ${content.code}`);
    else if (content.open) problems.push(`${filePath.join(".")}: readable-by-others`);
    else if (content.text.trim() === "") problems.push(`${filePath.join(".")}: empty`);
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

function parse(tree: Tree, problems: string[]): Config | undefined {
  const result = configSchema.safeParse(tree);
  if (!result.success) {
    for (const issue of result.error.issues) problems.push(...problemsOf(issue));
    return undefined;
  }
  const { http, services, ...rest } = result.data;
  const required = (token: string | undefined, path: string): string => {
    const unread = problems.some((problem) => problem.startsWith(`${path}File: `));
    if (token === undefined && !unread) problems.push(`${path}: required`);
    return token ?? "";
  };
  return {
    ...rest,
    http: {
      ...http,
      approvers: http.approvers.map((approver, index) => ({
        ...approver,
        token: required(approver.token, `http.approvers.${index}.token`),
      })),
    },
    services: services.map((service, index) => ({
      ...service,
      token: required(service.token, `services.${index}.token`),
    })),
  };
}

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** An option's name helps a person who mistyped it; anything longer or stranger could be a value in the wrong place. */
const PRINTABLE_NAME = /^[A-Za-z][A-Za-z0-9]{0,29}$/;

function problemsOf(issue: Issue): string[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const names = (issue.keys ?? []).map((key) => (PRINTABLE_NAME.test(key) ? key : "(unprintable)"));
    return names.map((name) => `${[...path, name].join(".")}: unknown-option`);
  }
  // A custom issue carries one of the codes below as its message; any other message may quote what it complains about.
  const code = issue.code === "custom" ? issue.message : issue.code.replaceAll("_", "-");
  return [`${path.join(".")}: ${code}`];
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
