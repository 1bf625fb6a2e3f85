/** The devices that are connected right now, and what the gateway says to them: to the one who has the device, and to no other. */
import type { DeviceCommand } from "../../model/command.ts";
import type { PlacedDevice } from "../../model/forecast.ts";
import type { DeviceKey, DeviceRef } from "../../model/ids.ts";
import type { NetworkNotice } from "../../model/network-notice.ts";
import type { ConnectedDevice } from "../devices/policy-notices.ts";
import type { Listener, Told } from "../devices/refusals.ts";
import { handCommand, sayTo } from "./device-commands.ts";
import type { LiveSessions } from "./live-sessions.ts";
import { networkNoticesTopic, noticesTopic, refusalsTopic } from "./topics.ts";
import { placedIn } from "./weather-listener.ts";

export class ConnectedDevices {
  readonly #live: LiveSessions;

  constructor(live: LiveSessions) {
    this.#live = live;
  }

  /** Tells a device why something of it, or of a device behind it, was refused, if it listens to that. */
  tellRefusal(listener: Listener, told: Told, child: DeviceKey | undefined): void {
    const session = this.#live.device(listener.deviceKey);
    // It may be someone else's by now.
    if (session === undefined || session.publisher.ref?.subjectTag !== listener.subjectTag) return;
    const topic = refusalsTopic(session.id);
    const alias = child && session.sender?.aliasOf(child);
    // Without the name it has just said it would be taken for something of the hub itself.
    if (child !== undefined && alias === undefined) return;
    const said = alias === undefined ? told : { ...told, child: alias };
    sayTo(session, topic, Buffer.from(JSON.stringify(said)));
  }

  /** False: there is no one to hand it to. */
  command(device: DeviceRef, command: DeviceCommand): boolean {
    return handCommand(this.#live, device, command);
  }

  /**
   * What a network service has to tell to a device that is connected and listens, or to the hub before it when that is the same
   * person's: to another one it would say what was consented to. False: no one takes it.
   */
  networkNotice(device: DeviceRef, notice: NetworkNotice): boolean {
    const own = this.#live.device(device.deviceKey);
    const isOwn = own?.publisher.ref?.subjectTag === device.subjectTag;
    const session = isOwn ? own : this.#live.hubOf(device);
    if (session?.publisher.ref?.subjectTag !== device.subjectTag) return false;
    const child = isOwn ? undefined : session.sender?.aliasOf(device.deviceKey);
    if (!isOwn && child === undefined) return false;
    const said = child === undefined ? notice : { ...notice, child };
    return sayTo(session, networkNoticesTopic(session.id), JSON.stringify(said));
  }

  /** Whether it has a connection of its own right now, as this subject's. */
  has({ deviceKey, subjectTag }: DeviceRef): boolean {
    return this.#live.device(deviceKey)?.publisher.ref?.subjectTag === subjectTag;
  }

  /** Every device that is connected right now and bound to a subject. */
  connected(): ConnectedDevice[] {
    return this.#live.devices().flatMap(({ publisher: { ref }, id }) => (ref === undefined ? [] : [{ ref, id }]));
  }

  /** Every device that is connected right now and whose place is known, those behind hubs as well. */
  placed(): Iterable<PlacedDevice> {
    return placedIn(this.#live.eachDevice());
  }

  /** What the gateway itself says to a device of this subject, with QoS 1 if it wants that; nothing where it does not listen. */
  notify({ ref, id }: ConnectedDevice, payload: Buffer): void {
    const session = this.#live.device(ref.deviceKey);
    if (session?.publisher.ref?.subjectTag === ref.subjectTag) sayTo(session, noticesTopic(id), payload);
  }
}
