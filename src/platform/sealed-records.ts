/**
 * Records of devices in Redis, all of one kind in one hash: each sealed under the key of its subject, and replaced only as the one
 * that was read. Without consent nothing opens and nothing is kept: the key is found in the decision alone.
 */
import type { Redis } from "ioredis";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import { orRedisUnavailable } from "./redis.ts";
import { type RedisScript, runScript } from "./redis-script.ts";

/** What a device has a sealed record of; each kind has a key of its own. */
export type RecordKind = "place" | "network" | "scene";

/** Of the keyring. Both throw SUBJECT_KEY_UNREADABLE. */
export interface RecordSeal {
  sealRecord(kind: RecordKind, wrappedSubjectKey: string, device: DeviceKey, text: string): string;
  openRecord(kind: RecordKind, wrappedSubjectKey: string, device: DeviceKey, sealed: string): string | undefined;
}

export interface RecordForm<Content> {
  readonly kind: RecordKind;
  encode(content: Content): string;
  /** The inverse; the seal guarantees the content. */
  decode(text: string): Content;
}

/** A record as it stands in Redis. */
export interface SealedRecord {
  readonly device: DeviceRef;
  readonly sealed: string;
}

/** What stands in Redis must still be `was` ("" for nothing); without `record` it is removed. */
export interface Replacement<Content> {
  readonly device: DeviceRef;
  readonly was: string;
  readonly record?: { readonly wrappedSubjectKey: string; readonly content: Content } | undefined;
}

const PAGE = 500;

const REPLACE: RedisScript = {
  name: "consentryReplaceRecords",
  lua: `--[[
  Replaces records that are still what was read of them.
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
export class SealedRecords<Content> {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #form: RecordForm<Content>;
  readonly #seal: RecordSeal;

  /** `name`: of the hash in Redis. */
  constructor(redis: Redis, name: string, form: RecordForm<Content>, seal: RecordSeal) {
    this.#redis = redis;
    this.#name = name;
    this.#form = form;
    this.#seal = seal;
  }

  /** In the order asked; "" where there is none. */
  async read(devices: readonly DeviceRef[]): Promise<string[]> {
    if (devices.length === 0) return [];
    const fields = devices.map(fieldOf);
    const texts = await orRedisUnavailable(() => this.#redis.hmget(this.#name, ...fields));
    return texts.map((text) => text ?? "");
  }

  /** `undefined` when the key of another time or another subject sealed it: no one can use it any more. Throws SUBJECT_KEY_UNREADABLE. */
  open({ device, sealed }: SealedRecord, wrappedSubjectKey: string): Content | undefined {
    const text = this.#seal.openRecord(this.#form.kind, wrappedSubjectKey, device.deviceKey, sealed);
    return text === undefined ? undefined : this.#form.decode(text);
  }

  /** For those of the devices of which there is anything that opens. Throws SUBJECT_KEY_UNREADABLE. */
  async openedOf(
    subjectTag: SubjectTag,
    wrappedSubjectKey: string,
    devices: readonly DeviceKey[],
  ): Promise<ReadonlyMap<DeviceKey, Content>> {
    const refs = devices.map((deviceKey): DeviceRef => ({ subjectTag, deviceKey }));
    const texts = await this.read(refs);
    const found = new Map<DeviceKey, Content>();
    for (const [index, device] of refs.entries()) {
      const sealed = texts[index];
      const content = sealed ? this.open({ device, sealed }, wrappedSubjectKey) : undefined;
      if (content !== undefined) found.set(device.deviceKey, content);
    }
    return found;
  }

  /** Whether each was replaced. Throws SUBJECT_KEY_UNREADABLE. */
  async replace(replacements: readonly Replacement<Content>[]): Promise<boolean[]> {
    if (replacements.length === 0) return [];
    const args = replacements.flatMap(({ device, was, record }) => [
      fieldOf(device),
      was,
      record === undefined
        ? ""
        : this.#seal.sealRecord(
            this.#form.kind,
            record.wrappedSubjectKey,
            device.deviceKey,
            this.#form.encode(record.content),
          ),
    ]);
    const reply = await orRedisUnavailable(() => runScript(this.#redis, REPLACE, [this.#name], args));
    const done = Array.isArray(reply) ? reply : [];
    return replacements.map((_, index) => Number(done[index]) === 1);
  }

  /** Page by page; one that changes meanwhile may appear twice, or in its old state. */
  async *all(): AsyncGenerator<readonly SealedRecord[]> {
    let cursor = "0";
    do {
      const at = cursor;
      const [next, items] = await orRedisUnavailable(() => this.#redis.hscan(this.#name, at, "COUNT", PAGE));
      cursor = next;
      const page: SealedRecord[] = [];
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
    await orRedisUnavailable(() => this.#redis.hdel(this.#name, ...fields));
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
