/** What of a device's credential in a backup still holds: no token that was replaced since, and no hub it has left. Pure. */
import type { DeviceKey } from "../../model/ids.ts";
import type { Replay } from "./replay.ts";

const OF_THE_TOKEN = ["mac", "dialect", "alias", "presence"];
const OF_THE_HUB = ["hub", "hubAlias", "hubTenure", "otherSubject", "tenure", "left"];

export function credentialSince(
  device: DeviceKey,
  fields: Readonly<Record<string, string>>,
  replay: Pick<Replay, "tokenOf" | "registrationStands">,
): { readonly kept: Record<string, string>; readonly tokenDropped: boolean } {
  const kept = { ...fields };
  const [number, latest] = [Number(fields.number ?? 0) || 0, replay.tokenOf(device)];
  const tokenDropped = latest !== undefined && latest.number >= number && latest.mac !== fields.mac;
  if (tokenDropped) for (const field of OF_THE_TOKEN) delete kept[field];
  // The next token must differ from every token ever issued.
  if (latest !== undefined && latest.number > number) kept.number = String(latest.number);
  if (!replay.registrationStands(device, number)) for (const field of OF_THE_HUB) delete kept[field];
  return { kept, tokenDropped };
}
