/**
 * The schema read as a list of options: path, default, unit, environment name. The loader and the
 * generated documents both work from this list, so an option cannot exist in one and not in the other.
 */
import { z } from "zod";
import type { OptionMeta } from "./leaves.ts";
import { configSchema } from "./schema.ts";

export interface OptionRow extends OptionMeta {
  readonly path: readonly string[];
  readonly kind: "number" | "boolean" | "text" | "list" | "objects";
  /** `undefined` for an option that may be left out. */
  readonly default: unknown;
  /** `undefined` for a list of objects, which only a file can hold. */
  readonly environment: string | undefined;
  /** The fields of each entry of a list of objects; paths are relative to the entry. */
  readonly fields: readonly OptionRow[];
}

/** Every option in the order of the schema. */
export function optionRows(): OptionRow[] {
  return rowsOf(configSchema, []);
}

/** `mqtt.tcp.port` → `CONSENTRY_MQTT_TCP_PORT`, `redis.keyPrefix` → `CONSENTRY_REDIS_KEY_PREFIX`. */
export function environmentName(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `CONSENTRY_${words.join("_")}`;
}

function rowsOf(schema: z.ZodType, path: readonly string[]): OptionRow[] {
  const bare = unwrapped(schema);
  if (bare instanceof z.ZodObject) {
    return Object.entries(bare.shape).flatMap(([name, part]) => rowsOf(part as z.ZodType, [...path, name]));
  }
  const kind = kindOf(bare);
  const entry = bare instanceof z.ZodArray ? (bare.element as z.ZodType) : undefined;
  const byDefault = schema.safeParse(undefined);
  return [
    {
      ...(schema.meta() as unknown as OptionMeta),
      path,
      kind,
      default: byDefault.success ? byDefault.data : undefined,
      environment: kind === "objects" ? undefined : environmentName(path),
      fields: kind === "objects" && entry !== undefined ? rowsOf(entry, []) : [],
    },
  ];
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  return schema;
}

function kindOf(schema: z.ZodType): OptionRow["kind"] {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  if (!(schema instanceof z.ZodArray)) return "text";
  return schema.element instanceof z.ZodObject ? "objects" : "list";
}
