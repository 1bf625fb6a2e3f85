/** What Redis and InfluxDB count of themselves, and the kernel of a process: read before and after a window. */
import type { Counters } from "./pipeline.ts";

/**
 * From `INFO stats commandstats`. Commands that a script gives count, like those of a client; the question itself does not.
 * Bytes are those of both directions.
 */
export function redisCounters(info: string): Counters {
  const calls = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .map(([, name = "", count]) => [name, Number(count)] as const)
    .filter(([name]) => name !== "info");
  return {
    redisCommands: calls.reduce((sum, [, count]) => sum + count, 0),
    redisBytes: field(info, "total_net_input_bytes") + field(info, "total_net_output_bytes"),
    ...Object.fromEntries(calls.map(([name, count]) => [`redis:${name}`, count])),
  };
}

function field(info: string, name: string): number {
  const found = new RegExp(`^${name}:(\\d+)`, "m").exec(info);
  if (found === null) throw new Error(`Redis does not report ${name}`);
  return Number(found[1]);
}

interface InfluxStatistics {
  readonly results?: readonly {
    readonly series?: readonly {
      readonly columns: readonly string[];
      readonly values: readonly (readonly number[])[];
    }[];
  }[];
}

/** From the answer to `SHOW STATS FOR 'httpd'`. Bytes are those of the lines, uncompressed. */
export function influxCounters(answer: unknown): Counters {
  const series = (answer as InfluxStatistics).results?.[0]?.series?.[0];
  const value = (name: string) => {
    const found = series?.values[0]?.[series.columns.indexOf(name)];
    if (found === undefined) throw new Error(`InfluxDB does not report ${name}`);
    return found;
  };
  return { influxLines: value("pointsWrittenOK"), influxBytes: value("writeReqBytes") };
}

/**
 * From `/proc/<pid>/io`: system calls that read or write files, pipes and sockets. The kernel counts no others there:
 * waiting (`epoll_wait`, `futex`), `accept`, `sendmsg` and the like are left out.
 */
export function ioCounters(io: string): Counters {
  const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? Number.NaN);
  return { syscalls: count("syscr") + count("syscw") };
}

/** By how much each counter has grown; one that is new began at zero. */
export function growth(before: Counters, after: Counters): Counters {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
}
