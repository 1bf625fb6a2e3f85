/** Turns measurements into the one JSON object, the table on the terminal and `docs/benchmarks.md`. */
import type { Environment } from "./environment.ts";
import { FIRST_CONNECTIONS } from "./idle-memory.ts";
import type { Measured } from "./measure.ts";
import type { WholePath } from "./scenarios.ts";

export interface Findings {
  /** Before and after the gateway: a noisy machine shows here. */
  readonly bareAedes: readonly Measured[];
  readonly wholePath?: WholePath | undefined;
  readonly withoutPrivacy?: Measured | undefined;
  /** After `withoutPrivacy`, as `wholePath` was before it: the mean of both is what it is compared with. */
  readonly wholePathAgain?: Measured | undefined;
  /** The whole path while a weather and a scene service listen to everything. */
  readonly withServices?: Measured | undefined;
  readonly onePerJob?: Measured | undefined;
  readonly idleKb?: { readonly gateway?: number | undefined; readonly bareAedes?: number | undefined } | undefined;
}

export interface BenchRun {
  readonly environment: Environment;
  readonly devices: number;
  readonly durationMs: number;
  readonly idleConnections: number;
  readonly findings: Findings;
}

type Row = readonly [scenario: string, measured: Measured];

/** Absent figures belong to scenarios that were not run. */
export function summary({ environment, devices, durationMs, findings }: BenchRun) {
  const { wholePath, withServices, withoutPrivacy, onePerJob, idleKb } = findings;
  const peak = wholePath?.peak;
  const peaks = [peak, findings.wholePathAgain].filter((run): run is Measured => run !== undefined);
  const bareAedesCpuUs = mean(findings.bareAedes.map((run) => run.cpuPerMessageUs.gateway ?? 0));
  return {
    endToEndPerSecond: peak?.endToEndPerSecond,
    acknowledgedPerSecond: peak?.acknowledgedPerSecond,
    cpuPerMessageUs: peak && cpuOf(peak),
    bareAedesCpuUs,
    bareAedesPerSecond: Math.round(mean(findings.bareAedes.map((run) => run.acknowledgedPerSecond)) ?? 0),
    ratioToBareAedes: peak && bareAedesCpuUs && hundredth(gatewayUs(peak) / bareAedesCpuUs),
    onePerJob: onePerJob && {
      endToEndPerSecond: onePerJob.endToEndPerSecond,
      cpuPerMessageUs: onePerJob.cpuPerMessageUs,
    },
    withServices: withServices && {
      endToEndPerSecond: withServices.endToEndPerSecond,
      forwardedPerSecond: withServices.forwardedPerSecond,
      cpuPerMessageUs: cpuOf(withServices),
    },
    privacyCostShare: withoutPrivacy && costShare(mean(peaks.map(storedRate)), storedRate(withoutPrivacy)),
    privacyCpuShare: withoutPrivacy && costShare(gatewayUs(withoutPrivacy), mean(peaks.map(gatewayUs))),
    withoutPrivacyPerSecond: withoutPrivacy?.endToEndPerSecond,
    pubackMsAtHalfPeak: wholePath && { p50: wholePath.halfPeak.pubackMs.p50, p99: wholePath.halfPeak.pubackMs.p99 },
    pubackMsAtHalfPeakSingly: wholePath?.halfPeakSingly && {
      p50: wholePath.halfPeakSingly.pubackMs.p50,
      p99: wholePath.halfPeakSingly.pubackMs.p99,
    },
    backlogAtPeak: peak?.backlog,
    drainMs: peak?.drainMs,
    foreignCpuShare: worstForeignShare(findings),
    disturbed: disturbed(findings),
    loaderCpuUs: peak?.cpuPerMessageUs.loader,
    idleConnectionKb: idleKb?.gateway,
    idleConnectionKbBareAedes: idleKb?.bareAedes,
    devices,
    durationMs,
    ...environment,
  };
}

/** Above this share of the machine, what others did decides rates and latencies, and differs from row to row. */
const MAX_FOREIGN_CPU_SHARE = 0.1;

/** Whether other processes took so much of the machine that the rows cannot be compared with each other. */
export function disturbed(findings: Findings): boolean {
  return worstForeignShare(findings) > MAX_FOREIGN_CPU_SHARE;
}

function worstForeignShare(findings: Findings): number {
  return Math.max(0, ...rowsOf(findings).map(([, run]) => run.foreignCpuShare));
}

/** For the terminal, columns padded. */
export function table(run: BenchRun): string {
  const lines = [HEAD, ...rowsOf(run.findings).map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const padded = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  return lines.map(padded).join("\n");
}

export function markdown(run: BenchRun): string {
  const { environment: env, findings } = run;
  const figures = summary(run);
  const rows = rowsOf(findings).map((row) => `| ${cells(row).join(" | ")} |`);
  const versions = Object.entries(env.versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmarks

This page is written by \`npm run bench -- --write\`, which refuses when other processes disturbed the run. Figures of
different machines cannot be compared; the ratios of one run can.

${env.cpu}, ${env.cores} cores, ${env.memoryGib} GiB, loader and servers on the same cores. Commit ${env.commit}, ${env.date}.
${versions.join(" · ")}.

| ${HEAD.join(" | ")} |
|---|${"---:|".repeat(HEAD.length - 1)}
${rows.join("\n")}

| figure | value |
|---|---:|
${figureRows(run)
  .map(([name, value]) => `| ${name} | ${value} |`)
  .join("\n")}

## How it is measured

- **Load.** ${run.devices} devices, each on a connection of its own with 20 messages under way, QoS 1, about 150 bytes of JSON
  with changing coordinates and status. Packets are encoded before the run and sent over raw sockets, half a window in
  one write, by a process of its own (${figures.loaderCpuUs ?? "–"} µs of CPU per message). ${run.durationMs / 1000} s for the peak, after a warm-up
  that is thrown away; somewhat shorter for the rest.
- **Whole path.** The gateway as shipped, Redis with \`appendfsync always\`, InfluxDB, all fresh. Every device has consented to
  analytics, weather and scene; no service listens, unless that is said. Limits per device are lifted, nothing else is configured.
- **Services listening** is the same with a weather and a scene service that subscribe to everything of their purpose: two
  messages go out for each that comes in, and all of them must have arrived before the run counts as ended. They are read
  in the loader's process.
- **Stored per second** is the number of messages acknowledged from the start of the window on, divided by the time until the
  last of them was stored: a backlog that grows during the run is paid for. A run in which a message was refused, a
  connection lost, an acknowledgement out of order, or in which InfluxDB counts other rows than the gateway, is no result.
- **CPU per message** is user and system time of the whole process from the kernel, over the same span.
- **Others' CPU** is the share of the machine that processes outside of the bench took meanwhile. Beyond a few percent the
  rates and latencies of that row say more about them than about the gateway.
- **Bare Aedes** acknowledges the same load from memory, in the same run, once before and once after the gateway.
- **Latency** runs from the moment a message was due to its PUBACK. At half of the peak the devices send the same bursts as at the
  peak; "singly" sends every message in a packet of its own, which costs loader and gateway more per message.
- **One job per message** is Aedes, one BullMQ job for each message, 64 workers and the buffering InfluxDB client: without
  consent, sealing or coarsening. It is not tuned, and in a closed loop its intake starves its own workers: a sender that
  holds back would see somewhat more stored per second.
- **Consent and sealing off** is the same gateway composed with a gate that lets everything pass and an envelope that leaves the
  batch readable (\`bench/no-privacy.ts\`), compared with the mean of a run before and a run after it. Leases, pseudonyms
  and coarsening stay. The product has no such switch.
- **Memory** is resident memory after garbage collection, ${run.idleConnections.toLocaleString("en")} authenticated connections against ${FIRST_CONNECTIONS.toLocaleString("en")}.
`;
}

const HEAD = [
  "scenario",
  "acked/s",
  "stored/s",
  "gateway µs",
  "redis µs",
  "influx µs",
  "PUBACK p50 ms",
  "p99 ms",
  "backlog",
  "others' CPU",
];

function rowsOf(findings: Findings): Row[] {
  const { bareAedes, wholePath, withoutPrivacy, onePerJob } = findings;
  const rows: [string, Measured | undefined][] = [
    ...bareAedes.map((run, index): [string, Measured] => [`bare Aedes, in memory (${index + 1})`, run]),
    ["whole path, peak", wholePath?.peak],
    ["whole path, peak (2)", findings.wholePathAgain],
    ["whole path, half of the peak", wholePath?.halfPeak],
    ["whole path, half, singly", wholePath?.halfPeakSingly],
    ["whole path, services listening", findings.withServices],
    ["consent and sealing off, peak", withoutPrivacy],
    ["one job per message, peak", onePerJob],
  ];
  return rows.flatMap(([name, measured]) => (measured === undefined ? [] : [[name, measured] as const]));
}

function cells([name, run]: Row): string[] {
  const us = (process: string) => run.cpuPerMessageUs[process]?.toFixed(1) ?? "–";
  const stores = run.cpuPerMessageUs.redis !== undefined;
  return [
    name,
    run.acknowledgedPerSecond.toLocaleString("en"),
    stores ? run.endToEndPerSecond.toLocaleString("en") : "–",
    us("gateway"),
    us("redis"),
    us("influx"),
    run.pubackMs.p50.toFixed(1),
    run.pubackMs.p99.toFixed(1),
    stores ? run.backlog.toLocaleString("en") : "–",
    `${Math.round(run.foreignCpuShare * 100)} %`,
  ];
}

function figureRows(run: BenchRun): [string, string][] {
  const figures = summary(run);
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const rows: [string, string | undefined][] = [
    [
      "CPU of the gateway per stored message, as a multiple of bare Aedes",
      figures.ratioToBareAedes ? `${figures.ratioToBareAedes} ×` : undefined,
    ],
    [
      "stored per second, as a multiple of one job per message",
      multiple(figures.endToEndPerSecond, figures.onePerJob?.endToEndPerSecond),
    ],
    [
      "messages to services per second, beside storing",
      present(figures.withServices, ({ forwardedPerSecond }) => forwardedPerSecond.toLocaleString("en")),
    ],
    ["share of the rate that consent and sealing cost", present(figures.privacyCostShare, percent)],
    ["share of the gateway's CPU that consent and sealing cost", present(figures.privacyCpuShare, percent)],
    ["memory per idle connection, gateway", present(figures.idleConnectionKb, (kb) => `${kb} KB`)],
    ["memory per idle connection, bare Aedes", present(figures.idleConnectionKbBareAedes, (kb) => `${kb} KB`)],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]]));
}

function cpuOf(run: Measured) {
  return { gateway: gatewayUs(run), redis: run.cpuPerMessageUs.redis, influx: run.cpuPerMessageUs.influx };
}

function gatewayUs(run: Measured): number {
  return run.cpuPerMessageUs.gateway ?? 0;
}

function storedRate(run: Measured): number {
  return run.endToEndPerSecond;
}

/** Which share of `more` is missing in `less`; negative when noise is larger than the cost. */
function costShare(less: number | undefined, more: number | undefined): number | undefined {
  return less === undefined || more === undefined ? undefined : Math.round((1 - less / more) * 1000) / 1000;
}

function multiple(value: number | undefined, of: number | undefined): string | undefined {
  return value === undefined || of === undefined || of === 0 ? undefined : `${hundredth(value / of)} ×`;
}

function present<Value>(value: Value | undefined, as: (value: Value) => string): string | undefined {
  return value === undefined ? undefined : as(value);
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : hundredth(values.reduce((sum, value) => sum + value, 0) / values.length);
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
