/**
 * Homes in real cities, with invented people: account data, a place and an address each.
 * Addresses come from the ranges reserved for benchmarks, carriers and documentation, so they belong to no one.
 */
import type { Random } from "./random.ts";

export interface City {
  readonly name: string;
  readonly jurisdiction: string;
  readonly language: string;
  readonly lat: number;
  readonly lon: number;
  /** Standard deviation of the homes around the centre, degrees. */
  readonly spread: number;
  readonly weight: number;
}

export const CITIES: readonly City[] = [
  { name: "Bengaluru", jurisdiction: "IN", language: "en", lat: 12.9716, lon: 77.5946, spread: 0.08, weight: 9 },
  { name: "Mumbai", jurisdiction: "IN", language: "hi", lat: 19.076, lon: 72.8777, spread: 0.07, weight: 9 },
  { name: "Delhi", jurisdiction: "IN", language: "hi", lat: 28.6139, lon: 77.209, spread: 0.1, weight: 9 },
  { name: "Chennai", jurisdiction: "IN", language: "ta", lat: 13.0827, lon: 80.2707, spread: 0.06, weight: 5 },
  { name: "Kolkata", jurisdiction: "IN", language: "bn", lat: 22.5726, lon: 88.3639, spread: 0.06, weight: 5 },
  { name: "Pune", jurisdiction: "IN", language: "mr", lat: 18.5204, lon: 73.8567, spread: 0.06, weight: 4 },
  { name: "Kochi", jurisdiction: "IN", language: "ml", lat: 9.9312, lon: 76.2673, spread: 0.04, weight: 2 },
  { name: "Kaza", jurisdiction: "IN", language: "hi", lat: 32.2276, lon: 78.0718, spread: 0.3, weight: 1 },
  { name: "Berlin", jurisdiction: "DE", language: "de", lat: 52.52, lon: 13.405, spread: 0.08, weight: 4 },
  { name: "Amsterdam", jurisdiction: "NL", language: "nl", lat: 52.3676, lon: 4.9041, spread: 0.04, weight: 2 },
  { name: "Singapore", jurisdiction: "SG", language: "en", lat: 1.3521, lon: 103.8198, spread: 0.05, weight: 3 },
  { name: "Nairobi", jurisdiction: "KE", language: "sw", lat: -1.2921, lon: 36.8219, spread: 0.06, weight: 2 },
  { name: "São Paulo", jurisdiction: "BR", language: "pt", lat: -23.5505, lon: -46.6333, spread: 0.1, weight: 3 },
  { name: "Austin", jurisdiction: "US", language: "en", lat: 30.2672, lon: -97.7431, spread: 0.1, weight: 3 },
];

const FIRST_NAMES = "asha ravi meera arjun kavya imran lena tom sofia wanjiru joão mei noah priya".split(" ");

export interface Home {
  readonly city: City;
  /** Data subject id, as an account service would issue it. */
  readonly subject: string;
  readonly email: string;
  readonly password: string;
  readonly lat: number;
  readonly lon: number;
  /** Public address of the home's router. */
  readonly ip: string;
}

export function makeHome(random: Random): Home {
  const city = random.weighted(CITIES.map((row) => [row, row.weight] as const));
  return {
    city,
    subject: `person-${random.hex(14)}`,
    email: `${random.pick(FIRST_NAMES)}.${random.hex(8)}@mail.example`,
    password: `pass-${random.hex(14)}`,
    lat: coordinate(city.lat + random.gaussian() * city.spread),
    lon: coordinate(city.lon + random.gaussian() * city.spread),
    ip: random.chance(0.25) ? homeIpv6(random) : homeIpv4(random),
  };
}

/** 198.18.0.0/15, reserved for benchmarks (RFC 2544). */
function homeIpv4(random: Random): string {
  return `198.${18 + random.int(2)}.${10 + random.int(240)}.${10 + random.int(240)}`;
}

/** 2001:db8::/32, reserved for documentation (RFC 3849). */
function homeIpv6(random: Random): string {
  const group = () => (0x1000 + random.int(0xefff)).toString(16);
  return `2001:db8:${group()}:${group()}::${group()}`;
}

/** 100.64.0.0/10, behind which mobile carriers hide their customers (RFC 6598). */
export function carrierIpv4(random: Random): string {
  return `100.${64 + random.int(64)}.${10 + random.int(240)}.${10 + random.int(240)}`;
}

/**
 * Nine decimals, the last one never 0: the digits then survive JSON unchanged and are rare enough
 * that finding them anywhere else is no accident.
 */
export function coordinate(degrees: number): number {
  const rounded = Number(degrees.toFixed(8));
  return Number(`${rounded.toFixed(8)}${1 + (Math.abs(Math.round(rounded * 1e8)) % 9)}`);
}
