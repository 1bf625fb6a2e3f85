/** Where the sun is, at the place of the service: scene messages carry none. */
import { getPosition } from "suncalc";

export interface Place {
  readonly lat: number;
  readonly lon: number;
}

/** Half of the disc of the sun: at sunset its upper edge is on the horizon. */
const RADIUS_DEG = 0.27;

export function sunAt(nowMs: number, { lat, lon }: Place): { readonly up: boolean; readonly altitude: number } {
  const { altitude } = getPosition(new Date(nowMs), lat, lon);
  return { up: altitude > -RADIUS_DEG, altitude };
}
