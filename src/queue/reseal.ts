/**
 * Seals again what an older version has left in the queue and among dead letters, as it would be taken today: what the
 * vocabulary leaves out must not rest, sealed or not. Each changes in one step and only if no one changed it meanwhile, and
 * what has our number is left alone, so that it can be interrupted and begun again.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { Spared } from "../model/letters.ts";
import type { RawMessage } from "../model/raw.ts";
import { SCHEMA } from "../model/schema.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import { decodeBatch, encodeMessages } from "./batch.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";
import { type Envelope, type Sealed, sealedSchema } from "./envelope.ts";
import { asTakenToday } from "./former-batch.ts";
import { BATCH_SEAL } from "./job.ts";

const PAGE = 200;

const RESEAL_JOB: RedisScript = {
  name: "consentryResealJob",
  lua: `--[[
  Replaces what a batch holds.
  KEYS[1] job hash   ARGV[1] what it held   ARGV[2] what it is to hold
  Reply: 1 replaced, 0 it is gone or another one by now
]]
if redis.call("HGET", KEYS[1], "data") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "data", ARGV[2])
return 1`,
};

const RESEAL_LETTER: RedisScript = {
  name: "consentryResealLetter",
  lua: `--[[
  Replaces a letter.
  KEYS[1] hash id -> letter   KEYS[2] bytes in it
  ARGV[1] id   ARGV[2] key of what was sealed, as it stands in the letter   ARGV[3] letter
  Reply: 1 replaced, 0 it is gone or another one by now
]]
local text = redis.call("HGET", KEYS[1], ARGV[1])
if not text or not string.find(text, ARGV[2], 1, true) then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
redis.call("SET", KEYS[2], tonumber(redis.call("GET", KEYS[2]) or "0") - #text + #ARGV[3])
return 1`,
};

export interface Resealed {
  /** Batches or letters that are ours now. */
  resealed: number;
  /** Messages in them of which nothing is left. */
  emptied: number;
  /** No key at hand opens them: they are left. */
  locked: number;
  /** Under a legal hold: they are left, and read as they would be taken today once the hold has ended. */
  held: number;
}

export interface ResealParts {
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly envelope: Pick<Envelope, "seal" | "open">;
  readonly vocabulary: Pick<Vocabulary, "take" | "get">;
  /** Only counts. */
  readonly dryRun: boolean;
}

export async function resealBatches(parts: ResealParts): Promise<Resealed> {
  const { redis, dryRun } = parts;
  const { queuePrefix, queueName } = parts.keyspace;
  const told: Resealed = { resealed: 0, emptied: 0, locked: 0, held: 0 };
  // A scan may name one twice; the second time it is ours.
  let cursor = "0";
  do {
    const [next, names] = await redis.scan(cursor, "MATCH", `${queuePrefix}:${queueName}:b*`, "COUNT", PAGE);
    for (const name of names) {
      // What a job has beside its hash has a longer name.
      if (name.slice(queuePrefix.length + queueName.length + 2).includes(":")) continue;
      const text = await redis.hget(name, "data");
      const sealed = text === null ? undefined : sealedIn(text);
      if (text === null || sealed === undefined || sealedSchema(sealed) === SCHEMA) continue;
      const again = resealed(parts, sealed);
      if (again === undefined) {
        told.locked += 1;
        continue;
      }
      const args = [text, JSON.stringify(again.sealed)];
      if (!dryRun && (await runScript(redis, RESEAL_JOB, [name], args)) !== 1) continue;
      told.resealed += 1;
      told.emptied += again.emptied;
    }
    cursor = next;
  } while (cursor !== "0");
  return told;
}

/** A letter of one message of which nothing is left goes. */
export async function resealLetters(
  parts: ResealParts,
  letters: Pick<DeadLetters, "list" | "remove">,
  held: Spared,
): Promise<Resealed> {
  const told: Resealed = { resealed: 0, emptied: 0, locked: 0, held: 0 };
  for await (const letter of letters.list()) {
    if (letter.sealed === undefined || sealedSchema(letter.sealed) === SCHEMA) continue;
    if (held(letter)) {
      told.held += 1;
      continue;
    }
    const again = resealed(parts, letter.sealed);
    if (again === undefined) {
      told.locked += 1;
      continue;
    }
    if (!parts.dryRun) {
      if (again.emptied === again.messages) await letters.remove(letter);
      else if (!(await replaced(parts, letter, letter.sealed, again.sealed))) continue;
    }
    told.resealed += 1;
    told.emptied += again.emptied;
  }
  return told;
}

async function replaced(
  { redis, keyspace }: ResealParts,
  { id, ...letter }: DeadLetter,
  before: Sealed,
  sealed: Sealed,
): Promise<boolean> {
  const args = [id, before.s, JSON.stringify({ ...letter, sealed })];
  return (await runScript(redis, RESEAL_LETTER, [keyspace.deadLetters, keyspace.deadLetterBytes], args)) === 1;
}

function resealed({ envelope, vocabulary }: ResealParts, sealed: Sealed) {
  const opened = messagesIn(envelope, sealed);
  if (opened === undefined) return undefined;
  const messages = asTakenToday(opened, vocabulary);
  return {
    sealed: envelope.seal(encodeMessages(messages), BATCH_SEAL),
    messages: messages.length,
    emptied: messages.filter(({ carried }) => carried === 0).length,
  };
}

function messagesIn(envelope: Pick<Envelope, "open">, sealed: Sealed): RawMessage[] | undefined {
  try {
    return decodeBatch(envelope.open(sealed, BATCH_SEAL));
  } catch (error) {
    if (error instanceof GatewayError && error.code !== "ENVELOPE_UNREADABLE") throw error;
    return undefined;
  }
}

function sealedIn(text: string): Sealed | undefined {
  try {
    const { k, s, v } = JSON.parse(text) as Partial<Sealed>;
    return typeof k === "string" && typeof s === "string" ? { k, s, ...(v !== undefined && { v }) } : undefined;
  } catch {
    return undefined;
  }
}
