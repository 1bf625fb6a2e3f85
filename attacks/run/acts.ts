/** What is published, by which device, when. */
import type { Random } from "../../simulators/random.ts";
import { KINDS } from "../world/kinds.ts";
import type { Point } from "../world/places.ts";
import { type Home, makeDevice, type WorldDevice } from "../world/world.ts";

export interface Act {
  readonly device: WorldDevice;
  /** Unix ms. */
  readonly at: number;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** One message as most of the fleet sends it: everything there is to say, a time, and the number of the message. */
export function telemetry(device: WorldDevice, at: number, status: object, place: Point = device.home.place): Act {
  const { model, home } = device;
  device.count += 1;
  const location = { lat: round(place.lat), lon: round(place.lon) };
  return { device, at, payload: { model, ip: home.ip, location, status, ts: at, id: String(device.count) } };
}

/** A home of its own for an attack, outside of the world's. */
export function probeHome(random: Random, name: string, place: Point, kinds: readonly string[]): Home {
  const never = [0, 0] as const;
  const home: Home = {
    subject: `person-${name}`,
    place,
    ip: `198.19.${random.int(256)}.${1 + random.int(254)}`,
    habits: { wake: never, leave: never, return: never, sleep: never },
    gardenOffset: 0,
    roomTemperature: 23,
    devices: [],
  };
  for (const [index, name_] of kinds.entries()) {
    const kind = KINDS.find((one) => one.name === name_);
    home.devices.push(makeDevice(random, home, `${name}-${index}`, kind));
  }
  return home;
}

function round(degrees: number): number {
  return Number(degrees.toFixed(6));
}
