/**
 * Policy floors as one short text in Redis: `analytics,weather,scene,network`, then those that take effect later, each
 * as `;Unix ms:analytics,weather,scene,network` with 0 for no change. A leading `version>` means: in force until that
 * version is published. Missing or unreadable floors are read as infinite, so no consent counts.
 */
import type { PolicyFloors } from "../../model/consent.ts";
import { PURPOSES } from "../../model/purposes.ts";

/** Floors, and those that take effect later by themselves. */
export interface FloorPlan {
  readonly floors: PolicyFloors;
  readonly later: readonly { /** Unix ms. */ readonly at: number; readonly floors: PolicyFloors }[];
}

const TEXT = /^(?:\d{1,6}>)?\d{1,9}(?:,\d{1,9}){3}(?:;\d{1,15}:\d{1,9}(?:,\d{1,9}){3}){0,200}$/;

export const DENY_ALL_FLOORS: PolicyFloors = {
  analytics: Infinity,
  weather: Infinity,
  scene: Infinity,
  network: Infinity,
};
const DENY_ALL: FloorPlan = { floors: DENY_ALL_FLOORS, later: [] };

/**
 * Such a plan as text, for a restore that knows of a policy it does not have; only publishing that version, not an
 * earlier one, replaces it.
 */
export function denyAllUntilPublished(version: number): string {
  return `${version}>999999999,999999999,999999999,999999999`;
}

export function encodeFloors({ floors, later }: FloorPlan): string {
  return [numbers(floors), ...later.map((step) => `${step.at}:${numbers(step.floors)}`)].join(";");
}

export function decodeFloors(text: string | null | undefined): FloorPlan {
  if (!text || !TEXT.test(text)) return DENY_ALL;
  const [now = "", ...later] = text.replace(/^\d+>/, "").split(";");
  return {
    floors: floorsOf(now),
    later: later.map((step) => {
      const [at = "", floors = ""] = step.split(":");
      return { at: Number(at), floors: floorsOf(floors) };
    }),
  };
}

/** The floors at a given time. A clock that is NaN gets the strictest of all floors. */
export function floorsAt({ floors, later }: FloorPlan, nowMs: number): PolicyFloors {
  let held = floors;
  for (const step of later) {
    if (nowMs < step.at) continue;
    held = {
      analytics: Math.max(held.analytics, step.floors.analytics),
      weather: Math.max(held.weather, step.floors.weather),
      scene: Math.max(held.scene, step.floors.scene),
      network: Math.max(held.network, step.floors.network),
    };
  }
  return held;
}

function numbers(floors: PolicyFloors): string {
  return PURPOSES.map((purpose) => floors[purpose]).join(",");
}

function floorsOf(text: string): PolicyFloors {
  const [analytics = Infinity, weather = Infinity, scene = Infinity, network = Infinity] = text.split(",").map(Number);
  return { analytics, weather, scene, network };
}
