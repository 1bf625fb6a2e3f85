/**
 * What zod finds wrong, in words that help: the bounds, the choices, the form, the name that was meant. All of it is read from the
 * schema; of what was given only a name that could be an option is repeated.
 */
import { z } from "zod";
import { configSchema } from "./schema.ts";

/** As zod reports it. */
export interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly maximum?: number | bigint;
  readonly minimum?: number | bigint;
}

/** An option's name helps a person who mistyped it; anything longer or stranger could be a value in the wrong place. */
const PRINTABLE_NAME = /^[A-Za-z][A-Za-z0-9]{0,29}$/;
const UNPRINTABLE = "(unprintable)";

export function printable(name: string): string {
  return PRINTABLE_NAME.test(name) ? name : UNPRINTABLE;
}

export const UNKNOWN_OPTION = "unknown-option";
export const UNKNOWN_VARIABLE = "unknown-variable";

export function codeOf(issue: Issue): string {
  return issue.code === "custom" ? issue.message : issue.code.replaceAll("_", "-");
}

/** A rule of the schema has a code of its own, which is its reason. */
export function reasonOf(issue: Issue): string {
  const schema = schemaAt(issue.path.map(String));
  switch (issue.code) {
    case "invalid_value":
      return `must be one of ${(issue.values ?? []).join(", ")}`;
    case "invalid_format":
      return formOf(issue);
    case "invalid_type":
    case "too_big":
    case "too_small":
      return boundsOf(schema) ?? codeOf(issue);
    default:
      return codeOf(issue);
  }
}

/** `unknown option`, with the one that was probably meant. `section`: where it stands. */
export function unknownOption(section: readonly string[], key: string, options: readonly string[]): string {
  if (!PRINTABLE_NAME.test(key)) return "unknown option";
  const schema = schemaAt(section);
  const siblings = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const near = nearest(key, siblings);
  if (near !== undefined) return `unknown option${meant([...section, near].join("."))}`;
  const elsewhere = options.filter((option) => option.split(".").at(-1) === key);
  return `unknown option${elsewhere.length === 1 ? meant(elsewhere[0]) : ""}`;
}

export function meant(name: string | undefined): string {
  return name === undefined ? "" : ` (did you mean ${name}?)`;
}

/** Of a longer name this many letters may be wrong, of a short one only one. */
const MOST_WRONG = 2;

/** The name that differs by the fewest letters, when they are few. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Math.min(MOST_WRONG, Math.max(1, Math.floor(name.length / 4))) + 1;
  for (const one of known) {
    const letters = difference(name.toLowerCase(), one.toLowerCase());
    if (letters < fewest) [best, fewest] = [one, letters];
  }
  return best;
}

/** How many letters must be put in, taken out, changed, or changed for the one beside them (optimal string alignment). */
function difference(left: string, right: string): number {
  const rows = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  const at = (l: number, r: number): number => rows[l]?.[r] ?? Number.POSITIVE_INFINITY;
  for (let l = 1; l <= left.length; l += 1) {
    const row = [l];
    rows.push(row);
    for (let r = 1; r <= right.length; r += 1) {
      const changed = at(l - 1, r - 1) + (left[l - 1] === right[r - 1] ? 0 : 1);
      const swapped = left[l - 1] === right[r - 2] && left[l - 2] === right[r - 1] ? at(l - 2, r - 2) + 1 : changed;
      row.push(Math.min(changed, swapped, at(l - 1, r) + 1, at(l, r - 1) + 1));
    }
  }
  return at(left.length, right.length);
}

/** The part of the schema at this path; through lists by their entries. */
function schemaAt(path: readonly string[]): z.ZodType | undefined {
  let schema: z.ZodType | undefined = bare(configSchema);
  for (const name of path) {
    if (schema instanceof z.ZodObject) schema = bare(schema.shape[name] as z.ZodType | undefined);
    else if (schema instanceof z.ZodArray) schema = bare(schema.element as z.ZodType);
    else return undefined;
  }
  return schema;
}

function bare(schema: z.ZodType | undefined): z.ZodType | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return bare(schema.unwrap() as z.ZodType);
  return schema;
}

function boundsOf(schema: z.ZodType | undefined): string | undefined {
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue, isInt } = schema;
    const kind = isInt ? "a whole number" : "a number";
    const range = [minValue, maxValue].every((end) => Number.isFinite(end)) ? `${minValue}..${maxValue}` : undefined;
    return range === undefined ? `must be ${kind}` : `must be ${isInt ? range : `${kind} ${range}`}`;
  }
  if (schema instanceof z.ZodString && (schema.minLength !== null || schema.maxLength !== null))
    return `must be a text of ${schema.minLength ?? 0}..${schema.maxLength ?? "any number of"} characters`;
  if (schema instanceof z.ZodBoolean) return "must be true or false";
  if (schema instanceof z.ZodArray) return `must be a list${entriesOf(schema)}`;
  if (schema instanceof z.ZodObject) return "must be a section with options of its own";
  if (schema instanceof z.ZodEnum) return `must be one of ${schema.options.join(", ")}`;
  return schema instanceof z.ZodString ? "must be a text" : undefined;
}

function entriesOf(schema: z.ZodArray): string {
  const bounds: { minimum?: number; maximum?: number } = schema._zod.bag;
  const { minimum, maximum } = bounds;
  return maximum === undefined ? "" : ` of ${minimum ?? 0}..${maximum} entries`;
}

function formOf({ format, pattern }: Issue): string {
  if (format === "url") return "must be an address (URL) of a protocol that is possible here";
  return pattern === undefined ? "invalid-format" : `must have the form ${pattern}`;
}
