/**
 * The wire schema: exactly the four things a device may tell us, and nothing else.
 * Only ingress, queue, pipeline and deidentify may import this file; everything downstream
 * cannot even name raw data.
 */
import { z } from "zod";
import { type CategoryMask, IP, LOCATION, MODEL, STATUS } from "./consent.ts";
import type { DeviceRef } from "./ids.ts";

const MAX_STATUS_KEYS = 32;
const MAX_STATUS_TEXT = 64;
const STATUS_KEY = /^[a-z][a-z0-9_]{0,31}$/;

/**
 * Keys that name an account, a person, a place or an address. They are refused inside `status`,
 * where any other key is free; elsewhere the schema is closed anyway. Matched whole and as a
 * `_`-separated word, so `owner_email` is caught and `email_led` too: a false alarm costs one refused message,
 * a miss costs a promise.
 */
export const PERSONAL_WORDS: ReadonlySet<string> = new Set(
  (
    "account user username userid login password passwd pwd secret token email mail nickname name firstname lastname surname " +
    "phone mobile msisdn address street city zip postcode postal birthday birthdate dob age gender ssn passport " +
    "lat lon lng latitude longitude gps geo position coordinates location place altitude ip ipv4 ipv6 mac imei imsi iccid serial ssid bssid " +
    "device deviceid subject subjectid owner contact contacts"
  ).split(" "),
);

/** An e-mail, IP or MAC address or a coordinate pair in a free string would carry a person past the coarsening. */
const PERSONAL_VALUE =
  /@|\d{1,3}(?:\.\d{1,3}){3}|::|(?:[0-9a-f]{1,4}[:-]){5,7}[0-9a-f]{1,4}|-?\d{1,3}\.\d{3,}\s*[,; ]\s*-?\d{1,3}\.\d{3,}/i;

const timeAndId = {
  /** Unix ms of the device clock. Any finite number is accepted; an absurd one is replaced by the time of receipt. */
  ts: z.number().optional(),
  id: z.string().min(1).max(64).optional(),
};

const model = z.string().min(1).max(64);
const ip = z.union([z.ipv4(), z.ipv6()]);
const coordinates = { lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) };

/** One loop over keys and values together: this runs for every message, and a record of unions costs several times as much. */
const status = z.custom<Readonly<Record<string, number | boolean | string>>>(isStatus);

function isStatus(fields: unknown): boolean {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return false;
  let count = 0;
  for (const key in fields) {
    count += 1;
    if (count > MAX_STATUS_KEYS || !statusKeyAllowed(key)) return false;
    if (!isStatusValue((fields as Record<string, unknown>)[key])) return false;
  }
  return count > 0;
}

function isStatusValue(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string") return value.length <= MAX_STATUS_TEXT && !PERSONAL_VALUE.test(value);
  return typeof value === "boolean";
}

/**
 * Devices use the same few keys over and over; remembering them spares the regular expression. Only what is allowed:
 * anything else may be of any length, or somebody's name.
 */
const allowedKeys = new Set<string>();
const MAX_REMEMBERED_KEYS = 4096;

function statusKeyAllowed(key: string): boolean {
  if (allowedKeys.has(key)) return true;
  if (!STATUS_KEY.test(key) || isPersonal(key)) return false;
  // Begun anew, so that nobody can fill it once and for all.
  if (allowedKeys.size >= MAX_REMEMBERED_KEYS) allowedKeys.clear();
  allowedKeys.add(key);
  return true;
}

function isPersonal(key: string): boolean {
  return key.split("_").some((word) => PERSONAL_WORDS.has(word));
}

const telemetry = z.strictObject({
  model: model.optional(),
  ip: ip.optional(),
  location: z.strictObject(coordinates).optional(),
  status: status.optional(),
  ...timeAndId,
});

/** `ts` and `id` stand beside the status keys on the `/status` topic, so they are taken out before the rest is checked. */
const statusAlone = z.looseObject(timeAndId).transform(({ ts, id, ...rest }, context) => {
  const parsed = status.safeParse(rest);
  if (!parsed.success) {
    context.addIssue({ code: "custom", message: "status" });
    return z.NEVER;
  }
  return { status: parsed.data, ts, id };
});

/** The last level of the topic, in the order used inside sealed batches: never reorder. */
export const PARTS = ["telemetry", "model", "ip", "location", "status"] as const;
export type Part = (typeof PARTS)[number];

const SCHEMAS: Readonly<Record<Part, z.ZodType>> = {
  telemetry,
  model: z.strictObject({ model, ...timeAndId }),
  ip: z.strictObject({ ip, ...timeAndId }),
  location: z.strictObject({ ...coordinates, ...timeAndId }),
  status: statusAlone,
};

const CONTRACT_KEYS = new Set(["model", "ip", "location", "lat", "lon", "status", "ts", "id"]);

export interface RawTelemetry {
  readonly model?: string | undefined;
  readonly ip?: string | undefined;
  readonly location?: { readonly lat: number; readonly lon: number } | undefined;
  readonly status?: Readonly<Record<string, number | boolean | string>> | undefined;
  readonly ts?: number | undefined;
  readonly id?: string | undefined;
}

/** A message as the pipeline opens it from a sealed batch. */
export interface RawMessage {
  readonly device: DeviceRef;
  /** Unix ms, fixed at admission. */
  readonly at: number;
  /** 0–999,999: digits below the millisecond, fixed at admission, so that two messages never collide. */
  readonly sub: number;
  readonly telemetry: RawTelemetry;
  readonly carried: CategoryMask;
}

/** Checks parsed JSON against the schema of its topic. `undefined` means `invalid-payload`. */
export function validatePart(part: Part, json: unknown): RawTelemetry | undefined {
  if (typeof json !== "object" || json === null || hasPrototypeKey(json)) return undefined;
  const parsed = SCHEMAS[part].safeParse(json);
  if (!parsed.success) return undefined;
  const valid = normalise(part, parsed.data);
  return carriedBy(valid) === 0 ? undefined : valid;
}

/** Whether a refused payload tried to bring account data along; told apart so that an operator hears of it. */
export function namesPerson(json: unknown): boolean {
  // No further down: a payload may be nested deeper than the stack is.
  return hasPersonalKey(json) || hasPersonalKey((json as { status?: unknown } | null)?.status);
}

function hasPersonalKey(json: unknown): boolean {
  if (typeof json !== "object" || json === null) return false;
  const keys = Object.keys(json)
    .slice(0, MAX_STATUS_KEYS)
    .filter((key) => !CONTRACT_KEYS.has(key));
  return keys.some((key) => isPersonal(key.toLowerCase()));
}

/**
 * JSON.parse makes `__proto__` an own key, which zod passes over silently and an assignment would obey.
 * Refused outright; inside `status` the rule for keys does it.
 */
function hasPrototypeKey(json: object): boolean {
  if (Object.hasOwn(json, "__proto__")) return true;
  const { location } = json as { location?: unknown };
  return typeof location === "object" && location !== null && Object.hasOwn(location, "__proto__");
}

/** Shapes an already validated payload of any topic as telemetry; used again when a sealed batch is opened. */
export function normalise(part: Part, payload: unknown): RawTelemetry {
  if (part === "telemetry" || part === "model" || part === "ip") return payload as RawTelemetry;
  if (part === "location") {
    const { lat, lon, ts, id } = payload as { lat: number; lon: number; ts?: number; id?: string };
    return { location: { lat, lon }, ts, id };
  }
  const value = payload as Record<string, unknown>;
  if (typeof value.status === "object" && value.status !== null) return value as RawTelemetry;
  const { ts, id, ...status } = value;
  return { status, ts, id } as RawTelemetry;
}

export function carriedBy(telemetry: RawTelemetry): CategoryMask {
  return (
    (telemetry.model === undefined ? 0 : MODEL) |
    (telemetry.ip === undefined ? 0 : IP) |
    (telemetry.location === undefined ? 0 : LOCATION) |
    (telemetry.status === undefined ? 0 : STATUS)
  );
}
