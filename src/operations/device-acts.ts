/** Which devices are a subject's: each act answers only when no batch of the time before can still write. */
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import { afterChange } from "./after-change.ts";
import type { DevicePorts } from "./ports.ts";

export interface DeviceAnswer {
  readonly refused?: "not-drained" | "device-not-bound" | undefined;
}

export async function bindDevice(ports: DevicePorts, subject: SubjectTag, device: DeviceKey): Promise<DeviceAnswer> {
  const { silenced } = await ports.ledger.bind(subject, device);
  const { drained } = await afterChange(ports, device, silenced);
  return drained ? {} : { refused: "not-drained" };
}

export async function unbindDevice(ports: DevicePorts, subject: SubjectTag, device: DeviceKey): Promise<DeviceAnswer> {
  const change = await ports.ledger.unbind(subject, device);
  const { drained } = await afterChange(ports, device, [{ subject, devices: change?.silenced ?? [] }]);
  if (!drained) return { refused: "not-drained" };
  return change === undefined ? { refused: "device-not-bound" } : {};
}
