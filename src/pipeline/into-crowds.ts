/**
 * What a batch adds to crowds: people counted in their cell, and readings for the median of their step. Before the batch is settled,
 * so that a killed gateway has lost nothing that was acknowledged; before anything is forwarded, because a failure here is retried.
 */
import type { CrowdReading, Seen } from "../model/crowd.ts";
import type { Traced } from "../model/trace.ts";
import type { Passage } from "./settle.ts";

export interface CrowdPorts {
  /** Counts people whose place was stored, once for each message that told it. May be repeated. Rejects when it may be retried. */
  readonly count: (seen: readonly Seen[]) => Promise<void>;
  /** Keeps readings; whether each was taken. The same otherwise. */
  readonly gather: (readings: readonly CrowdReading[]) => Promise<readonly boolean[]>;
}

export async function intoCrowds(
  batch: readonly Passage[],
  { count, gather }: CrowdPorts,
  trace: Traced,
): Promise<void> {
  const seen: Seen[] = [];
  const passages: Passage[] = [];
  const readings: CrowdReading[] = [];
  for (const passage of batch) {
    const { message, result, setAside } = passage;
    if (result === undefined || setAside !== undefined) continue;
    const placed = result.place;
    if (placed !== undefined) seen.push([message.device.subjectTag, placed.cell]);
    if (result.weather === undefined) continue;
    const { cell, status } = result.weather;
    passages.push(passage);
    readings.push({ device: message.device, at: message.at, cell, status });
  }
  if (seen.length > 0) await trace.step("crowd", () => count(seen), { messages: seen.length, purpose: "analytics" });
  if (readings.length === 0) return;
  const told = { messages: readings.length, purpose: "weather" } as const;
  for (const [index, taken] of (await trace.step("crowd", () => gather(readings), told)).entries()) {
    const passage = passages[index];
    if (passage !== undefined && taken) passage.forwarded = true;
  }
}
