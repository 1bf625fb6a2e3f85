/** Words that the operator's console has in common with what measures and follows for it. */
import type { DeviceKey } from "./ids.ts";
import type { DeadLetterReason, Refusal } from "./outcome.ts";

/** Per second since the sample before, where it counts something; else as it was at that moment. */
export const SAMPLED = [
  "received",
  "admitted",
  "stored",
  "forwarded",
  "refused",
  "deadLettered",
  "pubackP50Ms",
  "pubackP99Ms",
  "backlogMessages",
  "backlogBytes",
  "backlogOldestSeconds",
  "inFlight",
  "devices",
  "services",
  "deadLetters",
  "eventLoopP99Ms",
] as const;
export type Sampled = (typeof SAMPLED)[number];

export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a trace tells of a device: steps, and what each can come to. */
export const TRACE_STEPS = {
  /** Of the MQTT session. */
  session: ["begun", "ended"],
  /** Read at the door, by the contract or a dialect. `admitted`: durable, and acknowledged where that was asked. */
  admission: ["admitted", "refused"],
  store: ["stored"],
  forward: ["forwarded"],
  letter: ["dead-lettered"],
} as const;
export type TraceStep = keyof typeof TRACE_STEPS;
export type TraceOutcome = (typeof TRACE_STEPS)[TraceStep][number];

/** Why a trace ended. `changed`: the device was bound, or given a token, again. */
export const TRACE_ENDS = ["time", "stopped", "full", "changed"] as const;
export type TraceEnd = (typeof TRACE_ENDS)[number];

export interface TraceLineOf {
  /** Unix ms. */
  readonly at: number;
  readonly step: TraceStep;
  readonly outcome: TraceOutcome;
  /** Of a refusal; never one that says something of a person. */
  readonly reason?: Refusal | undefined;
  readonly letter?: DeadLetterReason | undefined;
  /** From the receipt to the acknowledgement. */
  readonly ms?: number | undefined;
}

/** What is told to those who follow a device. */
export interface TracePort {
  /** How many devices are followed: the only cost of a message while that is 0. */
  readonly running: number;
  tell(device: DeviceKey, line: Omit<TraceLineOf, "at">): void;
}
