/**
 * Takes away of the sealed records of devices what consent does not cover any more, right when that is answered. What comes in too
 * late for this, of a pass that began before, is taken away at the next step of the kind of record.
 */
import type { Redis } from "ioredis";
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Spared } from "../model/letters.ts";
import type { Keyspace } from "./keyspace.ts";
import { orRedisUnavailable } from "./redis.ts";
import type { Replacement, SealedRecord, SealedRecords } from "./sealed-records.ts";

export interface TidyingPorts<Content> {
  readonly records: Pick<SealedRecords<Content>, "read" | "replace">;
  /** Of these records, those that must go or become less, and what is left of each. */
  readonly uncovered: (noted: readonly SealedRecord[]) => Promise<readonly Replacement<Content>[]>;
  /** Devices under a legal hold: it freezes deletion too. */
  readonly held: () => Promise<Spared>;
}

export class RecordTidying<Content> {
  readonly #redis: Redis;
  readonly #keyspace: Pick<Keyspace, "devices">;
  readonly #ports: TidyingPorts<Content>;

  constructor(redis: Redis, keyspace: Pick<Keyspace, "devices">, ports: TidyingPorts<Content>) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#ports = ports;
  }

  /** Throws REDIS_UNAVAILABLE, and what `uncovered` throws. */
  async tidy(concerned: SubjectTag | DeviceKey, silenced: readonly Silenced[]): Promise<void> {
    const { records, uncovered, held } = this.#ports;
    const subject = concerned as SubjectTag;
    const bound = await orRedisUnavailable(() => this.#redis.smembers(this.#keyspace.devices(subject)));
    const devices = [{ subject, devices: bound as DeviceKey[] }, ...silenced].flatMap(
      ({ subject: subjectTag, devices }) => devices.map((deviceKey): DeviceRef => ({ subjectTag, deviceKey })),
    );
    const texts = await records.read(devices);
    const noted = devices.flatMap((device, index) => (texts[index] ? [{ device, sealed: texts[index] }] : []));
    if (noted.length === 0) return;
    const less = await uncovered(noted);
    if (less.length === 0) return;
    const spared = await held();
    await records.replace(less.filter(({ device }) => !spared(device)));
  }
}
