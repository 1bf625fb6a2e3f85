/**
 * What each kind of device says: its models, whether it moves, and how its status changes from
 * one message to the next.
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
}

const oneDecimal = (value: number) => Math.round(value * 10) / 10;

export const DEVICE_PROFILES: readonly DeviceProfile[] = [
  {
    kind: "thermostat",
    models: ["TH-100", "TH-120", "TH-120-IN"],
    moving: false,
    weight: 5,
    status: (random) => ({
      temperature: oneDecimal(random.between(16, 34)),
      humidity: Math.round(random.between(25, 90)),
      setpoint: oneDecimal(random.between(18, 26)),
      heating: random.chance(0.3),
    }),
  },
  {
    kind: "hub",
    models: ["HB-200", "HB-210", "HB-300"],
    moving: false,
    weight: 4,
    status: (random) => ({
      power: "on",
      paired: 1 + random.int(30),
      uptime_h: random.int(9000),
      firmware: `4.${random.int(9)}`,
    }),
  },
  {
    kind: "bulb",
    models: ["BL-9", "BL-9C", "BL-12"],
    moving: false,
    weight: 6,
    status: (random) => ({
      power: random.chance(0.5) ? "on" : "off",
      brightness: random.int(101),
      color_k: 2200 + 100 * random.int(40),
    }),
  },
  {
    kind: "lock",
    models: ["LK-40", "LK-41"],
    moving: false,
    weight: 3,
    status: (random) => ({ locked: random.chance(0.8), jammed: random.chance(0.01), battery: random.int(101) }),
  },
  {
    kind: "weather-station",
    models: ["WS-5"],
    moving: false,
    weight: 2,
    status: (random) => ({
      temperature: oneDecimal(random.between(-8, 42)),
      humidity: random.int(101),
      pressure: Math.round(random.between(960, 1045)),
      wind_speed: oneDecimal(random.between(0, 22)),
    }),
  },
  {
    kind: "phone",
    models: ["PH-APP-3", "PH-APP-4"],
    moving: true,
    weight: 4,
    status: (random) => ({ battery: random.int(101), charging: random.chance(0.25), app: `3.${random.int(20)}` }),
  },
  {
    kind: "car",
    models: ["CR-EV1", "CR-EV2"],
    moving: true,
    weight: 2,
    status: (random) => ({ charge: random.int(101), charging: random.chance(0.2), range_km: random.int(520) }),
  },
];
