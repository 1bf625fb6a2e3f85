/** Wires what network services hear: a pass notes what messages say, sealed in Redis; one gateway tells it, step by step. */
import { createHmac } from "node:crypto";
import type { Keyring } from "../deidentify/keyring.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { LeaseSource } from "../model/lease.ts";
import type { NetworkNote, NotedNetwork } from "../model/network.ts";
import { NETWORK_COVERAGE } from "../network/coverage.ts";
import { NetworkNoting } from "../network/noting.ts";
import { NETWORK_FORM } from "../network/record.ts";
import { NetworkTeller, type TellerPorts } from "../network/teller.ts";
import type { Part } from "../platform/lifecycle.ts";
import { SealedRecords } from "../platform/sealed-records.ts";
import { StepTurns } from "../platform/step-turns.ts";
import { heldLetters } from "../rights/holds/held-devices.ts";
import type { Base } from "./base.ts";
import { type NotedRecords, notedRecords } from "./noted-records.ts";
import { stepPart } from "./step-part.ts";

/** What a test or the demo may shorten, and what a measurement may take away; the product has no such switch. */
export interface NetworkOverrides {
  /** Of a step, and of the round in which each name has one minute. */
  readonly network?: { readonly stepMs: number; readonly roundMs: number };
  /** In place of noting. Only to show that its absence would be noticed. */
  readonly noteNetwork?: (ports: Pick<TellerPorts, "delivery" | "nameOf">) => Network["note"];
}

export interface NetworkDeps {
  readonly checkConsent: CheckConsent;
  readonly leases: LeaseSource;
  readonly keyring: Pick<Keyring, "pseudonym" | "sealRecord" | "openRecord">;
  readonly delivery: TellerPorts["delivery"];
  readonly addressable: TellerPorts["addressable"];
  readonly damaged: TellDamage;
}

export interface Network extends NotedRecords<NetworkNote> {
  /** Start before what notes. */
  readonly part: Part;
  note(said: readonly NotedNetwork[]): Promise<readonly boolean[]>;
}

export function createNetwork(base: Base, deps: NetworkDeps, overrides: NetworkOverrides): Network {
  const { config, keys, redis, keyspace, metrics, log } = base;
  const { checkConsent, leases, keyring, delivery } = deps;
  const { network: shortened } = overrides;
  const epochMs = config.deidentify.epochDays * DAY_MS;
  const stepMs = shortened?.stepMs ?? config.network.stepMinutes * MINUTE_MS;
  const records = new SealedRecords(redis.store, keyspace.network, NETWORK_FORM, keyring);
  const noting = new NetworkNoting(records, {
    maxDevices: config.deidentify.location.maxDevices,
    aheadMs: config.mqtt.clockWindowFutureMs,
    now: Date.now,
  });
  const held = () => heldLetters(redis.store, keyspace, deps.damaged);
  const telling: Pick<TellerPorts, "delivery" | "nameOf"> = {
    nameOf: (wrapped, device, epoch) => keyring.pseudonym(wrapped, device, "network", epoch),
    delivery,
  };
  const teller = new NetworkTeller(
    {
      stepMs,
      roundMs: shortened?.roundMs ?? HOUR_MS,
      epochMs,
      minuteKey: createHmac("sha256", keys.pepper).update("consentry minutes of names 1").digest(),
    },
    {
      records,
      checkConsent,
      held,
      leases,
      ...telling,
      addressable: deps.addressable,
      waiting: (count) => metrics.gauge("networkWaiting", count),
    },
  );
  return {
    part: stepPart(
      {
        name: "network",
        stepMs,
        shortened: shortened !== undefined,
        turns: new StepTurns(redis.store, keyspace.networkTurn, keyspace.networkStep, stepMs),
        mayStep: () => delivery.listening(),
        step: (turn, stop) => teller.step(turn, stop),
        more: [{ name: "network records", everyMs: HOUR_MS, run: () => teller.forgetOld() }],
      },
      log,
    ),
    note: overrides.noteNetwork?.(telling) ?? ((said) => noting.note(said)),
    ...notedRecords(base, {
      records,
      noting,
      uncovered: (noted) => NETWORK_COVERAGE.uncovered(noted, { records, checkConsent }),
      held,
    }),
  };
}
