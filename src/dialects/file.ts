/**
 * A dialect as its file says it, before it is compiled: which topics a family of devices publishes to, and what of each
 * payload is taken. There are no expressions, no regular expressions and no code in it: what no line names is not taken.
 *
 *   rules:
 *     - topic: tele/{self}/SENSOR              {self} the device, {child} a device behind it, {leaf} a name of a list, + any
 *       json:                                  a tree of keys over the payload
 *         ENERGY:
 *           Total: energy                      short for [{ to: status.energy }]
 *           Period: "-"                        known, and thrown away with all that is in it
 *         AM2301 | DHT22:                      the same tree below several keys
 *           Temperature: [{ to: status.temperature, unit: { path: TempUnit, words: { C: {}, F: { scale: 5/9, offset: -160/9 } } } }]
 *     - topic: tele/{self}/LWT
 *       text: [{ to: status.online, words: { Online: true, Offline: false } }]
 */
import { z } from "zod";

const FRACTION = /^-?\d+(?:\.\d+)?(?:\/\d+(?:\.\d+)?)?$/;
const MOST_RULES = 64;

/** `0.001`, or `5/9` where a decimal would not be exact. */
const factor = z.union([z.number(), z.string().regex(FRACTION).transform(quotient)]);

function quotient(text: string): number {
  const [above, below = "1"] = text.split("/");
  return Number(above) / Number(below);
}

const scaling = z.strictObject({ scale: factor.optional(), offset: factor.optional() });

const scalar = z.union([z.string().max(64), z.number(), z.boolean()]);

/** What one word of a vendor means: a value, several properties with theirs, or nothing (`-`). */
const meaning = z.union([scalar, z.record(z.string(), scalar)]);

/** Where a value goes and how it is read; without more than `to` a number stays a number and a word a word. */
export const leafShape = z.strictObject({
  /** `model`, `ip`, `location.lat`, `location.lon`, `ts`, `id`, or `status.<property>`. */
  to: z.string().optional(),
  /** Value × scale + offset. */
  scale: factor.optional(),
  offset: factor.optional(),
  /** A word elsewhere in the payload says which scale and offset. A word that is not listed leaves the value out. */
  unit: z.strictObject({ path: z.string().min(1), words: z.record(z.string(), scaling) }).optional(),
  words: z.record(z.string(), meaning).optional(),
  /** True is false, and the other way round. */
  opposite: z.literal(true).optional(),
  /** How a time is written; without it Unix milliseconds. A time without a zone is not taken. */
  time: z.enum(["seconds", "milliseconds", "iso"]).optional(),
});
export type LeafShape = z.output<typeof leafShape>;

export const THROWN_AWAY = "-";

const leaves = z.union([z.string().min(1), z.array(leafShape).min(1).max(4)]);
export type LeavesShape = z.output<typeof leaves>;

export type TreeShape = { readonly [key: string]: TreeShape | LeavesShape };
const tree: z.ZodType<TreeShape> = z.lazy(() => z.record(z.string(), z.union([leaves, tree])));

const rule = z.strictObject({
  topic: z.string().min(1).max(256),
  /** Path in the payload and the word that must stand there, for rules that share a topic. */
  when: z.record(z.string().min(1), z.string()).optional(),
  json: tree.optional(),
  text: leaves.optional(),
  /** For `{leaf}`: each name of the list and what the text of the payload then is. */
  leaves: z.record(z.string().min(1), leaves).optional(),
  /** Path in the payload where the alias of the child stands, when the topic does not say it. */
  child: z.string().min(1).optional(),
  const: z.strictObject({ model: z.string().min(1).max(64) }).optional(),
  /** A key that is not named refuses the message: for rules that tell places. */
  unknown: z.literal("refuse").optional(),
});
export type RuleShape = z.output<typeof rule>;

const setting = z.strictObject({
  where: z.string().min(1).max(200),
  /** As one types it; `{device}` and `{token}` stand for the device's own. */
  lines: z.string().min(1).max(4_000),
});

export const dialectShape = z.strictObject({
  dialect: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/),
  title: z.string().min(1).max(64),
  /** For people: what these devices are, and what one must know. */
  about: z.string().max(2_000).optional(),
  /** Whether devices behind this one are told apart. */
  hub: z.literal(true).optional(),
  rules: z.array(rule).min(1).max(MOST_RULES),
  /** Topics that the family sends and of which nothing is ever taken. */
  expected: z.array(z.string().min(1).max(256)).max(MOST_RULES).default([]),
  /** Filters that the firmware needs granted to start. */
  subscriptions: z.array(z.string().min(1).max(256)).max(16).default([]),
  /** Kinds of device for `deidentify.models`. */
  models: z
    .array(
      z.strictObject({
        match: z.string().min(1).max(64),
        as: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
        outdoor: z.literal(true).optional(),
      }),
    )
    .max(200)
    .default([]),
  settings: z.array(setting).max(8).default([]),
});
export type DialectShape = z.output<typeof dialectShape>;
