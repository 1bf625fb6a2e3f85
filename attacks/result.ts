/** The figures of all attacks, as one line of JSON and as a table. Holds no name and no id of anybody. */

import { setImmediate as turn } from "node:timers/promises";
import { ATTACKS } from "./attackers/all.ts";
import type { Attack, Found } from "./attackers/attack.ts";
import { SURELY, wilson } from "./measure/interval.ts";
import { type Utility, utilityOf } from "./measure/utility.ts";
import type { View } from "./recording/view.ts";

export interface AttackResult {
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly control: number;
  /** The rate with the mechanisms taken away; absent when that was not played. */
  readonly negativeControl?: number;
  /** Whether that rate is so high that the attack can be trusted to notice. */
  readonly negativeControlSucceeds?: boolean;
  /** `null`: nothing is promised. */
  readonly goal: number | null;
  readonly trials: number;
  readonly holds: boolean;
  /** So few that the goal does not count as held. */
  readonly tooFewTrials?: true;
  readonly detail?: Found["detail"];
}

export interface AttacksResult {
  readonly attacks: Readonly<Record<string, AttackResult>>;
  readonly utility: Utility;
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
  readonly messages: number;
  readonly seconds: number;
}

export interface ResultOptions {
  /** Fewer trials show nothing. */
  readonly leastTrials: number;
  /** `performance.now()`. */
  readonly begunAt: number;
  readonly signal?: AbortSignal;
}

const DIGITS = 4;
const COIN = 0.5;
/** Where nothing or no more than a guess is allowed. */
const LEAST_WITHOUT = 0.25;

/** Takes a minute or two for a full recording, and can be ended between two attacks. */
export async function resultOf(
  view: View,
  unprotected: View | undefined,
  options: ResultOptions,
): Promise<AttacksResult> {
  const attacks: (readonly [string, AttackResult])[] = [];
  for (const attack of ATTACKS) {
    await turn();
    options.signal?.throwIfAborted();
    attacks.push([attack.name, one(attack, view, unprotected, options)]);
  }
  const { seed, homes, devices } = view.run;
  return {
    attacks: Object.fromEntries(attacks),
    utility: rounded({ ...utilityOf(view) }) as unknown as Utility,
    seed,
    homes,
    devices,
    messages: view.measured("device_status").length,
    seconds: Math.round((performance.now() - options.begunAt) / 1_000),
  };
}

function one(attack: Attack, view: View, unprotected: View | undefined, { leastTrials }: ResultOptions): AttackResult {
  const found = attack.run(view);
  const { trials, control, detail } = found;
  const { rate, low, high } = rateOf(found);
  const without = unprotected && rateOf(attack.run(unprotected)).rate;
  const goal = attack.goal === "control" ? control : attack.goal === "none" ? null : attack.goal;
  // As good as a guess: no more than chance makes of one.
  const chance = attack.goal === "control" && wilson(found.hits, trials, SURELY).low <= control;
  const reached = goal === null || rate <= goal || chance;
  return {
    ...(rounded({ rate, low, high, control }) as { rate: number; low: number; high: number; control: number }),
    ...(without !== undefined && {
      negativeControl: round(without),
      negativeControlSucceeds: goal === null || without >= leastWithout(goal, control),
    }),
    goal: goal === null ? null : round(goal),
    trials,
    holds: reached && trials >= leastTrials,
    ...(trials < leastTrials && { tooFewTrials: true as const }),
    ...(detail && { detail: rounded(detail) }),
  };
}

/** Three times what is allowed; of a choice of two, three times what is allowed above a guess. */
function leastWithout(goal: number, control: number): number {
  return control === COIN ? COIN + 3 * (goal - COIN) : Math.max(LEAST_WITHOUT, 3 * goal);
}

function rateOf({ hits, trials, measured }: Found): { rate: number; low: number; high: number } {
  return measured ?? { rate: trials === 0 ? 1 : hits / trials, ...wilson(hits, trials) };
}

function rounded(
  values: Readonly<Record<string, number | boolean | string>>,
): Record<string, number | boolean | string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === "number" ? round(value) : value]),
  );
}

function round(value: number): number {
  return Number(value.toFixed(DIGITS));
}

/** Every goal is held, and every attack succeeds where its mechanism is missing. */
export function allHeld({ attacks }: AttacksResult): boolean {
  return Object.values(attacks).every(
    ({ holds, negativeControlSucceeds }) => holds && negativeControlSucceeds !== false,
  );
}

export function resultText({ attacks, utility, ...run }: AttacksResult): string {
  const head = ["", "rate", "interval", "guess", "without", "goal", "trials", ""];
  const rows = Object.entries(attacks).map(([name, found]) => [
    name,
    percent(found.rate),
    `${percent(found.low)}–${percent(found.high)}`,
    percent(found.control),
    found.negativeControl === undefined ? "–" : percent(found.negativeControl),
    found.goal === null ? "–" : percent(found.goal),
    String(found.trials),
    [
      found.goal === null ? "told" : found.holds ? "holds" : "DOES NOT HOLD",
      ...(found.tooFewTrials === true ? ["(TOO FEW TRIALS)"] : []),
      ...(found.negativeControlSucceeds === false ? ["AND THE ATTACK FAILS WITHOUT THE MECHANISM TOO"] : []),
    ].join(" "),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const table = [head, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  const whats = ATTACKS.map(({ name, what }) => `${name.padEnd(4)} ${what}`);
  const details = Object.entries(attacks).flatMap(([name, { detail }]) =>
    detail === undefined
      ? []
      : [
          `${name.padEnd(4)} ${Object.entries(detail)
            .map(([what, value]) => `${what}: ${value}`)
            .join(", ")}`,
        ],
  );
  const useful = Object.entries(utility)
    .map(([what, value]) => `${what}: ${value}`)
    .join(", ");
  return [
    `${run.homes} homes, ${run.devices} devices, ${run.messages} rows, seed ${run.seed}, ${run.seconds} s`,
    ...whats,
    "",
    ...table,
    "",
    ...details,
    `utility: ${useful}`,
  ].join("\n");
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.01 ? 2 : 1))} %`;
}
