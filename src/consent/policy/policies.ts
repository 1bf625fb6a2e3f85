/**
 * Policy versions: published once, stored byte for byte, never changed. Publishing changes the floors in the same
 * transaction, so from then on older consents stop counting where they must.
 */
import { isDeepStrictEqual } from "node:util";
import type { Redis } from "ioredis";
import type { PolicyFloors } from "../../model/consent.ts";
import type { Contact } from "../../model/contact.ts";
import { GatewayError } from "../../model/errors.ts";
import { namesKeyTwice } from "../../model/json.ts";
import {
  MAX_POLICY_BYTES,
  type PolicyDocument,
  type PolicySummary,
  type PublishResult,
  policyDocument,
} from "../../model/policy-document.ts";
import type { Purpose } from "../../model/purposes.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { type RedisScript, runScript } from "../../platform/redis-script.ts";
import { hashText } from "../hash-chain.ts";
import { floorsOf, homesSince, reconfirmation, retentionLimitDays, suspendedBy, widenings } from "./changes.ts";
import { decodeFloors, encodeFloors, type FloorPlan, floorsAt } from "./floors.ts";

export interface Policy {
  readonly document: PolicyDocument;
  /** Exactly what was published. */
  readonly text: string;
  /** SHA-256 of those bytes, base64url. */
  readonly hash: string;
}

const PUBLISH_POLICY: RedisScript = {
  name: "consentryPublishPolicy",
  lua: `--[[
  Adds the next policy version and updates the floors, unless they are fixed until a later version is published.
  KEYS[1] hash version -> document   KEYS[2] floors
  ARGV[1] version   ARGV[2] document   ARGV[3] floors after it   ARGV[4] channel of the policy notices to devices
  Reply: 1 published, 0 another version was published meanwhile
]]
if redis.call("HLEN", KEYS[1]) ~= tonumber(ARGV[1]) - 1 then return 0 end
if redis.call("HSETNX", KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
local closed = string.match(redis.call("GET", KEYS[2]) or "", "^(%d+)>")
if not closed or tonumber(closed) <= tonumber(ARGV[1]) then redis.call("SET", KEYS[2], ARGV[3]) end
redis.call("PUBLISH", ARGV[4], ARGV[1])
return 1`,
};

export class Policies {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #configured: Contact | undefined;

  /** `configured`: the contact that holds while the newest version names none. */
  constructor(redis: Redis, keyspace: Keyspace, configured?: Contact) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#configured = configured;
  }

  /**
   * Publishes the version shipped with this release if needed, and makes sure floors exist. Idempotent. Throws
   * `CONFIG_INVALID` when the same version was published with other bytes.
   */
  async ensureShipped(bytes: Uint8Array): Promise<void> {
    const result = await this.publish(bytes);
    if (result.refused !== undefined) throw new GatewayError("CONFIG_INVALID", `consent.policyFile: ${result.refused}`);
    await this.#restoreFloors();
  }

  /** Idempotent for the same bytes. Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`. */
  async publish(bytes: Uint8Array): Promise<PublishResult> {
    const policy = parsePolicy(bytes);
    if (policy === undefined) return { refused: "policy-invalid" };
    const { document, text, hash } = policy;
    const earlier = await this.#all();
    const same = earlier[document.version - 1];
    if (same !== undefined) {
      const before = earlier[document.version - 2]?.document;
      return same.hash === hash ? published(before, policy) : { refused: "policy-version-taken" };
    }
    if (namesKeyTwice(text, JSON.parse(text))) return { refused: "policy-invalid" };
    if (document.version !== earlier.length + 1) return { refused: "policy-version-gap" };
    const before = earlier.at(-1)?.document;
    if (understated(before, document)) return { refused: "policy-change-understated" };

    const floors = encodeFloors(floorsOf([...earlier.map((one) => one.document), document]));
    const names = [this.#keyspace.policies, this.#keyspace.policyFloors];
    const args = [document.version, text, floors, this.#keyspace.policyPublished];
    const reply = await orRedisUnavailable(() => runScript(this.#redis, PUBLISH_POLICY, names, args));
    if (reply !== 1) throw new GatewayError("CONSENT_CONFLICT", "policies");
    return published(before, policy);
  }

  async get(version: number): Promise<Policy | undefined> {
    return readPolicy(this.#redis, this.#keyspace, version);
  }

  /** The document of the highest version; `undefined` when that is not higher than `known`. */
  async newest(known: number): Promise<PolicyDocument | undefined> {
    // Versions have no gaps.
    const version = await orRedisUnavailable(() => this.#redis.hlen(this.#keyspace.policies));
    return version > known ? (await this.get(version))?.document : undefined;
  }

  /** Whom people write to now; `undefined` when no one is named. */
  async contact(): Promise<Contact | undefined> {
    return (await this.newest(0))?.contact ?? this.#configured;
  }

  /** Oldest first. */
  async list(): Promise<PolicySummary[]> {
    const policies = await this.#all();
    return policies.map((policy, index) => {
      const { change, effectiveFrom } = policy.document;
      const summary = published(policies[index - 1]?.document, policy);
      return { ...summary, change: change.kind, effectiveFrom, ...(index === 0 && { suspended: [] }) };
    });
  }

  /** The longest time that data of a purpose may be kept now; `undefined` when no version sets a limit. */
  async retentionLimitDays(purpose: Purpose, nowMs: number): Promise<number | undefined> {
    const documents = (await this.#all()).map(({ document }) => document);
    return retentionLimitDays(documents, purpose, nowMs);
  }

  /** See `homesSince` of changes.ts. */
  async homesSince(): Promise<number | undefined> {
    return homesSince((await this.#all()).map(({ document }) => document));
  }

  async floors(nowMs = Date.now()): Promise<PolicyFloors> {
    return readFloors(this.#redis, this.#keyspace, nowMs);
  }

  /** Missing floors would deny everything forever; they are recomputed from the documents. */
  async #restoreFloors(): Promise<void> {
    const documents = (await this.#all()).map((policy) => policy.document);
    const floors = encodeFloors(floorsOf(documents));
    await orRedisUnavailable(() => this.#redis.set(this.#keyspace.policyFloors, floors, "NX"));
  }

  async #all(): Promise<Policy[]> {
    const stored = await orRedisUnavailable(() => this.#redis.hgetall(this.#keyspace.policies));
    return Object.values(stored)
      .map(storedPolicy)
      .sort((left, right) => left.document.version - right.document.version);
  }
}

/** One version as published. Throws `REDIS_UNAVAILABLE`. */
export async function readPolicy(redis: Redis, keyspace: Keyspace, version: number): Promise<Policy | undefined> {
  const text = await orRedisUnavailable(() => redis.hget(keyspace.policies, String(version)));
  return text === null ? undefined : storedPolicy(text);
}

export async function readFloors(redis: Redis, keyspace: Keyspace, nowMs: number): Promise<PolicyFloors> {
  return floorsAt(await readFloorPlan(redis, keyspace), nowMs);
}

export async function readFloorPlan(redis: Redis, keyspace: Keyspace): Promise<FloorPlan> {
  return decodeFloors(await orRedisUnavailable(() => redis.get(keyspace.policyFloors)));
}

/** `undefined` when the bytes are not UTF-8, not JSON or not a policy document. */
export function parsePolicy(bytes: Uint8Array): Policy | undefined {
  if (bytes.length > MAX_POLICY_BYTES) return undefined;
  try {
    // A byte order mark is kept, so that parsing as JSON fails instead of the mark vanishing from the archive.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const document = policyDocument.safeParse(JSON.parse(text));
    return document.success ? { document: document.data, text, hash: hashText(bytes) } : undefined;
  } catch {
    return undefined;
  }
}

function storedPolicy(text: string): Policy {
  const policy = parsePolicy(Buffer.from(text));
  if (policy === undefined) throw new GatewayError("LEDGER_BROKEN", "policies");
  return policy;
}

/** The effect of a version on consent to earlier ones. */
function published(before: PolicyDocument | undefined, { document, hash }: Policy) {
  const reconfirm = reconfirmation(before, document);
  const suspended = suspendedBy(before, document);
  return { version: document.version, hash, suspended, ...(reconfirm !== undefined && { reconfirm }) };
}

function understated(before: PolicyDocument | undefined, document: PolicyDocument): boolean {
  const { kind } = document.change;
  if (before === undefined) return kind !== "first";
  if (kind === "first") return true;
  const otherContact = before.contact !== undefined && !isDeepStrictEqual(before.contact, document.contact);
  return kind === "minor" && otherContact ? true : kind !== "material" && widenings(before, document).length > 0;
}
