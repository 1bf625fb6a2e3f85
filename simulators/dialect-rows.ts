/**
 * Rows of devices that speak dialects. Their firmware knows no `seq`, so a row is told by all that it says: those that must be
 * there, as often as they must, no others, and all of one pseudonym from one device.
 */
import type { InfluxRow } from "../tools/stack/influx-reader.ts";
import { rowText } from "./firmware/kept.ts";
import { hasArrived, type SentLog, type SentMessage } from "./sent-log.ts";

/** Sentences, each a difference between what was said and what is kept. */
export function compareDialectRows(log: SentLog, rows: readonly InfluxRow[]): string[] {
  const certain = new Counts();
  const possible = new Counts();
  const byDevice = new Map<string, Counts>();
  for (const message of log.messages) {
    const { spoken } = message;
    if (spoken?.row === undefined || !mayBeStored(message)) continue;
    possible.add(spoken.row);
    countsOf(byDevice, spoken.device).add(spoken.row);
    if (isStored(message)) certain.add(spoken.row);
  }
  const there = new Counts();
  for (const row of rows) there.add(rowText(row));
  const missing = certain.beyond(there);
  const unexplained = there.beyond(possible);
  const shared = [...byPseudonym(rows).values()].filter(
    (group) => ![...byDevice.values()].some((said) => group.beyond(said) === 0),
  ).length;
  return [
    ...(missing > 0 ? [`${missing} rows of devices that speak dialects are missing from the store`] : []),
    ...(unexplained > 0 ? [`${unexplained} rows are in the store that nothing said in a dialect accounts for`] : []),
    ...(shared > 0 ? [`${shared} pseudonyms have rows that no single device can have said`] : []),
  ];
}

/** Devices of which there must be rows, and the pseudonyms under which there are any. */
export function dialectDevices(log: SentLog, rows: readonly InfluxRow[]): { devices: number; pseudonyms: number } {
  const devices = new Set<string>();
  for (const message of log.messages)
    if (message.spoken !== undefined && isStored(message)) devices.add(message.spoken.device);
  return { devices: devices.size, pseudonyms: byPseudonym(rows).size };
}

/** One publication of each dialect with the row that was made of it. */
export interface DialectSample {
  readonly dialect: string;
  readonly topic: string;
  readonly published: string;
  readonly stored: InfluxRow;
}

export interface DialectReport {
  /** Of which there must be rows, the devices behind a hub among them. */
  readonly devices: number;
  readonly pseudonyms: number;
  readonly samples: readonly DialectSample[];
}

/** Of devices behind a hub rather than of the hub, and of those the one of which most is kept. */
export function dialectSamples(log: SentLog, rows: readonly InfluxRow[]): DialectSample[] {
  const said = new Counts();
  const best = new Map<string, SentMessage>();
  const rowsByText = new Map<string, InfluxRow[]>();
  for (const row of rows) rowsByText.set(rowText(row), [...(rowsByText.get(rowText(row)) ?? []), row]);
  for (const { spoken } of log.messages) if (spoken?.row !== undefined) said.add(spoken.row);
  for (const message of log.messages) {
    const { spoken, standing, payload } = message;
    if (spoken?.row === undefined || standing !== "consenting" || payload === "" || !isStored(message)) continue;
    // Said twice, it could be either row.
    if (said.of(spoken.row) !== 1 || rowsByText.get(spoken.row)?.length !== 1) continue;
    const before = best.get(spoken.dialect)?.spoken?.row ?? "";
    if (spoken.row.split(" ").length > before.split(" ").length) best.set(spoken.dialect, message);
  }
  return [...best].flatMap(([dialect, { topic, payload, spoken }]) => {
    const [stored] = rowsByText.get(spoken?.row ?? "") ?? [];
    return stored === undefined ? [] : [{ dialect, topic, published: payload, stored }];
  });
}

function isStored(message: SentMessage): boolean {
  return message.spoken?.row !== undefined && message.expectation.kind === "stored" && hasArrived(message);
}

function mayBeStored({ expectation }: SentMessage): boolean {
  return expectation.kind === "stored" || expectation.kind === "either";
}

function byPseudonym(rows: readonly InfluxRow[]): Map<string, Counts> {
  const groups = new Map<string, Counts>();
  for (const row of rows) countsOf(groups, String(row.device)).add(rowText(row));
  return groups;
}

function countsOf(groups: Map<string, Counts>, name: string): Counts {
  const counts = groups.get(name) ?? new Counts();
  groups.set(name, counts);
  return counts;
}

class Counts {
  readonly #counts = new Map<string, number>();

  add(text: string): void {
    this.#counts.set(text, this.of(text) + 1);
  }

  of(text: string): number {
    return this.#counts.get(text) ?? 0;
  }

  /** How many of these are not among the others. */
  beyond(others: Counts): number {
    let count = 0;
    for (const [text, times] of this.#counts) count += Math.max(0, times - others.of(text));
    return count;
  }
}
