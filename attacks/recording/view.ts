/** A recording, sorted so that attackers find what they look for; and the truth, by which their guesses are counted. */

import { Random } from "../../simulators/random.ts";
import type { ServicePurpose } from "../../src/model/consent.ts";
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

  constructor(recording: Recording) {
    this.recording = recording;
    this.run = recording.run;
    this.random = new Random(`attackers ${recording.run.seed}`);
    this.rows = recording.rows.map(({ line, n, at, request }) => ({ ...parseLine(line), n, at, request }));
    const devices = this.truth("device");
    this.devices = devices.filter(({ probe }) => probe === undefined);
    this.names = new Map(devices.flatMap(namesOf));
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

  epochStart(epoch: number): number {
    return this.run.startsAt + epoch * this.run.epochMs;
  }

  /** Unix ms; the attacks that need a day take this one. */
  get firstDay(): { readonly from: number; readonly to: number } {
    return { from: this.run.startsAt, to: this.run.startsAt + 86_400_000 };
  }
}

function known<T>(kept: Map<string, T>, key: string, make: () => T): T {
  const before = kept.get(key);
  if (before !== undefined) return before;
  const made = make();
  kept.set(key, made);
  return made;
}

function namesOf(device: TrueDevice): (readonly [string, Named])[] {
  return Object.entries(device.names).flatMap(([label, names]) =>
    names.map((name, epoch) => [name, { device, label, epoch }] as const),
  );
}
