/**
 * When a name is told to network services: at its minute of each hour, and at the next step when what is told of it has changed. Never
 * because a message came, and a change no more than once between two of its minutes. Pure.
 */
import { createHmac } from "node:crypto";
import type { Pseudonym } from "../model/ids.ts";
import type { NetworkNote, NetworkSaid } from "../model/network.ts";
import { saysTheSame } from "./record.ts";

export interface Step {
  /** Its begin, Unix ms. */
  readonly at: number;
  readonly epochStart: number;
  /** In which each name has one minute: an hour. */
  readonly roundMs: number;
}

export type Due = "at its minute" | "changed";

const MINUTES = 60;

/** Milliseconds from the begin of a round to the minute of a name in one epoch. */
export function minuteOf(key: Buffer, name: Pseudonym, epoch: number, roundMs: number): number {
  const draw = createHmac("sha256", key).update(`minute of a name\0${epoch}\0${name}`).digest().readUInt32BE(0);
  return Math.floor((draw / 2 ** 32) * MINUTES) * (roundMs / MINUTES);
}

/** `undefined`: not now. */
export function dueOf(
  { since, told }: Pick<NetworkNote, "since" | "told">,
  says: NetworkSaid,
  minuteMs: number,
  { at, epochStart, roundMs }: Step,
): Due | undefined {
  const lastMinute = at - remainder(at - minuteMs, roundMs);
  // A time that is still to come is one of a clock that was ahead: nothing waits for that day.
  const begun = since > at + roundMs ? 0 : since;
  const standing = told?.epochStart === epochStart && told.at <= at ? told : undefined;
  // A new name waits for its minute too: when a device was first heard of in an epoch is the time of a message.
  if (standing === undefined) return Math.max(begun, epochStart) < lastMinute ? "at its minute" : undefined;
  if (standing.at < lastMinute) return "at its minute";
  if (saysTheSame(standing, says) || begun >= at || standing.changedAt >= lastMinute) return undefined;
  return "changed";
}

function remainder(value: number, of: number): number {
  return ((value % of) + of) % of;
}
