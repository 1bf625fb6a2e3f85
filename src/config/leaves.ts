/**
 * The kinds of option there are. Each takes its bounds, default and description in one place, so that
 * the schema, the annotated YAML and the documentation cannot tell three different stories.
 */
import { z } from "zod";

/** What the documentation knows about an option beyond its type and default. */
export interface OptionMeta {
  readonly description: string;
  readonly unit?: string;
  /** `always`: never in a file that others can read. `with-password`: the same once the URL carries a password. */
  readonly secret?: "always" | "with-password";
}

function described<Schema extends z.ZodType>(schema: Schema, meta: OptionMeta): Schema {
  return schema.meta({ ...meta }) as Schema;
}

/** A whole number; reads as lowest, default, highest. */
export function count(lowest: number, value: number, highest: number, description: string, unit?: string) {
  const schema = z.number().int().min(lowest).max(highest).default(value);
  return described(schema, unit === undefined ? { description } : { description, unit });
}

export function milliseconds(lowest: number, value: number, highest: number, description: string) {
  return count(lowest, value, highest, description, "ms");
}

export function bytes(lowest: number, value: number, highest: number, description: string) {
  return count(lowest, value, highest, description, "bytes");
}

export function days(lowest: number, value: number, highest: number, description: string) {
  return count(lowest, value, highest, description, "days");
}

/** A number from 0 up. */
export function share(value: number, highest: number, description: string) {
  return described(z.number().min(0).max(highest).default(value), { description });
}

export function flag(value: boolean, description: string) {
  return described(z.boolean().default(value), { description });
}

/** A TCP port; 0 takes a free one and prints it when listening. */
export function port(value: number, description: string) {
  return count(0, value, 65_535, description);
}

export function text(value: string, description: string, pattern = /^[^\p{Cc}]{0,256}$/u) {
  return described(z.string().regex(pattern).default(value), { description });
}

export function choice<const Names extends readonly [string, ...string[]]>(
  names: Names,
  value: Names[number],
  description: string,
) {
  return described(z.enum(names).default(value), { description: `${description} One of: ${names.join(", ")}.` });
}

/** A path to a file or directory; a relative one starts at the working directory. */
export function path(value: string, description: string) {
  return described(z.string().min(1).max(4096).default(value), { description });
}

export function optionalPath(description: string) {
  return described(z.string().min(1).max(4096).optional(), { description });
}

/** A secret; beside every `secret` named x stands an `optionalPath` named xFile. */
export function secret(shortest: number, description: string) {
  return described(z.string().min(shortest).max(4096).optional(), { description, secret: "always" });
}

/** Region codes are ISO 3166-1 country codes, optionally with a subdivision: `IN`, `IN-KA`. */
export const regionCode = z.string().regex(/^[A-Z]{2}(?:-[A-Z0-9]{1,3})?$/);

/** An address that holds no secret. */
export const plainHttpUrl = z
  .url({ protocol: /^https?$/ })
  .refine((value) => !value.includes("@") && !value.includes("?"), { error: "credentials-or-query-in-url" });
