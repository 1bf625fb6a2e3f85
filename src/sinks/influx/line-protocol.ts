/**
 * InfluxDB line protocol for what the store may keep, one line per measurement and record.
 * https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
 *
 * Numbers are always floats: whether a device sends `20` or `20.5` must not decide the type of a field.
 */
import type { AnalyticsRecord, StatusFields } from "../../model/deidentified.ts";
import type { CellId, Pseudonym } from "../../model/ids.ts";
import { FIELD_TYPES, FieldTypes } from "./field-types.ts";

export const DEVICE_STATUS = "device_status";
export const DEVICE_LOCATION = "device_location";
export const CELL_ACTIVITY = "cell_activity";

const TAG_SPECIAL = /[,= \\]/;
const ESCAPE_IN_TAG = /[,= ]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const EVERY_CONTROL = /[\u0000-\u001f\u007f]/g;
const STRING_SPECIAL = /["\\]/;
const EVERY_STRING_SPECIAL = /["\\]/g;
/** Names a column of these measurements already has; InfluxDB drops a field called `time` without a word. */
const TAKEN = /^(?:time|device|model)_*$/;
/** What the name of a field ends in when its plain name has another type. */
const TYPED = new RegExp(`\\.(?:${FIELD_TYPES.join("|")})$`);
/** Of a store that takes every field as it comes. */
const NONE_REFUSED = new FieldTypes();

export interface EncodedBatch {
  readonly lines: string[];
  /** For each line the index of the record it came from. */
  readonly owners: number[];
}

/**
 * All lines of a batch; of the places only those that `places` names, by device and record index. How many there
 * are, and in which order, does not depend on the names that fields have.
 */
export function encodeBatch(
  records: readonly AnalyticsRecord[],
  places: ReadonlyMap<Pseudonym, number>,
  types = NONE_REFUSED,
): EncodedBatch {
  const lines: string[] = [];
  const owners: number[] = [];
  for (const [index, record] of records.entries()) {
    const status = statusLine(record, types);
    if (status !== undefined) {
      lines.push(status);
      owners.push(index);
    }
    if (record.location === undefined || places.get(record.device) !== index) continue;
    const location = locationLine(record);
    if (location !== undefined) {
      lines.push(location);
      owners.push(index);
    }
  }
  return { lines, owners };
}

/** A `device_status` line; `undefined` when the record has no status that can be written. */
export function statusLine(record: AnalyticsRecord, types = NONE_REFUSED): string | undefined {
  if (record.status === undefined) return undefined;
  const fields = fieldSet(record.status, types);
  if (fields === "") return undefined;
  const tags = record.model === undefined ? "" : tag("model", record.model);
  return `${DEVICE_STATUS}${tag("device", record.device)}${tags} ${fields} ${record.timestampNs}`;
}

/** A `device_location` line, timed at the start of the epoch so that it overwrites the one before. */
export function locationLine(record: AnalyticsRecord): string | undefined {
  const location = record.location;
  if (location === undefined) return undefined;
  const fields = `cell=${quoted(location.cell)},resolution=${location.resolution}`;
  return `${DEVICE_LOCATION}${tag("device", record.device)} ${fields} ${location.epochStart}000000`;
}

/** A `cell_activity` line, timed at the start of its window or within it. */
export function activityLine(cell: CellId, devices: number, messages: number, timestampNs: string): string {
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

/**
 * The name a status key has in the store: itself, but with one `_` more when it is the name of a column,
 * or such a name with `_` at its end, so that no two keys ever meet.
 */
export function fieldName(key: string): string {
  return TAKEN.test(key) ? `${key}_` : key;
}

/** Every name a status key can have in the store: its own, and those that say a type. */
export function fieldNames(key: string): string[] {
  const plain = tagValue(fieldName(key));
  return [plain, ...FIELD_TYPES.map((type) => `${plain}.${type}`)];
}

/** The inverse of `fieldName`, whatever type the field is marked with: the key a device used. */
export function statusKey(field: string): string {
  const plain = field.replace(TYPED, "");
  return TAKEN.test(plain) && plain.endsWith("_") ? plain.slice(0, -1) : plain;
}

function fieldSet(status: StatusFields, types: FieldTypes): string {
  let fields = "";
  for (const key in status) {
    const value = status[key];
    let text: string;
    if (typeof value === "number") {
      // There is no way to write NaN or an infinity; one such value must not cost the record its others.
      if (!Number.isFinite(value)) continue;
      text = `${value}`;
    } else if (typeof value === "boolean") {
      text = value ? "true" : "false";
    } else if (typeof value === "string") {
      text = quoted(value);
    } else {
      continue;
    }
    const name = escaped(types.nameFor(fieldName(key), value));
    fields += fields === "" ? `${name}=${text}` : `,${name}=${text}`;
  }
  return fields;
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
