/** Which rows of the store a record stands for, so that exactly these can be taken out again. */
import type { AnalyticsRecord, PlaceRow } from "../../model/deidentified.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { DeviceMeasurement } from "../../model/sink.ts";
import type { StoredFields } from "./fields.ts";
import { DEVICE_LOCATION, DEVICE_STATUS, tagValue } from "./line-protocol.ts";

/** The row of one device at one time. */
export interface RowOfDevice {
  readonly measurement: DeviceMeasurement;
  readonly device: Pseudonym;
  /** As the store holds it; empty for a row without a model. Absent: whatever it is. */
  readonly model?: string;
  /** Unix ns in decimal. */
  readonly timeNs: string;
  /** Of these it has at least one. */
  readonly fields: ReadonlySet<string>;
}

/** A record stands for its status row if anything of its status is stored. */
export function rowsOfRecords(records: readonly AnalyticsRecord[], fields: StoredFields): RowOfDevice[] {
  const rows = new Map<string, RowOfDevice>();
  for (const { device, model, status = {}, timestampNs } of records) {
    const written = Object.entries(status).flatMap(([name, value]) => (fields.takes(name, value) ? [name] : []));
    if (written.length > 0) {
      const tag = model === undefined ? "" : tagValue(model);
      const key = `s ${device} ${timestampNs} ${tag}`;
      const names = new Set([...(rows.get(key)?.fields ?? []), ...written]);
      rows.set(key, { measurement: DEVICE_STATUS, device, model: tag, timeNs: timestampNs, fields: names });
    }
  }
  return [...rows.values()];
}

/** The one row of each device in its epoch, whichever place it tells. */
export function rowsOfPlaces(
  places: readonly Pick<PlaceRow, "device" | "epochStart">[],
  fields: StoredFields,
): RowOfDevice[] {
  const names = new Set(fields.of(DEVICE_LOCATION));
  return places.map(({ device, epochStart }) => ({
    measurement: DEVICE_LOCATION,
    device,
    timeNs: `${epochStart}000000`,
    fields: names,
  }));
}
