/**
 * Policy floors as one short text in Redis: `analytics,weather,scene,network`. Missing or unreadable
 * floors read as infinite, under which no consent counts.
 */
import { type PolicyFloors, PURPOSES } from "../model/consent.ts";

const TEXT = /^\d{1,9}(?:,\d{1,9}){3}$/;

export const DENY_ALL_FLOORS: PolicyFloors = {
  analytics: Infinity,
  weather: Infinity,
  scene: Infinity,
  network: Infinity,
};

/** The same as text, for a restore that knows of a policy it does not have; publishing that policy replaces it. */
export const DENY_ALL_UNTIL_PUBLISHED = "999999999,999999999,999999999,999999999";

export function encodeFloors(floors: PolicyFloors): string {
  return PURPOSES.map((purpose) => floors[purpose]).join(",");
}

export function decodeFloors(text: string | null | undefined): PolicyFloors {
  if (!text || !TEXT.test(text)) return DENY_ALL_FLOORS;
  const [analytics = Infinity, weather = Infinity, scene = Infinity, network = Infinity] = text.split(",").map(Number);
  return { analytics, weather, scene, network };
}
