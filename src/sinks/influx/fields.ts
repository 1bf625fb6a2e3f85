/** Which fields the store holds in each measurement, and of which type: known beforehand, so that no statement needs a wildcard. */
import type { StatusValue } from "../../model/deidentified.ts";
import type { PropertyKind } from "../../model/property.ts";
import type { Measurement } from "../../model/sink.ts";

/** The properties of `status`: what else a record holds is not written. */
export type FieldTable = readonly { readonly name: string; readonly kind: PropertyKind }[];

/** What statements ask for. */
export interface FieldNames {
  of(measurement: Measurement): readonly string[];
}

/** Numbers are floats always: whether a device sends `20` or `20.5` must not decide the type of a field. */
const TYPE_OF_KIND = { number: "number", counter: "number", flag: "boolean", word: "string" } as const;
/** Columns that each row has beside its fields. */
const COLUMNS: ReadonlySet<string> = new Set(["time", "device", "model"]);
const OTHER_FIELDS = { device_location: ["cell", "resolution"], cell_activity: ["devices", "messages"] } as const;

export class StoredFields implements FieldNames {
  #types: ReadonlyMap<string, "number" | "boolean" | "string"> = new Map();
  #names: readonly string[] = [];

  constructor(table: FieldTable) {
    this.use(table);
  }

  /** In place of what was there; it must hold all that this did. */
  use(table: FieldTable): void {
    const usable = table.filter(({ name }) => isNoColumn(name));
    this.#types = new Map(usable.map(({ name, kind }) => [name, TYPE_OF_KIND[kind]]));
    this.#names = [...this.#types.keys()];
  }

  /** By name, as statements list them. */
  of(measurement: Measurement): readonly string[] {
    return measurement === "device_status" ? this.#names : OTHER_FIELDS[measurement];
  }

  /** With those of properties that there once were: rows that have one still belong to a person. */
  withFormer(former: FieldTable): FieldNames {
    if (former.length === 0) return this;
    const names = [...new Set([...this.#names, ...former.map(({ name }) => name).filter(isNoColumn)])];
    return { of: (measurement) => (measurement === "device_status" ? names : OTHER_FIELDS[measurement]) };
  }

  /** Whether a value may stand in this field of `device_status`; there is no way to write NaN or an infinity. */
  takes(name: string, value: StatusValue): boolean {
    return this.#types.get(name) === typeof value && (typeof value !== "number" || Number.isFinite(value));
  }
}

function isNoColumn(name: string): boolean {
  return !COLUMNS.has(name);
}
