/**
 * The topics of devices: who may publish and subscribe where. Raw device topics are open to their own
 * device for publishing and to nobody for subscribing; `$SYS` is closed to everyone.
 */
import { DeviceId } from "../../model/ids.ts";
import { PARTS } from "../../model/raw.ts";

/** The topics a device may publish to, each with the index of its part. */
export function publishTopics(device: DeviceId): ReadonlyMap<string, number> {
  return new Map(PARTS.map((part, index) => [`devices/${device}/${part}`, index]));
}

/** `devices/<id>/commands/…`, its notices and `devices/<id>/refusals` of its own id, as a topic or as a filter. */
export function deviceMayReceive(device: DeviceId, topic: string): boolean {
  return (
    topic.startsWith(`devices/${device}/commands/`) ||
    [noticesTopic(device), networkNoticesTopic(device), refusalsTopic(device)].includes(topic)
  );
}

/** The device whose topic this is or would be. */
export function deviceOf(topic: string): DeviceId | undefined {
  const [root, id = "", rest] = topic.split("/", 3);
  return root === "devices" && rest !== undefined ? DeviceId(id) : undefined;
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
