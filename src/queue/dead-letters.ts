/**
 * Messages set aside for an operator: sealed like the queue itself, listed by reason, replayed through
 * the whole pipeline (consent included), purged with a device's withdrawal and after their retention.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { DeviceKey } from "../model/ids.ts";
import type { DeadLetterReason } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import type { RedisKeys } from "../platform/redis-keys.ts";
import { decodeBatch, encodeMessages } from "./batch.ts";
import type { Envelope, Sealed } from "./envelope.ts";
import { BATCH_SEAL } from "./job.ts";

export interface DeadLetter {
  readonly id: string;
  readonly reason: DeadLetterReason;
  /** Unix ms. */
  readonly at: number;
  readonly messages: number;
  readonly sealed: Sealed;
  /** Empty for a batch that could not be opened. */
  readonly deviceKey: DeviceKey | "";
}

/** The shape of a message without its content: enough to see what is wrong with it. */
export interface DeadLetterShape {
  readonly fields: readonly string[];
  readonly statusKeys: Readonly<Record<string, string>>;
}

const PAGE = 200;

export class DeadLetters {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #envelope: Pick<Envelope, "seal" | "open">;

  constructor(redis: Redis, keys: RedisKeys, envelope: Pick<Envelope, "seal" | "open">) {
    this.#redis = redis;
    this.#keys = keys;
    this.#envelope = envelope;
  }

  /** One letter for each message, so that one device's withdrawal takes nothing of another along. */
  async add(reason: DeadLetterReason, messages: readonly RawMessage[]): Promise<void> {
    const transaction = this.#redis.multi();
    for (const message of messages) {
      const { deviceKey } = message.device;
      const sealed = this.#envelope.seal(encodeMessages([message]), BATCH_SEAL);
      const id = this.#put(transaction, { reason, messages: 1, sealed, deviceKey });
      transaction.sadd(this.#keys.deadLettersOf(deviceKey), id);
    }
    await transaction.exec();
  }

  async addBatch(reason: DeadLetterReason, sealed: Sealed, messages: number): Promise<void> {
    const transaction = this.#redis.multi();
    this.#put(transaction, { reason, messages, sealed, deviceKey: "" });
    await transaction.exec();
  }

  #put(transaction: ReturnType<Redis["multi"]>, letter: Omit<DeadLetter, "id" | "at">): string {
    const id = randomBytes(12).toString("hex");
    transaction.hset(this.#keys.deadLetters, id, JSON.stringify({ ...letter, at: Date.now() }));
    return id;
  }

  count(): Promise<number> {
    return this.#redis.hlen(this.#keys.deadLetters);
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

  /** What was set aside for a device, opened, for the person whose message it is; without it when the seal no longer opens. */
  async *of(
    device: DeviceKey,
  ): AsyncGenerator<{ readonly letter: DeadLetter; readonly message: RawMessage | undefined }> {
    const ids = await this.#redis.smembers(this.#keys.deadLettersOf(device));
    for (const id of ids) {
      const letter = await this.get(id);
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

  async remove(letter: DeadLetter): Promise<void> {
    const transaction = this.#redis.multi().hdel(this.#keys.deadLetters, letter.id);
    if (letter.deviceKey !== "") transaction.srem(this.#keys.deadLettersOf(letter.deviceKey), letter.id);
    await transaction.exec();
  }

  /** Withdrawal and erasure: nothing of these devices stays. Returns how many letters went. */
  async purge(devices: readonly DeviceKey[]): Promise<number> {
    let purged = 0;
    for (const device of devices) {
      const ids = await this.#redis.smembers(this.#keys.deadLettersOf(device));
      if (ids.length > 0) purged += await this.#redis.hdel(this.#keys.deadLetters, ...ids);
      await this.#redis.del(this.#keys.deadLettersOf(device));
    }
    return purged;
  }

  /** Retention: how many `expire` would remove. */
  async older(before: number, spared: () => Promise<ReadonlySet<string>>): Promise<number> {
    let count = 0;
    for await (const _ of this.#older(before, await spared())) count += 1;
    return count;
  }

  /** Retention: removes what was set aside before `before` (Unix ms), but nothing of the devices that are `spared`. */
  async expire(before: number, spared: () => Promise<ReadonlySet<string>>): Promise<number> {
    let expired = 0;
    for await (const letter of this.#older(before, await spared())) {
      await this.remove(letter);
      expired += 1;
    }
    return expired;
  }

  async *#older(before: number, spared: ReadonlySet<string>): AsyncGenerator<DeadLetter> {
    for await (const letter of this.list()) if (letter.at < before && !spared.has(letter.deviceKey)) yield letter;
  }
}

function parse(id: string, text: string): DeadLetter {
  return { id, ...(JSON.parse(text) as Omit<DeadLetter, "id">) };
}
