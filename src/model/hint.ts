/** Why something of a device was refused or left out, for the person who runs it: never a key or a value that came from outside. */
import type { DeviceKey, DeviceRef } from "./ids.ts";
import type { DropReason, Refusal } from "./outcome.ts";

export interface Hint {
  readonly reason: Refusal | DropReason | "takeover";
  /** Number of the rule in the dialect of the device. */
  readonly rule?: number | undefined;
  /** Where in the table of the dialect, or a property of the vocabulary. */
  readonly path?: string | undefined;
}

/** The device that a hint is about, and the hub that spoke for it, if one did. */
export interface HintedDevice {
  readonly key: DeviceKey;
  readonly ref: DeviceRef | undefined;
  readonly hub: DeviceRef | undefined;
}
