/** Why something of a device was refused or left out, for whoever runs it: never a key or a value that came from outside. */
import type { DropReason, Refusal } from "./outcome.ts";

export interface Hint {
  readonly reason: Refusal | DropReason | "takeover";
  /** Number of the rule in the dialect of the device. */
  readonly rule?: number | undefined;
  /** Where in the table of the dialect, or a property of the vocabulary. */
  readonly path?: string | undefined;
}
