/** Wires what the privacy centre shows of places: the records that wait for the place writer, and what it noted as told. */
import type { Config } from "../config/schema.ts";
import { areaOf } from "../deidentify/cell-area.ts";
import type { PlacesPort } from "../http/ports.ts";
import type { CheckConsent } from "../model/consent.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import type { CellId, DeviceKey } from "../model/ids.ts";
import { shownPlaceOf } from "../places/showing.ts";
import type { PlaceOverrides, Places } from "./places.ts";

export interface ShownPlacesDeps {
  readonly config: Pick<Config, "places" | "retention">;
  readonly checkConsent: CheckConsent;
  readonly places: Pick<Places, "of">;
  readonly overrides: PlaceOverrides;
}

export function shownPlaces({ config, checkConsent, places, overrides }: ShownPlacesDeps): PlacesPort {
  const { leastSubjects, stepMinutes } = config.places;
  const keptDays = config.retention.deviceLocationDays;
  const stepMs = overrides.placeStepMs ?? stepMinutes * MINUTE_MS;
  return {
    of: async (subject, devices) => {
      // The key stands in the decisions alone: where there is none, nothing opens.
      const verdicts = await checkConsent(devices.map((deviceKey) => ({ deviceKey, subjectTag: subject })));
      const byKey = new Map<string, DeviceKey[]>();
      for (const [index, device] of devices.entries()) {
        const key = verdicts[index]?.wrappedSubjectKey;
        if (key === undefined) continue;
        const own = byKey.get(key) ?? [];
        own.push(device);
        byKey.set(key, own);
      }
      const records = new Map(
        (await Promise.all([...byKey].map(([key, own]) => places.of(subject, key, own)))).flatMap((some) => [...some]),
      );
      const clock = { now: Date.now(), stepMs, keepMs: keptDays * DAY_MS };
      return devices.map((device) => {
        const { state, noted, stored } = shownPlaceOf(records.get(device), clock);
        return { state, ...areas({ noted, stored }) };
      });
    },
    rules: { leastHomes: leastSubjects, stepMinutes, keptDays },
  };
}

type Area = NonNullable<Awaited<ReturnType<PlacesPort["of"]>>[number]["noted"]>;

function areas(cells: Readonly<Record<"noted" | "stored", CellId | undefined>>): { noted?: Area; stored?: Area } {
  const drawn: { noted?: Area; stored?: Area } = {};
  for (const name of ["noted", "stored"] as const) {
    const area = cells[name] === undefined ? undefined : areaOf(cells[name]);
    if (area === undefined) continue;
    const { center, corners, km2 } = area;
    drawn[name] = { center: [...center], corners: corners.map((corner): [number, number] => [...corner]), km2 };
  }
  return drawn;
}
