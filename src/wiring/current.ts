/** Wires what is current: a pass notes the last scene of each device, sealed in Redis; services that ask are told, on any gateway. */

import { CurrentRuns } from "../current/runs.ts";
import { SceneNoting } from "../current/scene-noting.ts";
import { currentScene, isRecent, SCENE_COVERAGE, SCENE_FORM } from "../current/scene-record.ts";
import { CurrentTeller } from "../current/teller.ts";
import type { Keyring } from "../deidentify/keyring.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { TellDamage } from "../model/damage.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { LeaseSource } from "../model/lease.ts";
import type { NetworkNote, NetworkPart } from "../model/network.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import type { SceneNote, ScenePart } from "../model/scene.ts";
import { NETWORK_COVERAGE } from "../network/coverage.ts";
import { currentNetwork } from "../network/current.ts";
import { NETWORK_FORM } from "../network/record.ts";
import type { RecordPorts } from "../pipeline/into-records.ts";
import { knownPages } from "../platform/known-records.ts";
import type { Part } from "../platform/lifecycle.ts";
import { SealedRecords } from "../platform/sealed-records.ts";
import { type StepTurn, StepTurns } from "../platform/step-turns.ts";
import { heldLetters } from "../rights/holds/held-devices.ts";
import type { Addressable } from "./addressable.ts";
import type { Base } from "./base.ts";
import type { Crowds } from "./crowds.ts";
import { type NotedRecords, notedRecords } from "./noted-records.ts";
import type { Outlets } from "./outlets.ts";
import { stepPart } from "./step-part.ts";

/** What a test may take away. */
export interface CurrentOverrides {
  /** In place of leases. Only to show that their absence would be noticed. */
  readonly currentLease?: LeaseSource["acquire"];
}

export interface CurrentDeps {
  readonly checkConsent: CheckConsent;
  readonly leases: LeaseSource;
  readonly keyring: Pick<Keyring, "pseudonym" | "sealRecord" | "openRecord">;
  readonly outlets: Pick<Outlets, "current" | "anyFor">;
  readonly crowds: Pick<Crowds, "currentWeather">;
  readonly addressable: Pick<Addressable, "scene" | "network">;
  readonly damaged: TellDamage;
}

export interface Current extends NotedRecords<SceneNote> {
  /** Start before what notes. */
  readonly part: Part;
  readonly noteScenes: RecordPorts["noteScenes"];
  /** Whether something of the purpose is made although no service listens: one may ask for it later. */
  keeps(purpose: ServicePurpose): boolean;
  /** Tells those who wait. Never rejects. */
  tell(purpose: ServicePurpose): Promise<void>;
}

/** How often what is too old is taken out, at least and at most. */
const SWEEP_MS = { least: MINUTE_MS, most: 10 * MINUTE_MS };
const SWEEPS_PER_TERM = 4;

export function createCurrent(base: Base, deps: CurrentDeps, overrides: CurrentOverrides): Current {
  const { config, redis, keyspace, log } = base;
  const { checkConsent, keyring, outlets } = deps;
  const forMs = config.current.forMinutes * MINUTE_MS;
  const records = new SealedRecords(redis.store, keyspace.scenes, SCENE_FORM, keyring);
  const noting = new SceneNoting(records, { aheadMs: config.mqtt.clockWindowFutureMs, now: Date.now }, forMs);
  const held = () => heldLetters(redis.store, keyspace, deps.damaged);
  const runs = createRuns(base, deps, { records, forMs, overrides });
  const stepMs = Math.min(SWEEP_MS.most, Math.max(SWEEP_MS.least, Math.floor(forMs / SWEEPS_PER_TERM)));
  const sweep = async ({ now, goOn }: StepTurn, stop: AbortSignal): Promise<boolean> => {
    // A clock ahead alone takes nothing away.
    const agreed = Math.min(now, Date.now());
    const isKept = (note: SceneNote) => forMs > 0 && isRecent(note, agreed, forMs);
    const usable = { mayBeUsed: SCENE_COVERAGE.mayBeUsed, isKept };
    for await (const _ of knownPages({ records, checkConsent, held }, usable)) {
      if (stop.aborted || !(await goOn())) return false;
    }
    return true;
  };
  const sweeping = stepPart(
    {
      name: "current",
      stepMs,
      shortened: false,
      turns: new StepTurns(redis.store, keyspace.sceneTurn, keyspace.sceneStep, stepMs),
      mayStep: () => true,
      step: sweep,
    },
    log,
  );
  return {
    part: {
      name: sweeping.name,
      start: (signal) => sweeping.start(signal),
      stop: async () => {
        await runs.stop();
        await sweeping.stop();
      },
    },
    noteScenes: forMs === 0 ? undefined : (scenes) => noting.note(scenes),
    // The weather of a step in which no one listened was told to no one: there is none.
    keeps: (purpose) => forMs > 0 && purpose !== "weather" && outlets.anyFor(purpose),
    tell: (purpose) => runs.tell(purpose),
    ...notedRecords(base, {
      records,
      noting,
      uncovered: (noted) => SCENE_COVERAGE.uncovered(noted, { records, checkConsent }),
      held,
    }),
  };
}

interface RunsOf {
  readonly records: SealedRecords<SceneNote>;
  readonly forMs: number;
  readonly overrides: CurrentOverrides;
}

function createRuns(
  { config, redis, keyspace, log }: Base,
  { checkConsent, leases, keyring, outlets, crowds, addressable }: CurrentDeps,
  { records, forMs, overrides }: RunsOf,
): CurrentRuns {
  const { currentLease: acquire } = overrides;
  const ports = { checkConsent, leases: acquire ? { acquire } : leases, now: Date.now };
  const options = { forMs, epochMs: config.deidentify.epochDays * DAY_MS };
  const scenes = new CurrentTeller<SceneNote, ScenePart>(
    {
      records,
      coverage: SCENE_COVERAGE,
      currentOf: currentScene,
      nameOf: (wrapped, device, epoch) => keyring.pseudonym(wrapped, device, "scene", epoch),
      addressable: addressable.scene,
    },
    options,
    { ...ports, delivery: outlets.current.scene },
  );
  const network = new CurrentTeller<NetworkNote, NetworkPart>(
    {
      records: new SealedRecords(redis.store, keyspace.network, NETWORK_FORM, keyring),
      coverage: NETWORK_COVERAGE,
      currentOf: currentNetwork,
      nameOf: (wrapped, device, epoch) => keyring.pseudonym(wrapped, device, "network", epoch),
      addressable: addressable.network,
    },
    options,
    { ...ports, delivery: outlets.current.network },
  );
  const tellers = { scene: scenes, network, weather: crowds.currentWeather };
  return new CurrentRuns({ tellers, deliveries: outlets.current, log });
}
