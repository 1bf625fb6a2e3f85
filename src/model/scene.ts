/** What is kept of a device for scene services that subscribe later: its last message as they may hear it, sealed, and no history. */
import type { SceneRecord } from "./deidentified.ts";
import type { DeviceRef } from "./ids.ts";

export interface SceneNote {
  /** As it was told; under which name follows from its time. Of which home it is, and what led to it, is not kept. */
  readonly scene: Pick<SceneRecord, "model" | "status" | "at">;
  /** Time of the message. Unix ms. */
  readonly at: number;
  /** The state of the subject's ledger under which the message was admitted. */
  readonly revision: number;
}

export const SCENE_PARTS = ["status", "model"] as const satisfies readonly (keyof SceneNote["scene"])[];
export type ScenePart = (typeof SCENE_PARTS)[number];

/** What a message says, to be noted. */
export interface NotedScene extends SceneNote {
  readonly device: DeviceRef;
  readonly wrappedSubjectKey: string;
}
