/** Hands a command to the connection of a device, or of the hub that speaks for it, in the words of its firmware or in our own. */
import { covers } from "../../dialects/topic.ts";
import type { DeviceCommand } from "../../model/command.ts";
import type { DeviceRef } from "../../model/ids.ts";
import type { LiveSessions } from "./live-sessions.ts";
import { say } from "./outgoing.ts";
import type { DeviceSession } from "./session.ts";
import { hears } from "./subscriptions.ts";

/**
 * To a device that is connected and listens right now; not while someone else has it. With QoS 1, where it asked for that. False:
 * there is no one to hand it to.
 */
export function handCommand(live: LiveSessions, device: DeviceRef, command: DeviceCommand): boolean {
  const own = live.device(device.deviceKey);
  const isOwn = own?.publisher.ref?.subjectTag === device.subjectTag;
  const session = isOwn ? own : live.hubOf(device);
  if (session === undefined) return false;
  for (const { topic, payload } of session.sender?.written(device.deviceKey, command) ?? []) {
    const heard = topicHeard(session, topic);
    if (heard !== undefined) return sayTo(session, heard, payload);
  }
  const { name, value, correlation } = command;
  return isOwn && sayTo(session, `devices/${session.id}/commands/${name}`, JSON.stringify({ value, correlation }));
}

/** False when the device does not listen, or does not read what it is sent. */
export function sayTo(session: DeviceSession, topic: string, payload: string | Buffer): boolean {
  const heard = hears(session, topic);
  return heard !== undefined && say(session.client, { topic, payload, qos: heard === 0 ? 0 : 1 });
}

/** The topic, if the device listens to it. A `+` stands for a name that only the device knows: the one under which it listens. */
function topicHeard(session: DeviceSession, topic: string): string | undefined {
  if (!topic.split("/").includes("+")) return hears(session, topic) === undefined ? undefined : topic;
  const named = [...session.filters.keys()].filter((filter) => !/[+#]/.test(filter) && covers(topic, filter, noSelf));
  // Of several it is not known which one is meant.
  return named.length === 1 ? named[0] : undefined;
}

const noSelf = (): boolean => false;
