/**
 * Changes of named tokens in Redis. Only commands on the machine make them: no token can make another one, or give itself
 * more scopes. A name that is revoked leaves nothing behind.
 */
import type { Redis } from "ioredis";
import {
  MAX_ISSUED,
  MAX_NAMED_TOKENS,
  type NamedToken,
  type TokenRefusal,
  type TokenScope,
} from "../model/named-token.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { changeEntry, type EntryNames, readEntries, readEntry } from "../platform/shared-entries.ts";
import { type TokenEntry, TokenText } from "./token-text.ts";

export type Refused = { readonly refused: TokenRefusal };
export type Changed = { readonly refused?: undefined };
export type Made = Changed & {
  readonly token: string;
  readonly number: number;
  readonly scopes: readonly TokenScope[];
};

interface Stored {
  /** As it is in Redis; "" when there is nothing. */
  readonly text: string;
  /** `undefined`: there is nothing, or nothing that verifies. */
  readonly entry: TokenEntry | undefined;
}

/** Every call throws REDIS_UNAVAILABLE or NOT_WRITABLE when Redis does not answer or take it. */
export class TokenRegistry {
  readonly #redis: Redis;
  readonly #names: EntryNames;
  readonly #text: TokenText;
  readonly #now: () => number;

  /** `now`: Unix ms. */
  constructor(redis: Redis, keyspace: Keyspace, tokenKey: Buffer, now: () => number) {
    this.#redis = redis;
    this.#names = tokenNames(keyspace);
    this.#text = new TokenText(tokenKey);
    this.#now = now;
  }

  /** By name. An entry that does not verify is none, and `unreadable` says how many these are. */
  async list(): Promise<{ readonly tokens: readonly NamedToken[]; readonly unreadable: number }> {
    const stored = Object.entries(await readEntries(this.#redis, this.#names));
    const entries = stored.flatMap(([name, text]) => this.#text.read(name, text) ?? []);
    const tokens = entries.map(({ name, scopes, issued }) => ({
      name,
      scopes,
      issued: issued.map(({ number, issuedAt, endsAt }) => ({ number, issuedAt, endsAt })),
    }));
    return { tokens: tokens.sort((a, b) => (a.name < b.name ? -1 : 1)), unreadable: stored.length - entries.length };
  }

  /** The token is in the answer this once. `endsAt`: Unix ms. */
  async create(name: string, scopes: readonly TokenScope[], endsAt?: number): Promise<Refused | Made> {
    const stored = await this.#read(name);
    if (stored.text !== "") return { refused: "name-taken" };
    return this.#make(stored, { name, scopes: [...new Set(scopes)], issued: [], last: 0 }, endsAt);
  }

  /** Another token under the name, with the same scopes; those before end after `overlapMs`, or earlier. */
  async rotate(name: string, overlapMs: number, endsAt?: number): Promise<Refused | Made> {
    const stored = await this.#read(name);
    if (stored.entry === undefined) return { refused: "unknown-token" };
    const now = this.#now();
    const good = overlapMs === 0 ? [] : stored.entry.issued.filter((one) => (one.endsAt ?? now + 1) > now);
    if (good.length >= MAX_ISSUED) return { refused: "two-tokens" };
    const issued = good.map((one) => ({ ...one, endsAt: Math.min(one.endsAt ?? now + overlapMs, now + overlapMs) }));
    return this.#make(stored, { ...stored.entry, issued }, endsAt);
  }

  /** The whole name, or one token of it; with its last one the name goes. Also an entry that does not verify goes. */
  async revoke(name: string, number?: number): Promise<Refused | Changed> {
    const { text, entry } = await this.#read(name);
    if (text === "") return { refused: "unknown-token" };
    const issued = number === undefined ? [] : (entry?.issued.filter((one) => one.number !== number) ?? []);
    if (number !== undefined && issued.length === (entry?.issued.length ?? 0)) return { refused: "unknown-token" };
    const after = entry === undefined || issued.length === 0 ? "" : this.#text.write({ ...entry, issued });
    return this.#replace(name, text, after);
  }

  async #make(stored: Stored, entry: TokenEntry, endsAt: number | undefined): Promise<Refused | Made> {
    const token = this.#text.newToken();
    const number = entry.last + 1;
    const made = {
      number,
      issuedAt: this.#now(),
      ...(endsAt !== undefined && { endsAt }),
      digest: this.#text.digest(token),
    };
    const wanted = { ...entry, issued: [...entry.issued, made], last: number };
    const { refused } = await this.#replace(entry.name, stored.text, this.#text.write(wanted));
    return refused === undefined ? { token, number, scopes: entry.scopes } : { refused };
  }

  async #replace(name: string, before: string, after: string): Promise<Refused | Changed> {
    const outcome = await changeEntry(this.#redis, this.#names, { name, before, after, most: MAX_NAMED_TOKENS });
    if (outcome === "conflict") return { refused: "conflict" };
    return outcome === "full" ? { refused: "too-many-tokens" } : {};
  }

  async #read(name: string): Promise<Stored> {
    const text = await readEntry(this.#redis, this.#names, name);
    return { text, entry: text === "" ? undefined : this.#text.read(name, text) };
  }
}

export function tokenNames({ tokens, tokenChanges, tokensChanged }: Keyspace): EntryNames {
  return { entries: tokens, changes: tokenChanges, changed: tokensChanged };
}
