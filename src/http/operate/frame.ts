/** All that is so on this gateway now, in one frame: made once for all who look on. */
import { openRefused } from "../../model/outcome.ts";
import { PURPOSES } from "../../model/purposes.ts";
import type { StandingAlarm } from "../../observe/alarms.ts";
import { quantileMs, type Reading, type SampleOf } from "../../observe/history.ts";
import type { MetricName } from "../../observe/metric-table.ts";
import type { ConsolePorts } from "./ports.ts";
import type { Frame } from "./shapes.ts";

/** What asks Redis; the last that was known stays while it does not answer. */
export interface Asked {
  readonly coverage: Awaited<ReturnType<ConsolePorts["coverage"]>>;
  readonly erasures: Awaited<ReturnType<ConsolePorts["erasures"]["open"]>>;
}

export interface Looked {
  readonly sample: SampleOf;
  readonly alarms: readonly StandingAlarm[];
}

type Series = readonly (readonly [Readonly<Record<string, string>>, number])[];

/** Fewer could be one person; and a number that moves by one tells of one. */
const COUNTED_IN = 10;
const MOST_ERASURES = 50;

export function readingOf({ metrics }: Pick<ConsolePorts, "metrics">, at: number, elapsed: number): Reading {
  const value = readerOf(metrics);
  return {
    at,
    elapsed,
    books: metrics.books(),
    forwarded: value("forwarded"),
    puback: metrics.figure("puback")[0]?.[1] ?? { bounds: [], buckets: [] },
    now: {
      backlogMessages: value("backlogMessages"),
      backlogBytes: value("backlogBytes"),
      backlogOldestSeconds: value("backlogOldest"),
      devices: value("connections", "device"),
      services: value("connections", "service"),
      deadLetters: value("deadLetters"),
      eventLoopP99Ms: orZero(metrics.figure("eventLoopDelay").of["0.99"]) * 1_000,
    },
  };
}

export function frameOf(ports: ConsolePorts, { sample, alarms }: Looked, asked: Asked, now: number): Frame {
  const { metrics } = ports;
  const value = readerOf(metrics);
  const { ready, reasons } = ports.readiness();
  const books = metrics.books();
  const backupAge = metrics.figure("backupAge")[0]?.[1] ?? Number.POSITIVE_INFINITY;
  const policyVersion = ports.policyVersion();
  return {
    version: ports.version,
    startedAt: ports.startedAt,
    ready,
    reasons: [...reasons],
    sample: { ...sample, refusedBy: { ...sample.refusedBy } },
    books: { ...books, refused: openRefused(books.refused) },
    backlogLimitBytes: value("backlogLimit"),
    deadLetterBytes: value("deadLetterBytes"),
    deadLetterLimitBytes: value("deadLetterLimit"),
    durability: ports.durability(),
    redisWrites: ports.redisWrites(),
    store: {
      available: ports.storeAvailable(),
      pausing: value("breakerOpen") === 1,
      failures: value("sinkFailures"),
    },
    backupAgeSeconds: Number.isFinite(backupAge) ? backupAge : null,
    alarms: [...alarms],
    gateways: ports.gateways(),
    services: ports.services(),
    dialects: ports.dialects(),
    consent: {
      ...(policyVersion !== undefined && { policyVersion }),
      purposes: PURPOSES.map((purpose) => ({
        purpose,
        consented: inTens(asked.coverage?.consented[purpose]),
        suspended: inTens(value("devicesSuspended", purpose)),
      })),
      ...(asked.coverage && { countedAt: asked.coverage.countedAt }),
      ...withdrawalsOf(metrics),
    },
    rights: rightsOf(value, asked.erasures, now),
    traces: ports.traces.running,
  };
}

type Value = (name: MetricName, label?: string) => number;

/** The sum of its series, or of those with this value of a label. What is no number would leave the page without any. */
function readerOf(metrics: ConsolePorts["metrics"]): Value {
  return (name, label) =>
    (metrics.figure(name) as Series)
      .filter(([labels]) => label === undefined || Object.values(labels).includes(label))
      .reduce((sum, [, value]) => sum + orZero(value), 0);
}

function orZero(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? value : 0;
}

function inTens(count: number | undefined): number | null {
  const tens = Math.floor((count ?? 0) / COUNTED_IN) * COUNTED_IN;
  return tens === 0 ? null : tens;
}

function withdrawalsOf(metrics: ConsolePorts["metrics"]): Pick<Frame["consent"], "withdrawals" | "withdrawalP99Ms"> {
  const { bounds = [], buckets = [], count = 0 } = metrics.figure("withdrawal")[0]?.[1] ?? {};
  const withdrawals = inTens(count);
  const p99 = withdrawals === null ? null : quantileMs(bounds, buckets, 0.99);
  // Between the bounds it would move with each of them.
  const bound = p99 === null ? null : (bounds.map((seconds) => seconds * 1_000).find((ms) => ms >= p99) ?? p99);
  return { withdrawals, withdrawalP99Ms: bound };
}

function rightsOf(value: Value, erasures: Asked["erasures"], now: number): Frame["rights"] {
  const open = [...erasures].sort((one, other) => one.requestedAt - other.requestedAt).slice(0, MOST_ERASURES);
  return {
    erasures: {
      running: value("erasuresOpen", "running"),
      held: value("erasuresOpen", "held"),
      oldestSeconds: value("erasureOldest"),
      open: open.map(({ state, step, requestedAt, waiting }) => ({
        state,
        ...(step !== undefined && { step }),
        ageSeconds: Math.max(0, Math.round((now - requestedAt) / 1_000)),
        ...(waiting && { code: waiting.code }),
      })),
      completed: { deleted: value("erasures", "deleted"), unlinkable: value("erasures", "unlinkable") },
      servicesUnanswered: value("servicesUnanswered"),
      noticesWaiting: value("erasureNoticesWaiting"),
      noticesOverdueSeconds: value("erasureNoticesOverdue"),
    },
    holds: { open: value("holdsOpen"), oldestSeconds: value("holdOldest") },
  };
}
