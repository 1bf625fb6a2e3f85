/**
 * One row of the vocabulary as it is written, in the table or by an operator, and the property it stands for. Steps and
 * ranges are written as on paper: `0..100`, `0.1`, `2 digits`, `2 digits, at least 5`, and classes as `from 0, 20, 60`.
 */
import { z } from "zod";
import { type Classes, PROPERTY_KINDS, type Property, type Rounding } from "../model/property.ts";
import { kindOfKey } from "./key-words.ts";

const NUMBER = String.raw`-?\d{1,15}(?:\.\d{1,9})?(?:e\d{1,2})?`;
const RANGE = new RegExp(`^(${NUMBER})\\.\\.(${NUMBER})$`);
/** A double holds every whole number up to here, so that a value in the range is told exactly. */
const WIDEST = 1e15;
const WIDTH = String.raw`\d{1,9}(?:\.\d{1,9})?`;
const STEP = new RegExp(`^(?:(${WIDTH})|([1-9]) digits(?:, at least (${WIDTH}))?)$`);
const CLASSES = new RegExp(`^from (${NUMBER}(?:, ${NUMBER}){0,15})$`);
const WORD = /^[a-z][a-z0-9_]{0,31}$/;
/** Stand beside the properties in a message or in a row, and mean something else there. */
const RESERVED = new Set(["ts", "id", "status", "model", "time"]);
const LONGEST_LABEL = 64;
const MOST_WORDS = 64;

const step = z
  .union([z.number().positive().transform(String), z.string().regex(STEP)])
  .refine((text) => roundingOf(text) !== undefined, { error: "not-a-step" });

const storedStep = z
  .union([z.number().positive().transform(String), z.string().regex(STEP), z.string().regex(CLASSES)])
  .refine((text) => storedOf(text) !== undefined, { error: "not-a-step" });

/** What `properties:` of the configuration takes. */
export const propertyRow = z
  .strictObject({
    name: z.string().regex(WORD).meta({ description: "Key in `status`, and the field in the store." }),
    kind: z
      .enum(PROPERTY_KINDS)
      .meta({ description: "`number`, `flag`, `word`, or `counter` (the device sends a total)." }),
    label: z
      .string()
      .regex(/^[^\p{Cc}]+$/u)
      .max(LONGEST_LABEL)
      .optional()
      .meta({ description: "The name in plain words, for the privacy centre. Without one the key is shown." }),
    unit: z
      .string()
      .regex(/^[^\p{Cc}]*$/u)
      .max(16)
      .optional()
      .meta({ description: "Unit, for people; values are taken as they come." }),
    range: z
      .string()
      .regex(RANGE)
      .refine((text) => rangeOf(text)?.every((end) => Math.abs(end) <= WIDEST) !== false, { error: "too-wide" })
      .optional()
      .meta({ description: "Lowest and highest value, `0..100`; numbers and counters need it." }),
    words: z
      .array(z.string().regex(WORD))
      .min(1)
      .max(MOST_WORDS)
      .optional()
      .meta({ description: "The words it may be; needed for `word`." }),
    step: step.optional().meta({
      description:
        "What a value is rounded to before anyone gets it: `0.1`, `2 digits` or `2 digits, at least 5`; numbers and counters need it.",
    }),
    scene: step
      .optional()
      .meta({ description: "The same for scene services, `step` without it; never finer than `step`." }),
    stored: storedStep.optional().meta({
      description:
        "What is stored of what a scene service would get: a step as above, or classes, `from 0, 20, 60`. Without it the same; not for counters, whose sums are exact.",
    }),
    weather: step.optional().meta({
      description: "The same for weather services, never finer than `scene`; without it they do not get the property.",
    }),
    mostPerHour: z
      .number()
      .positive()
      .optional()
      .meta({ description: "A counter that grows faster than this tells nothing; counters need it." }),
  })
  .superRefine((row, context) => {
    for (const [field, code] of faultsOf(row)) context.addIssue({ code: "custom", message: code, path: [field] });
  });

export type PropertyRow = z.output<typeof propertyRow>;

export function propertyOf(row: PropertyRow, storedWhole = false): Property {
  const [min, max] = rangeOf(row.range) ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const step = row.step === undefined ? undefined : roundingOf(row.step);
  return {
    name: row.name,
    kind: row.kind,
    label: row.label ?? row.name,
    unit: row.unit ?? "",
    min,
    max,
    words: new Set(row.words),
    step,
    sceneStep: row.scene === undefined ? step : roundingOf(row.scene),
    storedWhole: storedWhole || row.kind === "counter",
    storedStep: row.stored === undefined ? undefined : storedOf(row.stored),
    weatherStep: row.weather === undefined ? undefined : roundingOf(row.weather),
    mostPerHour: row.mostPerHour ?? Number.POSITIVE_INFINITY,
  };
}

type Columns = Omit<PropertyRow, "label">;

/** Columns that a kind must have, may not have, or that contradict each other. */
function faultsOf(row: Columns): [field: string, code: string][] {
  const measured = row.kind === "number" || row.kind === "counter";
  const range = rangeOf(row.range);
  const step = row.step === undefined ? undefined : roundingOf(row.step);
  const scene = row.scene === undefined ? undefined : roundingOf(row.scene);
  const rules: [broken: boolean, field: string, code: string][] = [
    [kindOfKey(row.name) !== undefined, "name", "names-a-person"],
    [RESERVED.has(row.name), "name", "has-another-meaning"],
    [measured && row.range === undefined, "range", `required-for-${row.kind}`],
    [!measured && row.range !== undefined, "range", `not-for-${row.kind}`],
    [range !== undefined && range[0] >= range[1], "range", "is-empty"],
    [row.kind === "counter" && range !== undefined && range[0] < 0, "range", "must-not-be-below-zero"],
    [measured && row.step === undefined, "step", `required-for-${row.kind}`],
    [!measured && row.step !== undefined, "step", `not-for-${row.kind}`],
    // A total that is rounded to digits grows in steps of different size, so that their sum is not exact.
    [row.kind === "counter" && step !== undefined && !("step" in step), "step", "must-be-a-number"],
    [row.kind === "counter" && row.mostPerHour === undefined, "mostPerHour", "required-for-counter"],
    [row.kind !== "counter" && row.mostPerHour !== undefined, "mostPerHour", "only-for-counter"],
    [row.kind === "word" && row.words === undefined, "words", "required-for-word"],
    [row.kind !== "word" && row.words !== undefined, "words", "only-for-word"],
    [!measured && row.scene !== undefined, "scene", `not-for-${row.kind}`],
    [!measured && row.weather !== undefined, "weather", `not-for-${row.kind}`],
    [row.kind !== "number" && row.stored !== undefined, "stored", `not-for-${row.kind}`],
    [row.kind === "number" && isFinerStored(row.stored, scene ?? step), "stored", "must-not-be-finer-than-scene"],
    [isFiner(row.scene, step), "scene", "must-not-be-finer-than-step"],
    [isFiner(row.weather, step), "weather", "must-not-be-finer-than-step"],
    // What is rounded twice is rounded from the finer result; see deidentify/status.ts.
    [isFiner(row.weather, scene), "weather", "must-not-be-finer-than-scene"],
  ];
  return rules.filter(([broken]) => broken).map(([, field, code]) => [field, code]);
}

/** Also a step that is no multiple: rounded twice a value would tell more than the wider step does. */
function isFiner(text: string | undefined, step: Rounding | undefined): boolean {
  const other = text === undefined ? undefined : roundingOf(text);
  if (other === undefined || step === undefined) return false;
  if ("step" in other && "step" in step) return other.step < step.step;
  if ("digits" in other && "digits" in step) return other.digits > step.digits || other.atLeast < step.atLeast;
  return true;
}

/** Classes are made of what a scene gets, so they tell no more than it. */
function isFinerStored(text: string | undefined, scene: Rounding | undefined): boolean {
  return text !== undefined && !CLASSES.test(text) && isFiner(text, scene);
}

function rangeOf(text: string | undefined): readonly [number, number] | undefined {
  const [, min, max] = RANGE.exec(text ?? "") ?? [];
  return min === undefined || max === undefined ? undefined : [Number(min), Number(max)];
}

function roundingOf(text: string): Rounding | undefined {
  const [, step, digits, atLeast] = STEP.exec(text) ?? [];
  if (step !== undefined) return Number(step) > 0 ? { step: Number(step) } : undefined;
  if (digits === undefined) return undefined;
  const least = Number(atLeast ?? 0);
  return least === 0 || dividesPowerOfTen(least) ? { digits: Number(digits), atLeast: least } : undefined;
}

function storedOf(text: string): Rounding | Classes | undefined {
  const [, list] = CLASSES.exec(text) ?? [];
  if (list === undefined) return roundingOf(text);
  const classes = list.split(", ").map(Number);
  return classes.every((from, index) => index === 0 || from > (classes[index - 1] ?? from)) ? { classes } : undefined;
}

/** 5, 20 or 0.25, but not 6: 96 and 102 would be multiples of it and 100 none, where the step by digits takes over. */
function dividesPowerOfTen(width: number): boolean {
  const quotient = 10 ** Math.ceil(Math.log10(width)) / width;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9;
}
