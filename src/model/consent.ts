/**
 * The closed vocabulary of consent: purposes, field categories, and the small record per device
 * that the hot path reads. Adding a purpose is a policy change, not a configuration option.
 */
import type { DeviceRef } from "./ids.ts";
import { CATEGORIES, type Category, PURPOSE_TABLE, PURPOSES, type Purpose } from "./purposes.ts";

/** Bit set of field categories, bit i standing for `CATEGORIES[i]`. */
export type CategoryMask = number;
export const MODEL: CategoryMask = 1;
export const IP: CategoryMask = 2;
export const LOCATION: CategoryMask = 4;
export const STATUS: CategoryMask = 8;

/** 16 bits, `CATEGORIES.length` for each purpose in the order of `PURPOSES`. */
export type Grants = number;

/** What a purpose can use at all, whatever the subject grants. */
export const PURPOSE_USES = masksOf("uses");

/** Without at least one of these a purpose has nothing to do with a message. */
export const PURPOSE_NEEDS = masksOf("needs");

const ALL_CATEGORIES = (1 << CATEGORIES.length) - 1;
/** Where a purpose's bits begin. */
const SHIFT = ofEach((purpose) => PURPOSES.indexOf(purpose) * CATEGORIES.length);
/** All categories of each. */
export const PURPOSE_BITS: Readonly<Record<Purpose, Grants>> = ofEach((purpose) => ALL_CATEGORIES << SHIFT[purpose]);

function masksOf(list: "uses" | "needs"): Readonly<Record<Purpose, CategoryMask>> {
  return ofEach((purpose) =>
    PURPOSE_TABLE[purpose][list].reduce((mask, category) => mask | (1 << CATEGORIES.indexOf(category)), 0),
  );
}

function ofEach(value: (purpose: Purpose) => number): Readonly<Record<Purpose, number>> {
  return Object.fromEntries(PURPOSES.map((purpose) => [purpose, value(purpose)])) as Record<Purpose, number>;
}

/** Every category of these purposes. */
export function allOf(purposes: readonly Purpose[]): Grants {
  return purposes.reduce((grants, purpose) => grants | PURPOSE_BITS[purpose], 0);
}

export function grantsOf(purposes: Partial<Record<Purpose, readonly Category[]>>): Grants {
  let grants = 0;
  for (const purpose of PURPOSES) {
    for (const category of purposes[purpose] ?? []) grants |= 1 << (SHIFT[purpose] + CATEGORIES.indexOf(category));
  }
  return grants;
}

/** The categories of `carried` that `purpose` may use under `grants`; 0 when it can do nothing with them. */
export function usable(grants: Grants, purpose: Purpose, carried: CategoryMask): CategoryMask {
  const granted = (grants >> SHIFT[purpose]) & ALL_CATEGORIES;
  const mask = granted & carried & PURPOSE_USES[purpose];
  return (mask & PURPOSE_NEEDS[purpose]) === 0 ? 0 : mask;
}

/** Whether any purpose at all may use something of a message that carries these categories. */
export function usableByAny(grants: Grants, carried: CategoryMask): boolean {
  return PURPOSES.some((purpose) => usable(grants, purpose, carried) !== 0);
}

/** Stands for the key of a subject that has none: nothing was consented to since the last erasure. */
export const NO_SUBJECT_KEY = "-";

export type ConsentState = "given" | "refused" | "withdrawn" | "expired" | "requested";

/** The materialised decision of one device; written only in the transaction that appends its event. */
export interface Decision {
  readonly state: ConsentState;
  /** Grows by one with every change of the ledger after which some device may do less: a withdrawal, a narrower statement, a hold, an erasure, an unbinding. */
  readonly fence: number;
  /** Unix ms. */
  readonly expiresAt: number;
  readonly policyVersion: number;
  readonly grants: Grants;
  readonly minor: boolean;
  readonly guardianVerified: boolean;
  /** A legal hold freezes every use. */
  readonly held: boolean;
  /** How many events the ledger held when this was decided. */
  readonly revision: number;
  /** Since which revision each grant has held without a break; see consent/decision/uninterrupted.ts. */
  readonly since: string;
  /** The subject's key, wrapped by the master key; opaque to everything but the keyring. */
  readonly wrappedSubjectKey: string;
}

/** Lowest policy version under which consent still counts, for each purpose. */
export type PolicyFloors = Readonly<Record<Purpose, number>>;

/** What the consent check says about one device at one moment. */
export type Verdict =
  | {
      readonly refusal?: undefined;
      readonly grants: Grants;
      readonly wrappedSubjectKey: string;
      /** That was consented to. */
      readonly policyVersion?: number | undefined;
      /** What is admitted on this verdict may later be used for what was granted at this revision, and ever since. */
      readonly revision?: number | undefined;
    }
  /** The key is told, if there is one, for the part that must find what was stored before the refusal. */
  | { readonly refusal: ConsentRefusal; readonly wrappedSubjectKey?: string | undefined };

export type ConsentRefusal =
  | "no-consent"
  | "consent-withdrawn"
  | "consent-expired"
  | "policy-superseded"
  | "guardian-missing"
  | "legal-hold"
  | "purpose-denied";

/** One batched question to the consent store; answers in the order asked. Rejects with REDIS_UNAVAILABLE. */
export type CheckConsent = (devices: readonly DeviceRef[]) => Promise<readonly Verdict[]>;
