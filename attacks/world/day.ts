/** What a device says in a day, and when: its reports, and the moments of the home that it follows. */
import { Random } from "../../simulators/random.ts";
import type { Moment } from "./kinds.ts";
import { MOMENTS } from "./kinds.ts";
import type { World, WorldDevice } from "./world.ts";

export type Status = Readonly<Record<string, number | boolean | string>>;

export interface Saying {
  readonly device: WorldDevice;
  /** Unix ms. */
  readonly at: number;
  readonly status: Status;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Within a home, from one day to the next, hours: 20 minutes. */
const DAY_SPREAD = 1 / 3;
const MEAN_OUTSIDE = 28;
const AWAY_SHARE = 0.1;
/** How long after a moment the last device has said something about it. */
const MOMENT_MS = 4 * 60_000;

/** Sayings of all devices of the world on the day that begins at `dayMs` (UTC), in the order of their times. */
export function sayingsOfDay(world: World, dayMs: number, random: Random): Saying[] {
  const sayings: Saying[] = [];
  for (const home of world.homes) {
    const weekend = [0, 6].includes(new Date(dayMs).getUTCDay());
    const away = random.chance(AWAY_SHARE);
    const moments = momentsOf(home, dayMs, weekend, random);
    for (const device of home.devices) {
      sayings.push(...reports(world, device, dayMs, moments, random));
      if (!away) sayings.push(...events(device, moments, random));
    }
  }
  return sayings.sort((left, right) => left.at - right.at);
}

type Moments = Readonly<Record<Moment, number>>;

function momentsOf(home: WorldDevice["home"], dayMs: number, weekend: boolean, random: Random): Moments {
  const localMidnight = dayMs - (home.place.lon / 15) * HOUR_MS;
  return Object.fromEntries(
    MOMENTS.map((moment) => {
      const hour = home.habits[moment][weekend ? 1 : 0] + random.gaussian() * DAY_SPREAD;
      // The day is a UTC day: what falls out of it is said at its other end.
      return [moment, dayMs + ((((localMidnight + hour * HOUR_MS - dayMs) % DAY_MS) + DAY_MS) % DAY_MS)];
    }),
  ) as Record<Moment, number>;
}

function reports(world: World, device: WorldDevice, dayMs: number, moments: Moments, random: Random): Saying[] {
  const sayings: Saying[] = [];
  const { everyMs, phase } = device;
  let at = Math.ceil(dayMs / everyMs - phase) * everyMs + phase * everyMs;
  for (; at < dayMs + DAY_MS - HOUR_MS / 10; at += everyMs) {
    const told = Math.trunc(at + random.between(0, 20_000));
    sayings.push({ device, at: told, status: measured(world, device, told, moments, random) });
  }
  return sayings;
}

function events(device: WorldDevice, moments: Moments, random: Random): Saying[] {
  const sayings: Saying[] = [];
  for (const moment of MOMENTS) {
    const times = device.kind.at[moment] ?? 0;
    for (let index = 0; index < times; index += 1) {
      const at = Math.trunc(moments[moment] + random.between(0, MOMENT_MS));
      sayings.push({ device, at, status: happened(device, moment, index, random) });
    }
  }
  return sayings;
}

/** What it measures, without anything happening. */
function measured(world: World, device: WorldDevice, at: number, moments: Moments, random: Random): Status {
  const { home, kind } = device;
  const day = Math.floor(at / DAY_MS);
  const link = { rssi: device.rssi + Math.round(3 * ofDay(device.id, day) + random.gaussian() * 3) };
  // Rooms follow the weather outside a little, and what people do with their windows.
  const outside = world.climate.temperature(home.place, at) - MEAN_OUTSIDE;
  const room = home.roomTemperature + outside / 8 + 0.7 * ofDay(home.subject, day) + random.gaussian() * 0.4;
  const battery = Math.max(0, device.battery - ((at % (90 * DAY_MS)) / DAY_MS) * device.drain * 0.2);
  const asleep = at < moments.wake || at > moments.sleep;
  switch (kind.name) {
    case "thermostat":
      return {
        temperature: room - (asleep ? 1 : 0),
        setpoint: device.setpoint - (asleep ? 2 : 0),
        battery,
      };
    case "climate-sensor":
      return {
        temperature: room,
        humidity: 45 + random.gaussian() * 4,
        battery,
      };
    case "weather-station":
      return {
        temperature: world.climate.temperature(home.place, at) + home.gardenOffset + random.gaussian() * 0.2,
        humidity: world.climate.humidity(home.place, at),
        battery,
      };
    case "plug":
    case "meter": {
      const power = device.standby + (asleep ? 0 : 200 * random.next());
      device.energy += (power / 1000) * (device.everyMs / HOUR_MS);
      return { power, energy: device.energy, ...link };
    }
    case "hub":
      return { online: true, ...link };
    default:
      return { battery, ...link };
  }
}

/** What a day is like for a device or a home: the same for all of it, of standard deviation 1. */
function ofDay(whose: string, day: number): number {
  return new Random(`${whose} on ${day}`).gaussian();
}

function happened(device: WorldDevice, moment: Moment, index: number, random: Random): Status {
  switch (device.kind.name) {
    case "bulb":
      return moment === "sleep" ? { power_on: false } : { power_on: index === 0, brightness: device.brightness };
    case "lock":
      return { lock_state: index === 0 ? "unlocked" : "locked" };
    case "door-sensor":
      return { open: index === 0 };
    case "motion-sensor":
      return { occupancy: index === 0 };
    case "button":
      return { action: random.pick(["single", "double", "hold"]) };
    case "thermostat":
      return { setpoint: device.setpoint - (moment === "sleep" ? 2 : 0) };
    default:
      return { power: device.standby + 150 * random.next() };
  }
}
