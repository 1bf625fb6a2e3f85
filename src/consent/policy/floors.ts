/**
 * Policy floors as one short text in Redis: `analytics,weather,scene,network`, and after it what will hold
 * later, each as `;Unix ms:analytics,weather,scene,network` with 0 for what stays as it is. `version>` before all of it:
 * it stands until that version is published. Missing or unreadable floors read as infinite, under which no consent counts.
 */
import { type PolicyFloors, PURPOSES } from "../../model/consent.ts";

/** Floors, and those that rise by themselves when their time has come. */
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

/** The same as text, for a restore that knows of a policy it does not have; publishing that one, and no earlier, replaces it. */
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

/** What holds at a moment. A clock that is not a number gets everything that will ever hold. */
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
