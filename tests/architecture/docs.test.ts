/** Documents tell no dead tales: links lead somewhere, and every command, file, metric, error and option they name exists. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { optionRows } from "../../src/config/options.ts";
import { ERRORS } from "../../src/model/errors.ts";
import {
  CONNECTION_REFUSALS,
  DEAD_LETTER_REASONS,
  DROP_REASONS,
  REFUSAL_REASONS,
  REFUSALS,
  SECURITY_EVENTS,
} from "../../src/model/outcome.ts";
import type { MetricRow } from "../../src/observe/metric-row.ts";
import { METRICS } from "../../src/observe/metric-table.ts";
import { ACCOUNT_WORDS } from "../../src/vocabulary/key-words.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What it names may be long gone; its links must hold all the same. */
const HISTORY = "CHANGELOG.md";

const files = ["README.md", HISTORY, "CONTRIBUTING.md", "SECURITY.md", "examples/README.md", ...markdownBelow("docs")];
const pages = files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")] as const);
const living = pages.filter(([file]) => file !== HISTORY);

function markdownBelow(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  return entries.filter((path) => path.endsWith(".md")).map((path) => `${folder}/${path}`);
}

function withoutCode(text: string): string {
  return text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "");
}

/** What stands in backticks within the text. */
function quoted(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, content = ""]) => content);
}

/** Names in the code, with the file they stand in: `file` → `name`. */
function placesIn(text: string): RegExpExecArray[] {
  return [...text.matchAll(/`([\w./-]+\.(?:ts|js|mjs|py|hpp|cpp))` → `(#?\w+)`/g)];
}

/** The names that GitHub gives to headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(/^```.*?^```/gms, "").matchAll(/^#{1,6} (.+)$/gm)].map(([, title = ""]) => title);
  return new Set(
    headings.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function deadLinks(file: string, text: string): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => {
    if (/^(https?|mailto):/.test(target)) return false;
    const [path = "", anchor] = target.split("#");
    const full = path === "" ? join(ROOT, file) : resolve(ROOT, dirname(file), path);
    if (!existsSync(full)) return true;
    return anchor !== undefined && !anchorsOf(readFileSync(full, "utf8")).has(anchor);
  });
}

describe("links", () => {
  it.each(pages)("%s leads nowhere that does not exist", (file, text) => {
    expect(deadLinks(file, text)).toEqual([]);
  });

  it("docs/README.md leads to every page of docs", () => {
    const index = readFileSync(join(ROOT, "docs/README.md"), "utf8");
    const linked = [...index.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = ""]) => join("docs", target));
    const missing = files.filter(
      (file) => file.startsWith("docs/") && file !== "docs/README.md" && !linked.includes(file),
    );
    expect(missing, "add them to docs/README.md").toEqual([]);
  });
});

describe("names", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };

  it.each(living)("%s: npm scripts exist", (_file, text) => {
    const named = [...text.matchAll(/\bnpm (?:run (?:-s )?([a-z][a-z:-]*)|(test|start)\b)/g)].map(
      ([, run, short]) => run ?? short ?? "",
    );
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it.each(living)("%s: files exist", (_file, text) => {
    const named = quoted(text).filter((name) => /^[\w.-]+(?:\/[\w.-]+)+\.(?:ts|js|mjs|json|yaml|sh|md)$/.test(name));
    expect(named.filter((name) => !["", "src"].some((folder) => existsSync(join(ROOT, folder, name))))).toEqual([]);
  });

  it.each(living)("%s: what is named behind a file, as `file` → `name`, stands in it", (_file, text) => {
    const missing = placesIn(text).filter(([, file = "", name = ""]) => {
      const source = readFileSync(join(ROOT, file), "utf8");
      return !new RegExp(`(?<![#\\w])${name}\\b`).test(source);
    });
    expect(missing.map(([all]) => all)).toEqual([]);
  });

  it("guides name many of them", () => {
    const guides = living.filter(([file]) => file.startsWith("docs/guides/"));
    expect(guides.length).toBeGreaterThan(3);
    for (const [file, text] of guides) expect(placesIn(text).length, file).toBeGreaterThan(5);
  });

  it.each(living)("%s: metrics and their labels exist", (_file, text) => {
    expect(quoted(text).filter((name) => name.startsWith("consentry_") && !isMetric(name))).toEqual([]);
  });

  it.each(living)("%s: error codes exist", (_file, text) => {
    const constants = placesIn(text).map(([, , name]) => name);
    const named = quoted(text).filter((name) => /^[A-Z]+(?:_[A-Z]+)+$/.test(name) && !isVariable(name));
    expect(named.filter((name) => !Object.hasOwn(ERRORS, name) && !constants.includes(name))).toEqual([]);
  });

  it.each(living)("%s: options and their variables exist", (_file, text) => {
    const rows = optionRows();
    const paths = rows.map(({ path }) => path.join("."));
    const sections = new Set(rows.filter(({ path }) => path.length > 1).map(({ path }) => path[0]));
    const isOption = (name: string) => paths.some((path) => path === name || path.startsWith(`${name}.`));
    const named = quoted(text).filter(
      (name) => /^[a-z]+(?:\.[A-Za-z0-9]+)+$/.test(name) && sections.has(name.split(".")[0]),
    );
    expect(named.filter((name) => !isOption(name) && !isFile(name))).toEqual([]);

    const variables = text.match(/\bCONSENTRY_[A-Z0-9_]+\b(?!…)/g) ?? [];
    expect(variables.filter((name) => !rows.some(({ environment }) => environment === name))).toEqual([]);
  });

  it("a reason that is called refused, is a reason", () => {
    const reasons: readonly string[] = [
      ...Object.keys(REFUSALS),
      ...Object.keys(DEAD_LETTER_REASONS),
      ...CONNECTION_REFUSALS,
      ...SECURITY_EVENTS,
    ];
    const named = living.flatMap(([, text]) =>
      [...text.matchAll(/\brefused `([a-z-]+)`/g)].map(([, reason = ""]) => reason),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((reason) => !reasons.includes(reason))).toEqual([]);
  });
});

const rowsByName = new Map<string, MetricRow>(Object.values(METRICS).map((row) => [row.name, row]));
const PREFIX = "consentry_";

/** `name`, `name{label="value"}`, `name{label}`; what Node tells of itself stands for a whole family. */
function isMetric(text: string): boolean {
  if (/^consentry_(?:process|nodejs)_/.test(text)) return true;
  const [, name = "", labels] = /^([a-z_]+)(?:\{(.*)\})?$/.exec(text) ?? [];
  const row = rowsByName.get(name) ?? rowsByName.get(name.slice(PREFIX.length));
  if (row === undefined) return false;
  return (labels?.split(",") ?? []).every((label) => {
    const [, key = "", value] = /^([a-z]+)(?:="([^"]*)")?$/.exec(label.trim()) ?? [];
    return row.labels[key] !== undefined && (value === undefined || row.labels[key].includes(value));
  });
}

/** Variables that other programs know too. */
function isVariable(name: string): boolean {
  return name.startsWith("CONSENTRY_") || ["REDIS_URL", "INFLUX_URL", "CHROMIUM_PATH"].includes(name);
}

function isFile(name: string): boolean {
  return /\.(?:ts|mjs|md|json|yaml|yml|key|sh|txt)$/.test(name);
}

it("looks at more than nothing", () => {
  expect(files.map((file) => relative(ROOT, join(ROOT, file)))).toContain("docs/topics.md");
  expect(living.flatMap(([, text]) => quoted(text)).length).toBeGreaterThan(500);
});

describe("lists", () => {
  it.each([
    ["The reasons", REFUSAL_REASONS],
    ["Parts that are left out", DROP_REASONS],
  ])("docs/troubleshooting.md says what to do about each: %s", (heading, reasons) => {
    const page = readFileSync(join(ROOT, "docs/troubleshooting.md"), "utf8");
    const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
    const rows = [...section.matchAll(/^\| `([a-z-]+)` \| [^|]+ \| [^|]+ \|$/gm)].map(([, reason]) => reason);
    expect(rows.toSorted()).toEqual([...reasons].toSorted());
  });

  it("docs/troubleshooting.md explains every reason for which a connection is refused", () => {
    const page = readFileSync(join(ROOT, "docs/troubleshooting.md"), "utf8");
    const rows = [...page.matchAll(/^\| (?:[1-5]|none) \| ([^|]+) \|/gm)].flatMap(([, reasons = ""]) =>
      quoted(reasons),
    );
    expect([...new Set(rows)].toSorted()).toEqual([...CONNECTION_REFUSALS].toSorted());
  });

  it("docs/topics.md lists every word of a key that refuses a message", () => {
    const list = /^```text reserved\n(.*?)^```/ms.exec(readFileSync(join(ROOT, "docs/topics.md"), "utf8"))?.[1] ?? "";
    expect(list.split(/\s+/).filter(Boolean).toSorted()).toEqual([...ACCOUNT_WORDS].toSorted());
  });
});
