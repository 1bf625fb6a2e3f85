/** What a run comes to: the rows of its tables, and the one JSON object. */
import { type ConsoleCost, roundedCost } from "./console-cost.ts";
import {
  AGAINST,
  BARE,
  DIALECT_LOADS,
  MOSQUITTO_SCRIPT,
  MQTT_5,
  NO_PRIVACY,
  PATH,
  RABBITMQ_QUORUM,
  SERVICES,
  SHARED,
} from "./contenders.ts";
import type { Environment } from "./environment.ts";
import type { LatencySummary } from "./latency-histogram.ts";
import { LOADER, type Measured } from "./measure.ts";
import { perMessage } from "./per-message.ts";
import { type Quartiles, quartiles, type RatioSpread } from "./quartiles.ts";
import type { ResidentMb } from "./resident-memory.ts";
import type { Comparison } from "./scenarios.ts";
import { compared, pooled, type Windows } from "./windows.ts";

export interface Findings {
  readonly comparison?: Comparison | undefined;
  readonly onePerJob?: Measured | undefined;
  /** From the event of a device to the command that follows, in ms. */
  readonly sceneLoop?: LatencySummary | undefined;
  readonly console?: ConsoleCost | undefined;
  readonly residentMb?: ResidentMb | undefined;
  readonly idleKb?: { readonly gateway?: number | undefined; readonly bareAedes?: number | undefined } | undefined;
}

export interface BenchRun {
  readonly environment: Environment;
  readonly devices: number;
  readonly durationMs: number;
  readonly pairs: number;
  readonly idleConnections: number;
  /** Path and commit of the checkout that this one was compared with. */
  readonly against?: { readonly path: string; readonly commit: string } | undefined;
  /** What `--node-flags` and `--traced` were given. */
  readonly nodeFlags: readonly string[];
  readonly findings: Findings;
}

/** This checkout as shipped beside the same, or another, with one thing different. */
interface BesideFigures {
  /** CPU of the gateway per message: the shipped one as a multiple of the other. */
  readonly ratio: RatioSpread | undefined;
  /** Messages stored per second, likewise. */
  readonly rateRatio: RatioSpread | undefined;
  readonly endToEndPerSecond: number;
  readonly cpuPerMessageUs: CpuFigures;
  readonly pubackMsAtHalfPeak: LatencyFigures | undefined;
}

interface VariantFigures {
  /** CPU of the gateway per message, as a multiple of that of the whole path: devices that speak the contract itself with MQTT 3.1.1, and no service. */
  readonly ratio: RatioSpread;
  readonly cpuPerMessageUs: CpuFigures;
}

interface DialectFigures extends VariantFigures {
  readonly dialect: string;
}

interface SharedFigures extends VariantFigures {
  /** As a multiple of the same with a scene service that is connected once; nothing where that was not measured. */
  readonly besideServices: RatioSpread | undefined;
  readonly forwardedPerSecond: number;
}

interface CpuFigures {
  readonly gateway: number;
  readonly redis: number | undefined;
  readonly influx: number | undefined;
}

interface LatencyFigures {
  /** Of all messages. */
  readonly p50: number;
  readonly p99: number;
  /** Of the p99 of each window. */
  readonly p99Windows: Quartiles;
}

/** At one rate, each message sent singly. */
interface RateFigures {
  /** Over all processes but the loader, in µs per message; of the windows. */
  readonly cpuUsAll: Quartiles;
  readonly cpuPerMessageUs: Readonly<Record<string, number>>;
  readonly pubackMs: { readonly p50: number; readonly p99: number; readonly p99Windows: Quartiles };
}
type RateTable = Readonly<Record<string, RateFigures>>;

/** Absent figures belong to scenarios that were not run. */
export function summary(run: BenchRun) {
  const { environment, devices, durationMs, pairs, findings } = run;
  const { onePerJob, idleKb, comparison, sceneLoop, console } = findings;
  const [peak, bare] = [peakOf(run, PATH), peakOf(run, BARE)];
  const [withServices, withoutPrivacy] = [peakOf(run, SERVICES), peakOf(run, NO_PRIVACY)];
  const ratio = comparison && compared(comparison.peak, PATH, BARE, gatewayUs);
  const privacyRate = comparison && compared(comparison.peak, PATH, NO_PRIVACY, storedRate);
  const privacyCpu = comparison && compared(comparison.peak, NO_PRIVACY, PATH, gatewayUs);
  return {
    ratio: ratio && roundedSpread(ratio),
    ratioToBareAedes: ratio && rounded(ratio.median),
    endToEndPerSecond: peak?.endToEndPerSecond,
    acknowledgedPerSecond: peak?.acknowledgedPerSecond,
    cpuPerMessageUs: peak && cpuOf(peak),
    bareAedesCpuUs: bare && rounded(gatewayUs(bare)),
    bareAedesPerSecond: bare?.acknowledgedPerSecond ?? 0,
    ...(peak && perMessage(peak.counted)),
    onePerJob: onePerJob && {
      endToEndPerSecond: onePerJob.endToEndPerSecond,
      cpuPerMessageUs: cpuOf(onePerJob),
    },
    withServices: withServices && {
      endToEndPerSecond: withServices.endToEndPerSecond,
      forwardedPerSecond: withServices.forwardedPerSecond,
      cpuPerMessageUs: cpuOf(withServices),
    },
    shared: sharedFigures(run),
    sceneLoop: sceneLoop && { p50: rounded(sceneLoop.p50), p99: rounded(sceneLoop.p99), loops: sceneLoop.count },
    console: console && roundedCost(console),
    residentMb: findings.residentMb,
    mqtt5: variantFigures(run, MQTT_5),
    dialects: DIALECT_LOADS.flatMap(({ dialect }): DialectFigures[] => {
      const figures = variantFigures(run, dialect);
      return figures === undefined ? [] : [{ dialect, ...figures }];
    }),
    against: run.against && { ...run.against, ...besideFigures(run, AGAINST) },
    nodeFlags: run.nodeFlags.map((flags) => ({ flags, ...besideFigures(run, flags) })),
    privacyCostShare: privacyRate && rounded(1 - privacyRate.median, 3),
    privacyCpuShare: privacyCpu && rounded(1 - privacyCpu.median, 3),
    withoutPrivacyPerSecond: withoutPrivacy?.endToEndPerSecond,
    rates: ratesOf(run, PATH),
    ratesAgainst: ratesOf(run, AGAINST),
    peers: peersOf(run),
    pubackMsAtHalfPeak: latencyOf(comparison?.halfPeak, PATH),
    pubackMsAtHalfPeakSingly: latencyOf(comparison?.halfPeakSingly, PATH),
    backlogAtPeak: peak?.backlog,
    drainMs: peak?.drainMs,
    foreignCpuShare: worstForeignShare(run),
    disturbed: disturbed(run),
    loaderCpuUs: peak && rounded(peak.cpuPerMessageUs.loader ?? 0),
    idleConnectionKb: idleKb?.gateway,
    idleConnectionKbBareAedes: idleKb?.bareAedes,
    devices,
    durationMs,
    windowMs: Math.round(durationMs / pairs),
    ...environment,
  };
}

function peersOf(run: BenchRun): { mosquittoScript: RateTable; rabbitmqQuorum: RateTable } | undefined {
  const [mosquittoScript, rabbitmqQuorum] = [ratesOf(run, MOSQUITTO_SCRIPT), ratesOf(run, RABBITMQ_QUORUM)];
  return mosquittoScript && rabbitmqQuorum && { mosquittoScript, rabbitmqQuorum };
}

function ratesOf({ findings }: BenchRun, name: string): RateTable | undefined {
  const rows = [...(findings.comparison?.rates ?? [])].flatMap(([rate, windows]) => {
    const of = windows.get(name);
    return of === undefined ? [] : [[rate, rateFigures(of)] as const];
  });
  return rows.length === 0 ? undefined : Object.fromEntries(rows);
}

function rateFigures(windows: readonly Measured[]): RateFigures {
  const { cpuPerMessageUs, pubackMs } = pooled(windows);
  const shares = Object.entries(cpuPerMessageUs).filter(([process]) => process !== LOADER);
  const p99Windows = quartiles(windows.map((window) => window.pubackMs.p99));
  return {
    cpuUsAll: roundedQuartiles(quartiles(windows.map(cpuUsAll))),
    cpuPerMessageUs: Object.fromEntries(shares.map(([process, us]) => [process, rounded(us)])),
    pubackMs: { p50: rounded(pubackMs.p50), p99: rounded(pubackMs.p99), p99Windows: roundedQuartiles(p99Windows) },
  };
}

/** Whatever takes part in bringing a message from its PUBLISH to where it rests. */
export function cpuUsAll({ cpuPerMessageUs }: Measured): number {
  const shares = Object.entries(cpuPerMessageUs).map(([process, us]) => (process === LOADER ? 0 : us));
  return shares.reduce((sum, us) => sum + us, 0);
}

/** What it costs that devices speak otherwise; nothing of what was not measured beside the whole path. */
function variantFigures(run: BenchRun, name: string): VariantFigures | undefined {
  const peaks = run.findings.comparison?.peak;
  const measured = peakOf(run, name);
  const ratio = peaks && compared(peaks, name, PATH, gatewayUs);
  if (measured === undefined || ratio === undefined) return undefined;
  return { ratio: roundedSpread(ratio), cpuPerMessageUs: cpuOf(measured), ...perMessage(measured.counted) };
}

/** What it costs that a service divides what it gets among two connections. */
function sharedFigures(run: BenchRun): SharedFigures | undefined {
  const figures = variantFigures(run, SHARED);
  const peaks = run.findings.comparison?.peak;
  const beside = peaks && compared(peaks, SHARED, SERVICES, gatewayUs);
  if (figures === undefined) return undefined;
  return {
    ...figures,
    besideServices: beside && roundedSpread(beside),
    forwardedPerSecond: peakOf(run, SHARED)?.forwardedPerSecond ?? 0,
  };
}

function besideFigures({ findings }: BenchRun, name: string): BesideFigures | undefined {
  const peaks = findings.comparison?.peak;
  const windows = peaks?.get(name);
  if (peaks === undefined || windows === undefined) return undefined;
  const measured = pooled(windows);
  const ratio = compared(peaks, PATH, name, gatewayUs);
  const rateRatio = compared(peaks, PATH, name, storedRate);
  return {
    ratio: ratio && roundedSpread(ratio),
    rateRatio: rateRatio && roundedSpread(rateRatio),
    endToEndPerSecond: measured.endToEndPerSecond,
    cpuPerMessageUs: cpuOf(measured),
    ...perMessage(measured.counted),
    pubackMsAtHalfPeak: latencyOf(findings.comparison?.halfPeak, name),
  };
}

/** Above this share of the machine, what others did decides rates and latencies, and differs from row to row. */
const MAX_FOREIGN_CPU_SHARE = 0.1;

/** Whether other processes took so much of the machine that rates and latencies say little. */
export function disturbed(run: BenchRun): boolean {
  return worstForeignShare(run) > MAX_FOREIGN_CPU_SHARE;
}

function worstForeignShare(run: BenchRun): number {
  return Math.max(0, ...rowsOf(run).map(([, measured]) => measured.foreignCpuShare));
}

export type Row = readonly [scenario: string, measured: Measured];

export function rowsOf(run: BenchRun): Row[] {
  const { comparison, onePerJob } = run.findings;
  const half = (name: string, windows = comparison?.halfPeak) => windows && pooledOf(windows, name);
  const rows: [string, Measured | undefined][] = [
    ["bare Aedes, in memory", peakOf(run, BARE)],
    ["whole path, peak", peakOf(run, PATH)],
    ["whole path, half of the peak", half(PATH)],
    ["whole path, half, singly", half(PATH, comparison?.halfPeakSingly)],
    ...[...(comparison?.rates ?? [])].flatMap(([rate, windows]) =>
      [...windows].map(([name, of]): [string, Measured] => [`${name} at ${rate.toLocaleString("en")}/s`, pooled(of)]),
    ),
    ["whole path, MQTT 5, peak", peakOf(run, MQTT_5)],
    ...DIALECT_LOADS.map(({ dialect }): [string, Measured | undefined] => [
      `whole path, ${dialect}, peak`,
      peakOf(run, dialect),
    ]),
    ["whole path, services listening", peakOf(run, SERVICES)],
    ["whole path, services listening, two members", peakOf(run, SHARED)],
    ["consent and sealing off, peak", peakOf(run, NO_PRIVACY)],
    ["one job per message, peak", onePerJob],
    ["other checkout, peak", peakOf(run, AGAINST)],
    ["other checkout, half of the peak", half(AGAINST)],
    ...run.nodeFlags.flatMap((flags): [string, Measured | undefined][] => [
      [`${flags}, peak`, peakOf(run, flags)],
      [`${flags}, half of the peak`, half(flags)],
    ]),
  ];
  return rows.flatMap(([name, measured]) => (measured === undefined ? [] : [[name, measured] as const]));
}

export function peakOf({ findings }: BenchRun, name: string): Measured | undefined {
  return findings.comparison && pooledOf(findings.comparison.peak, name);
}

function pooledOf(windows: Windows, name: string): Measured | undefined {
  const of = windows.get(name);
  return of && pooled(of);
}

function latencyOf(windows: Windows | undefined, name: string): LatencyFigures | undefined {
  const of = windows?.get(name);
  if (of === undefined) return undefined;
  const { p50, p99 } = pooled(of).pubackMs;
  return { p50, p99, p99Windows: quartiles(of.map(({ pubackMs }) => pubackMs.p99)) };
}

function cpuOf({ cpuPerMessageUs: { gateway = 0, redis, influx } }: Measured): CpuFigures {
  return {
    gateway: rounded(gateway),
    redis: redis === undefined ? undefined : rounded(redis),
    influx: influx === undefined ? undefined : rounded(influx),
  };
}

function gatewayUs(run: Measured): number {
  return run.cpuPerMessageUs.gateway ?? 0;
}

function storedRate(run: Measured): number {
  return run.endToEndPerSecond;
}

function roundedQuartiles({ median, p25, p75 }: Quartiles): Quartiles {
  return { median: rounded(median), p25: rounded(p25), p75: rounded(p75) };
}

function roundedSpread({ median, p25, p75, pairs }: RatioSpread): RatioSpread {
  return { median: rounded(median, 3), p25: rounded(p25, 3), p75: rounded(p75, 3), pairs };
}

function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
