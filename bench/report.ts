/** The text for the terminal, and what the page of the documentation shares with it. */
import { PATH } from "./contenders.ts";
import { type BenchRun, cpuUsAll, peakOf, type Row, rowsOf, summary } from "./figures.ts";
import { type PerMessage, perMessage } from "./per-message.ts";
import type { RatioSpread } from "./quartiles.ts";

/** For the terminal: the ratio first, because it alone can be compared with that of another run. */
export function text(run: BenchRun): string {
  const lines = [HEAD, ...rowsOf(run).map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const padded = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  const ratios = ratioRows(run).map(([name, value]) => `${name}: ${value}`);
  const costs = countedRows(run).map(([name, value]) => `${name}: ${value}`);
  const loop = [...loopRows(run), ...consoleRows(run), ...memoryRows(run)].map(([name, value]) => `${name}: ${value}`);
  return [...ratios, "", ...lines.map(padded), "", ...costs, "", ...loop].join("\n").trim();
}

/** Ratios of neighbouring windows. */
export function ratioRows(run: BenchRun): [string, string][] {
  const figures = summary(run);
  const rows: [string, RatioSpread | undefined][] = [
    ["gateway CPU per stored message, as a multiple of bare Aedes", figures.ratio],
    ["gateway CPU per message with MQTT 5, as a multiple of one with 3.1.1", figures.mqtt5?.ratio],
    ...figures.dialects.map(({ dialect, ratio }): [string, RatioSpread | undefined] => [
      `gateway CPU per message of ${dialect}, as a multiple of one of the contract`,
      ratio,
    ]),
    ["gateway CPU per message with services, one of them as two members, as a multiple of none", figures.shared?.ratio],
    ["the same, as a multiple of services that are connected once", figures.shared?.besideServices],
    [`gateway CPU per message, as a multiple of ${run.against?.path}`, figures.against?.ratio],
    [`stored per second, as a multiple of ${run.against?.path}`, figures.against?.rateRatio],
    ...figures.nodeFlags.flatMap(({ flags, ratio, rateRatio }): [string, RatioSpread | undefined][] => [
      [`gateway CPU per message, as a multiple of that under ${flags}`, ratio],
      [`stored per second, as a multiple of that under ${flags}`, rateRatio],
    ]),
  ];
  return rows.flatMap(([name, spread]) => (spread === undefined ? [] : [[name, spreadText(spread)]]));
}

function spreadText({ median, p25, p75, pairs }: RatioSpread): string {
  return `${median.toFixed(2)} × (quartiles ${p25.toFixed(2)} to ${p75.toFixed(2)}, ${pairs} pairs)`;
}

/** What the code decides and the machine does not, of the whole path at its peak. */
export function countedRows(run: BenchRun): [string, string][] {
  const peak = peakOf(run, PATH);
  const counted = peak && perMessage(peak.counted);
  return counted === undefined ? [] : countedText(counted);
}

/** The loop of a scene; nothing when it was not run. */
export function loopRows(run: BenchRun): [string, string][] {
  const { sceneLoop } = summary(run);
  if (sceneLoop === undefined) return [];
  const { p50, p99, loops } = sceneLoop;
  return [["scene loop, from the event of a device to its command", `p50 ${p50} ms, p99 ${p99} ms (${loops} loops)`]];
}

/** One tab of the operator's console; nothing when it was not measured. */
export function memoryRows({ findings: { residentMb } }: BenchRun): [string, string][] {
  if (residentMb === undefined) return [];
  const { afterLoad, atRest } = residentMb;
  return [["resident memory of the gateway after load, and after a minute of quiet", `${afterLoad} and ${atRest} MB`]];
}

export function consoleRows(run: BenchRun): [string, string][] {
  const { console } = summary(run);
  if (console === undefined) return [];
  const { ratio, restingMs, share, ratePerSecond } = console;
  const spread = `quartiles ${ratio.p25.toFixed(3)} to ${ratio.p75.toFixed(3)}, ${ratio.pairs} pairs`;
  const rate = `${ratePerSecond.toLocaleString("en")} messages per second`;
  return [
    [
      `gateway CPU per message at ${rate}, one tab of the console open, as a multiple of none`,
      `${ratio.median.toFixed(3)} × (${spread})`,
    ],
    [
      "gateway CPU at rest, one tab of the console open, and without the console",
      `${restingMs.withTab} and ${restingMs.withoutConsole} ms per second`,
    ],
    [`the difference, as a share of the gateway's CPU at ${rate}`, `${(share * 100).toFixed(2)} %`],
  ];
}

function countedText(counted: PerMessage): [string, string][] {
  const kinds = Object.entries(counted.gcPer1000).map(([kind, count]) => `${kind} ${count}`);
  return [
    ["bytes allocated on the gateway's heap, per message", counted.bytesAllocatedPerMessage.toLocaleString("en")],
    ["collections of that heap, per 1,000 messages", kinds.join(", ") || "0"],
    ["reads and writes of the gateway (system calls), per message", `${counted.syscallsPerMessage}`],
    ["Redis commands, per message", `${counted.redisCommandsPerMessage}`],
    ["bytes to and from Redis, per message", `${counted.redisBytesPerMessage}`],
    ["lines to InfluxDB, per message", `${counted.influxLinesPerMessage}`],
    ["bytes of these lines, per message", `${counted.influxBytesPerMessage}`],
  ];
}

export const HEAD = [
  "scenario",
  "acked/s",
  "stored/s",
  "gateway µs",
  "redis µs",
  "influx µs",
  "all µs",
  "PUBACK p50 ms",
  "p99 ms",
  "backlog",
  "others' CPU",
];

export function cells([name, run]: Row): string[] {
  const us = (process: string) => run.cpuPerMessageUs[process]?.toFixed(1) ?? "–";
  const stores = run.cpuPerMessageUs.redis !== undefined;
  return [
    name,
    run.acknowledgedPerSecond.toLocaleString("en"),
    stores ? run.endToEndPerSecond.toLocaleString("en") : "–",
    us("gateway"),
    us("redis"),
    us("influx"),
    cpuUsAll(run).toFixed(1),
    run.pubackMs.p50.toFixed(1),
    run.pubackMs.p99.toFixed(1),
    stores ? run.backlog.toLocaleString("en") : "–",
    `${Math.round(run.foreignCpuShare * 100)} %`,
  ];
}
