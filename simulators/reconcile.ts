/**
 * Compares three independent accounts of a run: what the simulator sent and had acknowledged, what
 * the gateway counted, and what the store and the services hold. Messages of QoS 0, of a broken
 * connection, or on the way during a withdrawal may have gone either way: they widen a bound, and
 * nothing else does.
 */

import { REFUSAL_REASONS } from "../src/model/outcome.ts";
import { SERVICE_PURPOSES, type ServicePurpose } from "../src/model/purposes.ts";
import { booksBalance, type GatewayBooks } from "../tools/stack/books.ts";
import { compareDialectRows } from "./dialect-rows.ts";
import { hasArrived, type SentLog, type SentMessage } from "./sent-log.ts";
import type { StoredRows } from "./stored-rows.ts";

export interface ReconcileInput {
  readonly log: SentLog;
  /** Absent when the broker keeps no books. */
  readonly books?: GatewayBooks | undefined;
  /** Absent when the store cannot be asked. */
  readonly stored?: StoredRows | undefined;
  /** Packets that arrived at each subscriber of this run. */
  readonly arrived?: Arrived | undefined;
}

export type Arrived = Partial<Readonly<Record<ServicePurpose, number>>>;

/** Sentences, each a difference between two accounts. Empty: everything adds up. */
export function reconcile({ log, books, stored, arrived }: ReconcileInput): string[] {
  const problems: string[] = [];
  if (log.unacknowledgedCount !== 0) {
    problems.push(`${log.unacknowledgedCount} messages of QoS 1 or 2 were never acknowledged`);
  }
  if (books !== undefined) {
    if (!booksBalance(books)) problems.push("the gateway's own books do not balance");
    if (books.inFlight !== 0) problems.push(`${books.inFlight} messages are still in flight`);
    if (books.deadLettered !== 0) problems.push(`${books.deadLettered} messages were dead-lettered`);
    problems.push(...compareCounts(log, books), ...compareServices(log, books, arrived ?? {}));
  }
  if (stored !== undefined) problems.push(...compareStore(log, stored));
  if (stored !== undefined && books !== undefined) problems.push(...compareStoredCount(log, stored, books));
  return problems;
}

function compareCounts(log: SentLog, books: GatewayBooks): string[] {
  const received = bounds(log, () => true, log.uncertain);
  const stored = bounds(log, ({ expectation }) => expectation.kind === "stored", eitherCount(log));
  const forwarded = bounds(log, ({ expectation }) => expectation.kind === "forwarded", eitherCount(log));
  return [
    outside("received", books.received, received),
    outside("stored", books.stored, stored),
    outside("forwarded only", books.forwardedOnly, forwarded),
    ...REFUSAL_REASONS.map((reason) => {
      const either = log.count(({ expectation }) => "reasons" in expectation && expectation.reasons.includes(reason));
      const certain = ({ expectation }: SentMessage) => expectation.kind === "refused" && expectation.reason === reason;
      return outside(`refused ${reason}`, books.refused[reason] ?? 0, bounds(log, certain, either + log.uncertain));
    }),
  ].flat();
}

function compareServices(log: SentLog, books: GatewayBooks, arrived: Arrived): string[] {
  return SERVICE_PURPOSES.flatMap((purpose) => {
    const certain = ({ expectation }: SentMessage) =>
      (expectation.kind === "stored" || expectation.kind === "forwarded") && expectation.forwarded.includes(purpose);
    // What is told at steps is not of messages, and more may come after the books were read; see crowd-check.ts, network-check.ts.
    const atSteps = purpose !== "scene";
    const counted = books.forwarded[purpose];
    const unasked = purpose === "network" && counted > 0 && log.count(mayReachNetwork) === 0;
    const problems = atSteps
      ? unasked
        ? [`the network service heard ${counted} packets, and of no one it may hear of`]
        : []
      : outside(`forwarded for ${purpose}`, counted, bounds(log, certain, eitherCount(log)));
    const received = arrived[purpose];
    if (received !== undefined && (atSteps ? received < counted : received !== counted)) {
      problems.push(`the ${purpose} service got ${received} packets, the gateway counted ${books.forwarded[purpose]}`);
    }
    return problems;
  });
}

function mayReachNetwork({ expectation }: SentMessage): boolean {
  return "forwarded" in expectation && expectation.forwarded.includes("network");
}

function compareStore(log: SentLog, stored: StoredRows): string[] {
  const problems: string[] = [];
  const missing = missingFromStore(log, stored).length;
  const wrongly = wronglyStored(log, stored);
  if (missing > 0) problems.push(`${missing} acknowledged messages are missing from the store`);
  if (wrongly > 0) problems.push(`${wrongly} rows are in the store that must not be there`);
  problems.push(...compareDialectRows(log, stored.unnumbered));
  if (stored.repeated > 0) problems.push(`${stored.repeated} rows are in the store twice`);
  if (stored.locationRows > stored.places.size) problems.push("the store holds former places of devices");
  return problems;
}

/** Location-only messages leave no row of their own: they overwrite the device's one current cell. */
function compareStoredCount(log: SentLog, stored: StoredRows, books: GatewayBooks): string[] {
  const leavesNone = ({ traceable, spoken }: SentMessage) => !traceable && spoken?.row === undefined;
  const placeOnly = (message: SentMessage) => message.expectation.kind === "stored" && leavesNone(message);
  const either = log.count((message) => message.expectation.kind === "either" && leavesNone(message));
  const rows = stored.bySeq.size + stored.unnumbered.length;
  return outside("stored, less the status rows,", books.stored - rows, bounds(log, placeOnly, either));
}

/** Acknowledged, to be stored, and not there. Empty whenever a PUBACK means durable. */
function missingFromStore(log: SentLog, stored: Pick<StoredRows, "bySeq">): SentMessage[] {
  return log.messages.filter(
    ({ acknowledgedAt, expectation, traceable, seq }) =>
      acknowledgedAt !== undefined && expectation.kind === "stored" && traceable && !stored.bySeq.has(seq),
  );
}

/** Rows of messages that had to be refused, and rows that no message accounts for. */
function wronglyStored(log: SentLog, stored: Pick<StoredRows, "bySeq">): number {
  const allowed = new Set<number>();
  for (const { expectation, seq } of log.messages) {
    if (expectation.kind === "stored" || expectation.kind === "either") allowed.add(seq);
  }
  let count = 0;
  for (const seq of stored.bySeq.keys()) if (!allowed.has(seq)) count += 1;
  return count;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** Messages that arrived for certain must have been counted; the others of the same kind, and `extra`, may have been. */
function bounds(log: SentLog, matches: (message: SentMessage) => boolean, extra: number): Bounds {
  const least = log.count((message) => matches(message) && hasArrived(message));
  return { least, most: log.count(matches) + extra };
}

function eitherCount(log: SentLog): number {
  return log.count(({ expectation }) => expectation.kind === "either");
}

function outside(what: string, value: number, { least, most }: Bounds): string[] {
  if (value >= least && value <= most) return [];
  const expected = least === most ? `${least}` : `${least} to ${most}`;
  return [`${what}: the gateway counted ${value}, the simulator expects ${expected}`];
}
