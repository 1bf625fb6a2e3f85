/**
 * What a batch adds to the sealed records of its devices: the newest place, for the place writer, and what network services may hear,
 * for the teller. That makes a message used that tells nothing else, so it stands before the batch is settled.
 */
import type { NotedNetwork } from "../model/network.ts";
import type { NotedPlace } from "../model/place.ts";
import type { Passage } from "./settle.ts";

export interface RecordPorts {
  /** Resolves when the newest place of each device is noted. Rejects with a retryable `GatewayError`. May be repeated. */
  readonly notePlaces: (places: readonly NotedPlace[]) => Promise<void>;
  /** Resolves when what was said is noted; whether each was taken. The same otherwise. */
  readonly noteNetwork: (said: readonly NotedNetwork[]) => Promise<readonly boolean[]>;
}

export async function intoRecords(batch: readonly Passage[], ports: RecordPorts): Promise<void> {
  const places: NotedPlace[] = [];
  const said: NotedNetwork[] = [];
  const passages: Passage[] = [];
  for (const passage of batch) {
    const { message, verdict, result, setAside } = passage;
    if (result === undefined || setAside !== undefined) continue;
    if (verdict === undefined || verdict.refusal !== undefined) continue;
    const { place, network } = result;
    if (place === undefined && network === undefined) continue;
    const { wrappedSubjectKey } = verdict;
    const { device, at } = message;
    const revision = device.revision ?? verdict.revision ?? 0;
    if (place !== undefined) places.push({ device, wrappedSubjectKey, revision, ...place });
    if (network === undefined) continue;
    said.push({ device, wrappedSubjectKey, revision, said: network, at });
    passages.push(passage);
  }
  if (places.length > 0) await ports.notePlaces(places);
  if (said.length === 0) return;
  for (const [index, taken] of (await ports.noteNetwork(said)).entries()) {
    const passage = passages[index];
    if (passage !== undefined && taken) passage.forwarded = true;
  }
}
