/**
 * Takes out of a `status` what the vocabulary knows and leaves out the rest. What is left out is counted by why, and never
 * kept, sealed or not. Pure: no I/O and no state but the table, which can grow while messages come: one status is taken by the
 * table as it is at that moment, whole.
 */
import type { StatusFields, StatusValue } from "../model/deidentified.ts";
import type { DropReason } from "../model/outcome.ts";
import type { Property, StoredValues } from "../model/property.ts";
import { isAccountKey, kindOfKey } from "./key-words.ts";
import { type PropertyRow, propertyOf } from "./row.ts";
import { TABLE } from "./table.ts";

export interface Taken {
  /** Only properties of the vocabulary, each of its kind and in its range; `undefined` when nothing was known. */
  readonly status: StatusFields | undefined;
  /** Something was left out or converted: the text that came must not be kept. */
  readonly changed: boolean;
  readonly hasCounters: boolean;
}

/** A whole status that is not taken. */
export type StatusFault = "account-key" | "too-many-keys";

const MOST_PROPERTIES = 32;
/** With those of objects in it. */
const MOST_KEYS = 512;
/** RFC 8259, section 6, and a plus, a point or zeros where other programs write them. */
const NUMBER_AS_TEXT = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const LONGEST_NUMBER = 40;

export class Vocabulary {
  #properties: readonly Property[];
  #byName: ReadonlyMap<string, Property>;

  /** `own`: of the operator; their names must differ from those of the table and from each other. */
  constructor(own: readonly PropertyRow[] = [], stored: StoredValues = "steps") {
    const whole = stored === "steps";
    this.#properties = [
      ...TABLE.map((row) => propertyOf(row, whole)),
      // What the operator has asked for holds.
      ...own.map((row) => propertyOf(row, whole && row.stored === undefined)),
    ];
    this.#byName = new Map(this.#properties.map((property) => [property.name, property]));
  }

  /** In the order of the table, the operator's own last. */
  get properties(): readonly Property[] {
    return this.#properties;
  }

  /** Knows what `other` knows from now on. It must know all that this one does, and mean the same by it: see `growthOf`. */
  become(other: Vocabulary): void {
    this.#properties = other.#properties;
    this.#byName = other.#byName;
  }

  get(name: string): Property | undefined {
    return this.#byName.get(name);
  }

  /**
   * `dropped` is called for each part that is left out, with its property where it has one, also when the status is refused
   * further on.
   */
  take(fields: object, dropped: (why: DropReason, property?: string) => void): Taken | StatusFault {
    const status: Record<string, StatusValue> = {};
    let keys = 0;
    let known = 0;
    let changed = false;
    let hasCounters = false;
    let inside: object[] | undefined;
    for (const key in fields) {
      keys += 1;
      if (keys > MOST_KEYS) return "too-many-keys";
      const given = (fields as Readonly<Record<string, unknown>>)[key];
      const property = this.#byName.get(key);
      if (property === undefined) {
        const kind = kindOfKey(key);
        if (kind === "account") return "account-key";
        dropped(kind ?? "unknown");
      }
      if (typeof given === "object" && given !== null) {
        inside ??= [];
        inside.push(given);
      }
      const value = property === undefined || given === null ? undefined : taken(property, given);
      if (typeof value === "object") dropped(value.why, property?.name);
      if (property === undefined || value === undefined || typeof value === "object") {
        changed = true;
        continue;
      }
      known += 1;
      if (known > MOST_PROPERTIES) return "too-many-keys";
      if (value !== given) changed = true;
      if (property.kind === "counter") hasCounters = true;
      status[key] = value;
    }
    const fault = inside === undefined ? undefined : searchInside(inside, keys);
    return fault ?? { status: known === 0 ? undefined : status, changed, hasCounters };
  }
}

/** Whether any key of a refused payload, `known` ones apart, brings account data along: an operator should hear of it. */
export function namesAccount(json: unknown, known: ReadonlySet<string>): boolean {
  return typeof json === "object" && json !== null && searchInside([json], 0, known) === "account-key";
}

/** One object for each reason: this runs for every value of every message. */
const OUT_OF_RANGE = { why: "out-of-range" } as const;
const NOT_A_WORD = { why: "not-a-word" } as const;
const NOT_A_NUMBER = { why: "not-a-number" } as const;

function taken(property: Property, given: unknown): StatusValue | { readonly why: DropReason } {
  if (property.kind === "flag") return typeof given === "boolean" ? given : NOT_A_WORD;
  if (property.kind === "word") return typeof given === "string" && property.words.has(given) ? given : NOT_A_WORD;
  const value = typeof given === "string" ? numberIn(given) : given;
  if (typeof value !== "number" || Number.isNaN(value)) return NOT_A_NUMBER;
  return value >= property.min && value <= property.max ? value : OUT_OF_RANGE;
}

function numberIn(text: string): number | undefined {
  return text.length <= LONGEST_NUMBER && NUMBER_AS_TEXT.test(text) ? Number(text) : undefined;
}

/** Nothing below a key is taken, but account data in it refuses the message. Without recursion: it may be nested deeper than the stack. */
function searchInside(objects: object[], keysBefore: number, known?: ReadonlySet<string>): StatusFault | undefined {
  let keys = keysBefore;
  for (let next = objects.pop(); next !== undefined; next = objects.pop()) {
    const list = Array.isArray(next);
    for (const key in next) {
      keys += 1;
      if (keys > MOST_KEYS) return "too-many-keys";
      if (!list && known?.has(key) !== true && isAccountKey(key)) return "account-key";
      const value = (next as Readonly<Record<string, unknown>>)[key];
      if (typeof value === "object" && value !== null) objects.push(value);
    }
  }
  return undefined;
}
