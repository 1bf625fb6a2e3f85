/**
 * What was told of a device last, as far as it still holds: for a service that asks for what is current. Only what others have been
 * told already, with the time of that step; a name that waits for its minute goes on waiting. Pure.
 */
import type { Moment, NameAt, SaidBefore } from "../model/current.ts";
import { NETWORK_PARTS, type NetworkNote, type NetworkPart } from "../model/network.ts";
import type { Writable } from "../model/writable.ts";
import { saidIn } from "./record.ts";

/** `note`: as far as consent covers it. `undefined` when nothing of it is current. */
export function currentNetwork(
  note: NetworkNote,
  name: NameAt,
  { now, forMs, epochMs }: Moment,
): SaidBefore | undefined {
  const { told } = note;
  if (told === undefined || told.epochStart !== now - (now % epochMs) || now - told.at > forMs) return undefined;
  const says = saidIn(note, now);
  const standing: Writable<Partial<Record<NetworkPart, string>>> = {};
  for (const part of NETWORK_PARTS) {
    const text = told[part];
    // What was told and is not said any more is told by nothing here: its state of the ledger is not known.
    if (text !== undefined && says[part] === text) standing[part] = text;
  }
  if (Object.keys(standing).length === 0) return undefined;
  const { at } = told;
  return { at, result: { network: { ...standing, device: name(at), at, current: true } } };
}
