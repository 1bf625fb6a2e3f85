/** Alarms as one gateway sees them: each begins when its rule does, lasts as long, and means what the rule of Prometheus means. */
import { readFile } from "node:fs/promises";
import { beforeEach, expect, it } from "vitest";
import { parse } from "yaml";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import { BY_CONSENT, type Refusal } from "../model/outcome.ts";
import { ALARMS, Alarms, NOT_SEEN_FROM_HERE } from "./alarms.ts";
import { Metrics } from "./metrics.ts";

interface PrometheusRule {
  readonly alert: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

let metrics: Metrics;
let alarms: Alarms;
beforeEach(() => {
  metrics = new Metrics({ eventLoopDelayMs: 250 });
  alarms = new Alarms(metrics);
});

/** The names of those that stand; ms since the start. */
function standing(at: number): string[] {
  return alarms.look(1_000_000 + at, at).map(({ rule }) => rule);
}

it("there is one for each rule of Prometheus, with its severity, its words and its time, or a word why not", async () => {
  const text = await readFile(new URL("../../deploy/prometheus/rules.yaml", import.meta.url), "utf8");
  const rules = (parse(text) as { groups: { rules: PrometheusRule[] }[] }).groups.flatMap(({ rules }) => rules);
  const [amount, unit] = [/^\d+/, /[smhd]$/];
  const ms = { s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS } as Record<string, number>;
  const asRows = rules
    .filter(({ alert }) => !Object.hasOwn(NOT_SEEN_FROM_HERE, alert))
    .map(({ alert, for: time = "0s", labels, annotations }) => ({
      rule: alert,
      severity: labels.severity,
      summary: annotations.summary,
      forMs: Number(amount.exec(time)?.[0]) * (ms[unit.exec(time)?.[0] ?? ""] ?? Number.NaN),
    }));
  expect(ALARMS.map(({ holds: _, ...row }) => row)).toEqual(asRows);
  const names = new Set(rules.map(({ alert }) => alert));
  expect(Object.keys(NOT_SEEN_FROM_HERE).filter((name) => !names.has(name))).toEqual([]);
});

it("none stands on a gateway at rest", () => {
  metrics.notReady([]);
  for (let at = 0; at <= HOUR_MS; at += MINUTE_MS) expect(standing(at)).toEqual([]);
});

it("what rises stands for as long as it is in the window, and no longer", () => {
  standing(0);
  metrics.httpRefused("no-scope");
  expect(standing(5_000)).toEqual(["ConsentryHttpScopeRefused"]);
  expect(standing(14 * MINUTE_MS)).toEqual(["ConsentryHttpScopeRefused"]);
  expect(standing(16 * MINUTE_MS)).toEqual([]);
  metrics.httpRefused("no-scope");
  expect(standing(17 * MINUTE_MS)).toEqual(["ConsentryHttpScopeRefused"]);
});

it("what must hold for a while stands once it has, since when it began, and begins again when it was over", () => {
  metrics.gauge("deadLetters", 1);
  expect(standing(0)).toEqual([]);
  expect(alarms.look(1_300_000, 5 * MINUTE_MS)).toEqual([
    { rule: "ConsentryDeadLetters", severity: "warning", summary: "There are dead letters", since: 1_000_000 },
  ]);
  metrics.gauge("deadLetters", 0);
  expect(standing(6 * MINUTE_MS)).toEqual([]);
  metrics.gauge("deadLetters", 1);
  expect(standing(7 * MINUTE_MS)).toEqual([]);
});

it("no alarm is raised by what one person has decided: their messages are refused, and not one rule looks at it", async () => {
  standing(0);
  metrics.received(1_000 * BY_CONSENT.size);
  for (const reason of BY_CONSENT) metrics.refused(reason as Refusal, 1_000);
  for (let at = 0; at <= HOUR_MS; at += MINUTE_MS) expect(standing(at)).toEqual([]);
  const text = await readFile(new URL("../../deploy/prometheus/rules.yaml", import.meta.url), "utf8");
  for (const reason of BY_CONSENT) expect(text).not.toContain(`reason="${reason}"`);
});

it("people have to be asked again where there are ten", () => {
  expect(standing(0)).toEqual([]);
  metrics.gauge("peopleToAsk", 10);
  expect(standing(1_000)).toEqual(["ConsentryPolicySuperseded"]);
  metrics.gauge("peopleToAsk", 0);
  expect(standing(2_000)).toEqual([]);
});

it("a withdrawal that takes nearly as long as a lease stands, among the gravest first", () => {
  metrics.gauge("lease", 2);
  metrics.gauge("backlogOldest", 90);
  metrics.withdrawalAnswered(100);
  standing(0);
  for (let count = 0; count < 50; count += 1) metrics.withdrawalAnswered(1_900);
  standing(MINUTE_MS);
  expect(standing(11 * MINUTE_MS)).toEqual(["ConsentryBacklogOld", "ConsentryWithdrawalSlow"]);
});
