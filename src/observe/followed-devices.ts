/**
 * Devices that an operator follows for some minutes, in the memory of this gateway alone: which step each of their messages came to, and
 * nothing that is in them. Few at a time, each with so many lines; costs nothing while there is none.
 */
import { randomBytes } from "node:crypto";
import type { TraceEnd, TraceLineOf, TracePort } from "../model/console.ts";
import type { DeviceKey } from "../model/ids.ts";

export interface TracesOptions {
  readonly mostMs: number;
  /** At a time. */
  readonly most: number;
  /** Of one owner, ended ones included: the oldest ended one makes room. */
  readonly mostOfOwner: number;
  readonly mostLines: number;
}

export interface Trace {
  readonly id: string;
  /** Unix ms. */
  readonly startedAt: number;
  readonly endsAt: number;
  readonly ended: TraceEnd | undefined;
  readonly lines: readonly TraceLineOf[];
}

interface Kept extends Trace {
  /** Gone once it has ended. */
  device: DeviceKey | undefined;
  readonly owner: string;
  readonly stands: () => boolean;
  readonly timer: NodeJS.Timeout;
  ended: TraceEnd | undefined;
  lines: TraceLineOf[];
}

export class FollowedDevices implements TracePort {
  readonly #options: TracesOptions;
  /** Oldest first. */
  readonly #all = new Set<Kept>();
  readonly #byDevice = new Map<DeviceKey, Set<Kept>>();
  #running = 0;

  constructor(options: TracesOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  /** `undefined`: there are too many, or the owner is gone. `stands`: whether the owner is still there. */
  start(device: DeviceKey, owner: string, stands: () => boolean): Trace | undefined {
    const { most, mostOfOwner, mostMs } = this.#options;
    if (!stands() || this.#running >= most) return undefined;
    const own = this.#of(owner);
    const over = own.find(({ ended }) => ended !== undefined);
    if (own.length >= mostOfOwner && over !== undefined) this.#all.delete(over);
    if (this.#of(owner).length >= mostOfOwner) return undefined;
    const startedAt = Date.now();
    const kept: Kept = {
      id: randomBytes(9).toString("base64url"),
      startedAt,
      endsAt: startedAt + mostMs,
      ended: undefined,
      lines: [],
      device,
      owner,
      stands,
      timer: setTimeout(() => this.#end(kept, "time"), mostMs).unref(),
    };
    this.#all.add(kept);
    this.#byDevice.set(device, (this.#byDevice.get(device) ?? new Set()).add(kept));
    this.#running += 1;
    return kept;
  }

  tell(device: DeviceKey, line: Omit<TraceLineOf, "at">): void {
    for (const kept of this.#byDevice.get(device) ?? []) {
      kept.lines.push({ at: Date.now(), ...line });
      if (kept.lines.length >= this.#options.mostLines) this.#end(kept, "full");
    }
  }

  of(owner: string): readonly Trace[] {
    return this.#of(owner);
  }

  get(id: string, owner: string): Trace | undefined {
    return this.#of(owner).find((one) => one.id === id);
  }

  /** False when the owner has none of this id. */
  forget(id: string, owner: string): boolean {
    const kept = this.#of(owner).find((one) => one.id === id);
    if (kept === undefined) return false;
    this.#end(kept, "stopped");
    return this.#all.delete(kept);
  }

  /** Nothing of it is left. */
  ownerGone(owner: string): void {
    for (const { id } of this.#of(owner)) this.forget(id, owner);
  }

  /** It was bound, or given a token, again, or has no owner any more: what it said before is not for who follows it now. */
  deviceChanged(device: DeviceKey): void {
    for (const kept of [...(this.#byDevice.get(device) ?? [])]) {
      kept.lines = [];
      this.#end(kept, "changed");
    }
  }

  /** Devices may have changed hands unheard. */
  allChanged(): void {
    for (const device of [...this.#byDevice.keys()]) this.deviceChanged(device);
  }

  #of(owner: string): Kept[] {
    return [...this.#all].filter((one) => one.owner === owner);
  }

  #end(kept: Kept, why: TraceEnd): void {
    const { device } = kept;
    if (device === undefined) return;
    clearTimeout(kept.timer);
    kept.ended = why;
    kept.device = undefined;
    const ofDevice = this.#byDevice.get(device);
    ofDevice?.delete(kept);
    if (ofDevice?.size === 0) this.#byDevice.delete(device);
    this.#running -= 1;
    // Last, as it may end the owner.
    if (!kept.stands()) this.#all.delete(kept);
  }
}
