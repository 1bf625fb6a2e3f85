/**
 * InfluxDB line protocol for what the store may keep, one line per measurement and record.
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
 */
import type { AnalyticsRecord, PlaceRow, StatusFields } from "../../model/deidentified.ts";
import type { CellCount } from "../../model/sink.ts";
import type { StoredFields } from "./fields.ts";

export const DEVICE_STATUS = "device_status";
export const DEVICE_LOCATION = "device_location";
const CELL_ACTIVITY = "cell_activity";

const TAG_SPECIAL = /[,= \\]/;
const ESCAPE_IN_TAG = /[,= ]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const EVERY_CONTROL = /[\u0000-\u001f\u007f]/g;
const STRING_SPECIAL = /["\\]/;
const EVERY_STRING_SPECIAL = /["\\]/g;

export interface EncodedBatch {
  readonly lines: string[];
  /** For each line the index of the record it came from. */
  readonly owners: number[];
}

/** All lines of a batch. */
export function encodeBatch(records: readonly AnalyticsRecord[], fields: StoredFields): EncodedBatch {
  const lines: string[] = [];
  const owners: number[] = [];
  for (const [index, record] of records.entries()) {
    const status = statusLine(record, fields);
    if (status === undefined) continue;
    lines.push(status);
    owners.push(index);
  }
  return { lines, owners };
}

/** A `device_status` line; `undefined` when the record has no status that can be written. */
export function statusLine(record: AnalyticsRecord, fields: StoredFields): string | undefined {
  if (record.status === undefined) return undefined;
  const set = fieldSet(record.status, fields);
  if (set === "") return undefined;
  const tags = record.model === undefined ? "" : tag("model", record.model);
  return `${DEVICE_STATUS}${tag("device", record.device)}${tags} ${set} ${record.timestampNs}`;
}

/** A `device_location` line, timed at the start of the epoch so that it overwrites the one before. */
export function placeLine({ device, cell, resolution, epochStart }: PlaceRow): string {
  return `${DEVICE_LOCATION}${tag("device", device)} cell=${quoted(cell)},resolution=${resolution} ${epochStart}000000`;
}

export function activityLine({ cell, devices, messages, timestampNs }: CellCount): string {
  return `${CELL_ACTIVITY}${tag("cell", cell)} devices=${devices},messages=${messages} ${timestampNs}`;
}

/**
 * What the store holds for a tag or key. A backslash at the end cannot be written, it would swallow the separator,
 * and is dropped. Control characters become spaces: a line break is the end of a line for some servers wherever it stands.
 */
export function tagValue(text: string): string {
  let value = CONTROL.test(text) ? text.replace(EVERY_CONTROL, " ") : text;
  while (value.endsWith("\\")) value = value.slice(0, -1);
  return value;
}

/** A value of another type than the table says is left out: written, it would decide the type of the field for all. */
function fieldSet(status: StatusFields, fields: StoredFields): string {
  let set = "";
  for (const key in status) {
    const value = status[key];
    if (value === undefined || !fields.takes(key, value)) continue;
    const field = `${escaped(key)}=${typeof value === "string" ? quoted(value) : value}`;
    set += set === "" ? field : `,${field}`;
  }
  return set;
}

/** With its leading comma; nothing for an empty value, which the protocol has no place for. */
function tag(key: string, value: string): string {
  const text = escaped(value);
  return text === "" ? "" : `,${key}=${text}`;
}

/** For tags and keys. */
function escaped(text: string): string {
  const value = tagValue(text);
  return TAG_SPECIAL.test(value) ? value.replace(ESCAPE_IN_TAG, "\\$&") : value;
}

function quoted(text: string): string {
  const clean = CONTROL.test(text) ? text.replace(EVERY_CONTROL, " ") : text;
  return STRING_SPECIAL.test(clean) ? `"${clean.replace(EVERY_STRING_SPECIAL, "\\$&")}"` : `"${clean}"`;
}
