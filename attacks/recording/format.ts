/**
 * The recording as files of JSON lines; docs/privacy/attacks.md says what each field means. All but `truth.ndjson` is what
 * a store, a service, a device or a visitor of open metrics got; the truth is there to count what an attack got right, and
 * holds what an attacker is granted to know beforehand.
 */
import type { ServicePurpose } from "../../src/model/purposes.ts";

export const FORMAT = 1;

export interface Run {
  readonly format: typeof FORMAT;
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
  readonly gateway: "as it is" | "unprotected";
  /** Unix ms, and how many follow. */
  readonly startsAt: number;
  readonly epochMs: number;
  readonly epochs: number;
  /** How long a name lasts under which a status is stored; that of an epoch where it is absent. */
  readonly storedNameMs?: number;
  /** Step to which times of stored rows are kept; public, as the source is. To the millisecond where it is absent. */
  readonly storedStepMs?: number;
  /** Days that are simulated of each epoch, from its beginning. */
  readonly daysOfEpoch: number;
  /** How exactly arrival times are known. */
  readonly sliceMs: number;
  /** How far past a border a device must move before its cell changes: public, as the source is. */
  readonly stickiness: number;
}

interface Arrival {
  /** One count over rows and packets: what has a greater one arrived later. */
  readonly n: number;
  /** Unix ms. */
  readonly at: number;
}

/** One line of line protocol in transit to InfluxDB; lines of one write have the same `request`. */
export interface RowArrival extends Arrival {
  readonly request: number;
  readonly line: string;
}

/** One packet to the service of a purpose: processed data, names to forget, or what became of its command. */
export interface PacketArrival extends Arrival {
  readonly service: ServicePurpose;
  readonly topic: string;
  readonly payload: unknown;
}

export const ACK_CLASSES = ["stored", "no-consent", "withdrawn", "held", "unbound"] as const;
export type AckClass = (typeof ACK_CLASSES)[number];

export interface Ack {
  readonly protocol: "3.1.1" | "5";
  readonly class: AckClass;
  /** Real time from PUBLISH to PUBACK. */
  readonly ms: number;
  readonly bytes: number;
}

export interface TrueDevice {
  readonly about: "device";
  readonly device: string;
  readonly home: string;
  readonly kind: string;
  readonly outdoor: boolean;
  readonly lat: number;
  readonly lon: number;
  /** Set up for one attack; part of no other. */
  readonly probe?: Probe;
  /** By label of the pseudonym, one for each epoch; of `analytics` one for each time that such a name lasts. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

export type Probe = "neighbour" | "household" | "identifiers" | "walker" | "garden" | "acknowledgements";

export type Truth =
  | TrueDevice
  /** Ids of messages of a device that the attacker of A1 knows. */
  | { readonly about: "ids"; readonly device: string; readonly ids: readonly string[] }
  /** A8: whether the neighbour was there. */
  | TrueWindow
  /** A9: one household of many devices was active in this window. */
  | {
      readonly about: "household";
      readonly from: number;
      readonly to: number;
      readonly lat: number;
      readonly lon: number;
    }
  /** A10: something that could point at a person was sent like this. */
  | { readonly about: "identifier"; readonly as: "key" | "text" | "number" | "model"; readonly text: string }
  | TrueWalk
  /** A6: these people asked to be erased. */
  | { readonly about: "erased"; readonly home: string; readonly at: number }
  /** Utility: a device has got a forecast in the end; of which cell. */
  | { readonly about: "forecast"; readonly device: string; readonly cell: string }
  /** What became of the loops: commands that services sent and that arrived, forecasts that devices got. */
  | { readonly about: "loops"; readonly commands: number; readonly delivered: number; readonly forecasts: number }
  /** Utility: what all counters of a kind have counted, kWh. */
  | { readonly about: "energy"; readonly device: string; readonly counted: number };

export interface TrueWindow {
  readonly about: "window";
  readonly from: number;
  readonly to: number;
  readonly lat: number;
  readonly lon: number;
  readonly present: boolean;
  /** Devices that told a place there. */
  readonly devices: number;
}

/** A11: a device in transit along a straight line that the attacker knows. */
export interface TrueWalk {
  readonly about: "walk";
  readonly device: string;
  readonly steps: readonly (readonly [at: number, lat: number, lon: number])[];
}

export const FILES = {
  rows: "rows.ndjson",
  packets: "packets.ndjson",
  acks: "acks.ndjson",
  truth: "truth.ndjson",
  metrics: "metrics.txt",
  run: "run.json",
} as const;

/** All of a recording. */
export interface Recording {
  readonly run: Run;
  readonly rows: readonly RowArrival[];
  readonly packets: readonly PacketArrival[];
  readonly acks: readonly Ack[];
  readonly truth: readonly Truth[];
  /** What `/metrics` tells without a token. */
  readonly metrics: string;
}
