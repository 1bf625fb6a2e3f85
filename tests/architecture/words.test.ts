/**
 * One concept, one word, in plain English: `docs/glossary.md` lists the words of the code. This test fails when a second
 * word for a concept, or a literary word, appears in the source.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Rule {
  readonly word: RegExp;
  readonly say: string;
}

/** Second names of a concept, as identifiers in `src`. */
const IDENTIFIERS: readonly Rule[] = [
  { word: /^[rR]edis(?:Keys|Names)$|^keyTable$/, say: "keyspace: names in Redis; keys are cryptographic" },
  { word: /^secrets$/, say: "keys" },
  { word: /^(?:subject|person)Hash$|^(?:person|user)Tag$/, say: "subjectTag" },
  { word: /^device(?:Hash|Tag)$|^hashedDevice(?:Id)?$/, say: "deviceKey" },
  { word: /^(?:dlq|deadMessages?|deadQueue|poison(?:Queue|Messages?))$/i, say: "dead letter, or letter" },
  { word: /^consent(?:Log|History|Chain)$/, say: "ledger" },
  { word: /^(?:generation|pseudonymPeriod)$/, say: "epoch" },
  { word: /^influxStore|^(?:redis|ledger|consent)Store$/, say: "store is the InfluxDB adapter only; name the room" },
];

/** Error codes that were replaced, in all of `src`. */
const CODES: readonly Rule[] = [{ word: /\bCONSENT_UNREACHABLE\b/, say: "REDIS_UNAVAILABLE" }];

/** Words that a reader of English as a second language has to look up, in comments, test titles, log and usage texts. */
const PROSE: readonly Rule[] = [
  { word: /\banew\b/i, say: "again" },
  { word: /\bwho(?:m|so)?ever\b/i, say: "the caller, the subject, anyone who" },
  { word: /\b(?:no|some|every)body\b/i, say: "the subject, the caller, no one, all subjects" },
  { word: /\b(?:thereof|thereby|hence|lest|whence|hitherto|ere)\b/i, say: "a plain word" },
  { word: /\btak(?:es?|en|ing) up\b/i, say: "reload, continue, process again" },
  { word: /\bg(?:ives?|ave|iven|iving) way\b/i, say: "exit, yield, be replaced" },
  { word: /\bbr(?:eaks?|oke|oken|eaking) off\b/i, say: "interrupt, abort" },
  { word: /\b(?:under way|on (?:its|their) way)\b/i, say: "in progress, in transit, open" },
  { word: /\b(?:noted|notes|taken|written) down\b/i, say: "recorded, written" },
  { word: /\bnone of ours\b|\bof ours\b/i, say: "the gateway's" },
  { word: /\bfor ever\b/i, say: "forever, without limit" },
  { word: /\bsets? aside\b/i, say: "dead letter, dead-letter" },
  { word: /\bin the place of\b/i, say: "instead of" },
];

/** What is not rewritten yet. The list only gets shorter: a clean entry has to leave it. */
const TO_DO: readonly string[] = [];

/** It has to name the words. */
const THIS_FILE = "tests/architecture/words.test.ts";
/** Options and environment variables have secrets. */
const CONFIG = "src/config/";

interface Words {
  readonly identifiers: readonly string[];
  /** Comments, and texts with a space: log lines, usage, titles, Lua. */
  readonly prose: readonly string[];
}

function wordsIn(text: string): Words {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
  const identifiers: string[] = [];
  const prose = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    const comments = [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.getEnd()) ?? []),
    ];
    for (const { pos, end } of comments) prose.set(pos, text.slice(pos, end).replace(/\s*\n\s*(?:\*|\/\/) ?/g, " "));
    if (ts.isIdentifier(node)) identifiers.push(node.text);
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      if (node.text.trim().includes(" ")) prose.set(node.getStart(), node.text);
    }
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return { identifiers, prose: [...prose.values()] };
}

function found(texts: Iterable<string>, rules: readonly Rule[]): string[] {
  return [...texts].flatMap((text) =>
    rules.flatMap(({ word, say }) => {
      const [match] = word.exec(text) ?? [];
      return match === undefined ? [] : [`"${match}": say ${say}`];
    }),
  );
}

function filesBelow(path: string): string[] {
  if (path.endsWith(".ts")) return [path];
  return readdirSync(join(ROOT, path), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(path, file).replaceAll("\\", "/"))
    .filter((file) => file !== THIS_FILE);
}

const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** Parsing is slow: only a file whose plain text has such a word is parsed. */
function proseOf(file: string): string[] {
  const text = read(file);
  if (found([text.replace(/\s*\n\s*(?:\*|\/\/) ?/g, " ")], PROSE).length === 0) return [];
  return found(wordsIn(text).prose, PROSE).map((problem) => `${file}: ${problem}`);
}

function identifiersOf(file: string): string[] {
  const text = read(file);
  if (found(text.split(/[^\w$]+/), IDENTIFIERS).length === 0) return [];
  return found(wordsIn(text).identifiers, IDENTIFIERS).map((problem) => `${file}: ${problem}`);
}

const inSrc = filesBelow("src");
const isToDo = (file: string) => TO_DO.some((path) => file === path || file.startsWith(`${path}/`));

describe("the words of the code", () => {
  test("a second word for a concept is found, and so is a literary word", () => {
    const text = `// Whoever lost it
      /** is told
       * anew. */
      const redisKeys = \`gives way to \${secrets}\`; it("nobody gets it", () => "anew");`;
    const { identifiers, prose } = wordsIn(text);
    expect(found(identifiers, IDENTIFIERS)).toHaveLength(2);
    expect(found(prose, PROSE)).toEqual([
      expect.stringContaining("Whoever"),
      expect.stringContaining("anew"),
      expect.stringContaining("gives way"),
      expect.stringContaining("nobody"),
    ]);
  });

  test("identifiers in src have the one name of their concept", () => {
    expect(inSrc.filter((file) => !file.startsWith(CONFIG)).flatMap(identifiersOf)).toEqual([]);
  });

  test("replaced error codes are gone from src", () => {
    expect(inSrc.flatMap((file) => found([read(file)], CODES))).toEqual([]);
  });

  test("comments, titles and texts of the finished folders are in plain English", () => {
    const finished = inSrc.filter((file) => !isToDo(file));
    expect(finished.length).toBeGreaterThan(150);
    expect(finished.flatMap(proseOf)).toEqual([]);
  });

  test.each(TO_DO)("%s is still to do; a clean entry leaves the list", (path) => {
    expect(filesBelow(path).some((file) => proseOf(file).length > 0)).toBe(true);
  });

  test("the glossary has a row for every word this test prefers", () => {
    const glossary = read("docs/glossary.md");
    for (const word of [
      "keyspace",
      "keys",
      "subject tag",
      "device key",
      "pseudonym",
      "letter",
      "ledger",
      "store",
      "epoch",
    ])
      expect(glossary).toMatch(new RegExp(`^\\| \\*\\*[^|]*\\b${word}\\b`, "m"));
  });
});
