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
 *
 * A tree that stands in several places is written once, below `trees`, and called `= name` there.
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
  /** It stands, whatever other part of the message is for the same property: a cover that moves also says `OPEN`. */
  prevails: z.literal(true).optional(),
  /** How a time is written; without it Unix milliseconds. A time without a zone is not taken. */
  time: z.enum(["seconds", "milliseconds", "iso"]).optional(),
});
export type LeafShape = z.output<typeof leafShape>;

export const THROWN_AWAY = "-";

const leaves = z.union([z.string().min(1), z.array(leafShape).min(1).max(4)]);
export type LeavesShape = z.output<typeof leaves>;

export type TreeShape = { readonly [key: string]: TreeShape | LeavesShape };
const tree: z.ZodType<TreeShape> = z.lazy(() => z.record(z.string(), z.union([leaves, tree])));
/** `= name`. Only rules call trees, never a tree another one: written out a file grows by its rules at most. */
const CALL = /^= ([a-z][a-z0-9_]*)$/;
const called = z.string().regex(CALL);

const rule = z.strictObject({
  topic: z.string().min(1).max(256),
  /** Path in the payload and the word that must stand there, for rules that share a topic. */
  when: z.record(z.string().min(1), z.string()).optional(),
  json: z.union([called, tree]).optional(),
  text: leaves.optional(),
  /** For `{leaf}`: each name of the list and what the text of the payload then is. */
  leaves: z.union([called, z.record(z.string().min(1), leaves)]).optional(),
  /** Path in the payload where the alias of the child stands, when the topic does not say it. */
  child: z.string().min(1).optional(),
  const: z.strictObject({ model: z.string().min(1).max(64) }).optional(),
  /** A key that is not named refuses the message: for rules that tell places. */
  unknown: z.literal("refuse").optional(),
});
export type RuleShape = Omit<z.output<typeof rule>, "json" | "leaves"> & {
  readonly json?: TreeShape | undefined;
  readonly leaves?: Readonly<Record<string, LeavesShape>> | undefined;
};

/** Of a payload: `{value}` is the value, `{child}` the name of the device behind the hub. */
export type TemplateShape = string | number | boolean | { readonly [key: string]: TemplateShape };
const template: z.ZodType<TemplateShape> = z.lazy(() => z.union([scalar, z.record(z.string(), template)]));

/** How a command is taken, see command.ts. */
const way = z.strictObject({
  topic: z.string().min(1).max(256),
  /** What each word, or `true` and `false`, is there; one that is not listed has no such way. */
  words: z.record(z.string(), scalar).optional(),
  /** Value × scale + offset, or `inverse` divided by the value; then rounded to a whole number, and kept between two. */
  scale: factor.optional(),
  offset: factor.optional(),
  inverse: factor.optional(),
  between: z.tuple([z.number(), z.number()]).optional(),
  /** The payload, with `{value}` in it; without it the value alone. */
  text: z.string().max(200).optional(),
  json: z.record(z.string(), template).optional(),
});
export type WayShape = z.output<typeof way>;
const ways = z.union([z.string().min(1).max(256), way, z.array(way).min(1).max(4)]);
export type WaysShape = z.output<typeof ways>;

const setting = z.strictObject({
  where: z.string().min(1).max(200),
  /** As one types it; `{device}` and `{token}` stand for the device's own. */
  lines: z.string().min(1).max(4_000),
});

const written = z.strictObject({
  dialect: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/),
  title: z.string().min(1).max(64),
  /** For people: what these devices are, and what one must know. */
  about: z.string().max(2_000).optional(),
  /** Whether devices behind this one are told apart. */
  hub: z.literal(true).optional(),
  /** It publishes what is longer than any message, a map for instance, and must not be disconnected for that; a hub always may. */
  large: z.literal(true).optional(),
  /** Carried about by a person: that it has come or gone is whereabouts, and never told. */
  carried: z.literal(true).optional(),
  trees: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), tree).default({}),
  rules: z.array(rule).min(1).max(MOST_RULES),
  /** Topics that the family sends and of which nothing is ever taken. */
  expected: z.array(z.string().min(1).max(256)).max(MOST_RULES).default([]),
  /** Filters that the firmware needs granted to start; one that they cover is granted, too. */
  subscriptions: z.array(z.string().min(1).max(256)).max(16).default([]),
  /** By the name that a scene service uses: how its devices take a command. */
  commands: z.record(z.string().min(1).max(64), ways).default({}),
  /** Where what the gateway itself says goes, in place of `devices/<id>/notices/weather`: a device behind a hub gets it there alone. */
  notices: z.strictObject({ weather: z.string().min(1).max(256).optional() }).default({}),
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

/** A file whose trees stand where they were called. */
export const dialectShape = written.transform(({ trees, rules, ...rest }, context) => {
  const fault = (index: number, message: string): void =>
    void context.issues.push({ code: "custom", input: undefined, path: ["rules", index], message });
  const inPlace = (branch: TreeShape | LeavesShape, index: number): TreeShape | LeavesShape => {
    if (typeof branch === "string") {
      const name = CALL.exec(branch)?.[1];
      if (name === undefined) return branch;
      const found = Object.hasOwn(trees, name) ? trees[name] : undefined;
      if (found === undefined) fault(index, `there is no tree "${name}"`);
      return found ?? {};
    }
    if (Array.isArray(branch)) return branch;
    return Object.fromEntries(Object.entries(branch as TreeShape).map(([key, below]) => [key, inPlace(below, index)]));
  };
  return {
    ...rest,
    rules: rules.map(({ json, leaves: names, ...others }, index): RuleShape => {
      const flat = names === undefined ? undefined : (inPlace(names, index) as RuleShape["leaves"]);
      if (Object.values(flat ?? {}).some((below) => typeof below === "object" && !Array.isArray(below)))
        fault(index, "`leaves` are flat");
      return { ...others, json: json === undefined ? undefined : (inPlace(json, index) as TreeShape), leaves: flat };
    }),
  };
});
export type DialectShape = z.output<typeof dialectShape>;
