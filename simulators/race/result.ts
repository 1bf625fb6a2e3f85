/** The outcome of a race as one line of JSON. Holds counts and times, and no id of anybody. */
import type { Violation } from "./complaints.ts";
import type { RaceFleet } from "./fleet.ts";
import type { Listeners } from "./listeners.ts";
import type { SentMessages } from "./sent-messages.ts";
import { type Percentiles, percentiles, type Tally } from "./tally.ts";
import type { CheckedPackets, CheckedRows, Verdict } from "./verdict.ts";

export interface RaceResult {
  readonly messages: number;
  readonly withdrawals: number;
  readonly erasures: number;
  readonly storedAfterWithdrawal: number;
  readonly rowsAfterErasure: number;
  readonly forwardedAfterWithdrawal: number;
  readonly lost: number;
  readonly withdrawalMs: Percentiles;
  readonly erasureMs: Percentiles;
  readonly reconsents: number;
  readonly withdrawalsBy: Tally["withdrawals"];
  readonly kills: Tally["kills"];
  readonly requestsRepeated: Tally["retries"];
  readonly messagesRepeated: number;
  readonly connectionsLost: number;
  readonly lostWhereConsentHeld: number;
  readonly checkedRows: CheckedRows;
  readonly checkedPackets: CheckedPackets;
  /** Of which of these so few were seen that the run shows nothing about them; empty in a run that may pass. */
  readonly nothingChecked: readonly string[];
  readonly forwardedAtTheAnswer: number;
  /** From the answer of a withdrawal until the store was read, and until every service connection had answered a question. */
  readonly snapshotMs: Percentiles;
  readonly askedMs: Percentiles;
  readonly messagesPerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly violations: readonly Violation[];
}

/** Of the run of `npm run race` with nothing else said. */
export const FULL_RUN = { messages: 100_000, leastChecked: 1_000 };

export interface ResultInput {
  readonly seed: number;
  /** Messages that were to be sent. */
  readonly messages: number;
  /** Absent: 1,000 in a full run, of a smaller one the same share. */
  readonly leastChecked?: number | undefined;
  readonly verdict: Verdict;
  readonly tally: Tally;
  readonly sent: SentMessages;
  readonly fleet: Pick<RaceFleet, "repeated" | "lostConnections">;
  readonly listeners: Pick<Listeners, "askedMs">;
  /** From the first message to the last acknowledgement; and of everything. */
  readonly racingMs: number;
  readonly durationMs: number;
}

export function resultOf({ verdict, tally, sent, fleet, listeners, ...input }: ResultInput): RaceResult {
  return {
    messages: sent.count,
    withdrawals: tally.withdrawalCount,
    erasures: tally.erasures,
    storedAfterWithdrawal: verdict.storedAfterWithdrawal,
    rowsAfterErasure: verdict.rowsAfterErasure + tally.rowsAtReceipt,
    forwardedAfterWithdrawal: verdict.forwardedAfterWithdrawal,
    lost: verdict.lost,
    withdrawalMs: percentiles(tally.withdrawalMs),
    erasureMs: percentiles(tally.erasureMs),
    reconsents: tally.reconsents,
    withdrawalsBy: tally.withdrawals,
    kills: tally.kills,
    requestsRepeated: tally.retries,
    messagesRepeated: fleet.repeated,
    connectionsLost: fleet.lostConnections,
    lostWhereConsentHeld: verdict.lostWhereConsentHeld,
    checkedRows: verdict.checkedRows,
    checkedPackets: verdict.checkedPackets,
    nothingChecked: tooFew(verdict, input.leastChecked ?? leastOf(input.messages)),
    forwardedAtTheAnswer: verdict.forwardedAtTheAnswer,
    snapshotMs: percentiles(tally.snapshotMs),
    askedMs: percentiles(listeners.askedMs),
    messagesPerSecond: Math.round((sent.count * 1000) / input.racingMs),
    seconds: Math.round(input.durationMs / 100) / 10,
    seed: input.seed,
    violations: verdict.violations,
  };
}

function leastOf(messages: number): number {
  return Math.ceil(Math.min(1, messages / FULL_RUN.messages) * FULL_RUN.leastChecked);
}

function tooFew({ checkedRows, checkedPackets }: Verdict, least: number): string[] {
  const checked = Object.entries({ ...checkedRows, ...checkedPackets });
  return checked.flatMap(([kind, count]) => (count < least ? [kind] : []));
}

/** What must not happen did not, and was looked for. */
export function racePassed(result: RaceResult): boolean {
  const { storedAfterWithdrawal, rowsAfterErasure, forwardedAfterWithdrawal, lost, nothingChecked } = result;
  return storedAfterWithdrawal + rowsAfterErasure + forwardedAfterWithdrawal + lost + nothingChecked.length === 0;
}

export function raceText(result: RaceResult): string {
  const { withdrawalMs, erasureMs, kills, violations, checkedRows, checkedPackets, nothingChecked } = result;
  const lines = [
    `${result.messages} messages (${result.messagesPerSecond}/s), ${result.withdrawals} withdrawals, ${result.reconsents} new consents, ${result.erasures} erasures, ${kills.a + kills.b} kills in ${result.seconds} s`,
    `withdrawal ${withdrawalMs.p50} ms (p99 ${withdrawalMs.p99} ms), erasure ${erasureMs.p50} ms (p99 ${erasureMs.p99} ms)`,
    `checked: ${[checkedRows, checkedPackets].map(countsText).join("; ")}`,
    ...nothingChecked.map((kind) => `NOTHING CHECKED: too few of ${kind} to show anything`),
    `stored after a withdrawal: ${result.storedAfterWithdrawal}`,
    `forwarded after a withdrawal: ${result.forwardedAfterWithdrawal}`,
    `rows after an erasure: ${result.rowsAfterErasure}`,
    `lost: ${result.lost}`,
    ...violations.map(
      ({ kind, what, phasesApart, count, latestMs }) =>
        `  ${count} × ${kind}: ${what}, ${phasesApart ?? "–"} phases apart${latestMs === undefined ? "" : `, at most ${latestMs} ms late`}`,
    ),
  ];
  return lines.map((line) => `  ${line}`).join("\n");
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([kind, count]) => `${count} of ${kind}`)
    .join(", ");
}
