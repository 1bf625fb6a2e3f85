/**
 * The teller: the only part that hands anything to network services. One gateway, once a step, in random order; so neither time nor
 * order of what they hear says which message it came of.
 *
 *   records ─ consent? ─┬─ none: forgotten
 *                       └─ due ─ shuffled ─ portions: lease → consent again → noted as told → account → handed over
 *
 * It is noted before it is told, as one conditional write: of two gateways that both believe to have the turn only one tells. What a
 * gateway that is killed in between has not told, the next one tells at its minute.
 */
import { setImmediate as otherWork } from "node:timers/promises";
import { damageIn } from "../model/damage.ts";
import type { NetworkRecord } from "../model/deidentified.ts";
import type { DeviceDelivery } from "../model/delivery.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef, Pseudonym } from "../model/ids.ts";
import type { LeaseSource } from "../model/lease.ts";
import type { NetworkNote, NetworkSaid } from "../model/network.ts";
import { type KnownRecord, type KnownRecordsPorts, knownRecords } from "../platform/known-records.ts";
import type { Replacement, SealedRecords } from "../platform/sealed-records.ts";
import { shuffled } from "../platform/shuffled.ts";
import type { StepTurn } from "../platform/step-turns.ts";
import { NETWORK_COVERAGE } from "./coverage.ts";
import { type Due, dueOf, minuteOf, type Step } from "./due.ts";
import { isFresh, limitedTo, saidIn, saysTheSame } from "./record.ts";

export interface TellerOptions {
  readonly stepMs: number;
  /** In which each name is told once, at its minute: an hour. */
  readonly roundMs: number;
  readonly epochMs: number;
  /** What the minutes of names are drawn with. */
  readonly minuteKey: Buffer;
}

export interface TellerPorts extends KnownRecordsPorts<NetworkNote> {
  readonly records: Pick<SealedRecords<NetworkNote>, "all" | "read" | "open" | "replace">;
  readonly leases: LeaseSource;
  /** Throws SUBJECT_KEY_UNREADABLE. */
  readonly nameOf: (wrappedSubjectKey: string, device: DeviceKey, epoch: number) => Pseudonym;
  readonly delivery: DeviceDelivery;
  /** A network service may answer this name with a notice. */
  readonly addressable: { remember(name: Pseudonym, device: DeviceRef): void };
  /** Of this step: names that have something to tell which was not told yet. */
  readonly waiting: (count: number) => void;
}

type Known = KnownRecord<NetworkNote>;

interface Telling extends Known {
  readonly name: Pseudonym;
  readonly says: NetworkSaid;
  readonly due: Due;
}

interface Claimed extends Telling {
  /** State of the ledger at which consent was found. */
  readonly revision: number;
}

/** A step, by the clock of Redis. */
interface Moment extends Step {
  readonly now: number;
}

const NAMES_PER_PORTION = 500;
const NAMES_PER_TURN = 100;

export class NetworkTeller {
  readonly #options: TellerOptions;
  readonly #ports: TellerPorts;

  constructor(options: TellerOptions, ports: TellerPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Resolves with true when the step was carried out. Throws REDIS_UNAVAILABLE, LEASE_LOST. */
  async step(turn: StepTurn, stop: AbortSignal): Promise<boolean> {
    const { stepMs, roundMs, epochMs } = this.#options;
    const { number, now } = turn;
    const begun = performance.now();
    const epochStart = now - (now % epochMs);
    const moment: Moment = { at: number * stepMs, now, epochStart, roundMs };
    const due = shuffled(await this.#due(await this.#known(now), moment));
    for (let from = 0; from < due.length; from += NAMES_PER_PORTION) {
      if (stop.aborted || !this.#ports.delivery.listening() || !(await turn.goOn())) return false;
      // These names have ended; those of the next epoch have minutes of their own.
      if (now + performance.now() - begun >= epochStart + epochMs) return true;
      await this.#portion(due.slice(from, from + NAMES_PER_PORTION), moment);
    }
    return true;
  }

  /** Forgets what is told no longer, also where no service listens. Throws REDIS_UNAVAILABLE. */
  async forgetOld(): Promise<void> {
    await this.#known(Date.now());
  }

  #known(now: number): Promise<Known[]> {
    // A clock ahead alone takes nothing away.
    const agreed = Math.min(now, Date.now());
    return knownRecords(this.#ports, {
      mayBeUsed: NETWORK_COVERAGE.mayBeUsed,
      isKept: (note) => isFresh(note, agreed),
    });
  }

  async #due(known: readonly Known[], moment: Moment): Promise<Telling[]> {
    const due: Telling[] = [];
    let waiting = 0;
    for (const [index, one] of known.entries()) {
      if (index % NAMES_PER_TURN === NAMES_PER_TURN - 1) await otherWork();
      const name = this.#nameOf(one, moment);
      if (name === undefined) continue;
      const says = saidIn(one.record, moment.now);
      const telling = dueOf(one.record, says, this.#minuteOf(name, moment), moment);
      if (telling !== undefined) due.push({ ...one, name, says, due: telling });
      else if (!isTold(one.record, says, moment)) waiting += 1;
    }
    this.#ports.waiting(waiting);
    return due;
  }

  #nameOf({ wrappedSubjectKey, device }: Known, { epochStart }: Moment): Pseudonym | undefined {
    try {
      return this.#ports.nameOf(wrappedSubjectKey, device.deviceKey, this.#epochOf(epochStart));
    } catch (error) {
      if (damageIn(error) !== "subject-key") throw error;
      return undefined;
    }
  }

  #minuteOf(name: Pseudonym, { epochStart, roundMs }: Moment): number {
    return minuteOf(this.#options.minuteKey, name, this.#epochOf(epochStart), roundMs);
  }

  #epochOf(epochStart: number): number {
    return Math.floor(epochStart / this.#options.epochMs);
  }

  async #portion(portion: readonly Telling[], moment: Moment): Promise<void> {
    const { leases, delivery } = this.#ports;
    const lease = await leases.acquire();
    let leaving: Promise<void> | undefined;
    try {
      const claimed = await this.#claim(await this.#covered(portion, moment), moment);
      if (claimed.length === 0) return;
      let delivered: readonly boolean[] = [];
      try {
        const deliver = await delivery.announce(claimed.map((one) => outgoingOf(one, moment)));
        if (lease.over) throw new GatewayError("LEASE_LOST", "before telling network services");
        delivered = deliver();
        for (const [index, one] of claimed.entries())
          if (delivered[index] === true) this.#ports.addressable.remember(one.name, one.device);
      } finally {
        leaving = delivery.left(lease.signal);
        // With a service that listens to other names only it counts as told; without any it waits.
        const untold = claimed.filter((_, index) => delivered[index] !== true);
        if (delivered.length === 0 || !delivery.listening()) await this.#takeBack(untold, moment);
      }
    } finally {
      await leaving;
      await lease.release();
    }
  }

  /** Asked with the state of the ledger under which it was admitted: what was withdrawn since stays withdrawn for it. */
  async #covered(portion: readonly Telling[], { now }: Moment): Promise<Claimed[]> {
    const { records, checkConsent, held } = this.#ports;
    const covered = await NETWORK_COVERAGE.of(portion, checkConsent);
    const claimed: Claimed[] = [];
    const useless: Telling[] = [];
    for (const [index, one] of portion.entries()) {
      const { parts, revision, held: frozen } = covered[index] ?? NOTHING;
      if (frozen) continue;
      const record = limitedTo(one.record, parts);
      const says = record && saidIn(record, now);
      if (record === undefined || says === undefined || saysTheSame(says, {})) useless.push(one);
      else claimed.push({ ...one, record, says, revision });
    }
    if (useless.length > 0) {
      const spared = await held();
      const gone = useless.filter(({ device }) => !spared(device));
      await records.replace(gone.map(({ device, sealed }) => ({ device, was: sealed })));
    }
    return claimed;
  }

  /** Those that were not changed meanwhile, noted as told. The others are due as they are now, at the next step. */
  async #claim(covered: readonly Claimed[], { at, epochStart }: Moment): Promise<Claimed[]> {
    const done = await this.#ports.records.replace(
      covered.map(({ device, sealed, wrappedSubjectKey, record, says, due }) => {
        const changedAt = due === "changed" ? at : 0;
        return {
          device,
          was: sealed,
          record: { wrappedSubjectKey, content: { ...record, told: { ...says, epochStart, at, changedAt } } },
        };
      }),
    );
    return covered.filter((_, index) => done[index] === true);
  }

  /** They were not told: the next step does it. */
  async #takeBack(claimed: readonly Claimed[], { at }: Moment): Promise<void> {
    if (claimed.length === 0) return;
    const { records } = this.#ports;
    const texts = await records.read(claimed.map(({ device }) => device));
    const replacements = claimed.flatMap(({ device, wrappedSubjectKey, record }, index): Replacement<NetworkNote>[] => {
      const was = texts[index] ?? "";
      const known = was === "" ? undefined : records.open({ device, sealed: was }, wrappedSubjectKey);
      if (known?.told?.at !== at) return [];
      return [{ device, was, record: { wrappedSubjectKey, content: { ...known, told: record.told } } }];
    });
    await records.replace(replacements);
  }
}

const NOTHING = { parts: [], revision: 0, held: false } as const;

function isTold({ told }: NetworkNote, says: NetworkSaid, { epochStart }: Moment): boolean {
  return told?.epochStart === epochStart && saysTheSame(told, says);
}

/** The time is that of the step: of a message there is none. */
function outgoingOf(
  { device, revision, wrappedSubjectKey, name, says: { model, ipPrefix } }: Claimed,
  { at, now }: Moment,
): Outgoing {
  const network: NetworkRecord = {
    device: name,
    ...(model !== undefined && { model }),
    ...(ipPrefix !== undefined && { ipPrefix }),
    at,
  };
  return { subject: device.subjectTag, revision, wrappedSubjectKey, at: now, result: { network } };
}
