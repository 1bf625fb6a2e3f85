/**
 * Dead letters: messages kept for an operator. They are sealed like the queue, listed by reason, replayed through the
 * whole pipeline (including the consent check), and deleted by a withdrawal of their subject and after their retention.
 * Their memory in Redis is bounded.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { TellDamage } from "../model/damage.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Guard, Spared } from "../model/letters.ts";
import { DEAD_LETTER_REASONS, type DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { isMisshapen, redisErrorCode } from "../platform/redis.ts";
import { runScript } from "../platform/redis-script.ts";
import { decodeBatch, encodeMessages } from "./batch.ts";
import { ADD_LETTERS, CLAIM_LETTER, REMOVE_LETTERS } from "./dead-letter-scripts.ts";
import type { Envelope, Sealed } from "./envelope.ts";
import { BATCH_SEAL } from "./job.ts";

export interface DeadLetter {
  readonly id: string;
  readonly reason: DeadLetterReason;
  /** Unix ms. */
  readonly at: number;
  readonly messages: number;
  /** `undefined` for an unreadable letter: it cannot be opened, and retention deletes it. */
  readonly sealed: Sealed | undefined;
  /** Both empty for a batch that could not be opened. */
  readonly deviceKey: DeviceKey | "";
  readonly subjectTag: SubjectTag | "";
}

export function subjectsOf(letters: readonly DeadLetter[]): ReadonlySet<SubjectTag> {
  return new Set(letters.flatMap(({ subjectTag }) => (subjectTag === "" ? [] : [subjectTag])));
}

/** The structure of a message without its content: enough to see what is wrong. */
export interface DeadLetterShape {
  readonly fields: readonly string[];
  readonly statusKeys: Readonly<Record<string, string>>;
}

const PAGE = 200;

/** A message is offered again after this time when there is no room: only an operator or retention can make room. */
const FULL_RETRY_MS = 5_000;

/**
 * Longer than replaying a letter and removing it takes; after a crash in between, another process may claim it after
 * this.
 */
const CLAIMED_MS = 60_000;

export class DeadLetters {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #envelope: Pick<Envelope, "seal" | "open">;
  readonly #maxBytes: number;
  readonly #damaged: TellDamage;
  #full = false;

  constructor(
    redis: Redis,
    keyspace: Keyspace,
    envelope: Pick<Envelope, "seal" | "open">,
    options: { readonly maxBytes: number; readonly damaged?: TellDamage },
  ) {
    this.#damaged = options.damaged ?? (() => undefined);
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#envelope = envelope;
    this.#maxBytes = options.maxBytes;
  }

  /** Whether there was no room left at the last measurement. */
  get full(): boolean {
    return this.#full;
  }

  /**
   * One letter per message, so that one subject's withdrawal removes no other's; all or none. Rejects with
   * DEAD_LETTERS_FULL, or with NOT_DURABLE when Redis does not answer: retry both.
   */
  async add(reason: DeadLetterReason, messages: readonly RawMessage[]): Promise<void> {
    const letters = messages.map((message) => {
      const { deviceKey, subjectTag } = message.device;
      const sealed = this.#envelope.seal(encodeMessages([message]), BATCH_SEAL);
      return { reason, messages: 1, sealed, deviceKey, subjectTag };
    });
    await this.#put(letters);
  }

  /** Stores a batch that does not open unchanged. Rejects as `add` does. */
  async addBatch(reason: DeadLetterReason, sealed: Sealed, messages: number): Promise<void> {
    await this.#put([{ reason, messages, sealed, deviceKey: "", subjectTag: "" }]);
  }

  async #put(letters: readonly Omit<DeadLetter, "id" | "at">[]): Promise<void> {
    const { deadLetters, deadLetterBytes } = this.#keyspace;
    const at = Date.now();
    const indexes = new Map<string, number>([["", 0]]);
    const rows = letters.flatMap((letter) => {
      const { subjectTag, deviceKey } = letter;
      if (!indexes.has(subjectTag)) indexes.set(subjectTag, indexes.size);
      return [
        randomBytes(12).toString("hex"),
        JSON.stringify({ ...letter, at }),
        indexes.get(subjectTag) ?? 0,
        deviceKey,
      ];
    });
    const subjects = [...indexes.keys()].filter((tag) => tag !== "") as SubjectTag[];
    const keys = [deadLetters, deadLetterBytes, ...subjects.map((tag) => this.#keyspace.deadLettersOf(tag))];
    const added = await runScript(this.#redis, ADD_LETTERS, keys, [this.#maxBytes, ...rows]).catch((error: unknown) => {
      throw new GatewayError("NOT_DURABLE", `dead letters ${redisErrorCode(error)}`);
    });
    if (added === 1) return;
    this.#full = true;
    throw new GatewayError("DEAD_LETTERS_FULL", undefined, { retryAfterMs: FULL_RETRY_MS });
  }

  count(): Promise<number> {
    return this.#redis.hlen(this.#keyspace.deadLetters);
  }

  /** Their memory in Redis, compared with the limit; sets `full`. */
  async measure(): Promise<{ readonly count: number; readonly bytes: number }> {
    const [count, text] = await Promise.all([this.count(), this.#redis.get(this.#keyspace.deadLetterBytes)]);
    const bytes = Number(text ?? 0);
    this.#full = bytes >= this.#maxBytes;
    return { count, bytes };
  }

  async *list(): AsyncGenerator<DeadLetter> {
    let cursor = "0";
    do {
      const [next, flat] = await this.#redis.hscan(this.#keyspace.deadLetters, cursor, "COUNT", PAGE);
      for (let index = 0; index + 1 < flat.length; index += 2) yield parse(flat[index] ?? "", flat[index + 1] ?? "");
      cursor = next;
    } while (cursor !== "0");
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const text = await this.#redis.hget(this.#keyspace.deadLetters, id);
    return text === null ? undefined : parse(id, text);
  }

  /**
   * The letter for the first caller: of two processes that replay it only one does. `undefined` for the other, and once
   * it is gone.
   */
  async claim(id: string): Promise<DeadLetter | undefined> {
    const names = [this.#keyspace.deadLetters, this.#keyspace.deadLetterClaim(id)];
    const text = await runScript(this.#redis, CLAIM_LETTER, names, [id, CLAIMED_MS]);
    return typeof text === "string" ? parse(id, text) : undefined;
  }

  /** The content of the letter by name and type only. Fails with ENVELOPE_UNREADABLE when it does not open. */
  shapes(letter: DeadLetter): DeadLetterShape[] {
    return this.#messages(letter).map(({ telemetry }) => ({
      fields: Object.keys(telemetry).sort(),
      statusKeys: Object.fromEntries(Object.entries(telemetry.status ?? {}).map(([key, value]) => [key, typeof value])),
    }));
  }

  /**
   * The dead letters of a subject's device, opened, for that subject; without the message when the seal no longer
   * opens.
   */
  async *of(
    subject: SubjectTag,
    device: DeviceKey,
  ): AsyncGenerator<{ readonly letter: DeadLetter; readonly message: RawMessage | undefined }> {
    for await (const letter of this.#lettersOf(subject)) {
      if (letter.deviceKey !== device) continue;
      const [message] = this.#opened(letter);
      yield { letter, message };
    }
  }

  /** From the index of the subject or, where that value has another type, by a scan of all. */
  async *#lettersOf(subject: SubjectTag): AsyncGenerator<DeadLetter> {
    const index = await this.#redis.hkeys(this.#keyspace.deadLettersOf(subject)).catch((error: unknown) => {
      if (!isMisshapen(error)) throw error;
      return undefined;
    });
    if (index === undefined) {
      for await (const letter of this.list()) if (letter.subjectTag === subject) yield letter;
      return;
    }
    for (const id of index) {
      const letter = await this.get(id);
      if (letter?.subjectTag === subject) yield letter;
    }
  }

  #messages({ sealed }: DeadLetter): RawMessage[] {
    if (sealed === undefined) throw new GatewayError("ENVELOPE_UNREADABLE", "a letter");
    return decodeBatch(this.#envelope.open(sealed, BATCH_SEAL));
  }

  #opened(letter: DeadLetter): RawMessage[] {
    try {
      return this.#messages(letter);
    } catch {
      return [];
    }
  }

  /** False when another process has removed it. */
  async remove({ id, subjectTag }: DeadLetter): Promise<boolean> {
    return (await this.#remove(subjectTag, "id", [id])) > 0;
  }

  /**
   * Withdrawal: deletes all letters of these devices of the subject, and none of another owner. Erasure: deletes all
   * letters of the subject, even if the device has another owner now. Returns the number of deleted letters.
   */
  async purge(subject: SubjectTag, devices: readonly DeviceKey[] | "all"): Promise<number> {
    const gone = await (devices === "all"
      ? this.#remove(subject, "all", [])
      : this.#remove(subject, "device", devices));
    if (gone >= 0) return gone;
    this.#damaged("dead-letter");
    let found = 0;
    for await (const letter of this.list()) {
      const wanted = devices === "all" || devices.includes(letter.deviceKey as DeviceKey);
      if (letter.subjectTag === subject && wanted) found += Number(await this.remove(letter));
    }
    if (devices === "all") await this.#redis.del(this.#keyspace.deadLettersOf(subject));
    return found;
  }

  async #remove(subject: SubjectTag | "", by: "id" | "device" | "all", which: readonly string[]): Promise<number> {
    const { deadLetters, deadLetterBytes } = this.#keyspace;
    const index = subject === "" ? [] : [this.#keyspace.deadLettersOf(subject)];
    return (await runScript(
      this.#redis,
      REMOVE_LETTERS,
      [deadLetters, deadLetterBytes, ...index],
      [by, ...which],
    )) as number;
  }

  /** Retention: number of letters `expire` would delete. */
  async older(before: number, spared: () => Promise<Spared>): Promise<number> {
    const held = await spared();
    let count = 0;
    for await (const letter of this.list()) if (letter.at < before && !held(letter)) count += 1;
    return count;
  }

  /**
   * Retention: deletes letters older than `before` (Unix ms), except those `spared`. That is read again for each group
   * of letters, while `guard` delays the answer to anyone placing a hold on these subjects.
   */
  async expire(before: number, spared: () => Promise<Spared>, guard: Guard = (_, work) => work()): Promise<number> {
    let expired = 0;
    let some: DeadLetter[] = [];
    const remove = async (): Promise<void> => {
      if (some.length === 0) return;
      const these = some;
      some = [];
      await guard(subjectsOf(these), async () => {
        const held = await spared();
        for (const letter of these) {
          if (letter.sealed === undefined) this.#damaged("dead-letter");
          if (!held(letter)) expired += Number(await this.remove(letter));
        }
      });
    };
    for await (const letter of this.list()) {
      if (letter.at < before) some.push(letter);
      if (some.length >= PAGE) await remove();
    }
    await remove();
    return expired;
  }
}

function parse(id: string, text: string): DeadLetter {
  try {
    const { reason, at, messages, sealed, deviceKey, subjectTag } = JSON.parse(text) as Omit<DeadLetter, "id">;
    if (!(reason in DEAD_LETTER_REASONS) || typeof at !== "number" || typeof sealed?.s !== "string") return damaged(id);
    return { id, reason, at, messages, sealed, deviceKey, subjectTag };
  } catch {
    return damaged(id);
  }
}

/** Its age is unknown, so it counts as older than any limit and retention deletes it. */
function damaged(id: string): DeadLetter {
  return { id, reason: "unopenable", at: 0, messages: 1, sealed: undefined, deviceKey: "", subjectTag: "" };
}
