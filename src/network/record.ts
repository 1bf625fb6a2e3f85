/** The record of what network services may hear of one device: what a message makes of it, and the text that is sealed. Pure. */

import { DAY_MS, HOUR_MS } from "../model/durations.ts";
import {
  NETWORK_PARTS,
  type NetworkNote,
  type NetworkPart,
  type NetworkSaid,
  type NotedNetwork,
  type SaidValue,
  type ToldNetwork,
} from "../model/network.ts";
import type { NotingClock } from "../platform/record-noting.ts";
import type { RecordForm } from "../platform/sealed-records.ts";

/** How far the time of a value may lie behind the newest message that said the same. */
const AGAIN_MS = HOUR_MS;

/** The same record when the message says nothing new. Of each part the newest by its own time is kept. */
export function noted(
  before: NetworkNote | undefined,
  { said, at, revision }: Pick<NotedNetwork, "said" | "at" | "revision">,
  clock: NotingClock,
): NetworkNote {
  // What is told no longer begins again: its next telling must not come because this message came.
  const known = before !== undefined && isFresh(before, clock.now) ? before : undefined;
  const values: Partial<Record<NetworkPart, SaidValue>> = {};
  let news = known === undefined;
  let changed = known === undefined;
  for (const part of NETWORK_PARTS) {
    const text = said[part];
    const was = known?.[part];
    const value = text === undefined ? was : newer(was, { text, at, revision }, clock);
    if (value !== undefined) values[part] = value;
    news ||= value !== was;
    changed ||= value?.text !== was?.text;
  }
  if (known !== undefined && !news) return known;
  return { ...values, since: changed ? clock.now : (known?.since ?? clock.now), told: known?.told };
}

function newer(was: SaidValue | undefined, is: SaidValue, { now, aheadMs }: NotingClock): SaidValue {
  // A time that cannot be, of a clock that was ahead: it would keep every later value away until that day.
  if (was === undefined || was.at > now + aheadMs) return is;
  if (is.at < was.at) return was;
  const same = is.text === was.text && is.revision === was.revision;
  // By days it is decided how long it is told, so a new one counts in any case.
  return same && is.at - was.at < AGAIN_MS && dayOf(is.at) === dayOf(was.at) ? was : is;
}

/** Of the day before (UTC), or of today: said for the last time earlier than that, it is told no longer. */
export function isRecent(at: number, now: number): boolean {
  return at >= (dayOf(now) - 1) * DAY_MS;
}

export function isFresh(note: NetworkNote, now: number): boolean {
  return NETWORK_PARTS.some((part) => note[part] !== undefined && isRecent(note[part].at, now));
}

/** Without the parts that are not among these; `undefined` when nothing is left. */
export function limitedTo(note: NetworkNote, parts: readonly NetworkPart[]): NetworkNote | undefined {
  const left = NETWORK_PARTS.filter((part) => note[part] !== undefined);
  if (left.every((part) => parts.includes(part))) return note;
  if (!left.some((part) => parts.includes(part))) return undefined;
  const { since, told } = note;
  return {
    ...Object.fromEntries(left.filter((part) => parts.includes(part)).map((part) => [part, note[part]])),
    since,
    told,
  };
}

/** What may be told of it at this time. */
export function saidIn(note: NetworkNote, now: number): NetworkSaid {
  const textOf = (value: SaidValue | undefined) => (value && isRecent(value.at, now) ? value.text : undefined);
  return { model: textOf(note.model), ipPrefix: textOf(note.ipPrefix) };
}

export function saysTheSame(one: NetworkSaid, other: NetworkSaid): boolean {
  return NETWORK_PARTS.every((part) => one[part] === other[part]);
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

type ValueText = readonly [text: string, at: number, revision: number] | 0;
type ToldText = readonly [model: string | 0, ipPrefix: string | 0, epochStart: number, at: number, changedAt: number];
type Text = readonly [model: ValueText, ipPrefix: ValueText, since: number, told: ToldText | 0];

function encode({ model, ipPrefix, since, told }: NetworkNote): string {
  const text: Text = [valueText(model), valueText(ipPrefix), since, told === undefined ? 0 : toldText(told)];
  return JSON.stringify(text);
}

function decode(sealed: string): NetworkNote {
  const [model, ipPrefix, since, told] = JSON.parse(sealed) as Text;
  return {
    model: saidValueOf(model),
    ipPrefix: saidValueOf(ipPrefix),
    since,
    told: told === 0 ? undefined : toldOf(told),
  };
}

function valueText(value: SaidValue | undefined): ValueText {
  return value === undefined ? 0 : [value.text, value.at, value.revision];
}

function saidValueOf(text: ValueText): SaidValue | undefined {
  return text === 0 ? undefined : { text: text[0], at: text[1], revision: text[2] };
}

function toldText({ model, ipPrefix, epochStart, at, changedAt }: ToldNetwork): ToldText {
  return [model ?? 0, ipPrefix ?? 0, epochStart, at, changedAt];
}

function toldOf([model, ipPrefix, epochStart, at, changedAt]: ToldText): ToldNetwork {
  return { model: model || undefined, ipPrefix: ipPrefix || undefined, epochStart, at, changedAt };
}

export const NETWORK_FORM: RecordForm<NetworkNote> = { kind: "network", encode, decode };
