/** The figures of all attacks, as one line of JSON and as a table. Holds no name and no id of anybody. */

import { setImmediate as turn } from "node:timers/promises";
import { ATTACKS } from "./attackers/all.ts";
import type { Attack, Found } from "./attackers/attack.ts";
import { type Fleet, fleetOf } from "./fleet/fleet.ts";
import { type Gates, gatesOf } from "./measure/gates.ts";
import { atLeast, SURELY, wilson } from "./measure/interval.ts";
import { type Utility, utilityOf } from "./measure/utility.ts";
import type { View } from "./recording/view.ts";

export interface AttackResult {
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly control: number;
  /** The rate with the mechanisms taken away, and what it must come to; absent when that was not played. */
  readonly negativeControl?: number;
  readonly negativeControlNeeds?: number;
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
  readonly utility: Utility & { readonly fleets: readonly Fleet[]; readonly gates: Gates };
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
  /** Simulated of each of the two epochs. */
  readonly days: number;
  readonly messages: number;
  readonly seconds: number;
}

export interface ResultOptions {
  /** Fewer trials show nothing. */
  readonly leastTrials: number;
  /** What is less probable than this is not taken for chance where no more than a guess is allowed. */
  readonly surely?: number;
  /** `performance.now()`. */
  readonly begunAt: number;
  /** Homes of the fleets of which it is worked out what they get; the largest takes half a minute. */
  readonly fleets: readonly number[];
  /** Of a fleet of fewer so many worlds are looked at that they have as many together: one alone is a few towns. */
  readonly homesLookedAt?: number;
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
  const { seed, homes, devices, daysOfEpoch: days } = view.run;
  const fleets: Fleet[] = [];
  for (const size of options.fleets) {
    const worlds = Math.max(1, Math.ceil((options.homesLookedAt ?? 0) / size));
    options.signal?.throwIfAborted();
    fleets.push(
      deeply(
        await fleetOf({
          homes: size,
          seed,
          devicesPerHome: devices / homes,
          worlds,
        }),
      ),
    );
  }
  const utility = deeply(utilityOf(view));
  return {
    attacks: Object.fromEntries(attacks),
    utility: { ...utility, fleets, gates: gatesOf(utility, fleets) },
    seed,
    homes,
    devices,
    days,
    messages: view.measured("device_status").length,
    seconds: Math.round((performance.now() - options.begunAt) / 1_000),
  };
}

function one(
  attack: Attack,
  view: View,
  unprotected: View | undefined,
  { leastTrials, surely = SURELY }: ResultOptions,
): AttackResult {
  const found = attack.run(view);
  const { trials, control, detail } = found;
  const { rate, low, high } = rateOf(found);
  const without = unprotected && rateOf(attack.run(unprotected)).rate;
  const goal = attack.goal === "control" ? control : attack.goal === "none" ? null : attack.goal;
  // As good as a guess: no more than chance makes of one.
  const chance = attack.goal === "control" && atLeast(found.hits, trials, control) > surely;
  const reached = goal === null || rate <= goal || chance;
  return {
    ...(rounded({ rate, low, high, control }) as { rate: number; low: number; high: number; control: number }),
    ...(without !== undefined && {
      negativeControl: round(without),
      ...(goal !== null && { negativeControlNeeds: round(leastWithout(goal, control)) }),
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

/** All numbers in it. */
function deeply<T>(value: T): T {
  if (typeof value === "number") return round(value) as T;
  if (Array.isArray(value)) return value.map((one) => deeply(one)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, deeply(one)])) as T;
}

function round(value: number): number {
  return Number(value.toFixed(DIGITS));
}

/** The fields of an attack that the last line of `--json` has; a negative control that was not played is `null`. */
const TOLD = ["rate", "low", "high", "control", "negativeControl", "goal", "trials", "holds"] as const;

/** The last line of `--json`. */
export function resultLine({ attacks, utility, seed }: AttacksResult): string {
  const told = Object.entries(attacks).map(([name, found]) => [
    name,
    Object.fromEntries(TOLD.map((field) => [field, found[field] ?? null])),
  ]);
  return JSON.stringify({ attacks: Object.fromEntries(told), utility, seed });
}

/** Every goal is held, and every attack succeeds where its mechanism is missing. */
export function allHeld({ attacks }: AttacksResult): boolean {
  return Object.values(attacks).every(
    ({ holds, negativeControlSucceeds }) => holds && negativeControlSucceeds !== false,
  );
}

export function resultText({ attacks, utility, ...run }: AttacksResult): string {
  const head = ["", "rate", "interval", "guess", "without", "needs", "goal", "trials", ""];
  const rows = Object.entries(attacks).map(([name, found]) => [
    name,
    percent(found.rate),
    `${percent(found.low)}–${percent(found.high)}`,
    percent(found.control),
    found.negativeControl === undefined ? "–" : percent(found.negativeControl),
    found.negativeControlNeeds === undefined ? "–" : percent(found.negativeControlNeeds),
    found.goal === null ? "–" : percent(found.goal),
    String(found.trials),
    [
      found.goal === null ? "told" : found.holds ? "holds" : "DOES NOT HOLD",
      ...(found.tooFewTrials === true ? ["(TOO FEW TRIALS)"] : []),
      ...(found.negativeControlSucceeds === false ? ["AND THE ATTACK FAILS WITHOUT THE MECHANISM TOO"] : []),
      ...(found.negativeControlSucceeds === true && found.goal !== null ? ["and would be noticed"] : []),
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
  const { fleets: _fleets, gates, ...figures } = utility;
  const good = Object.values(gates).map(
    ({ what, goal, found, holds }) =>
      `${holds ? "holds" : "DOES NOT HOLD"}: ${what}, ${goal}: ${Object.entries(found)
        .map(([where, figure]) => `${where} ${figure}`)
        .join(", ")}`,
  );
  const useful = Object.entries(figures)
    .map(([what, value]) => `${what}: ${value}`)
    .join(", ");
  return [
    `${run.homes} homes, ${run.devices} devices, ${run.days} days of each epoch, ${run.messages} rows, seed ${run.seed}, ${run.seconds} s`,
    ...whats,
    "",
    ...table,
    "",
    ...details,
    `utility: ${useful}`,
    ...good,
  ].join("\n");
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.01 ? 2 : 1))} %`;
}
