/** Wires the places of devices: a pass notes them, sealed in Redis; one gateway writes them into the store, step by step. */
import { setTimeout as delay } from "node:timers/promises";
import type { Keyring } from "../deidentify/keyring.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { Silenced } from "../model/consent-change.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { NotedPlace, PlaceRecord } from "../model/place.ts";
import { PlaceNoting } from "../places/noting.ts";
import { PlaceStore } from "../places/place-store.ts";
import { PlaceTidying } from "../places/tidying.ts";
import { PlaceTurns } from "../places/turn.ts";
import { PlacesUnderWay } from "../places/under-way.ts";
import { PlaceWriter } from "../places/writer.ts";
import { faultCode } from "../platform/fault-code.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { heldLetters } from "../rights/holds/held-devices.ts";
import type { Base } from "./base.ts";
import type { Consent } from "./consent.ts";
import type { Store } from "./store.ts";

/** What a test or the demo may shorten, and what a measurement may take away; the product has no such switch. */
export interface PlaceOverrides {
  readonly placeStepMs?: number;
  /** Only to show that its absence would be noticed. */
  readonly placeSubjects?: number;
}

export interface PlacesDeps {
  readonly checkConsent: CheckConsent;
  readonly leases: Pick<Consent["leases"], "acquire">;
  readonly keyring: Pick<Keyring, "pseudonym" | "sealPlace" | "openPlace">;
  readonly store: Store;
  readonly damaged: TellDamage;
  readonly overrides: PlaceOverrides;
}

export interface Places {
  /** Start after the store, and before what notes places. */
  readonly part: Part;
  note(places: readonly NotedPlace[]): Promise<void>;
  /** Forgets what consent does not cover any more. */
  tidy(concerned: SubjectTag | DeviceKey, silenced: readonly Silenced[]): Promise<void>;
  forget(subject: SubjectTag, devices: readonly DeviceKey[]): Promise<void>;
  /** What is noted, for those of the devices of which there is anything that opens. */
  of(
    subject: SubjectTag,
    wrappedSubjectKey: string,
    devices: readonly DeviceKey[],
  ): Promise<ReadonlyMap<DeviceKey, PlaceRecord>>;
}

/** How often it is looked whether a step is due, at least and at most. */
const LOOK_MS = { least: 100, most: 10_000 };
/** After a failed step; the store may be away for long. */
const AGAIN_MS = 15_000;

export function createPlaces({ config, redis, keyspace, metrics, log }: Base, deps: PlacesDeps): Places {
  const { checkConsent, leases, keyring, store, overrides } = deps;
  const { location, epochDays } = config.deidentify;
  const epochMs = epochDays * DAY_MS;
  const stepMs = overrides.placeStepMs ?? config.places.stepMinutes * MINUTE_MS;
  const records = new PlaceStore(redis.store, keyspace, keyring);
  const noting = new PlaceNoting(records, {
    maxDevices: location.maxDevices,
    aheadMs: config.mqtt.clockWindowFutureMs,
    now: Date.now,
  });
  const held = () => heldLetters(redis.store, keyspace, deps.damaged);
  const tidying = new PlaceTidying(redis.store, keyspace, { records, checkConsent, held });
  const acquireLease = () => leases.acquire();
  const placeName = (wrapped: string, device: DeviceKey, epochStart: number) =>
    keyring.pseudonym(wrapped, device, "place", Math.floor(epochStart / epochMs));
  const removePlaces: ConstructorParameters<typeof PlaceWriter>[1]["removePlaces"] = async (places, signal) =>
    (await store.reached.use(() => store.sink.removePlaces(places, signal))) !== "unsupported";
  const underWay = new PlacesUnderWay(redis.store, keyspace, {
    checkConsent,
    acquireLease,
    placeName,
    removePlaces,
    records,
    askStore: (signal) => store.reached.use(() => store.sink.ask(signal)),
    inDoubtGraceMs: config.sinks.influx.timeoutMs,
    pause: (ms, stop) => delay(ms, undefined, { signal: stop, ref: false }),
    log,
  });
  const writer = new PlaceWriter(
    {
      stepMs,
      epochMs,
      leastSubjects: overrides.placeSubjects ?? config.places.leastSubjects,
      keepMs: config.retention.deviceLocationDays * DAY_MS,
    },
    {
      records,
      underWay,
      checkConsent,
      held,
      acquireLease,
      placeName,
      write: (places, signal) => store.writePlaces(places, signal),
      removePlaces,
      metrics: {
        placesWritten: (count) => metrics.placesWritten("written", count),
        placesRemoved: (count) => metrics.placesWritten("removed", count),
        placesWaiting: (count) => metrics.gauge("placesWaiting", count),
      },
    },
  );
  const turns = new PlaceTurns(redis.store, keyspace, stepMs);
  const stopping = new AbortController();
  const lookMs = Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, stepMs / 10));
  let again = 0;
  const look = async (): Promise<void> => {
    if (stopping.signal.aborted || !store.available || performance.now() < again) return;
    try {
      await turns.take((turn) => writer.step(turn, stopping.signal));
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.warn("writing places failed, will be retried", { code: faultCode(error), stage: "places" });
      again = performance.now() + Math.min(AGAIN_MS, stepMs);
    }
  };
  let running: Promise<void> = Promise.resolve();
  const periodic = new Periodic(
    [
      {
        name: "places",
        everyMs: lookMs,
        run: () => {
          running = look();
          return running;
        },
      },
    ],
    log,
  );

  return {
    part: {
      name: "places",
      start: () => {
        if (overrides.placeStepMs !== undefined) log.warn("steps of places are shortened", { stage: "places" });
        periodic.start();
      },
      stop: async () => {
        periodic.stop();
        stopping.abort();
        await running;
      },
    },
    note: (places) => noting.note(places),
    tidy: (concerned, silenced) => tidying.tidy(concerned, silenced),
    forget: (subject, devices) => {
      noting.forget(devices);
      return records.forget(subject, devices);
    },
    of: async (subjectTag, wrappedSubjectKey, devices) => {
      const refs = devices.map((deviceKey): DeviceRef => ({ subjectTag, deviceKey }));
      const texts = await records.read(refs);
      const found = new Map<DeviceKey, PlaceRecord>();
      for (const [index, device] of refs.entries()) {
        const sealed = texts[index];
        const record = sealed ? records.open({ device, sealed }, wrappedSubjectKey) : undefined;
        if (record !== undefined) found.set(device.deviceKey, record);
      }
      return found;
    },
  };
}
