/** What the operator's console says about alarms, states and reasons: out of the tables that say it everywhere else. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { DEAD_LETTER_REASONS, REFUSALS } from "../src/model/outcome.ts";

interface Rule {
  readonly alert: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const ROOT = new URL("../", import.meta.url);
const read = (file: string) => readFileSync(new URL(file, ROOT), "utf8");

export function consoleGuide(): object {
  const page = read("docs/operations.md");
  const { groups } = parse(read("deploy/prometheus/rules.yaml")) as { groups: { rules: Rule[] }[] };
  const rules = new Map(groups.flatMap((group) => group.rules.map((rule) => [rule.alert, rule])));
  return {
    about:
      "Words of the console. Made by `npm run config:docs` of docs/operations.md, deploy/prometheus and src/model/outcome.ts.",
    alarms: sectionRows(page, "Alarms").map(([when = "", means = "", todo = "", rule = ""]) => ({
      rule,
      severity: rules.get(rule)?.labels.severity,
      summary: rules.get(rule)?.annotations.summary,
      when,
      means,
      todo,
    })),
    readiness: Object.fromEntries(
      sectionRows(page, "Readiness and health", "reason", "means").map(([reason, means, todo]) => [
        reason,
        { means, todo },
      ]),
    ),
    refusals: REFUSALS,
    letters: DEAD_LETTER_REASONS,
  };
}

/** Cells of the rows of a table in a section, as plain text. `heads`: how the first cells of its first line begin. */
function sectionRows(page: string, title: string, ...heads: readonly string[]): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  const tables = section.split(/\n\n+/).filter((part) => part.startsWith("| "));
  const table = tables.find((part) => part.startsWith(`| ${heads.join(" | ")}`)) ?? "";
  const [, , ...lines] = table.trimEnd().split("\n");
  return lines.map((line) => line.split("|").slice(1, -1).map(plain));
}

/** Without what Markdown marks: names in backquotes, links. */
function plain(cell: string): string {
  const text = cell
    .replace(/\[([^\]]+)\]\([^)]+\)/g, "$1")
    .replaceAll("`", "")
    .trim();
  return text === "–" ? "" : text;
}
