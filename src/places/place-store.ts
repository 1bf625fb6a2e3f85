/**
 * The records of places in Redis, all in one hash: each sealed under the key of its subject, and replaced only as the one that
 * was read. Without consent nothing opens and nothing is kept: the key is found in the decision alone.
 */
import type { Redis } from "ioredis";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { PlaceRecord } from "../model/place.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { decodePlace, encodePlace } from "./record.ts";

/** Of the keyring. Both throw SUBJECT_KEY_UNREADABLE. */
export interface PlaceSeal {
  sealPlace(wrappedSubjectKey: string, device: DeviceKey, text: string): string;
  openPlace(wrappedSubjectKey: string, device: DeviceKey, sealed: string): string | undefined;
}

/** A record as it stands in Redis. */
export interface SealedPlace {
  readonly device: DeviceRef;
  readonly sealed: string;
}

/** What stands in Redis must still be `was` ("" for nothing); without `record` it is removed. */
export interface Replacement {
  readonly device: DeviceRef;
  readonly was: string;
  readonly record?: { readonly wrappedSubjectKey: string; readonly place: PlaceRecord } | undefined;
}

const PAGE = 500;

const REPLACE: RedisScript = {
  name: "consentryReplacePlaces",
  lua: `--[[
  Replaces records of places that are still what was read of them.
  KEYS[1] hash of the records
  ARGV three for each: field, what was read or "" for nothing, what shall stand there or "" for nothing
  Reply: for each 1 replaced, 0 something else stands there by now
]]
local done = {}
for at = 1, #ARGV, 3 do
  local stands = redis.call("HGET", KEYS[1], ARGV[at]) or ""
  if stands ~= ARGV[at + 1] then
    done[#done + 1] = 0
  else
    if ARGV[at + 2] == "" then redis.call("HDEL", KEYS[1], ARGV[at])
    else redis.call("HSET", KEYS[1], ARGV[at], ARGV[at + 2]) end
    done[#done + 1] = 1
  end
end
return done`,
};

/** Every method throws REDIS_UNAVAILABLE. */
export class PlaceStore {
  readonly #redis: Redis;
  readonly #keyspace: Pick<Keyspace, "places">;
  readonly #seal: PlaceSeal;

  constructor(redis: Redis, keyspace: Pick<Keyspace, "places">, seal: PlaceSeal) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#seal = seal;
  }

  /** In the order asked; "" where there is none. */
  async read(devices: readonly DeviceRef[]): Promise<string[]> {
    if (devices.length === 0) return [];
    const fields = devices.map(fieldOf);
    const texts = await orRedisUnavailable(() => this.#redis.hmget(this.#keyspace.places, ...fields));
    return texts.map((text) => text ?? "");
  }

  /** `undefined` when the key of another time or another subject sealed it: no one can use it any more. Throws SUBJECT_KEY_UNREADABLE. */
  open({ device, sealed }: SealedPlace, wrappedSubjectKey: string): PlaceRecord | undefined {
    const text = this.#seal.openPlace(wrappedSubjectKey, device.deviceKey, sealed);
    return text === undefined ? undefined : decodePlace(text);
  }

  /** Whether each was replaced. Throws SUBJECT_KEY_UNREADABLE. */
  async replace(replacements: readonly Replacement[]): Promise<boolean[]> {
    if (replacements.length === 0) return [];
    const args = replacements.flatMap(({ device, was, record }) => [
      fieldOf(device),
      was,
      record === undefined
        ? ""
        : this.#seal.sealPlace(record.wrappedSubjectKey, device.deviceKey, encodePlace(record.place)),
    ]);
    const reply = await orRedisUnavailable(() => runScript(this.#redis, REPLACE, [this.#keyspace.places], args));
    const done = Array.isArray(reply) ? reply : [];
    return replacements.map((_, index) => Number(done[index]) === 1);
  }

  /** Page by page; one that changes meanwhile may appear twice, or in its old state. */
  async *all(): AsyncGenerator<readonly SealedPlace[]> {
    let cursor = "0";
    do {
      const at = cursor;
      const [next, items] = await orRedisUnavailable(() => this.#redis.hscan(this.#keyspace.places, at, "COUNT", PAGE));
      cursor = next;
      const page: SealedPlace[] = [];
      for (let index = 0; index < items.length; index += 2) {
        const device = deviceOf(items[index] ?? "");
        if (device !== undefined) page.push({ device, sealed: items[index + 1] ?? "" });
      }
      if (page.length > 0) yield page;
    } while (cursor !== "0");
  }

  /** Whatever they say. */
  async forget(subjectTag: SubjectTag, devices: readonly DeviceKey[]): Promise<void> {
    if (devices.length === 0) return;
    const fields = devices.map((deviceKey) => fieldOf({ subjectTag, deviceKey }));
    await orRedisUnavailable(() => this.#redis.hdel(this.#keyspace.places, ...fields));
  }
}

/** The subject stands beside the device: a new owner of a device has another record. */
export function fieldOf({ subjectTag, deviceKey }: Pick<DeviceRef, "subjectTag" | "deviceKey">): string {
  return `${subjectTag}:${deviceKey}`;
}

export function deviceOf(field: string): DeviceRef | undefined {
  const [subjectTag, deviceKey] = field.split(":");
  if (!subjectTag || !deviceKey) return undefined;
  return { subjectTag: subjectTag as SubjectTag, deviceKey: deviceKey as DeviceKey };
}
