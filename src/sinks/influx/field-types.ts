/**
 * Which status fields the store will not take as the type we have for them. A field has one type for everybody
 * (in InfluxDB 1 and 2 within a shard), given by whoever writes it first; values of another type go under a name
 * that says so, or one device could keep all others from being stored.
 */
import { LRUCache } from "lru-cache";
import type { StatusValue } from "../../model/deidentified.ts";

export const FIELD_TYPES = ["number", "text", "flag"] as const;
type FieldType = (typeof FIELD_TYPES)[number];

/** A field of `device_status`, and the type of ours that the store refused for it. */
export interface FieldConflict {
  readonly field: string;
  readonly type: FieldType;
}

/** Far more than a store should ever have; what goes over is learned anew. */
const MAX_REMEMBERED = 2_000;
/** In a new shard the plain name may be free again. */
const REMEMBERED_MS = 24 * 3_600_000;
/** Longer than a status key by what `fieldName` may add. */
const FIELD = "[a-z][a-z0-9_]{0,32}";
const TYPES: Readonly<Record<string, FieldType>> = { float: "number", string: "text", boolean: "flag" };

/**
 * InfluxDB 1 and 2. Whole, since a text that a device wrote may stand in any other answer; nothing but plain words
 * may come before it, and the count of what was dropped after it.
 */
const REFUSED_FIELD = new RegExp(
  `^[a-z: ]*field type conflict: input field "(${FIELD})" on measurement "device_status" is type (\\w+), already exists as type \\w+(?: dropped=\\d+(?: for database: [\\w.-]+)?(?: for retention policy: [\\w.-]+)?)?$`,
);
/** InfluxDB 3, for each line. */
const REFUSED_COLUMN = new RegExp(
  `^invalid column type for column '(${FIELD})', expected iox::column_type::field::\\w+, got iox::column_type::field::(\\w+)$`,
);

export class FieldTypes {
  readonly #refused = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: REMEMBERED_MS });

  learn(conflicts: readonly FieldConflict[]): void {
    for (const { field, type } of conflicts) this.#refused.set(typedName(field, type), true);
  }

  /** The name under which the store takes this value of a field. */
  nameFor(field: string, value: StatusValue): string {
    if (this.#refused.size === 0) return field;
    const typed = typedName(field, typeOf(value));
    return this.#refused.has(typed) ? typed : field;
  }
}

/** No name a device can send: a status key has no dot. */
function typedName(field: string, type: FieldType): string {
  return `${field}.${type}`;
}

function typeOf(value: StatusValue): FieldType {
  if (typeof value === "number") return "number";
  return typeof value === "string" ? "text" : "flag";
}

/** Out of the error a store answered with, as JSON. Never a word of it but the names of fields and types. */
export function conflictsIn(json: unknown): FieldConflict[] {
  if (typeof json !== "object" || json === null) return [];
  const { error, message, data } = json as Readonly<Record<string, unknown>>;
  const lines = Array.isArray(data) ? data : [];
  return [
    ...[error, message].map((text) => conflictOf(REFUSED_FIELD, text)),
    ...lines.map((line: unknown) =>
      conflictOf(REFUSED_COLUMN, (line as { readonly error_message?: unknown } | null)?.error_message),
    ),
  ].filter((conflict) => conflict !== undefined);
}

function conflictOf(form: RegExp, text: unknown): FieldConflict | undefined {
  const [, field, refused = ""] = (typeof text === "string" && form.exec(text)) || [];
  const type = TYPES[refused];
  return field === undefined || type === undefined ? undefined : { field, type };
}
