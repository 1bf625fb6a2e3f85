/** Compiles the file of a dialect. Every fault says file, line and rule; a dialect with a fault is none. */
import { isAlias, isNode, LineCounter, parseDocument, visit, type Node as YamlNode } from "yaml";
import type { CommandName } from "../model/command.ts";
import type { DropReason } from "../model/outcome.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileWays, type Way } from "./command.ts";
import {
  type DialectShape,
  dialectShape,
  type LeavesShape,
  type RuleShape,
  THROWN_AWAY,
  type TreeShape,
} from "./file.ts";
import { compileLeaves, type Leaf, readsNumbers } from "./leaf.ts";
import { covers, type Pattern, patternOf } from "./topic.ts";

/** What is done with the value below a key. */
export type Branch =
  | { readonly is: "tree"; readonly keys: ReadonlyMap<string, Branch>; readonly eachChild: Branch | undefined }
  | {
      readonly is: "leaves";
      readonly leaves: readonly Leaf[];
      /** Where it stands in the file, for hints; a rule for a text alone says it all. */
      readonly path: string | undefined;
      /** Why a value that none of them can read is left out. */
      readonly unreadable: DropReason;
    }
  | { readonly is: "thrown-away" };

export interface Rule {
  readonly number: number;
  readonly topic: Pattern;
  readonly when: readonly { readonly path: readonly string[]; readonly word: string }[];
  readonly json: Branch | undefined;
  readonly text: Branch | undefined;
  readonly leaves: ReadonlyMap<string, Branch> | undefined;
  readonly childPath: readonly string[] | undefined;
  readonly model: string | undefined;
  readonly refuseUnknown: boolean;
}

export interface Dialect
  extends Pick<DialectShape, "title" | "about" | "subscriptions" | "notices" | "models" | "settings"> {
  readonly name: string;
  readonly hub: boolean;
  readonly large: boolean;
  readonly carried: boolean;
  readonly vocabulary: Vocabulary;
  readonly rules: readonly Rule[];
  readonly commands: ReadonlyMap<CommandName, readonly Way[]>;
  readonly expected: readonly Pattern[];
  /** By place of `{child}`: words that other topics have there, so that no alias begins with one. */
  readonly reserved: ReadonlyMap<number, ReadonlySet<string>>;
}

/** A dialect file that does not compile. `faults`: one line each, with file and line. */
export class DialectFaults extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

type Path = readonly (string | number)[];
type Report = (path: Path, what: string) => void;

const EACH_CHILD = "{child}";
const SEVERAL = "|";
const DEEPEST = 6;
const MOST_BYTES = 256 * 1024;

/** Throws DialectFaults. `file` is only for the messages. */
export function compileDialect(text: string, file: string, vocabulary: Vocabulary): Dialect {
  if (Buffer.byteLength(text) > MOST_BYTES) throw new DialectFaults([`${file}: longer than ${MOST_BYTES} bytes`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const faults = document.errors.map(({ pos, code }) => `${file}:${lines.linePos(pos[0]).line}: not YAML (${code})`);
  visit(document, {
    // Written out they may be endless, or larger than memory.
    Alias: (_, node) => void faults.push(`${file}:${lineOf(node, lines)}: aliases of YAML are not allowed`),
  });
  if (faults.length > 0) throw new DialectFaults(faults);
  const report: Report = (path, what) => {
    const rule = path[0] === "rules" && typeof path[1] === "number" ? ` rule ${path[1] + 1}:` : "";
    faults.push(`${file}:${lineAt(path)}:${rule} ${what}`);
  };
  const parsed = dialectShape.safeParse(document.toJS());
  if (!parsed.success)
    for (const { path, message } of parsed.error.issues)
      report(
        path.map((key) => (typeof key === "number" ? key : String(key))),
        message,
      );
  const dialect = parsed.success ? build(parsed.data, vocabulary, report) : undefined;
  if (dialect === undefined || faults.length > 0) throw new DialectFaults(faults);
  return dialect;

  function lineAt(path: Path): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
      if (isNode(node) && !isAlias(node)) return lineOf(node, lines);
    }
    return 1;
  }
}

function lineOf(node: YamlNode, lines: LineCounter): number {
  return lines.linePos(node.range?.[0] ?? 0).line;
}

function build(shape: DialectShape, vocabulary: Vocabulary, report: Report): Dialect {
  const rules = shape.rules.map((rule, index) => ruleOf(rule, index, vocabulary, report));
  const expected = shape.expected.map((text, index) => topicOf(text, ["expected", index], report));
  checkNotices(shape, report);
  const family = { hub: shape.hub === true, subscriptions: shape.subscriptions };
  const commands = Object.entries(shape.commands).map(
    ([name, ways]) =>
      [name as CommandName, compileWays(name, ways, family, (what) => report(["commands", name], what))] as const,
  );
  const seen = new Set<string>();
  for (const [index, { topic, when, json }] of shape.rules.entries()) {
    const objects = `${topic} {}`;
    if (seen.has(topic) || (json !== undefined && seen.has(objects)))
      report(["rules", index], "can never match: an earlier rule takes everything of this topic");
    if (when === undefined) seen.add(json === undefined ? topic : objects);
  }
  return {
    name: shape.dialect,
    title: shape.title,
    about: shape.about,
    hub: shape.hub === true,
    large: shape.hub === true || shape.large === true,
    carried: shape.carried === true,
    vocabulary,
    rules,
    expected,
    reserved: reservedIn([...rules.map(({ topic }) => topic), ...expected]),
    subscriptions: shape.subscriptions,
    commands: new Map(commands),
    notices: shape.notices,
    models: shape.models,
    settings: shape.settings,
  };
}

/** Where something is sent, the firmware must listen. */
function checkNotices(shape: DialectShape, report: Report): void {
  for (const [name, topic = ""] of Object.entries<string | undefined>(shape.notices)) {
    if (!shape.subscriptions.some((filter) => covers(filter, topic, (word) => word === "{self}")))
      report(["notices", name], "the firmware subscribes to nothing that covers this topic");
    if (topic.includes("{child}") && shape.hub !== true) report(["notices", name], "only a hub has children");
  }
}

function ruleOf(shape: RuleShape, index: number, vocabulary: Vocabulary, report: Report): Rule {
  const here: Path = ["rules", index];
  const topic = topicOf(shape.topic, [...here, "topic"], report);
  const readers = [shape.json, shape.text, shape.leaves].filter((reader) => reader !== undefined).length;
  if (readers !== 1) report(here, "needs one of `json`, `text` and `leaves`");
  if (topic.levels.some(({ is }) => is === "leaf") !== (shape.leaves !== undefined))
    report(here, "`{leaf}` and `leaves` need each other");
  if (topic.levels.some(({ is }) => is === "rest")) report(here, "`#` is for `expected` alone");
  if (shape.child !== undefined && topic.child !== -1) report(here, "the child is said twice");
  if (shape.json === undefined && (shape.when ?? shape.child ?? shape.unknown) !== undefined)
    report(here, "`when`, `child` and `unknown` need `json`");
  const leaf = (leaves: LeavesShape, path: Path): Branch =>
    leaves === THROWN_AWAY
      ? { is: "thrown-away" }
      : {
          is: "leaves",
          leaves: compileLeaves(leaves, vocabulary, (what) => report(path, what)),
          path: path.slice(here.length + 1).join(".") || undefined,
          unreadable: readsNumbers(leaves, vocabulary) ? "not-a-number" : "not-a-word",
        };
  const tree = (branch: TreeShape | LeavesShape, path: Path, depth: number): Branch => {
    if (typeof branch === "string" || Array.isArray(branch)) return leaf(branch as LeavesShape, path);
    if (depth > DEEPEST) report(path, `deeper than ${DEEPEST}`);
    const keys = new Map<string, Branch>();
    let eachChild: Branch | undefined;
    for (const [names, below] of Object.entries(branch as TreeShape)) {
      const made = tree(below, [...path, names], depth + 1);
      if (names === EACH_CHILD) {
        eachChild = made;
        if (topic.child !== -1 || shape.child !== undefined) report([...path, names], "the child is said twice");
        continue;
      }
      for (const name of names.split(SEVERAL).map((part) => part.trim())) {
        if (keys.has(name)) report([...path, names], `"${name}" is named twice`);
        keys.set(name, made);
      }
    }
    return { is: "tree", keys, eachChild };
  };
  return {
    number: index + 1,
    topic,
    when: Object.entries(shape.when ?? {}).map(([path, word]) => ({ path: path.split("."), word })),
    json: shape.json && tree(shape.json, [...here, "json"], 1),
    text: shape.text === undefined ? undefined : leaf(shape.text, [...here, "text"]),
    leaves:
      shape.leaves &&
      new Map(
        Object.entries(shape.leaves).flatMap(([names, leaves]) => {
          const made = leaf(leaves, [...here, "leaves", names]);
          return names.split(SEVERAL).map((name): [string, Branch] => [name.trim(), made]);
        }),
      ),
    childPath: shape.child?.split("."),
    model: shape.const?.model,
    refuseUnknown: shape.unknown === "refuse",
  };
}

function topicOf(text: string, path: Path, report: Report): Pattern {
  const pattern = patternOf(text);
  if (!("fault" in pattern)) return pattern;
  report(path, pattern.fault);
  return { text, levels: [], child: -1, spans: false };
}

/** `zigbee2mqtt/bridge/state` keeps a device behind the hub from being called `bridge/…`. */
function reservedIn(patterns: readonly Pattern[]): Map<number, Set<string>> {
  const reserved = new Map<number, Set<string>>();
  for (const { levels } of patterns) {
    for (const [place, level] of levels.entries()) {
      if (level.is !== "fixed") continue;
      const same = patterns.some(({ child, levels: others }) => child === place && isSameBefore(levels, others, place));
      if (same) reserved.set(place, (reserved.get(place) ?? new Set()).add(level.word));
    }
  }
  return reserved;
}

function isSameBefore(one: Pattern["levels"], other: Pattern["levels"], place: number): boolean {
  for (let index = 0; index < place; index += 1) {
    const [left, right] = [one[index], other[index]];
    if (left?.is === "fixed" && right?.is === "fixed" && left.word !== right.word) return false;
  }
  return true;
}
