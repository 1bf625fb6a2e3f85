/**
 * What a batch adds to the sealed records of its devices: the newest place, for the place writer, what network services may hear, for
 * the teller, and the last scene, for services that subscribe later. That makes a message used that tells nothing else, so it stands
 * before the batch is settled.
 */
import type { NotedNetwork } from "../model/network.ts";
import type { NotedPlace } from "../model/place.ts";
import type { Purpose } from "../model/purposes.ts";
import type { NotedScene } from "../model/scene.ts";
import type { Traced } from "../model/trace.ts";
import type { Passage } from "./settle.ts";

export interface RecordPorts {
  /** Resolves when the newest place of each device is noted. Rejects with a retryable `GatewayError`. May be repeated. */
  readonly notePlaces: (places: readonly NotedPlace[]) => Promise<void>;
  /** Resolves when what was said is noted; whether each was taken. The same otherwise. */
  readonly noteNetwork: (said: readonly NotedNetwork[]) => Promise<readonly boolean[]>;
  /** Resolves when the last scene of each device is noted; the same otherwise. Absent: none is kept. */
  readonly noteScenes?: ((scenes: readonly NotedScene[]) => Promise<readonly boolean[]>) | undefined;
}

/** What is to be noted, and of which message. */
interface Noting<Said> {
  readonly said: Said[];
  readonly passages: Passage[];
}

export async function intoRecords(batch: readonly Passage[], ports: RecordPorts, trace: Traced): Promise<void> {
  const places: NotedPlace[] = [];
  const networks: Noting<NotedNetwork> = { said: [], passages: [] };
  const scenes: Noting<NotedScene> = { said: [], passages: [] };
  for (const passage of batch) {
    const { message, verdict, result, setAside } = passage;
    if (result === undefined || setAside !== undefined) continue;
    if (verdict === undefined || verdict.refusal !== undefined) continue;
    const { place, network } = result;
    const scene = ports.noteScenes && result.scene;
    if (place === undefined && network === undefined && scene === undefined) continue;
    const { wrappedSubjectKey } = verdict;
    const { device, at } = message;
    const revision = device.revision ?? verdict.revision ?? 0;
    if (place !== undefined) places.push({ device, wrappedSubjectKey, revision, ...place });
    if (network !== undefined) {
      networks.said.push({ device, wrappedSubjectKey, revision, said: network, at });
      networks.passages.push(passage);
    }
    if (scene !== undefined) {
      scenes.said.push({ device, wrappedSubjectKey, revision, scene, at });
      scenes.passages.push(passage);
    }
  }
  const note = <T>(purpose: Purpose, messages: number, run: () => T): T =>
    trace.step("note", run, { messages, purpose });
  if (places.length > 0) await note("analytics", places.length, () => ports.notePlaces(places));
  await note("network", networks.said.length, () => noted(networks, ports.noteNetwork));
  const { noteScenes } = ports;
  if (noteScenes !== undefined) await note("scene", scenes.said.length, () => noted(scenes, noteScenes));
}

async function noted<Said>(
  { said, passages }: Noting<Said>,
  note: (said: readonly Said[]) => Promise<readonly boolean[]>,
): Promise<void> {
  if (said.length === 0) return;
  for (const [index, taken] of (await note(said)).entries()) {
    const passage = passages[index];
    if (passage !== undefined && taken) passage.forwarded = true;
  }
}
