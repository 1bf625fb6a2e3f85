/**
 * Tells devices that a policy has changed in a way that suspends what was consented to, or asks for it again:
 * those connected at once, others when they next subscribe to their notices. One packet on `devices/<id>/notices`, QoS 1.
 */

import type { DeviceId, DeviceRef } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { PolicyStanding, Suspension } from "../../model/policy-document.ts";
import type { Purpose } from "../../model/purposes.ts";
import { faultCode } from "../../platform/fault-code.ts";

export interface ConnectedDevice {
  readonly ref: DeviceRef;
  readonly id: DeviceId;
}

export interface PolicyChange {
  readonly version: number;
  readonly change: "first" | "minor" | "material" | "reconfirm";
  readonly suspended: readonly Purpose[];
  readonly reconfirm?: { readonly purposes: readonly Purpose[] } | undefined;
}

export interface NoticesPorts {
  readonly connected: () => readonly ConnectedDevice[];
  /** For each device, in the order asked. */
  readonly standings: (devices: readonly DeviceRef[]) => Promise<readonly PolicyStanding[]>;
  /** `undefined` when there is no such version. */
  readonly policyChange: (version: number) => Promise<PolicyChange | undefined>;
  /** To a device that is connected and listens, as this subject's. */
  readonly send: (device: ConnectedDevice, payload: Buffer) => void;
  readonly counted: (count: number) => void;
  readonly log: Log;
}

const PAGE = 500;

export class Notices {
  readonly #ports: NoticesPorts;

  constructor(ports: NoticesPorts) {
    this.#ports = ports;
  }

  /** A device has subscribed to its notices: it is told what it missed. */
  subscribed(device: ConnectedDevice): void {
    void this.#quietly(this.#tell([device]));
  }

  /** Never rejects; a device that is not told now is told when it subscribes again. */
  async policyPublished(version: number): Promise<void> {
    await this.#quietly(
      (async () => {
        const change = await this.#ports.policyChange(version);
        if (change === undefined || concerned(change).length === 0) return;
        const devices = this.#ports.connected();
        for (let from = 0; from < devices.length; from += PAGE)
          await this.#tell(devices.slice(from, from + PAGE), change);
      })(),
    );
  }

  /** Those of the devices whose consent the change concerns; without one, those concerned by any. */
  async #tell(devices: readonly ConnectedDevice[], change?: PolicyChange): Promise<void> {
    const standings = await this.#ports.standings(devices.map(({ ref }) => ref));
    let count = 0;
    for (const [index, device] of devices.entries()) {
      const notice = await this.#notice(standings[index], change);
      if (notice === undefined) continue;
      this.#ports.send(device, Buffer.from(JSON.stringify(notice)));
      count += 1;
    }
    if (count > 0) this.#ports.counted(count);
  }

  async #notice(standing: PolicyStanding | undefined, change: PolicyChange | undefined): Promise<object | undefined> {
    const named = (one: Suspension | undefined): readonly Purpose[] =>
      one?.purposes.filter((purpose) => change === undefined || concerned(change).includes(purpose)) ?? [];
    const [purposesSuspended, purposesToConfirm] = [named(standing?.suspended), named(standing?.toConfirm)];
    if (purposesSuspended.length + purposesToConfirm.length === 0) return undefined;
    const version = change?.version ?? Math.max(standing?.suspended?.version ?? 0, standing?.toConfirm?.version ?? 0);
    const kind = change?.change ?? (await this.#ports.policyChange(version))?.change ?? "material";
    const notice = { type: "policy-change", version, change: kind, purposesSuspended };
    return purposesToConfirm.length === 0
      ? notice
      : { ...notice, purposesToConfirm, confirmUntil: standing?.toConfirm?.until };
  }

  async #quietly(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#ports.log.warn("policy notices not sent", { code: faultCode(error), stage: "notices" });
    }
  }
}

function concerned({ suspended, reconfirm }: PolicyChange): readonly Purpose[] {
  return [...suspended, ...(reconfirm?.purposes ?? [])];
}
