/**
 * Sessions of the console, in the memory of this gateway alone: each opens the console and nothing else, ends with the token that it was
 * made with, when no person has done anything for a while, and after some hours in any case.
 */
import { createHash, randomBytes } from "node:crypto";
import type { TokenUse } from "../../model/named-token.ts";

export interface SessionsOptions {
  readonly idleMs: number;
  readonly mostMs: number;
}

/** `unknown`: Redis does not answer, so that no one can say whether its token was revoked. */
export type Standing = "stands" | "ended" | "unknown";

export interface SessionsPorts {
  /** Throws when that can't be said. */
  readonly tokenStands: (use: TokenUse) => boolean;
  /** Nothing that belongs to it is kept. */
  readonly ended: (session: ConsoleSession) => void;
}

export interface ConsoleSession {
  readonly id: string;
  /** The named token; absent: that of the configuration. */
  readonly use: TokenUse | undefined;
  /** Unix ms. */
  readonly endsAt: number;
  readonly endsAtLatest: number;
}

interface Kept extends ConsoleSession {
  readonly key: string;
  endsAt: number;
  readonly onEnd: Set<() => void>;
}

const MOST = 256;
/** Of one token; with one more, the oldest of them ends. */
const MOST_OF_TOKEN = 8;
const LOOK_EVERY_MS = 1_000;

export class Sessions {
  /** Of these: a browser that reaches two gateways under one host name keeps a cookie of each. */
  readonly mark = randomBytes(4).toString("hex");
  readonly #options: SessionsOptions;
  readonly #ports: SessionsPorts;
  /** By the digest of what is in the cookie, oldest first. */
  readonly #all = new Map<string, Kept>();
  #looking: NodeJS.Timeout | undefined;

  constructor(options: SessionsOptions, ports: SessionsPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  get size(): number {
    return this.#all.size;
  }

  /** With what the cookie holds; `undefined`: there are too many already. */
  begin(use: TokenUse | undefined): { readonly secret: string; readonly session: ConsoleSession } | undefined {
    const own = [...this.#all.values()].filter((one) => one.use?.name === use?.name);
    if (own.length >= MOST_OF_TOKEN && own[0] !== undefined) this.#end(own[0]);
    if (this.#all.size >= MOST) return undefined;
    const secret = randomBytes(32).toString("base64url");
    const now = Date.now();
    const endsAtLatest = now + this.#options.mostMs;
    const key = digest(secret);
    const session: Kept = {
      id: randomBytes(12).toString("base64url"),
      key,
      use,
      endsAt: Math.min(now + this.#options.idleMs, endsAtLatest),
      endsAtLatest,
      onEnd: new Set(),
    };
    this.#all.set(key, session);
    this.#looking ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    return { secret, session };
  }

  find(secret: string): ConsoleSession | undefined {
    return this.#all.get(digest(secret));
  }

  /** Ends it where it is over. */
  standing(session: ConsoleSession): Standing {
    const kept = this.#kept(session);
    if (kept === undefined) return "ended";
    const standing = this.#standingOf(kept);
    if (standing === "ended") this.#end(kept);
    return standing;
  }

  /** A person has done something. */
  stay(session: ConsoleSession): void {
    const kept = this.#kept(session);
    if (kept !== undefined) kept.endsAt = Math.min(Date.now() + this.#options.idleMs, kept.endsAtLatest);
  }

  end(session: ConsoleSession): void {
    const kept = this.#kept(session);
    if (kept !== undefined) this.#end(kept);
  }

  /** Called once when the session ends, however that is. The function returned takes it back. */
  onEnd(session: ConsoleSession, act: () => void): () => void {
    const acts = this.#kept(session)?.onEnd;
    acts?.add(act);
    return () => void acts?.delete(act);
  }

  /** Ends all that are over: by their time, or with their token. */
  look(): void {
    for (const session of [...this.#all.values()]) this.standing(session);
  }

  stop(): void {
    for (const session of [...this.#all.values()]) this.#end(session);
  }

  #kept(session: ConsoleSession): Kept | undefined {
    const kept = session as Kept;
    return this.#all.get(kept.key) === kept ? kept : undefined;
  }

  #standingOf({ use, endsAt }: Kept): Standing {
    if (endsAt <= Date.now()) return "ended";
    if (use === undefined) return "stands";
    try {
      return this.#ports.tokenStands(use) ? "stands" : "ended";
    } catch {
      return "unknown";
    }
  }

  #end(session: Kept): void {
    this.#all.delete(session.key);
    for (const act of [...session.onEnd]) act();
    this.#ports.ended(session);
    if (this.#all.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
