/** What the demo prints: for a person at a terminal, and for a program. */
import { REFUSALS, type Refusal } from "../src/model/outcome.ts";
import { type GatewayBooks, refusedTotal } from "../tools/stack/books.ts";
import type { InfluxRow } from "../tools/stack/influx-reader.ts";
import { dialectJson, dialectLines } from "./dialect-report.ts";
import type { LeakScanResult } from "./leak-scan.ts";
import { loopJson, loopRows, loopShortcomings } from "./loops/loop-lines.ts";
import type { LoopReport } from "./loops/loop-report.ts";
import { count, megabytes } from "./progress.ts";
import type { SentLog } from "./sent-log.ts";
import type { SimulationReport } from "./simulation.ts";
import { rowValues } from "./stored-rows.ts";

export interface DemoResult {
  readonly report: SimulationReport;
  readonly loops: LoopReport;
  readonly scan: LeakScanResult;
  readonly durability: string;
  /** What a run of its size shows. */
  readonly atLeast?: { readonly published: number; readonly refusalReasons: number } | undefined;
}

/** Below this the usual run has not shown a fleet under load, nor that different people are treated differently. */
export const USUAL_RUN = { published: 10_000, refusalReasons: 4 };

function leakCount({ leaks }: LeakScanResult): number {
  return leaks.reduce((sum, leak) => sum + leak.count, 0);
}

/** Books and scan are both clean, nothing else went wrong, and the run has shown what it should. */
export function demoPassed(result: DemoResult): boolean {
  const { report, scan } = result;
  const clean = problemsOf(result).length === 0 && scan.leaks.length === 0 && scan.scannedBytes > 0;
  return report.books !== undefined && clean && shortcomings(result).length === 0;
}

function problemsOf({ report, loops }: DemoResult): string[] {
  return [...report.problems, ...loops.problems];
}

/** What the run has not shown, one sentence each. */
function shortcomings({ report, loops, atLeast }: DemoResult): string[] {
  if (atLeast === undefined) return [];
  const reasons = Object.keys(report.books?.refused ?? {}).length;
  return [
    ...(report.published < atLeast.published
      ? [`${count(report.published)} messages were published, at least ${count(atLeast.published)} are needed`]
      : []),
    ...(reasons < atLeast.refusalReasons
      ? [`messages were refused for ${reasons} reasons, at least ${atLeast.refusalReasons} are needed`]
      : []),
    ...loopShortcomings(loops),
  ];
}

export function demoJson(result: DemoResult): Record<string, unknown> {
  const { report, loops, scan, durability } = result;
  const problems = problemsOf(result);
  return {
    published: report.published,
    acknowledged: report.acknowledged,
    received: report.books?.received,
    stored: report.books?.stored,
    forwarded: report.books?.forwarded,
    forwardedOnly: report.books?.forwardedOnly,
    refused: report.books?.refused,
    deadLettered: report.books?.deadLettered,
    inFlight: report.books?.inFlight,
    balanced: report.books !== undefined && problems.length === 0,
    problems: [...problems, ...shortcomings(result)],
    leaks: leakCount(scan),
    scannedBytes: scan.scannedBytes,
    pubackMs: report.pubackMs,
    durability,
    loops: loopJson(loops),
    dialects: report.dialects && dialectJson(report.dialects),
    attacks: { tried: report.attacks.length, held: report.attacks.filter(({ held }) => held).length },
  };
}

export function demoText(result: DemoResult, log: SentLog): string {
  const { report, scan } = result;
  const { books } = report;
  if (books === undefined) return "The gateway's metrics could not be read.";
  const lines = [
    row(
      "Published",
      report.published,
      `in ${(report.elapsedMs / 1000).toFixed(0)} s; those of QoS 0, and what cut a connection off, are never acknowledged`,
    ),
    row(
      "Acknowledged",
      report.acknowledged,
      `PUBACK after ${report.pubackMs.p50} ms (median), ${report.pubackMs.p99} ms (p99); ${DURABILITY[result.durability] ?? result.durability}`,
    ),
    row("Stored", books.stored, "in InfluxDB, under pseudonyms and in coarse cells"),
    row("Forwarded only", books.forwardedOnly, "passed on to a service, kept nowhere"),
    row("Refused", refusedTotal(books), "acknowledged and dropped; nothing of them was kept:"),
    ...refusalLines(books.refused),
    "",
    row(
      "Services got",
      books.forwarded.weather + books.forwarded.scene + books.forwarded.network,
      `packets: weather ${count(books.forwarded.weather)}, scene ${count(books.forwarded.scene)}, network ${count(books.forwarded.network)}`,
    ),
    row(
      "Withdrawals",
      report.withdrawals.people,
      `people, in mid-run; each answered within ${report.withdrawals.slowestMs} ms, nothing stored afterwards`,
    ),
    row(
      "Attacks",
      report.attacks.length,
      `${report.attacks.filter(({ held }) => held).length} came to nothing and disturbed no one; ${report.eavesdropping.filter(({ answer }) => answer !== "granted").length} of ${report.eavesdropping.length} eavesdropping attempts denied`,
    ),
    ...loopRows(result.loops).flatMap(({ label, value, remark, example }) => [
      row(label, value, remark),
      ...(example === undefined ? [] : [`  ${example}`]),
    ]),
    "",
    "What came in, and all that is kept of it:",
    ...sampleLines(report, log),
    ...dialectLines(report.dialects?.samples ?? []),
    "",
    ...scanLines(scan),
    row("Books", books.received, `received = ${booksSum(books)}`),
    ...problemsOf(result)
      .slice(0, 8)
      .map((problem) => `  DOES NOT ADD UP: ${problem}`),
    ...shortcomings(result).map((sentence) => `  TOO LITTLE: ${sentence}`),
    ...scan.leaks
      .slice(0, 8)
      .map(({ canaryKind, form, where, count: found }) => `  LEAK: ${found} × ${canaryKind} (${form}) in ${where}`),
    demoPassed(result) ? "Everything adds up, and nothing leaked." : "The demo FAILED.",
    ...(demoPassed(result) ? ["", ...WHAT_NEXT] : []),
  ];
  return lines.join("\n");
}

/** For a person who has just seen it work. */
const WHAT_NEXT: readonly string[] = [
  "What to try next:",
  "  npm start          a gateway of your own that stays; README.md connects a first device to it in six lines",
  "  npm run centre     the page on which people see and change what is done with their data",
  "  docs/devices.md    a plug or a hub that you have: Tasmota, Zigbee2MQTT, Shelly, ESPHome and others",
];

function booksSum(books: GatewayBooks): string {
  const { stored, forwardedOnly, deadLettered, inFlight } = books;
  return `${count(stored)} stored + ${count(forwardedOnly)} forwarded only + ${count(refusedTotal(books))} refused + ${deadLettered} dead-lettered + ${inFlight} in flight`;
}

const DURABILITY: Readonly<Record<string, string>> = {
  fsync: "what is kept is on disk (fsync) before it",
  everysec: "a power cut may still lose the last second",
  none: "what is kept is in memory only",
};

function row(label: string, value: number, remark: string): string {
  return `${label.padEnd(15)}${count(value).padStart(8)}  ${remark}`.trimEnd();
}

function refusalLines(refused: Readonly<Partial<Record<Refusal, number>>>): string[] {
  const rows = Object.entries(refused) as [Refusal, number][];
  return rows
    .sort(([, a], [, b]) => b - a)
    .map(([reason, value]) => `${count(value).padStart(23)}  ${reason.padEnd(18)} ${REFUSALS[reason]}`);
}

const SAMPLES = 2;

/** Stored rows beside the messages they came from, and a place, of which no one can tell which message it came from: raw on the terminal only, where the simulator's own data may be shown. */
function sampleLines(report: SimulationReport, log: SentLog): string[] {
  const lines: string[] = [];
  const kinds = new Set<string>();
  for (const message of log.messages) {
    const stored = report.stored?.bySeq.get(message.seq);
    const kind = message.topic.slice("devices/".length).replace(/-[0-9a-f]+\/.*/, "");
    if (stored === undefined || message.part !== "telemetry" || message.standing !== "consenting" || kinds.has(kind))
      continue;
    kinds.add(kind);
    lines.push(`  in    ${message.topic}  ${message.payload}`, `  kept  device_status ${rowText(stored)}`);
    if (kinds.size === SAMPLES) break;
  }
  // Under a name of its own: nothing says whose it is, and nothing here could.
  const [place] = report.stored?.places.values() ?? [];
  if (place !== undefined) lines.push(`  kept  device_location ${rowText(place)}`);
  return lines;
}

function rowText(row: InfluxRow): string {
  const fields = Object.entries(rowValues(row));
  return fields.map(([name, value]) => `${name}=${value}`).join(" ");
}

function scanLines(scan: LeakScanResult): string[] {
  const verdict = scan.leaks.length === 0 ? "none was found" : `${leakCount(scan)} FOUND`;
  return [
    row(
      "Leak scan",
      scan.canaryCount,
      "ids, addresses, places and secrets sought, plain, in hex, in base64 and in other forms,",
    ),
    `${" ".repeat(25)}in ${megabytes(scan.scannedBytes)} of files, keys, rows, logs, metrics and packets: ${verdict}`,
  ];
}
