/**
 * Composes what a device publishes. Every status carries `seq`, a number no other message has:
 * stored rows name no device and no message, and `seq` is how the run recognises them all the same. The gateway under test
 * has it as a property of its own configuration.
 */

import { MESSAGE_PARTS, type MessagePart } from "./expectation.ts";
import { coordinate } from "./homes.ts";
import type { SimulatedDevice } from "./population.ts";
import type { Random } from "./random.ts";

export interface ComposedMessage {
  readonly topic: string;
  readonly payload: string;
  readonly part: MessagePart;
  /** What in it must never be found again. */
  readonly raw: {
    readonly id?: string;
    readonly ip?: string;
    readonly lat?: number;
    readonly lon?: number;
    readonly total?: number;
  };
  /** Whether `seq` travels in it, so that a stored row can be told. */
  readonly traceable: boolean;
}

const PARTS = [
  ["telemetry", 70],
  ["status", 15],
  ["location", 7],
  ["ip", 4],
  ["model", 4],
] as const satisfies readonly (readonly [MessagePart, number])[];

/** With `timed` every message carries its time: redelivered after a crash it must still count as the same one. */
export function composeMessage(device: SimulatedDevice, seq: number, nowMs: number, timed = false): ComposedMessage {
  const { random } = device;
  if (device.household.standing === "malformed") return composeBroken(device, seq, MALFORMED);
  if (device.household.standing === "strange-words") return composeBroken(device, seq, STRANGE);
  const part = random.weighted<MessagePart>(PARTS);
  const place = part === "telemetry" || part === "location" ? nextPlace(device) : undefined;
  const total = device.profile.counts === undefined ? undefined : nextTotal(device, device.profile.counts.most);
  const counted = device.profile.counts === undefined ? {} : { [device.profile.counts.property]: total };
  const more = random.chance(TALKATIVE_SHARE) ? nobodysBusiness(device) : {};
  const status: Record<string, unknown> = { ...more, ...device.profile.status(random), ...counted, seq };
  const id = `msg-${random.hex(16)}`;
  const identity = timed || random.chance(0.6) ? { ts: nowMs, id } : { id };
  const ip = part === "telemetry" || part === "ip" ? device.ip : undefined;
  const bodies: Record<MessagePart, unknown> = {
    telemetry: { model: device.model, ip, location: place, status, ...identity },
    model: { model: device.model, ...identity },
    ip: { ip, ...identity },
    location: { ...place, ...identity },
    status: { ...status, ...identity },
  };
  return {
    topic: `devices/${device.id}/${part}`,
    payload: JSON.stringify(bodies[part]),
    part,
    raw: { id, ...(ip !== undefined && { ip }), ...place, ...(total !== undefined && { total }) },
    traceable: part === "telemetry" || part === "status",
  };
}

/** Of the messages with a status. */
const TALKATIVE_SHARE = 0.1;

/** What firmware says besides, because it was not told not to. The message is taken, and this is left out of it. */
function nobodysBusiness({ household }: SimulatedDevice): Record<string, unknown> {
  return {
    note: `set up by ${household.email}`,
    wifi: { ssid: household.password },
    gps: [household.lat, household.lon],
  };
}

/** Four decimals, the last one never 0, so that its digits survive JSON unchanged. */
function nextTotal(device: SimulatedDevice, most: number): number {
  device.total += device.random.between(0, most);
  const rounded = device.total.toFixed(3);
  return Number(`${rounded}${1 + device.random.int(9)}`);
}

/** Fixed devices report their home with the noise of a receiver; moving ones wander off. */
function nextPlace(device: SimulatedDevice): { lat: number; lon: number } {
  const { random } = device;
  const step = device.profile.moving ? 0.004 : 0.00008;
  const from = device.profile.moving ? device.place : device.household;
  device.place = {
    lat: coordinate(clamp(from.lat + random.gaussian() * step, 89)),
    lon: coordinate(clamp(from.lon + random.gaussian() * step, 179)),
  };
  return device.place;
}

function clamp(value: number, bound: number): number {
  return Math.min(bound, Math.max(-bound, value));
}

/** Every one of these is `invalid-payload`. Those that hold personal data double as canaries. */
const MALFORMED: readonly ((device: SimulatedDevice, random: Random) => string)[] = [
  (device) => JSON.stringify({ model: device.model, status: { power_on: true }, email: device.household.email }),
  (device) => JSON.stringify({ status: { power_on: true }, account: { password: device.household.password } }),
  (device) => JSON.stringify({ status: { owner_email: device.household.email } }),
  (device) => JSON.stringify({ model: device.model, shoeSize: 43 }),
  (device) => `model=${device.model};ip=${device.ip}`,
  () => `${"[".repeat(3000)}${"]".repeat(3000)}`,
  () => `{"status":${'{"a":'.repeat(600)}1${"}".repeat(600)}}`,
  () => '{"location":{"lat":NaN,"lon":77.59}}',
  () => '{"location":{"lat":91.5,"lon":77.59}}',
  () => '{"location":{"lat":1e999,"lon":77.59}}',
  () => '{"__proto__":{"admin":true},"model":"HB-200"}',
  () => '{"status":{"__proto__":{"password":"admin"}}}',
  () => '{"ip":"300.1.2.3"}',
  () => "null",
  () => "",
  (device) => JSON.stringify({ model: device.model, status: "on" }),
  (device) => `{"model":"${device.model}","ip":"${device.ip}"`,
  (_device, random) => `{"status":{"power_on":true},"${random.hex(40)}":1}`,
];

/** Every one of these is `nothing-known`: all of it is left out. Here too personal data doubles as canaries. */
const STRANGE: typeof MALFORMED = [
  ({ household }) => JSON.stringify({ status: { note: household.email } }),
  ({ household }) => JSON.stringify({ status: { position: `${household.lat}, ${household.lon}` } }),
  ({ household }) => JSON.stringify({ status: { preset: household.password, temperature: household.email } }),
  ({ household }) => JSON.stringify({ status: { wifi: { ssid: household.password }, power_on: ["on"] } }),
  (_device, random) => `{"status":{"${random.hex(40)}":1}}`,
  () => '{"status":{"temperature":"warm","humidity":140,"open":"yes","co2":null}}',
  () => '{"status":{"__proto__":{"admin":true}}}',
  () => '{"status":{}}',
  () => "{}",
];

function composeBroken(device: SimulatedDevice, seq: number, templates: typeof MALFORMED): ComposedMessage {
  const template = templates[seq % templates.length] ?? templates[0];
  if (template === undefined) throw new RangeError("no payloads");
  return {
    topic: `devices/${device.id}/telemetry`,
    payload: template(device, device.random),
    part: MESSAGE_PARTS[0],
    raw: { ip: device.ip },
    traceable: false,
  };
}
