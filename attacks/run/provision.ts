/** Makes the gateway know the world's people and devices, and connects the devices. */
import { eachLimited } from "../../simulators/concurrency.ts";
import { publishHomes } from "../../simulators/loops/homes-policy.ts";
import { consentToEverything } from "../../simulators/race/people.ts";
import type { Version } from "../../tools/wire/mqtt-wire.ts";
import type { Home, WorldDevice } from "../world/world.ts";
import { DeviceConnection } from "./device-connection.ts";
import type { Stage } from "./stage.ts";

const REQUESTS_AT_ONCE = 16;
/** To everything, and to the version of the policy by which scene services hear which devices are of one home. */
export const CONSENT = { ...consentToEverything(), policyVersion: 2 };

export type Connections = ReadonlyMap<WorldDevice, DeviceConnection>;

/** Every home consents to everything, after the policy tells homes. */
export async function provision(stage: Stage, homes: readonly Home[]): Promise<void> {
  const version = await publishHomes(stage.api);
  if (version !== CONSENT.policyVersion)
    throw new Error("homes agree to another version of the policy than was published");
  await eachLimited(homes, REQUESTS_AT_ONCE, async (home) => {
    for (const device of home.devices) {
      device.token = await stage.api.issueToken(device.id);
      await stage.api.bind(home.subject, device.id);
    }
    await stage.api.consent(home.subject, CONSENT);
  });
}

export async function connectAll(
  stage: Stage,
  devices: readonly WorldDevice[],
  version: Version = 4,
): Promise<Connections> {
  const connections = new Map<WorldDevice, DeviceConnection>();
  await eachLimited(devices, REQUESTS_AT_ONCE, async (device) => {
    const connection = new DeviceConnection(device.id, version);
    await connection.open(stage.mqttPort, device.token);
    connections.set(device, connection);
  });
  return connections;
}
