/** A recording, sorted so that attackers find what they look for; and the truth, by which their guesses are counted. */

import { Random } from "../../simulators/random.ts";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import type { PacketArrival, Recording, Run, TrueDevice, Truth } from "./format.ts";
import { parseLine, type Row } from "./lines.ts";

export interface ArrivedRow extends Row {
  readonly n: number;
  readonly at: number;
  readonly request: number;
}

export interface Named {
  readonly device: TrueDevice;
  readonly label: string;
  /** Counted from the first of the run. */
  readonly epoch: number;
  /** Begin of its life, Unix ms. */
  readonly from: number;
}

export class View {
  readonly recording: Recording;
  readonly run: Run;
  readonly rows: readonly ArrivedRow[];
  readonly random: Random;
  /** Whose a name is: for counting, not for attacking. */
  readonly names: ReadonlyMap<string, Named>;
  /** Of the world, without what was set up for single attacks. */
  readonly devices: readonly TrueDevice[];
  readonly #measured = new Map<string, readonly ArrivedRow[]>();
  readonly #processed = new Map<string, readonly PacketArrival[]>();
  #stored: Map<number, Map<string, ArrivedRow[]>> | undefined;

  constructor(recording: Recording) {
    this.recording = recording;
    this.run = recording.run;
    this.random = new Random(`attackers ${recording.run.seed}`);
    this.rows = recording.rows.map(({ line, n, at, request }) => ({ ...parseLine(line), n, at, request }));
    const devices = this.truth("device");
    this.devices = devices.filter(({ probe }) => probe === undefined);
    this.names = new Map(devices.flatMap((device) => this.#namesOf(device)));
  }

  truth<About extends Truth["about"]>(about: About): Extract<Truth, { about: About }>[] {
    return this.recording.truth.filter((one): one is Extract<Truth, { about: About }> => one.about === about);
  }

  measured(measurement: string): readonly ArrivedRow[] {
    return known(this.#measured, measurement, () => this.rows.filter((row) => row.measurement === measurement));
  }

  processed(service: ServicePurpose): readonly PacketArrival[] {
    const below = `processed/${service}/`;
    return known(this.#processed, service, () => this.recording.packets.filter(({ topic }) => topic.startsWith(below)));
  }

  /** Of the world; `undefined` for a name that is none of its devices'. */
  ownerOf(name: string): TrueDevice | undefined {
    const device = this.names.get(name)?.device;
    return device?.probe === undefined ? device : undefined;
  }

  /** How long a name lasts under which a status is stored. */
  get storedNameMs(): number {
    return this.run.storedNameMs ?? this.run.epochMs;
  }

  /** Rows of status of the world's devices, by the names whose life begins then. */
  storedUnder(from: number): ReadonlyMap<string, readonly ArrivedRow[]> {
    this.#stored ??= this.#byLife();
    return this.#stored.get(from) ?? new Map();
  }

  /** Begin of the last such name of an epoch, and of the first. */
  lastStored(epoch: number): number {
    const { daysOfEpoch, epochMs } = this.run;
    const last = this.epochStart(epoch) + Math.min(daysOfEpoch * 86_400_000, epochMs) - 1;
    return (
      this.firstStored(epoch) + Math.floor((last - this.firstStored(epoch)) / this.storedNameMs) * this.storedNameMs
    );
  }

  firstStored(epoch: number): number {
    const { startsAt } = this.run;
    return startsAt + Math.floor((this.epochStart(epoch) - startsAt) / this.storedNameMs) * this.storedNameMs;
  }

  epochStart(epoch: number): number {
    return this.run.startsAt + epoch * this.run.epochMs;
  }

  /** Unix ms; the attacks that need a day take this one. */
  get firstDay(): { readonly from: number; readonly to: number } {
    return { from: this.run.startsAt, to: this.run.startsAt + 86_400_000 };
  }

  #namesOf(device: TrueDevice): (readonly [string, Named])[] {
    const { epochMs, startsAt } = this.run;
    return Object.entries(device.names).flatMap(([label, names]) => {
      const lastsMs = label === "analytics" ? this.storedNameMs : epochMs;
      return names.map((name, index) => {
        const epoch = Math.floor((index * lastsMs) / epochMs);
        return [name, { device, label, epoch, from: startsAt + index * lastsMs }] as const;
      });
    });
  }

  #byLife(): Map<number, Map<string, ArrivedRow[]>> {
    const lives = new Map<number, Map<string, ArrivedRow[]>>();
    // A write that was repeated overwrites itself.
    const seen = new Set<string>();
    for (const row of this.measured("device_status")) {
      const { device: name = "" } = row.tags;
      const named = this.names.get(name);
      if (named === undefined || named.device.probe !== undefined) continue;
      const key = `${name} ${row.time} ${row.digits}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const life = known(lives, named.from, () => new Map<string, ArrivedRow[]>());
      known(life, name, () => [] as ArrivedRow[]).push(row);
    }
    return lives;
  }
}

function known<Key, T>(kept: Map<Key, T>, key: Key, make: () => T): T {
  const before = kept.get(key);
  if (before !== undefined) return before;
  const made = make();
  kept.set(key, made);
  return made;
}
