/**
 * What each device's person allowed, and when, as far as the outside can know. A phase begins with every
 * answered withdrawal or erasure and with every request for new consent; each message belongs to the phase
 * it was sent in. Events are numbered in the order in which this process learned of them.
 */
import type { Grants } from "../../src/model/consent.ts";

export interface Phase {
  /** What may be used of messages of this phase: everything that was possibly consented to in it. */
  readonly grants: Grants;
  /** The event from which on this phase also ends what was sent before it; infinite until an erasure is complete. */
  effective: number;
  /** Everything sent before it must be gone once it is effective. */
  readonly erases: boolean;
  /** The consent was answered: from here on the gateway must take what is sent. */
  confirmed: boolean;
  /** `performance.now()` of the answer or the request. */
  at: number;
}

export interface DeviceTimeline {
  readonly phases: Phase[];
}

export class Timeline {
  readonly devices: readonly DeviceTimeline[];
  #event = 0;

  /** All have consented to `grants` when the run begins. */
  constructor(devices: number, grants: Grants) {
    const first = (): Phase => ({ grants, effective: 0, erases: false, confirmed: true, at: performance.now() });
    this.devices = Array.from({ length: devices }, () => ({ phases: [first()] }));
  }

  /** Number of the latest event. */
  get event(): number {
    return this.#event;
  }

  /** Index of the phase that the device is in now. */
  phaseOf(device: number): number {
    return this.#timeline(device).phases.length - 1;
  }

  current(device: number): Phase {
    const phase = this.#timeline(device).phases.at(-1);
    if (phase === undefined) throw new RangeError("a device without a phase");
    return phase;
  }

  /** A withdrawal was answered. Returns the number of the event. */
  close(devices: readonly number[], lost: Grants): number {
    return this.#begin(devices, ({ grants, confirmed }) => ({ grants: grants & ~lost, erases: false, confirmed }));
  }

  /** New consent is about to be asked for: from here on it may hold. `granted` adds to what held before. */
  open(devices: readonly number[], granted: Grants): number {
    return this.#begin(devices, ({ grants }) => ({ grants: grants | granted, erases: false, confirmed: false }));
  }

  /** The consent that was asked for last was answered. */
  confirm(devices: readonly number[]): void {
    for (const device of devices) this.current(device).confirmed = true;
  }

  /** An erasure was accepted: nothing sent from here on may be used; what was sent before has until it completes. */
  beginErasure(devices: readonly number[]): Phase[] {
    this.#begin(devices, () => ({ grants: 0, erases: true, confirmed: true }), Number.POSITIVE_INFINITY);
    return devices.map((device) => this.current(device));
  }

  /** Its receipt is there. */
  completeErasure(phases: readonly Phase[]): number {
    this.#event += 1;
    for (const phase of phases) {
      phase.effective = this.#event;
      phase.at = performance.now();
    }
    return this.#event;
  }

  #begin(
    devices: readonly number[],
    next: (before: Phase) => Pick<Phase, "grants" | "erases" | "confirmed">,
    effective?: number,
  ): number {
    this.#event += 1;
    const at = performance.now();
    for (const device of devices) {
      const phase = { ...next(this.current(device)), effective: effective ?? this.#event, at };
      this.#timeline(device).phases.push(phase);
    }
    return this.#event;
  }

  #timeline(device: number): DeviceTimeline {
    const timeline = this.devices[device];
    if (timeline === undefined) throw new RangeError("no such device");
    return timeline;
  }
}

/**
 * Whether something that uses `bits` of a message sent in phase `sentIn` may appear, seen by an observer who has
 * passed all events up to `asOf`. Consent must have held without a gap: given again later, it covers later messages only.
 */
export function mayAppear(phases: readonly Phase[], sentIn: number, asOf: number, bits: Grants): boolean {
  for (let index = sentIn; index < phases.length; index += 1) {
    const phase = phases[index];
    if (phase === undefined) return false;
    const counts = index === sentIn || phase.effective <= asOf;
    if (counts && (phase.grants & bits) !== bits) return false;
  }
  return true;
}

/** Index of the phase that ended the use of `bits` for messages of phase `sentIn`; `undefined` while they may be used. */
export function endOf(phases: readonly Phase[], sentIn: number, bits: Grants): number | undefined {
  const index = phases.findIndex((phase, at) => at >= sentIn && (phase.grants & bits) !== bits);
  return index < 0 ? undefined : index;
}

/** Whether everything sent in phase `sentIn` must be gone. */
export function isErased(phases: readonly Phase[], sentIn: number): boolean {
  return phases.some((phase, at) => at > sentIn && phase.erases && Number.isFinite(phase.effective));
}
