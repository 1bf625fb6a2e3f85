/**
 * The named tokens that are good right now, in memory: a flood of wrong ones costs no look into Redis. What is known counts
 * for `TOKENS_KNOWN_FOR_MS` from when the reading of it began; a gateway that cannot read accepts no named token after that.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { TOKENS_KNOWN_FOR_MS, type TokenScope, type TokenUse } from "../model/named-token.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { type EntryNames, readChanges, readEntries } from "../platform/shared-entries.ts";
import { tokenNames } from "./registry.ts";
import { TokenText } from "./token-text.ts";

export interface FoundToken extends TokenUse {
  readonly scopes: ReadonlySet<TokenScope>;
}

interface Known extends FoundToken {
  /** Unix ms. */
  readonly endsAt: number;
}

export interface DirectoryPorts {
  readonly log: Log;
  /** Unix ms, by which tokens end. */
  readonly now: () => number;
  /** Ms that never go back. */
  readonly elapsed: () => number;
}

export class TokenDirectory {
  readonly #redis: Redis;
  readonly #names: EntryNames;
  readonly #text: TokenText;
  readonly #ports: DirectoryPorts;
  #byDigest: ReadonlyMap<string, Known> = new Map();
  #changes = -1;
  #knownSince = Number.NEGATIVE_INFINITY;
  #turn: Promise<void> = Promise.resolve();
  readonly #looked: (() => void)[] = [];
  #over: NodeJS.Timeout | undefined;
  /** Entries that do not verify were said. */
  #saidUnreadable = false;

  constructor(redis: Redis, keyspace: Keyspace, tokenKey: Buffer, ports: DirectoryPorts) {
    this.#redis = redis;
    this.#names = tokenNames(keyspace);
    this.#text = new TokenText(tokenKey);
    this.#ports = ports;
  }

  /** How many are good now. */
  get size(): number {
    return this.#byDigest.size;
  }

  /** After each look, whether anything changed, the time of one has come, or Redis does not answer; and when what is known counts no more. */
  onLook(act: () => void): void {
    this.#looked.push(act);
  }

  /**
   * `undefined`: this is no token that is good. The way to it is the same for each: one keyed digest, and what an attacker
   * can't foresee is looked up. Throws REDIS_UNAVAILABLE when it was good and nothing newer could be read, and of each token
   * before anything was read.
   */
  find(token: string): FoundToken | undefined {
    return this.#sure(this.#byDigest.get(this.#text.digest(token)));
  }

  /** Whether the token is good, of what was once asked with it. Throws as `find` does. */
  stands({ digest }: TokenUse): boolean {
    return this.#sure(this.#byDigest.get(digest)) !== undefined;
  }

  #sure(known: Known | undefined): Known | undefined {
    // Before the first reading a right one must not be told that it is wrong, nor count as a guess.
    const isRead = this.#knownSince !== Number.NEGATIVE_INFINITY;
    if (isRead && (known === undefined || known.endsAt <= this.#ports.now())) return undefined;
    if (this.#ports.elapsed() - this.#knownSince <= TOKENS_KNOWN_FOR_MS) return known;
    throw new GatewayError("REDIS_UNAVAILABLE", "tokens");
  }

  /** Rejects with REDIS_UNAVAILABLE: then what was known stays, for as long as it counts. */
  refresh(): Promise<void> {
    // One after the other: what was read later is the newer.
    const turn = this.#turn.catch(() => undefined).then(() => this.#refresh().finally(() => this.#look()));
    this.#turn = turn;
    return turn;
  }

  async #refresh(): Promise<void> {
    const begun = this.#ports.elapsed();
    // In this order: what changes in between is read now, and once more at the next turn.
    const changes = await readChanges(this.#redis, this.#names);
    if (changes !== this.#changes) {
      this.#take(await readEntries(this.#redis, this.#names));
      this.#changes = changes;
    }
    this.#knownSince = begun;
    // The next reading may wait for a Redis that does not answer for longer than this counts.
    clearTimeout(this.#over);
    this.#over = setTimeout(() => this.#look(), begun + TOKENS_KNOWN_FOR_MS + 1 - this.#ports.elapsed());
    this.#over.unref();
  }

  #look(): void {
    for (const act of this.#looked) act();
  }

  #take(stored: Readonly<Record<string, string>>): void {
    const byDigest = new Map<string, Known>();
    let unreadable = 0;
    for (const [name, text] of Object.entries(stored)) {
      const entry = this.#text.read(name, text);
      if (entry === undefined) unreadable += 1;
      const scopes = new Set(entry?.scopes);
      for (const { endsAt = Number.POSITIVE_INFINITY, digest } of entry?.issued ?? [])
        byDigest.set(digest, { name, digest, scopes, endsAt });
    }
    this.#byDigest = byDigest;
    if (unreadable > 0 && !this.#saidUnreadable)
      this.#ports.log.error("a named token does not verify and opens nothing", { code: "TOKEN_UNREADABLE" });
    this.#saidUnreadable = unreadable > 0;
  }
}
