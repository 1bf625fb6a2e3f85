/** What the bench needs of a thing it measures, whether it is the gateway or something to compare it with. */
import { type BenchMessage, nativeMessages } from "./publish-ring.ts";

export interface Pipeline {
  readonly port: number;
  /** Process ids whose CPU is counted, by the name used in the report. */
  readonly pids: Readonly<Record<string, number>>;
  /** Each has a connection. */
  readonly devices: readonly BenchDevice[];
  /** How many devices speak through each connection; one where there are no hubs. */
  readonly devicesEach?: number;
  /** Those that listen during the run; absent when none does. */
  readonly services?: readonly BenchService[];
  /** Where its operator's console is, and what opens it; absent where there is none. */
  readonly console?: { readonly url: string; readonly token: string };
  /** Absent when the pipeline stores nothing. */
  counts?(): Promise<StoredCounts>;
  /** Called once everything is processed: writes what is still buffered, and counts what the store holds. */
  rows?(): Promise<number>;
  /** What the machine does not decide: heap, system calls, traffic of the servers. Absent where nothing is counted. */
  counters?(): Promise<Counters>;
  stop(): Promise<void>;
}

/** Totals by name that only grow. */
export type Counters = Readonly<Record<string, number>>;

interface BenchClient {
  readonly id: string;
  readonly token: string;
}

export interface BenchDevice extends BenchClient {
  /** In turn. */
  readonly messages: readonly BenchMessage[];
}

/** One connection of a service; members of a group are several of one. */
export interface BenchService extends BenchClient {
  /** The user name. */
  readonly service: string;
  readonly topic: string;
}

export interface StoredCounts {
  readonly received: number;
  readonly stored: number;
  /** Refused, forwarded without storing, or dead-lettered: zero in every honest run. */
  readonly astray: number;
  /** Records handed to services that listen. */
  readonly forwarded?: number;
}

/** Where anything is taken as a password; the length is that of a real token. */
export const ANY_TOKEN = "x".repeat(43);

export function devicesNamed(count: number, token: string): BenchDevice[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `bench-${index}`;
    return { id, token, messages: nativeMessages(id, index) };
  });
}
