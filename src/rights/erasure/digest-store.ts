/** The pool of what waits for a digest, and the digests, as they are in Redis. */
import type { Redis } from "ioredis";
import type { NamedService } from "../../model/forwarded-name.ts";
import type { NamedServicePurpose } from "../../model/purposes.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { runScript } from "../../platform/redis-script.ts";
import { COMPOSE_DIGEST, JOIN_DIGEST } from "./digest-scripts.ts";
import type { ErasureRecord } from "./record.ts";

export interface Digest extends NamedService {
  /** Unix ms. */
  readonly at: number;
  readonly erasures: readonly string[];
}

/** One erasure that waits for a digest to one service. */
export interface Waiting {
  readonly member: string;
  readonly erasure: string;
  readonly to: NamedService;
  /** Unix ms. */
  readonly leavesAt: number;
}

type OfErasure = Pick<ErasureRecord, "id" | "tag">;

/** Every method throws REDIS_UNAVAILABLE. */
export class DigestStore {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;

  constructor(redis: Redis, keyspace: Keyspace) {
    this.#redis = redis;
    this.#keyspace = keyspace;
  }

  /** Into the pool, unless it is in there, in a digest, or was answered. `leavesAt`: drawn for each. */
  async join({ id, tag }: OfErasure, services: readonly NamedService[], leavesAt: () => number): Promise<void> {
    const { digestPool, digests } = this.#keyspace;
    const names = [digestPool, digests, this.#keyspace.erasure(tag, id)];
    const args = services.flatMap((to) => [fieldOf(to), `${to.purpose} ${to.service} ${id}`, leavesAt()]);
    await orRedisUnavailable(() => runScript(this.#redis, JOIN_DIGEST, names, args));
  }

  /** From the pool into a digest, all of them or none; without a text into none. False when one of them is not in the pool any more. */
  async compose(
    id: string,
    to: NamedService,
    members: readonly { readonly member: string; readonly record: OfErasure }[],
    { digest, names }: { readonly digest: string; readonly names: string },
  ): Promise<boolean> {
    const { digestPool, digests, digestNames } = this.#keyspace;
    const records = members.map(({ record }) => this.#keyspace.erasure(record.tag, record.id));
    const args = [id, digest, names, fieldOf(to), ...members.map(({ member }) => member)];
    const reply = await orRedisUnavailable(() =>
      runScript(this.#redis, COMPOSE_DIGEST, [digestPool, digests, digestNames, ...records], args),
    );
    return reply === 1;
  }

  async pool(): Promise<Waiting[]> {
    const flat = await orRedisUnavailable(() => this.#redis.zrange(this.#keyspace.digestPool, "0", "-1", "WITHSCORES"));
    return flat.flatMap((member, index) => {
      if (index % 2 === 1) return [];
      const [purpose = "", service = "", erasure = ""] = member.split(" ");
      const to = { purpose: purpose as NamedServicePurpose, service };
      return [{ member, erasure, to, leavesAt: Number(flat[index + 1]) }];
    });
  }

  async all(): Promise<[string, Digest][]> {
    const texts = await orRedisUnavailable(() => this.#redis.hgetall(this.#keyspace.digests));
    const all: [string, Digest][] = [];
    for (const [id, text] of Object.entries(texts)) {
      const digest = digestFrom(text);
      if (digest === undefined) await this.remove(id);
      else all.push([id, digest]);
    }
    return all;
  }

  async leaveSooner(member: string, at: number): Promise<void> {
    await orRedisUnavailable(() => this.#redis.zadd(this.#keyspace.digestPool, "LT", at, member));
  }

  async drop(member: string): Promise<void> {
    await orRedisUnavailable(() => this.#redis.zrem(this.#keyspace.digestPool, member));
  }

  async write(id: string, digest: Digest): Promise<void> {
    await orRedisUnavailable(() => this.#redis.hset(this.#keyspace.digests, id, JSON.stringify(digest)));
  }

  /** The names first: a digest without names is no harm, and is removed when its time is over. */
  async remove(id: string): Promise<void> {
    await orRedisUnavailable(() => this.#redis.hdel(this.#keyspace.digestNames, id));
    await orRedisUnavailable(() => this.#redis.hdel(this.#keyspace.digests, id));
  }

  async get(id: string): Promise<Digest | undefined> {
    return digestFrom(await orRedisUnavailable(() => this.#redis.hget(this.#keyspace.digests, id)));
  }

  /** Sealed; `null` when it was answered meanwhile. */
  names(id: string): Promise<string | null> {
    return orRedisUnavailable(() => this.#redis.hget(this.#keyspace.digestNames, id));
  }
}

function fieldOf({ purpose, service }: NamedService): string {
  return `${purpose}:${service}`;
}

/** `undefined` for what no gateway can have written. */
function digestFrom(text: string | null): Digest | undefined {
  try {
    const { purpose, service, at, erasures } = JSON.parse(text ?? "") as Digest;
    return Array.isArray(erasures) ? { purpose, service, at: Number(at), erasures } : undefined;
  } catch {
    return undefined;
  }
}
