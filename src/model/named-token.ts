/** A named token of the HTTP interface, what it may ask for, and how many there may be. */

export const TOKEN_SCOPES = ["bind", "consent", "read", "export", "erase", "policy", "services", "operate"] as const;
/** What a route asks of the token that opens it; docs/http.md says which routes these are. */
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** A code of a program or a team, which stands in the audit log; no row of digits that could be a person's number. */
export const TOKEN_NAME = /^(?!.*\d{7})[a-z][a-z0-9-]{0,31}$/;
export const MAX_NAMED_TOKENS = 64;
/** Good at one time under one name, while one takes over from the other. */
export const MAX_ISSUED = 2;
/** How long the one before stays good after a rotation, unless the operator says otherwise; and at most. */
export const OVERLAP_MS = { usual: 86_400_000, highest: 30 * 86_400_000 } as const;
/**
 * A gateway accepts named tokens for so long after it began to read which there are. So a change that is older than that
 * holds on every gateway, whatever it missed.
 */
export const TOKENS_KNOWN_FOR_MS = 3_000;

/** One token under a name. */
export interface IssuedToken {
  /** Grows with each one made under this name. */
  readonly number: number;
  /** Unix ms. */
  readonly issuedAt: number;
  /** Unix ms; absent: it ends when it is revoked. */
  readonly endsAt?: number | undefined;
}

/** As an operator sees it. */
export interface NamedToken {
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly issued: readonly IssuedToken[];
}

/** Which token something was asked with. */
export interface TokenUse {
  readonly name: string;
  /** The keyed one by which it is found: a later token may have the same name and number, and is another. */
  readonly digest: string;
}

/** Why a change is refused. */
export type TokenRefusal =
  | "name-taken"
  | "unknown-token"
  /** Two are good: the older one ends by itself, or has to be ended. */
  | "two-tokens"
  | "too-many-tokens"
  /** Another change came in between. */
  | "conflict";
