/** Figures that the code decides and the machine does not: what one message costs in allocations, calls, commands and bytes. */
import type { Counted } from "./measure.ts";

export interface PerMessage {
  /** On the heap of the gateway; see `allocation-meter.ts`. */
  readonly bytesAllocatedPerMessage: number;
  /** Collections of the gateway's heap for 1,000 messages, by V8's name of the kind. They follow the flags of Node too. */
  readonly gcPer1000: Readonly<Record<string, number>>;
  /** Reads and writes of the gateway; see `ioCounters`. */
  readonly syscallsPerMessage: number;
  readonly redisCommandsPerMessage: number;
  /** Of `redisCommandsPerMessage`, for 1,000 messages. */
  readonly redisCommandsPer1000: Readonly<Record<string, number>>;
  /** Both directions. */
  readonly redisBytesPerMessage: number;
  readonly influxLinesPerMessage: number;
  readonly influxBytesPerMessage: number;
}

/** Nothing of a system without counters. */
export function perMessage({ messages, growth }: Counted): PerMessage | undefined {
  if (growth.bytesAllocated === undefined || messages === 0) return undefined;
  const each = (name: string) => significant((growth[name] ?? 0) / messages);
  const per1000 = (prefix: string) =>
    Object.fromEntries(
      Object.entries(growth)
        .filter(([name, value]) => name.startsWith(prefix) && value > 0)
        .sort(([, left], [, right]) => right - left)
        .map(([name, value]) => [name.slice(prefix.length), significant((1000 * value) / messages)]),
    );
  return {
    bytesAllocatedPerMessage: each("bytesAllocated"),
    gcPer1000: per1000("gc:"),
    syscallsPerMessage: each("syscalls"),
    redisCommandsPerMessage: each("redisCommands"),
    redisCommandsPer1000: per1000("redis:"),
    redisBytesPerMessage: each("redisBytes"),
    influxLinesPerMessage: each("influxLines"),
    influxBytesPerMessage: each("influxBytes"),
  };
}

/** Four digits: more would be noise. */
function significant(value: number): number {
  return Number(value.toPrecision(4));
}
