/**
 * Forgets the records of places that consent does not cover any more, right when that is answered. What comes in too late for
 * this, of a pass that began before, the place writer forgets at its next step.
 */
import type { Redis } from "ioredis";
import type { CheckConsent } from "../model/consent.ts";
import type { Silenced } from "../model/consent-change.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { Spared } from "../model/letters.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import type { PlaceStore } from "./place-store.ts";
import { mayBePlaced } from "./under-way.ts";

export interface TidyingPorts {
  readonly records: Pick<PlaceStore, "read" | "replace">;
  readonly checkConsent: CheckConsent;
  /** Devices under a legal hold: it freezes deletion too. */
  readonly held: () => Promise<Spared>;
}

export class PlaceTidying {
  readonly #redis: Redis;
  readonly #keyspace: Pick<Keyspace, "devices">;
  readonly #ports: TidyingPorts;

  constructor(redis: Redis, keyspace: Pick<Keyspace, "devices">, ports: TidyingPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#ports = ports;
  }

  /** Throws REDIS_UNAVAILABLE. */
  async tidy(concerned: SubjectTag | DeviceKey, silenced: readonly Silenced[]): Promise<void> {
    const subject = concerned as SubjectTag;
    const bound = await orRedisUnavailable(() => this.#redis.smembers(this.#keyspace.devices(subject)));
    const devices = [{ subject, devices: bound as DeviceKey[] }, ...silenced].flatMap(
      ({ subject: subjectTag, devices }) => devices.map((deviceKey): DeviceRef => ({ subjectTag, deviceKey })),
    );
    const texts = await this.#ports.records.read(devices);
    const noted = devices.flatMap((device, index) => (texts[index] ? [{ device, was: texts[index] }] : []));
    if (noted.length === 0) return;
    const verdicts = await this.#ports.checkConsent(noted.map(({ device }) => device));
    const uncovered = noted.filter((_, index) => !mayBePlaced(verdicts[index]));
    if (uncovered.length === 0) return;
    const held = await this.#ports.held();
    await this.#ports.records.replace(uncovered.filter(({ device }) => !held(device)));
  }
}
