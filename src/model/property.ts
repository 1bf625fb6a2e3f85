/**
 * A property of `status`: what a device may say about its state, in which unit, and how exactly it is kept.
 * The list of them is closed (see `vocabulary/table.ts`); no key and no text of a device goes further than admission.
 */

export const PROPERTY_KINDS = ["number", "flag", "word", "counter"] as const;

/**
 * `number`: a measurement. `flag`: true or false. `word`: one of a list.
 * `counter`: the device sends a total; what is kept is how much was added since its last admitted message.
 */
export type PropertyKind = (typeof PROPERTY_KINDS)[number];

/** A multiple of `step`, or so many significant digits and then a multiple of `atLeast` (0: any). */
export type Rounding = { readonly step: number } | { readonly digits: number; readonly atLeast: number };

/** The greatest of these that a value reaches, in ascending order; the first for what reaches none. */
export interface Classes {
  readonly classes: readonly number[];
}

export interface Property {
  readonly name: string;
  readonly kind: PropertyKind;
  /** For people: the name in plain words. */
  readonly label: string;
  /** Empty where there is none. */
  readonly unit: string;
  /** Both ends included; numbers and counters only. */
  readonly min: number;
  readonly max: number;
  /** Words only. */
  readonly words: ReadonlySet<string>;
  /** What every purpose is told at the finest. Numbers and counters only. */
  readonly step: Rounding | undefined;
  readonly sceneStep: Rounding | undefined;
  /** Stored to its own step, however a scene is told. */
  readonly storedWhole: boolean;
  /** Else: what is stored, of what a scene would get; `undefined` when it is the same. */
  readonly storedStep: Rounding | Classes | undefined;
  /** Weather services get a property only when it has this. */
  readonly weatherStep: Rounding | undefined;
  /** Counters only: one that grows faster tells nothing. */
  readonly mostPerHour: number;
}

/** How exactly the properties of the table are stored: to their steps, or in the classes of its column `stored`. */
export const STORED_VALUES = ["steps", "classes"] as const;
export type StoredValues = (typeof STORED_VALUES)[number];

/** A property as a person is told of it. */
export interface PlainProperty {
  readonly name: string;
  readonly label: string;
  /** Absent: it has none. */
  readonly unit?: string;
  /** A counter: a value is what was added since the one before. */
  readonly added?: true;
  /** What analytics stores of it. */
  readonly stored: string;
  readonly scene: string;
  /** Absent: weather services do not get it. */
  readonly weather?: string;
}
