/** Small recordings for tests of attackers: what is in them is known to the last line. */
import {
  FORMAT,
  type PacketArrival,
  type Recording,
  type RowArrival,
  type Run,
  type TrueDevice,
  type Truth,
} from "./format.ts";
import { View } from "./view.ts";

export const STARTS_AT = 2957 * 7 * 86_400_000;

const RUN: Run = {
  format: FORMAT,
  seed: 1,
  homes: 0,
  devices: 0,
  gateway: "as it is",
  startsAt: STARTS_AT,
  epochMs: 7 * 86_400_000,
  epochs: 2,
  daysOfEpoch: 1,
  sliceMs: 60_000,
  stickiness: 0.15,
};

export class MadeUp {
  readonly #rows: RowArrival[] = [];
  readonly #packets: PacketArrival[] = [];
  readonly #truth: Truth[] = [];
  #n = 0;

  /** Names: `<label><number>e<epoch>`. */
  device(index: number, more: Partial<TrueDevice> = {}): TrueDevice {
    const named = (label: string) => [0, 1, 2].map((epoch) => `${label}${index}e${epoch}`);
    const device: TrueDevice = {
      about: "device",
      device: `d${index}`,
      home: `h${index}`,
      kind: "hub",
      outdoor: false,
      lat: 20 + index,
      lon: 75,
      names: { analytics: named("analytics"), scene: named("scene"), network: named("network") },
      ...more,
    };
    this.#truth.push(device);
    return device;
  }

  truth(truth: Truth): void {
    this.#truth.push(truth);
  }

  /** `digits`: those below the millisecond. */
  row(measurement: string, tags: string, fields: string, time: number, digits = 0): void {
    const line = `${measurement},${tags} ${fields} ${time}${String(1_000_000 + digits).slice(1)}`;
    this.#rows.push({ n: ++this.#n, at: time, request: this.#n, line });
  }

  packet(service: PacketArrival["service"], topic: string, payload: unknown, at: number): void {
    this.#packets.push({ n: ++this.#n, at, service, topic, payload });
  }

  recording(more: Partial<Recording> = {}): Recording {
    return { run: RUN, rows: this.#rows, packets: this.#packets, acks: [], truth: this.#truth, metrics: "", ...more };
  }

  view(more: Partial<Recording> = {}): View {
    return new View(this.recording(more));
  }
}
