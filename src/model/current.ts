/** What is told to a service that asks for what is current: what would have been told to it before, as far as it still may be. */
import type { Outgoing } from "./disclosure.ts";
import type { Pseudonym } from "./ids.ts";

/** At which it is asked. */
export interface Moment {
  /** Unix ms. */
  readonly now: number;
  /** For how long what was said is current. */
  readonly forMs: number;
  readonly epochMs: number;
}

/** The name that a device has for the purpose at a time. */
export type NameAt = (at: number) => Pseudonym;

export interface SaidBefore extends Pick<Outgoing, "result"> {
  /** Decides the epoch of its name; Unix ms. */
  readonly at: number;
}
