/** Wires the places of devices: a pass notes them, sealed in Redis; one gateway writes them into the store, step by step. */
import { createHmac } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Keyring } from "../deidentify/keyring.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { DeviceKey } from "../model/ids.ts";
import type { NotedPlace, PlaceRecord } from "../model/place.ts";
import { PlaceNoting } from "../places/noting.ts";
import { PLACE_FORM } from "../places/record.ts";
import { mayBePlaced, PlacesUnderWay } from "../places/under-way.ts";
import { PlaceWriter } from "../places/writer.ts";
import type { Part } from "../platform/lifecycle.ts";
import { SealedRecords } from "../platform/sealed-records.ts";
import { StepTurns } from "../platform/step-turns.ts";
import { heldLetters } from "../rights/holds/held-devices.ts";
import type { Base } from "./base.ts";
import type { Consent } from "./consent.ts";
import { type NotedRecords, notedRecords } from "./noted-records.ts";
import { stepPart } from "./step-part.ts";
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
  readonly keyring: Pick<Keyring, "pseudonym" | "sealRecord" | "openRecord">;
  readonly store: Store;
  readonly damaged: TellDamage;
  readonly overrides: PlaceOverrides;
}

export interface Places extends NotedRecords<PlaceRecord> {
  /** Start after the store, and before what notes places. */
  readonly part: Part;
  note(places: readonly NotedPlace[]): Promise<void>;
}

export function createPlaces(base: Base, deps: PlacesDeps): Places {
  const { config, redis, keys, keyspace, metrics, log } = base;
  const { checkConsent, leases, keyring, store, overrides } = deps;
  const { location, epochDays } = config.deidentify;
  const epochMs = epochDays * DAY_MS;
  const stepMs = overrides.placeStepMs ?? config.places.stepMinutes * MINUTE_MS;
  const records = new SealedRecords(redis.store, keyspace.places, PLACE_FORM, keyring);
  const noting = new PlaceNoting(records, {
    maxDevices: location.maxDevices,
    aheadMs: config.mqtt.clockWindowFutureMs,
    now: Date.now,
  });
  const held = () => heldLetters(redis.store, keyspace, deps.damaged);
  const placeName = (wrapped: string, device: DeviceKey, epochStart: number) =>
    keyring.pseudonym(wrapped, device, "place", Math.floor(epochStart / epochMs));
  const removePlaces: ConstructorParameters<typeof PlaceWriter>[1]["removePlaces"] = async (places, signal) =>
    (await store.reached.use(() => store.sink.removePlaces(places, signal))) !== "unsupported";
  const underWay = new PlacesUnderWay(redis.store, keyspace, {
    checkConsent,
    leases,
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
      laterKey: createHmac("sha256", keys.pepper).update("consentry steps of places 1").digest(),
    },
    {
      records,
      underWay,
      checkConsent,
      held,
      leases,
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
  const part = stepPart(
    {
      name: "places",
      stepMs,
      shortened: overrides.placeStepMs !== undefined,
      turns: new StepTurns(redis.store, keyspace.placeTurn, keyspace.placeStep, stepMs),
      mayStep: () => store.available,
      step: (turn, stop) => writer.step(turn, stop),
    },
    log,
  );

  return {
    part,
    note: (places) => noting.note(places),
    ...notedRecords(base, {
      records,
      noting,
      uncovered: async (noted) => {
        const verdicts = await checkConsent(noted.map(({ device }) => device));
        return noted.flatMap(({ device, sealed: was }, index) =>
          mayBePlaced(verdicts[index]) ? [] : [{ device, was }],
        );
      },
      held,
    }),
  };
}
