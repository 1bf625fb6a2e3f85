/**
 * The topics of devices: who may publish and subscribe where. Raw device topics are open to their own
 * device for publishing and to nobody for subscribing; `$SYS` is closed to everyone.
 */
import type { DeviceId } from "../../model/ids.ts";
import { PARTS } from "../../model/raw.ts";

export const TOO_DEEP = "topic has too many levels";

/** Of a topic or a filter. */
export function levelsOf(name: string): number {
  let levels = 1;
  for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) levels += 1;
  return levels;
}

/** The topics a device may publish to, each with the index of its part. */
export function publishTopics(device: DeviceId): ReadonlyMap<string, number> {
  return new Map(PARTS.map((part, index) => [`devices/${device}/${part}`, index]));
}

/** `devices/<id>/commands/…` and `devices/<id>/notices` of its own id, as a topic or as a filter. */
export function deviceMayReceive(device: DeviceId, topic: string): boolean {
  return topic.startsWith(`devices/${device}/commands/`) || topic === noticesTopic(device);
}

export function noticesTopic(device: DeviceId): string {
  return `devices/${device}/notices`;
}
