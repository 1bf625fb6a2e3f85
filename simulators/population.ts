/**
 * The simulated population: homes with their devices, and what each person has decided. The
 * standing of a home says what must become of its messages, so the run can be checked afterwards.
 */
import { cellToLatLng, latLngToCell } from "h3-js";
import type { Category, Purpose } from "../src/model/purposes.ts";
import { DEVICE_PROFILES, type DeviceProfile } from "./device-profiles.ts";
import type { DialectHome } from "./firmware/firmware.ts";
import type { SimulatedDialect } from "./firmware/firmwares.ts";
import { makeDialectHomes } from "./firmware/homes.ts";
import { CITIES, carrierIpv4, coordinate, type Home, makeHome } from "./homes.ts";
import { Random } from "./random.ts";

/** What a person has decided, with its share of the homes. */
export const STANDINGS = {
  consenting: { share: 58, meaning: "every purpose, every category" },
  partial: { share: 9, meaning: "status for analytics and scenes, no location, no address" },
  "forward-only": { share: 5, meaning: "weather and network only, nothing kept" },
  "minor-with-guardian": { share: 4, meaning: "a minor whose guardian was verified: forwarded, never kept" },
  withdrawing: { share: 6, meaning: "consents, and withdraws in the middle of the run" },
  "without-consent": { share: 5, meaning: "bound to a person who never answered" },
  minor: { share: 4, meaning: "a minor without a verified guardian" },
  expired: { share: 3, meaning: "consented once, and the time has run out" },
  unbound: { share: 3, meaning: "a device that belongs to no one yet" },
  malformed: { share: 3, meaning: "consents, but its firmware sends broken payloads" },
  "strange-words": { share: 2, meaning: "consents, but its firmware has words of its own for everything" },
} as const satisfies Record<string, { share: number; meaning: string }>;
export type Standing = keyof typeof STANDINGS;

export interface SimulatedDevice {
  readonly id: string;
  readonly profile: DeviceProfile;
  readonly model: string;
  readonly household: Household;
  readonly random: Random;
  /** Where it is; moving devices change it as they go. */
  place: { lat: number; lon: number };
  readonly ip: string;
  /** What it has counted since it was made, where it counts anything: as good as its name to a service that sees it twice. */
  total: number;
  /** MQTT password; set when the device is provisioned. */
  token: string;
}

export interface Household extends Home {
  readonly standing: Standing;
  readonly devices: SimulatedDevice[];
  /** Unix ms. Absent until the person withdraws, or until the gateway has confirmed it. */
  withdrawal?: { readonly askedAt: number; answeredAt?: number; waitedMs?: number };
}

export interface Population {
  readonly seed: number;
  readonly households: readonly Household[];
  readonly devices: readonly SimulatedDevice[];
  /** Beside the devices that speak the gateway's own contract; their households are among those above. */
  readonly dialectHomes: readonly DialectHome[];
}

export interface DialectOptions {
  readonly dialects: readonly SimulatedDialect[];
  /** Of each dialect one home for each of these. */
  readonly standings: readonly Standing[];
}

const NEIGHBOURHOODS = 2;
const FINEST_RESOLUTION = 6;
const NEIGHBOURHOOD_DEGREES = 0.002;
/** As many as the weather of a cell needs at the most. */
const NEIGHBOURS = 8;
const LEAST_DEVICES = 80;

const NO_DIALECTS: DialectOptions = { dialects: [], standings: [] };

/** `deviceCount` devices in homes of 1–4; every standing is present once there are enough homes for it. */
export function makePopulation(
  seed: number,
  deviceCount: number,
  { dialects, standings: spoken }: DialectOptions = NO_DIALECTS,
): Population {
  const random = new Random(seed);
  const standings = Object.entries(STANDINGS).map(([name, { share }]) => [name as Standing, share] as const);
  const households: Household[] = [];
  const devices: SimulatedDevice[] = [];
  for (const household of neighbourhoods(random, deviceCount)) {
    const station = DEVICE_PROFILES.find(({ kind }) => kind === "weather-station");
    household.devices.push(makeDevice(household, random, station));
    households.push(household);
    devices.push(...household.devices);
  }
  const alone = households.length;
  while (devices.length < deviceCount) {
    const standing = standings[households.length - alone]?.[0] ?? random.weighted(standings);
    const household: Household = { ...makeHome(random), standing, devices: [] };
    const size = Math.min(1 + random.int(4), deviceCount - devices.length);
    for (let index = 0; index < size; index += 1) household.devices.push(makeDevice(household, random));
    households.push(household);
    devices.push(...household.devices);
  }
  const dialectHomes = makeDialectHomes(seed, dialects, spoken);
  for (const { household, children } of dialectHomes)
    households.push(household, ...children.flatMap(({ owner }) => owner ?? []));
  return { seed, households, devices, dialectHomes };
}

/** Homes with a station on the roof that stand close together, so that the weather of a cell is told at all; none in a small fleet. */
function neighbourhoods(random: Random, deviceCount: number): Household[] {
  if (deviceCount < LEAST_DEVICES) return [];
  return CITIES.slice(0, NEIGHBOURHOODS).flatMap((city) => {
    // In the middle of a cell, so that noise at a border does not part them.
    const [lat, lon] = cellToLatLng(latLngToCell(city.lat, city.lon, FINEST_RESOLUTION));
    return Array.from({ length: NEIGHBOURS }, (): Household => {
      const near = (degrees: number) => coordinate(degrees + random.gaussian() * NEIGHBOURHOOD_DEGREES);
      const place = { lat: near(lat), lon: near(lon) };
      return { ...makeHome(random), city, ...place, standing: "consenting", devices: [] };
    });
  });
}

function makeDevice(
  household: Household,
  random: Random,
  profile = random.weighted(DEVICE_PROFILES.map((row) => [row, row.weight] as const)),
): SimulatedDevice {
  return {
    id: `${profile.kind}-${random.hex(12)}`,
    profile,
    model: random.pick(profile.models),
    household,
    random: random.fork(profile.kind),
    place: { lat: household.lat, lon: household.lon },
    ip: profile.moving ? carrierIpv4(random) : household.ip,
    total: random.between(10_000, 90_000),
    token: "",
  };
}

type Purposes = Partial<Record<Purpose, readonly Category[]>>;

const EVERYTHING: Purposes = {
  analytics: ["model", "location", "status"],
  weather: ["location", "status"],
  scene: ["model", "status"],
  network: ["model", "ip"],
};

/** Body of `POST /v1/subjects/{subject}/consents`; `undefined` when the person never answered. */
export function consentBody(
  household: Household,
  expiresAt: number,
  policyVersion: number,
): Record<string, unknown> | undefined {
  const common = {
    policyVersion,
    purposes: EVERYTHING,
    method: "app",
    by: "subject",
    language: household.city.language,
    jurisdiction: [household.city.jurisdiction],
  };
  switch (household.standing) {
    case "without-consent":
    case "unbound":
      return undefined;
    case "partial":
      return { ...common, purposes: { analytics: ["model", "status"], scene: ["model", "status"] } };
    case "forward-only":
      return { ...common, purposes: { weather: ["location", "status"], network: ["model", "ip"] } };
    case "minor":
      return { ...common, minor: true };
    case "minor-with-guardian":
      return {
        ...common,
        by: "guardian",
        minor: true,
        guardian: { verified: true, method: "id-check", evidenceRef: "case-1" },
      };
    case "expired":
      return { ...common, expiresAt };
    default:
      return common;
  }
}
