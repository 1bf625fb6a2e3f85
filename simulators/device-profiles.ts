/**
 * What each kind of device says: its models, whether it moves, and how its status changes from
 * one message to the next. Properties of the vocabulary, as exact as a sensor tells them: what is kept is rounded.
 */
import type { Random } from "./random.ts";

export type StatusFields = Record<string, number | boolean | string>;

export interface DeviceProfile {
  readonly kind: string;
  readonly models: readonly string[];
  /** Moving devices send a new place with every message, and have a carrier's address. */
  readonly moving: boolean;
  /** Relative frequency in a fleet. */
  readonly weight: number;
  status(random: Random): StatusFields;
  /** What it counts without end, by how much at most between two messages. */
  readonly counts?: { readonly property: string; readonly most: number };
}

const twoDecimals = (value: number) => Math.round(value * 100) / 100;

export const DEVICE_PROFILES: readonly DeviceProfile[] = [
  {
    kind: "thermostat",
    models: ["TH-100", "TH-120", "TH-120-IN"],
    moving: false,
    weight: 5,
    status: (random) => ({
      temperature: twoDecimals(random.between(16, 34)),
      humidity: twoDecimals(random.between(25, 90)),
      setpoint: 18 + random.int(17) / 2,
      running_state: random.chance(0.3) ? "heat" : "idle",
    }),
  },
  {
    kind: "hub",
    models: ["HB-200", "HB-210", "HB-300"],
    moving: false,
    weight: 4,
    status: (random) => ({
      online: true,
      restarted: random.chance(0.01),
      link_quality: random.int(101),
      internal_temperature: twoDecimals(random.between(30, 60)),
    }),
  },
  {
    kind: "bulb",
    models: ["BL-9", "BL-9C", "BL-12"],
    moving: false,
    weight: 6,
    status: (random) => ({
      power_on: random.chance(0.5),
      brightness: random.int(101),
      color_temp: 150 + random.int(351),
      power: twoDecimals(random.between(0, 60)),
    }),
    counts: { property: "energy", most: 0.02 },
  },
  {
    kind: "lock",
    models: ["LK-40", "LK-41"],
    moving: false,
    weight: 3,
    status: (random) => ({
      lock_state: random.chance(0.01) ? "jammed" : random.chance(0.8) ? "locked" : "unlocked",
      battery: random.int(101),
    }),
  },
  {
    kind: "weather-station",
    models: ["WS-5"],
    moving: false,
    weight: 2,
    status: (random) => ({
      temperature: twoDecimals(random.between(-8, 42)),
      humidity: random.int(101),
      pressure: twoDecimals(random.between(960, 1045)),
      wind_speed: twoDecimals(random.between(0, 22)),
    }),
    counts: { property: "rain", most: 0.4 },
  },
  {
    kind: "phone",
    models: ["PH-APP-3", "PH-APP-4"],
    moving: true,
    weight: 4,
    status: (random) => ({ battery: random.int(101), charging: random.chance(0.25) }),
  },
  {
    kind: "car",
    models: ["CR-EV1", "CR-EV2"],
    moving: true,
    weight: 2,
    status: (random) => ({
      battery: random.int(101),
      charging: random.chance(0.2),
      internal_temperature: twoDecimals(random.between(5, 45)),
    }),
  },
];
