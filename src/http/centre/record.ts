/** What the page takes from a consent record: the numbers of devices, the latest erasure, and what agreeing to more would state. Pure. */
import type { Standing } from "../../model/centre.ts";
import type { ConsentEvent, ConsentRecord } from "../../model/consent-record.ts";
import type { DeviceKey } from "../../model/ids.ts";
import type { PolicyDocument } from "../../model/policy-document.ts";
import { CATEGORIES, type Category, PURPOSES, type Purpose } from "../../model/purposes.ts";

type Choice = Partial<Record<Purpose, Category[]>>;

/**
 * What would be stated if this were agreed to on top of what is used now. What is used and no longer offered
 * is left out: the newest policy cannot be agreed to for it.
 */
export function withMore(standing: Pick<Standing, "used">, more: Choice, offers: PolicyDocument["purposes"]): Choice {
  const all: Choice = {};
  for (const purpose of PURPOSES) {
    const offered = offers[purpose]?.categories ?? [];
    const used = (standing.used[purpose] ?? []).filter((category) => offered.includes(category));
    const wanted = new Set([...used, ...(more[purpose] ?? [])]);
    if (wanted.size > 0) all[purpose] = CATEGORIES.filter((category) => wanted.has(category));
  }
  return all;
}

/** Every device that ever was the subject's, in the order in which each first was: its number is its place, from 1. */
export function devicesEver(record: ConsentRecord): DeviceKey[] {
  return [...new Set(record.events.flatMap((event) => (event.type === "bound" ? [event.device] : [])))];
}

/** The latest erasure that was asked for. */
export function latestErasure(record: ConsentRecord): Extract<ConsentEvent, { type: "erasure-requested" }> | undefined {
  return record.events.findLast((event) => event.type === "erasure-requested");
}
