/**
 * The topics of devices: who may publish and subscribe where. Raw device topics are open to their own
 * device for publishing and to no one for subscribing; `$SYS` is closed to everyone.
 */
import { DeviceId } from "../../model/ids.ts";
import { PARTS } from "../../model/raw.ts";

const DEVICES = "devices/";

/** The topics a device may publish to, each with the index of its part. */
export function publishTopics(device: DeviceId): ReadonlyMap<string, number> {
  return new Map(PARTS.map((part, index) => [`devices/${device}/${part}`, index]));
}

/** `devices/<id>/commands/…`, its notices and `devices/<id>/refusals` of its own id, as a topic or as a filter. */
export function deviceMayReceive(device: DeviceId, topic: string): boolean {
  const heard = [noticesTopic(device), weatherTopic(device), networkNoticesTopic(device), refusalsTopic(device)];
  return topic.startsWith(`devices/${device}/commands/`) || heard.includes(topic);
}

/** The device whose topic this is or would be. */
export function deviceOf(topic: string): DeviceId | undefined {
  if (!topic.startsWith(DEVICES)) return undefined;
  const end = topic.indexOf("/", DEVICES.length);
  return end < 0 ? undefined : DeviceId(topic.slice(DEVICES.length, end));
}

export function refusalsTopic(device: DeviceId): string {
  return `devices/${device}/refusals`;
}

/** What network services have to tell it. */
export function networkNoticesTopic(device: DeviceId): string {
  return `${noticesTopic(device)}/network`;
}

export function noticesTopic(device: DeviceId): string {
  return `devices/${device}/notices`;
}

export function weatherTopic(device: DeviceId): string {
  return `devices/${device}/notices/weather`;
}
