/** Which rows of the store a record stands for, so that exactly these can be taken out again. */
import type { AnalyticsRecord } from "../../model/deidentified.ts";
import type { Pseudonym } from "../../model/ids.ts";
import { DEVICE_LOCATION, DEVICE_STATUS, fieldNames, tagValue } from "./line-protocol.ts";

/** Rows of one device in one measurement, narrowed down by what is given. */
export interface StoredRows {
  readonly measurement: typeof DEVICE_STATUS | typeof DEVICE_LOCATION;
  readonly device: Pseudonym;
  /** As the store holds it; empty for rows without a model. */
  readonly model?: string;
  /** Unix ns in decimal. */
  readonly timeNs?: string;
}

/** A record stands for its status row if it has a status, and for the device's place in its epoch if it has a location. */
export function rowsOfRecords(records: readonly AnalyticsRecord[]): StoredRows[] {
  const rows = new Map<string, StoredRows>();
  for (const { device, model, status, location, timestampNs } of records) {
    if (status !== undefined) {
      const tag = model === undefined ? "" : tagValue(model);
      const row: StoredRows = { measurement: DEVICE_STATUS, device, model: tag, timeNs: timestampNs };
      rows.set(`s ${device} ${timestampNs} ${tag}`, row);
    }
    if (location !== undefined) {
      const timeNs = `${location.epochStart}000000`;
      rows.set(`l ${device} ${timeNs}`, { measurement: DEVICE_LOCATION, device, timeNs });
    }
  }
  return [...rows.values()];
}

/** Under which names a record's row can have fields, whatever types the store has for them; to be asked for each of its rows. */
export function fieldsOfRecords(
  records: readonly AnalyticsRecord[],
): (row: StoredRows) => readonly string[] | undefined {
  const keys = new Map<string, Set<string>>();
  for (const { device, status, timestampNs } of records) {
    if (status === undefined) continue;
    const at = `${device} ${timestampNs}`;
    keys.set(at, new Set([...(keys.get(at) ?? []), ...Object.keys(status)]));
  }
  return ({ measurement, device, timeNs }) => {
    if (measurement === DEVICE_LOCATION) return ["cell", "resolution"];
    const names = [...(keys.get(`${device} ${timeNs}`) ?? [])].flatMap((key) => fieldNames(key));
    return names.length === 0 ? undefined : names;
  };
}

/** Everything the store holds under these pseudonyms. */
export function rowsOfDevices(devices: readonly Pseudonym[]): StoredRows[] {
  return devices.flatMap((device) => [
    { measurement: DEVICE_STATUS, device },
    { measurement: DEVICE_LOCATION, device },
  ]);
}
