/** Each alarm of docs/operations.md has a rule of Prometheus, each rule an alarm, and both speak of the same metrics. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { READINESS_REASONS } from "../../src/model/readiness.ts";
import { LOG_ALARMS } from "../../src/observe/log-alarms.ts";
import { faultsOf, groupedBy, LABELS } from "../fixtures/promql.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const page = read("docs/operations.md");
const rules = (parse(read("deploy/prometheus/rules.yaml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const rows = sectionRows("Alarms").map(([when = "", , does = "", rule = ""]) => ({
  when,
  does,
  rule: rule.replaceAll("`", ""),
}));

/** Cells of every row of the tables in a section, heads left out. */
function sectionRows(title: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| when"));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function ruleOf(name: string): Rule {
  const found = rules.find(({ alert }) => alert === name);
  if (found === undefined) throw new Error(`no rule ${name}`);
  return found;
}

it("names a rule in each row, and each rule in one row", () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.map(({ rule }) => rule).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  expect(new Set(rows.map(({ rule }) => rule)).size).toBe(rows.length);
});

it.each(rows)("$rule looks at what its row names", ({ when, rule }) => {
  const { expr } = ruleOf(rule);
  const named = [...when.matchAll(/`(?:(consentry_\w+))?(?:\{(\w+="[^"]+")\})?`/g)];
  const parts = named.flatMap(([, name, matcher]) => [name, matcher]).filter((part) => part !== undefined);
  for (const part of parts) expect(expr).toContain(part);
  if (/\blog\b|a problem/.test(when) && !parts.length) expect(expr).toContain("consentry_log_alarms_total");
  expect(faultsOf(expr)).toEqual([]);
  expect(groupedBy(expr).filter((label) => !LABELS.has(label))).toEqual([]);
});

it("has a rule for every line of the log that is counted", () => {
  const watched = rules.flatMap(({ expr }) => [...expr.matchAll(/\{alarm="([a-z-]+)"\}/g)].map(([, alarm]) => alarm));
  expect(watched.toSorted()).toEqual(Object.keys(LOG_ALARMS).toSorted());
});

it.each(rules)("$alert says how urgent it is, what it is and where to read on", ({ alert, labels, annotations }) => {
  expect(Object.keys(labels)).toEqual(["severity"]);
  expect(labels.severity).toMatch(/^(?:critical|warning|info)$/);
  expect(annotations.summary).toMatch(/^[A-Z][^.{}]+$/);
  const { runbook = "" } = annotations;
  const row = rows.find(({ rule }) => rule === alert);
  if (runbook !== "docs/operations.md#alarms") expect(row?.does).toContain(`](${runbook.slice("docs/".length)})`);
  else expect(row?.does).not.toContain("/runbooks/");
});

it("explains every reason for which a gateway is not ready", () => {
  const reasons = sectionRows("Readiness and health").map(([reason = ""]) => reason.replaceAll("`", ""));
  for (const reason of READINESS_REASONS) expect(reasons).toContain(reason);
});

it("finds what a query names and the gateway does not have", () => {
  expect(faultsOf('rate(consentry_messages_refused_total{reason="bad-mood"}[5m])')).toHaveLength(1);
  expect(faultsOf('consentry_ready{device="x"} + consentry_nothing')).toHaveLength(2);
  expect(faultsOf('consentry_messages_refused_total{reason=~"no-consent|consent-.*"}')).toEqual([]);
});
