/** What this gateway, by its memory alone, knows of a device's presence, for its owner to see. */
export interface Seen {
  /** It has a connection of its own right now. */
  readonly connected: boolean;
  /** Unix ms; absent: not since the gateway began. */
  readonly heardAt: number | undefined;
}

/** How far that reaches. */
export interface SeenHere {
  /** Unix ms; nothing from before is known. */
  readonly since: number;
  /** No other gateway works here to which a device could be connected. */
  readonly alone: boolean;
}
