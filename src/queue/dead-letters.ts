/**
 * Messages set aside for an operator: sealed like the queue itself, listed by reason, replayed through
 * the whole pipeline (consent included), purged with a withdrawal of their person and after their retention.
 * What they may take of Redis is bounded.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import { redisErrorCode } from "../platform/redis.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { runScript } from "../platform/redis-script.ts";
import { decodeBatch, encodeMessages } from "./batch.ts";
import { ADD_LETTERS, REMOVE_LETTERS } from "./dead-letter-scripts.ts";
import type { Envelope, Sealed } from "./envelope.ts";
import { BATCH_SEAL } from "./job.ts";

export interface DeadLetter {
  readonly id: string;
  readonly reason: DeadLetterReason;
  /** Unix ms. */
  readonly at: number;
  readonly messages: number;
  readonly sealed: Sealed;
  /** Both empty for a batch that could not be opened. */
  readonly deviceKey: DeviceKey | "";
  readonly subjectTag: SubjectTag | "";
}

/** Whether a letter must stay; what it is about is all that matters. */
export type Spared = (letter: Pick<DeadLetter, "subjectTag" | "deviceKey">) => boolean;

/** The shape of a message without its content: enough to see what is wrong with it. */
export interface DeadLetterShape {
  readonly fields: readonly string[];
  readonly statusKeys: Readonly<Record<string, string>>;
}

const PAGE = 200;

/** Setting aside is tried again after this when there is no room: only an operator or retention can make some. */
const FULL_RETRY_MS = 5_000;

export class DeadLetters {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #envelope: Pick<Envelope, "seal" | "open">;
  readonly #maxBytes: number;
  #full = false;

  constructor(
    redis: Redis,
    keys: RedisKeys,
    envelope: Pick<Envelope, "seal" | "open">,
    options: { readonly maxBytes: number },
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#envelope = envelope;
    this.#maxBytes = options.maxBytes;
  }

  /** Whether there was no room any more when they were last measured. */
  get full(): boolean {
    return this.#full;
  }

  /**
   * One letter for each message, so that one person's withdrawal takes nothing of another along; all or none.
   * Rejects with DEAD_LETTERS_FULL, or with NOT_DURABLE when Redis does not answer: both are to be tried again.
   */
  async add(reason: DeadLetterReason, messages: readonly RawMessage[]): Promise<void> {
    const letters = messages.map((message) => {
      const { deviceKey, subjectTag } = message.device;
      const sealed = this.#envelope.seal(encodeMessages([message]), BATCH_SEAL);
      return { reason, messages: 1, sealed, deviceKey, subjectTag };
    });
    await this.#put(letters);
  }

  /** A batch that does not open, as it is. Rejects as `add` does. */
  async addBatch(reason: DeadLetterReason, sealed: Sealed, messages: number): Promise<void> {
    await this.#put([{ reason, messages, sealed, deviceKey: "", subjectTag: "" }]);
  }

  async #put(letters: readonly Omit<DeadLetter, "id" | "at">[]): Promise<void> {
    const { deadLetters, deadLetterBytes } = this.#keys;
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
    const keys = [deadLetters, deadLetterBytes, ...subjects.map((tag) => this.#keys.deadLettersOf(tag))];
    const added = await runScript(this.#redis, ADD_LETTERS, keys, [this.#maxBytes, ...rows]).catch((error: unknown) => {
      throw new GatewayError("NOT_DURABLE", `dead letters ${redisErrorCode(error)}`);
    });
    if (added === 1) return;
    this.#full = true;
    throw new GatewayError("DEAD_LETTERS_FULL", undefined, { retryAfterMs: FULL_RETRY_MS });
  }

  count(): Promise<number> {
    return this.#redis.hlen(this.#keys.deadLetters);
  }

  /** What they take of Redis, against the bound; sets `full`. */
  async measure(): Promise<{ readonly count: number; readonly bytes: number }> {
    const [count, text] = await Promise.all([this.count(), this.#redis.get(this.#keys.deadLetterBytes)]);
    const bytes = Number(text ?? 0);
    this.#full = bytes >= this.#maxBytes;
    return { count, bytes };
  }

  async *list(): AsyncGenerator<DeadLetter> {
    let cursor = "0";
    do {
      const [next, flat] = await this.#redis.hscan(this.#keys.deadLetters, cursor, "COUNT", PAGE);
      for (let index = 0; index + 1 < flat.length; index += 2) yield parse(flat[index] ?? "", flat[index + 1] ?? "");
      cursor = next;
    } while (cursor !== "0");
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const text = await this.#redis.hget(this.#keys.deadLetters, id);
    return text === null ? undefined : parse(id, text);
  }

  /** What the letter holds, by name and type only. Fails with ENVELOPE_UNREADABLE when it does not open. */
  shapes(letter: DeadLetter): DeadLetterShape[] {
    return decodeBatch(this.#envelope.open(letter.sealed, BATCH_SEAL)).map(({ telemetry }) => ({
      fields: Object.keys(telemetry).sort(),
      statusKeys: Object.fromEntries(Object.entries(telemetry.status ?? {}).map(([key, value]) => [key, typeof value])),
    }));
  }

  /**
   * What was set aside of a person's device, opened, for the person whose message it is; without it when the
   * seal no longer opens.
   */
  async *of(
    subject: SubjectTag,
    device: DeviceKey,
  ): AsyncGenerator<{ readonly letter: DeadLetter; readonly message: RawMessage | undefined }> {
    const index = await this.#redis.hgetall(this.#keys.deadLettersOf(subject));
    for (const [id, about] of Object.entries(index)) {
      const letter = about === device ? await this.get(id) : undefined;
      if (letter === undefined) continue;
      const [message] = this.#opened(letter);
      yield { letter, message };
    }
  }

  #opened(letter: DeadLetter): RawMessage[] {
    try {
      return decodeBatch(this.#envelope.open(letter.sealed, BATCH_SEAL));
    } catch {
      return [];
    }
  }

  async remove({ id, subjectTag }: DeadLetter): Promise<void> {
    await this.#remove(subjectTag, "id", [id]);
  }

  /**
   * Withdrawal: of these devices of the person nothing stays, and nothing of another owner goes. Erasure: nothing
   * of the person stays, whoever has the device now. Returns how many letters went.
   */
  purge(subject: SubjectTag, devices: readonly DeviceKey[] | "all"): Promise<number> {
    return devices === "all" ? this.#remove(subject, "all", []) : this.#remove(subject, "device", devices);
  }

  async #remove(subject: SubjectTag | "", by: "id" | "device" | "all", which: readonly string[]): Promise<number> {
    const { deadLetters, deadLetterBytes } = this.#keys;
    const index = subject === "" ? [] : [this.#keys.deadLettersOf(subject)];
    return (await runScript(
      this.#redis,
      REMOVE_LETTERS,
      [deadLetters, deadLetterBytes, ...index],
      [by, ...which],
    )) as number;
  }

  /** Retention: how many `expire` would remove. */
  async older(before: number, spared: () => Promise<Spared>): Promise<number> {
    let count = 0;
    for await (const _ of this.#older(before, await spared())) count += 1;
    return count;
  }

  /** Retention: removes what was set aside before `before` (Unix ms), but nothing that is `spared`. */
  async expire(before: number, spared: () => Promise<Spared>): Promise<number> {
    let expired = 0;
    for await (const letter of this.#older(before, await spared())) {
      await this.remove(letter);
      expired += 1;
    }
    return expired;
  }

  async *#older(before: number, spared: Spared): AsyncGenerator<DeadLetter> {
    for await (const letter of this.list()) if (letter.at < before && !spared(letter)) yield letter;
  }
}

function parse(id: string, text: string): DeadLetter {
  return { id, ...(JSON.parse(text) as Omit<DeadLetter, "id">) };
}
