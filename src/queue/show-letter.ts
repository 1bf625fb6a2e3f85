/** The dead letters of a device, in the words of an export. A letter that does not open has no content to show. */
import type { ExportLineOf } from "../model/export.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { DeadLetters } from "./dead-letters.ts";

export async function* setAsideOf(
  deadLetters: Pick<DeadLetters, "of">,
  tag: SubjectTag,
  device: DeviceKey,
): AsyncGenerator<ExportLineOf<"set-aside">> {
  for await (const { letter, message } of deadLetters.of(tag, device)) {
    if (message === undefined) continue;
    const { model, ip, location, status } = message.telemetry;
    yield {
      kind: "set-aside",
      device,
      at: letter.at,
      reason: letter.reason,
      message: {
        at: message.at,
        ...(model !== undefined && { model }),
        ...(ip !== undefined && { ip }),
        ...(location !== undefined && { location: { lat: location.lat, lon: location.lon } }),
        ...(status !== undefined && { status: { ...status } }),
      },
    };
  }
}
