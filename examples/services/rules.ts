/**
 * Rules: JSON Logic says when, a command says what then. They are read strictly: an operator that is not in the list, or logic that is
 * deeper or longer than anyone needs, ends the start.
 */
import { LogicEngine } from "json-logic-engine";
import { z } from "zod";
import { Action } from "./commands.ts";

/** No loops and no texts that grow: a rule takes as long as it is long. */
const OPERATORS = [
  "var",
  ...["===", "!==", "==", "!=", "<", "<=", ">", ">=", "!", "!!", "and", "or", "if", "in"],
  ...["+", "-", "*", "/", "%", "min", "max"],
];
const FACT = /^(?:said|state|target|sun)\.([a-z][a-z0-9_]{0,63})$/;
const MAX_DEPTH = 12;
const MAX_PARTS = 200;
const MAX_RULES = 100;

const Logic = z.unknown().superRefine((logic, context) => {
  const fault = faultOf(logic);
  if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
});

const Rule = z.strictObject({
  name: z.string().min(1).max(64),
  when: Logic,
  do: Action,
  /** Of this rule towards one device. */
  coolDownS: z.int().min(1).max(86_400).default(30),
});
export type Rule = z.infer<typeof Rule>;

const RuleFile = z.strictObject({ rules: z.array(Rule).min(1).max(MAX_RULES) });

/** What a rule looks at. */
export interface Facts {
  /** What the message said. */
  readonly said: Readonly<Record<string, unknown>>;
  /** What is known of the device that sent it, and of the one that would be commanded. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly target: Readonly<Record<string, unknown>>;
  /** Absent where the service was told no place. */
  readonly sun: { readonly up: boolean; readonly altitude: number } | undefined;
}

/** Throws with what is wrong. */
export function readRules(text: string): readonly Rule[] {
  const { rules } = RuleFile.parse(JSON.parse(text));
  if (new Set(rules.map(({ name }) => name)).size < rules.length) throw new Error("two rules have the same name");
  return rules;
}

export function looksAtSun({ when }: Rule): boolean {
  return JSON.stringify(when).includes('"sun');
}

const engine = new LogicEngine(undefined, { disableInline: true });

/** A rule that cannot be evaluated, for a division by nothing, does not hold. */
export function holds({ when }: Rule, facts: Facts): boolean {
  try {
    return engine.run(when, facts) === true;
  } catch {
    return false;
  }
}

function faultOf(logic: unknown): string | undefined {
  let parts = 0;
  const look = (part: unknown, depth: number): string | undefined => {
    parts += 1;
    if (parts > MAX_PARTS || depth > MAX_DEPTH) return "is too long or too deep";
    if (Array.isArray(part)) return firstOf(part, (one) => look(one, depth + 1));
    if (typeof part !== "object" || part === null) return undefined;
    const [operator = "", ...more] = Object.keys(part);
    if (more.length > 0 || !OPERATORS.includes(operator)) return `knows no operator ${JSON.stringify(operator)}`;
    const operand: unknown = Object.values(part)[0];
    return operator === "var" && !isFact(operand)
      ? `knows no fact ${JSON.stringify(operand)}`
      : look(operand, depth + 1);
  };
  return look(logic, 0);
}

/** `said.occupancy`, and nothing that objects have by themselves. */
function isFact(operand: unknown): boolean {
  const [, property] = (typeof operand === "string" && FACT.exec(operand)) || [];
  return property !== undefined && !(property in {});
}

function firstOf<Item>(items: readonly Item[], find: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
