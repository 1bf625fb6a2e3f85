/**
 * The wire schema: exactly the four things a device may tell us, and nothing else.
 * Only ingress, queue, pipeline and deidentify may import this file; everything downstream
 * cannot even name raw data.
 */
import { z } from "zod";
import { type CategoryMask, IP, LOCATION, MODEL, STATUS } from "./consent.ts";
import type { DeviceRef } from "./ids.ts";

const timeAndId = {
  /** Unix ms of the device clock. Any finite number is accepted; an absurd one is replaced by the time of receipt. */
  ts: z.number().optional(),
  id: z.string().min(1).max(64).optional(),
};

const model = z.string().min(1).max(64);
const ip = z.union([z.ipv4(), z.ipv6()]);
const coordinates = { lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) };

/** Any object: what of it is taken is for the vocabulary to say. */
const status = z.custom<Readonly<Record<string, unknown>>>(isObject);

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const telemetry = z.strictObject({
  model: model.optional(),
  ip: ip.optional(),
  location: z.strictObject(coordinates).optional(),
  status: status.optional(),
  ...timeAndId,
});

/** The last level of the topic, in the order used inside sealed batches: never reorder. */
export const PARTS = ["telemetry", "model", "ip", "location", "status"] as const;
export type Part = (typeof PARTS)[number];

const SCHEMAS: Readonly<Record<Part, z.ZodType>> = {
  telemetry,
  model: z.strictObject({ model, ...timeAndId }),
  ip: z.strictObject({ ip, ...timeAndId }),
  location: z.strictObject({ ...coordinates, ...timeAndId }),
  // `ts` and `id` stand beside the properties on the `/status` topic.
  status: z.looseObject(timeAndId),
};

/** Keys of the contract, which `status` on a topic of its own and everything inside `location` share. */
export const CONTRACT_KEYS: ReadonlySet<string> = new Set([
  "model",
  "ip",
  "location",
  "lat",
  "lon",
  "status",
  "ts",
  "id",
]);

export interface RawTelemetry {
  readonly model?: string | undefined;
  readonly ip?: string | undefined;
  readonly location?: { readonly lat: number; readonly lon: number } | undefined;
  readonly status?: Readonly<Record<string, number | boolean | string>> | undefined;
  readonly ts?: number | undefined;
  readonly id?: string | undefined;
}

/** A message whose `status` holds whatever the device wrote. */
export type Unread = Omit<RawTelemetry, "status"> & { readonly status?: Readonly<Record<string, unknown>> | undefined };

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

/**
 * Checks parsed JSON against the schema of its topic. `undefined` means `invalid-payload`. What is in `status` has not been
 * looked at yet, and there may be nothing at all.
 */
export function validatePart(part: Part, json: unknown): Unread | undefined {
  if (typeof json !== "object" || json === null || hasPrototypeKey(json)) return undefined;
  const parsed = SCHEMAS[part].safeParse(json);
  return parsed.success ? normalise(part, parsed.data) : undefined;
}

/**
 * JSON.parse makes `__proto__` an own key, which zod passes over silently and an assignment would obey.
 * Refused outright; inside `status` it is a key that nothing names.
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

export function carriedBy(telemetry: Unread): CategoryMask {
  return (
    (telemetry.model === undefined ? 0 : MODEL) |
    (telemetry.ip === undefined ? 0 : IP) |
    (telemetry.location === undefined ? 0 : LOCATION) |
    (telemetry.status === undefined ? 0 : STATUS)
  );
}
