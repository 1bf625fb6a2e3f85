/**
 * The names under which a device can turn up, worked out as the gateway does it, from its keys and from what
 * Redis holds of a subject. A name once learned is remembered: an erased subject's names cannot be made again.
 */
import { Redis } from "ioredis";
import { Keyring } from "../../src/deidentify/keyring.ts";
import type { DeviceId, DeviceKey, Pseudonym, SubjectId, SubjectTag } from "../../src/model/ids.ts";
import { PSEUDONYM_PURPOSES } from "../../src/model/purposes.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import { Lookup } from "../../src/platform/keys/lookup.ts";
import { keyspaceOf } from "../../src/platform/keyspace.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
type Purpose = (typeof PSEUDONYM_PURPOSES)[number];
/** How long a name lasts, as the gateway is configured by default. */
export const NAME_MS: Readonly<Record<Purpose, number>> = {
  analytics: 7 * DAY_MS,
  place: 7 * DAY_MS,
  scene: 7 * DAY_MS,
  network: 7 * DAY_MS,
};

export interface NamesOptions {
  readonly redisUrl: string;
  readonly keyPrefix: string;
  readonly keysDir: string;
}

export class Names {
  readonly #redis: Redis;
  readonly #keyPrefix: string;
  readonly #lookup: Lookup;
  readonly #keyring: Keyring;
  readonly #owners = new Map<string, number>();
  readonly #since = Date.now();

  constructor({ redisUrl, keyPrefix, keysDir }: NamesOptions) {
    this.#redis = new Redis(redisUrl, { lazyConnect: true });
    this.#redis.on("error", () => {});
    this.#keyPrefix = keyPrefix;
    const keys = readKeys(keysDir, { create: false });
    this.#lookup = new Lookup(keys.lookup);
    this.#keyring = new Keyring({ masterKey: keys.master, pepper: keys.pepper });
  }

  async start(): Promise<void> {
    await this.#redis.connect();
  }

  /**
   * Names that the devices have under the subject's present key; those under which rows stand are returned. None when
   * nothing has been consented to since the last erasure.
   */
  async learn(subject: string, devices: readonly { readonly id: string; readonly index: number }[]): Promise<string[]> {
    const wrapped = await this.#keyOf(subject);
    if (wrapped === null) return [];
    const stored: string[] = [];
    for (const { id, index } of devices) {
      const key = this.#lookup.deviceKey(id as DeviceId);
      for (const purpose of PSEUDONYM_PURPOSES) {
        for (const name of this.#namesOf(wrapped, key, purpose)) {
          this.#owners.set(name, index);
          if (purpose === "analytics" || purpose === "place") stored.push(name);
        }
      }
    }
    return stored;
  }

  /**
   * The names of these devices between two times (Unix ms), by purpose and in their order; none when nothing has been consented
   * to. `nameMs`: how long a name lasts, where it is not as by default.
   */
  async between<Id extends string>(
    subject: string,
    devices: readonly Id[],
    [from, until]: readonly [number, number],
    nameMs = NAME_MS,
  ): Promise<ReadonlyMap<Id, Readonly<Record<string, readonly string[]>>>> {
    const wrapped = await this.#keyOf(subject);
    if (wrapped === null) return new Map();
    const named = (id: Id, purpose: Purpose) => {
      const key = this.#lookup.deviceKey(id as string as DeviceId);
      return epochsIn(from, until, nameMs[purpose]).map((epoch) =>
        this.#keyring.pseudonym(wrapped, key, purpose, epoch),
      );
    };
    return new Map(
      devices.map((id) => [id, Object.fromEntries(PSEUDONYM_PURPOSES.map((purpose) => [purpose, named(id, purpose)]))]),
    );
  }

  /** Index of the device behind a name; `undefined` for a name that no device can have. */
  ownerOf(name: string): number | undefined {
    return this.#owners.get(name);
  }

  /** Batches that wait or are worked on, places that are sent and not answered for, and leases that are out. */
  async underWay(): Promise<number> {
    const keyspace = keyspaceOf(this.#keyPrefix);
    const of = (state: string) => `${keyspace.queuePrefix}:${keyspace.queueName}:${state}`;
    const counts = await Promise.all([
      ...["wait", "active", "paused"].map((state) => this.#redis.llen(of(state))),
      ...["delayed", "prioritized", "failed"].map((state) => this.#redis.zcard(of(state))),
      this.#redis.hlen(keyspace.placesUnderWay),
      this.#redis.zcount(keyspace.leases, Date.now(), "+inf"),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  stop(): void {
    this.#redis.disconnect();
  }

  #keyOf(subject: string): Promise<string | null> {
    const tag: SubjectTag = this.#lookup.subjectTag(subject as SubjectId);
    return this.#redis.hget(keyspaceOf(this.#keyPrefix).subject(tag), "key");
  }

  /** Clocks of devices are behind, or ahead. */
  #namesOf(wrapped: string, device: DeviceKey, purpose: Purpose): Pseudonym[] {
    return epochsIn(this.#since - DAY_MS, Date.now() + HOUR_MS, NAME_MS[purpose]).map((epoch) =>
      this.#keyring.pseudonym(wrapped, device, purpose, epoch),
    );
  }
}

function epochsIn(from: number, until: number, lengthMs: number): number[] {
  const first = Math.floor(from / lengthMs);
  return Array.from({ length: Math.floor(until / lengthMs) - first + 1 }, (_, index) => first + index);
}
