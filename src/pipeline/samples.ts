/**
 * Lets a person watch while their own device's messages are processed: the last message as received, and what each
 * purpose got of it. In memory only, bounded, and ended within minutes. Refused messages are not shown: they are not
 * used for anything, not even for this.
 */
import type { NothingReason, Viewing, WatchEnd } from "../model/centre.ts";
import { type Grants, usable } from "../model/consent.ts";
import type { Deidentified } from "../model/deidentified.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import { PURPOSES, type Purpose } from "../model/purposes.ts";
import type { RawMessage } from "../model/raw.ts";

export interface SamplesOptions {
  /** In this process. */
  readonly maxWatchers: number;
  readonly maxPerSession: number;
  /** Of one person, over all sessions. */
  readonly maxPerPerson: number;
  readonly maxMs: number;
  /** A watcher gets a sample at most this often, and only of the latest message. */
  readonly everyMs: number;
  /** How often it is checked at least that a watcher is still allowed to watch. */
  readonly confirmEveryMs: number;
}

/** A processed message and its outcome. */
export interface Settled {
  readonly message: RawMessage;
  readonly grants: Grants;
  readonly result: Deidentified | undefined;
  readonly stored: boolean;
  readonly forwarded: boolean;
}

interface Watcher {
  readonly watch: Viewing;
  readonly end: NodeJS.Timeout;
  readonly confirm: NodeJS.Timeout;
  latest: string | undefined;
  pause: NodeJS.Timeout | undefined;
}

type Shown = Readonly<Record<string, unknown>>;

export class Samples {
  readonly #options: SamplesOptions;
  readonly #watchers = new Map<DeviceKey, Set<Watcher>>();
  #count = 0;

  constructor(options: SamplesOptions) {
    this.#options = options;
  }

  /** Whether there is any watcher; the only cost of a batch while there is none. */
  get watching(): boolean {
    return this.#count > 0;
  }

  /** Watches until `ended` or until the returned function is called. `undefined`: too many watchers already. */
  watch(watch: Viewing): (() => void) | undefined {
    const all = [...this.#watchers.values()].flatMap((set) => [...set]);
    const { maxWatchers, maxPerSession, maxPerPerson } = this.#options;
    const theirs = all.filter((one) => one.watch.device.subjectTag === watch.device.subjectTag);
    const own = theirs.filter((one) => one.watch.session === watch.session);
    if (all.length >= maxWatchers || theirs.length >= maxPerPerson || own.length >= maxPerSession) return undefined;
    const forMs = Math.max(0, Math.min(watch.forMs, this.#options.maxMs));
    const watcher: Watcher = {
      watch,
      end: setTimeout(() => this.#finish(watcher, "time"), forMs),
      confirm: setInterval(() => void this.#confirm(watcher), this.#options.confirmEveryMs),
      latest: undefined,
      pause: undefined,
    };
    const { deviceKey } = watch.device;
    this.#watchers.set(deviceKey, (this.#watchers.get(deviceKey) ?? new Set()).add(watcher));
    this.#count += 1;
    return () => void this.#drop(watcher);
  }

  /** `settled` is called only when the subject of the message watches this device. */
  offer(device: DeviceRef, settled: () => Settled | undefined): void {
    const watchers = this.#watchers.get(device.deviceKey);
    if (watchers === undefined) return;
    const mine = [...watchers].filter(({ watch }) => watch.device.subjectTag === device.subjectTag);
    const one = mine.length === 0 ? undefined : settled();
    if (one === undefined) return;
    const json = JSON.stringify(sampleOf(one));
    for (const watcher of mine) this.#tell(watcher, json);
  }

  /** The device changes its owner, or may have been replaced. */
  endDevice(device: DeviceKey): void {
    for (const watcher of [...(this.#watchers.get(device) ?? [])]) this.#finish(watcher, "unbound");
  }

  endSubject(subject: SubjectTag): void {
    this.#endAll("withdrawn", ({ watch }) => watch.device.subjectTag === subject);
  }

  /** The record of a subject or device has changed: when this resolves, watchers no longer allowed have ended. */
  async changed(concerned: SubjectTag | DeviceKey): Promise<void> {
    const all = [...this.#watchers.values()].flatMap((set) => [...set]);
    const theirs = all.filter(
      ({ watch: { device } }) => device.subjectTag === concerned || device.deviceKey === concerned,
    );
    await Promise.all(theirs.map((watcher) => this.#confirm(watcher)));
  }

  endSession(session: string): void {
    this.#endAll("time", ({ watch }) => watch.session === session);
  }

  stop(): void {
    this.#endAll("stopping", () => true);
  }

  #endAll(why: WatchEnd, which: (watcher: Watcher) => boolean): void {
    for (const set of [...this.#watchers.values()]) {
      for (const watcher of [...set].filter(which)) this.#finish(watcher, why);
    }
  }

  #tell(watcher: Watcher, json: string): void {
    if (watcher.pause !== undefined) {
      watcher.latest = json;
      return;
    }
    watcher.watch.sample(json);
    watcher.pause = setTimeout(() => {
      watcher.pause = undefined;
      const { latest } = watcher;
      watcher.latest = undefined;
      if (latest !== undefined) this.#tell(watcher, latest);
    }, this.#options.everyMs);
  }

  async #confirm(watcher: Watcher): Promise<void> {
    if (!(await watcher.watch.stands().catch(() => false))) this.#finish(watcher, "changed");
  }

  #finish(watcher: Watcher, why: WatchEnd): void {
    if (this.#drop(watcher)) watcher.watch.ended(why);
  }

  #drop(watcher: Watcher): boolean {
    const { deviceKey } = watcher.watch.device;
    const set = this.#watchers.get(deviceKey);
    if (set?.delete(watcher) !== true) return false;
    if (set.size === 0) this.#watchers.delete(deviceKey);
    this.#count -= 1;
    clearTimeout(watcher.end);
    clearInterval(watcher.confirm);
    clearTimeout(watcher.pause);
    watcher.latest = undefined;
    return true;
  }
}

function sampleOf(settled: Settled): Shown {
  const { model, ip, location, status } = settled.message.telemetry;
  return {
    at: settled.message.at,
    sent: { model, ip, location, status },
    purposes: Object.fromEntries(PURPOSES.map((purpose) => [purpose, outcomeOf(purpose, settled)])),
  };
}

function outcomeOf(purpose: Purpose, settled: Settled): Shown {
  const { grants, message, result } = settled;
  if (usable(grants, purpose, 0xf) === 0) return nothing("not-agreed");
  if (usable(grants, purpose, message.carried) === 0) return nothing("not-carried");
  if (result === undefined) return nothing("set-aside");
  if (purpose === "analytics") {
    return settled.stored && result.analytics
      ? { given: analyticsOf(result.analytics, result.place) }
      : nothing("set-aside");
  }
  const record = result[purpose];
  // Whether a service listened or not: of a device outdoors scenes are not told the weather.
  if (record === undefined && purpose === "scene") return nothing("no-scene");
  if (record === undefined && purpose === "weather") return nothing("no-weather");
  return record === undefined || !settled.forwarded ? nothing("nobody-listens") : { given: serviceRecordOf(record) };
}

function nothing(why: NothingReason): Shown {
  return { nothing: why };
}

/** What is noted of the place: it is told no more finely than this, later, and only together with others. */
function analyticsOf(
  { device, model, status }: NonNullable<Deidentified["analytics"]>,
  place: Deidentified["place"],
): Shown {
  return { name: initials(device), model, status, cell: place?.cell };
}

function serviceRecordOf(record: NonNullable<Deidentified["weather" | "scene" | "network"]>): Shown {
  return "device" in record ? { ...record, device: undefined, name: initials(record.device) } : { ...record };
}

/** Enough to see that each purpose has a different name; too little to look anything up. */
function initials(name: Pseudonym): string {
  return name.slice(0, 4);
}
