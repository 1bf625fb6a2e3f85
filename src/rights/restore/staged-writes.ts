/** Writes to staged names, many in one trip; without a Redis none of them, for a restore that is only checked. */
import type { Redis } from "ioredis";
import { execAll, keysLike } from "../../platform/redis-values.ts";
import { waitingName } from "./staging.ts";

const COMMANDS_PER_TRIP = 400;

export class StagedWrites {
  readonly #redis: Redis | undefined;
  #pending: ReturnType<Redis["pipeline"]> | undefined;

  constructor(redis: Redis | undefined) {
    this.#redis = redis;
  }

  /** Sent at the latest with the next `flush`. */
  async add(commands: (to: ReturnType<Redis["pipeline"]>) => unknown): Promise<void> {
    if (this.#redis === undefined) return;
    this.#pending ??= this.#redis.pipeline();
    commands(this.#pending);
    if (this.#pending.length >= COMMANDS_PER_TRIP) await this.flush();
  }

  async flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) await execAll(pending);
  }

  get isChecking(): boolean {
    return this.#redis === undefined;
  }

  /** A field that was staged before. */
  async field(key: string, field: string): Promise<string | undefined> {
    return (await this.#redis?.hget(waitingName(key), field)) ?? undefined;
  }

  /** Removes the staged hashes of this pattern that have no such field. */
  async dropWithout(field: string, pattern: string): Promise<void> {
    if (this.#redis === undefined) return;
    for await (const names of keysLike(this.#redis, waitingName(pattern))) {
      const asked = this.#redis.pipeline();
      for (const name of names) asked.hexists(name, field);
      const found = await execAll(asked);
      const incomplete = names.filter((_, index) => found[index] === 0);
      if (incomplete.length > 0) await this.#redis.unlink(...incomplete);
    }
  }
}
