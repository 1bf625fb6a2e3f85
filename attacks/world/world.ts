/**
 * The simulated world: homes, their people's habits, their devices. A seed decides everything. What persists (habits,
 * setpoints, a standby power, an interval, what a counter has counted) is what an attacker can link by.
 */
import { Random } from "../../simulators/random.ts";
import { Climate } from "./climate.ts";
import { KINDS, type Kind, MOMENTS, type Moment } from "./kinds.ts";
import { homePlace, type Point } from "./places.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly homes: number;
  readonly devices: number;
}

export interface Home {
  readonly subject: string;
  readonly place: Point;
  readonly ip: string;
  /** Hours of the day, at the longitude of the home, on weekdays and at weekends. */
  readonly habits: Readonly<Record<Moment, readonly [number, number]>>;
  /** What the garden is warmer than its surroundings, °C; and the rooms. */
  readonly gardenOffset: number;
  readonly roomTemperature: number;
  readonly devices: WorldDevice[];
}

export interface WorldDevice {
  readonly id: string;
  readonly kind: Kind;
  readonly model: string;
  readonly home: Home;
  readonly everyMs: number;
  readonly phase: number;
  /** What it uses when it is off, W; and what it is set to. */
  readonly standby: number;
  readonly setpoint: number;
  readonly brightness: number;
  readonly rssi: number;
  /** Per cent at the start, and lost in a day. */
  readonly battery: number;
  readonly drain: number;
  /** Number of its next message, which it tells as `id`: devices count from where they are. */
  count: number;
  /** kWh it has counted. */
  energy: number;
  token: string;
}

export interface World {
  readonly homes: readonly Home[];
  readonly devices: readonly WorldDevice[];
  readonly climate: Climate;
}

const HOUR_MS = 3_600_000;
/** Mean hour of each moment, on weekdays and at weekends. */
const MEAN: Readonly<Record<Moment, readonly [number, number]>> = {
  wake: [6.75, 8],
  leave: [8.5, 11],
  return: [18, 17],
  sleep: [22.75, 23.5],
};
/** Between homes, hours: 90 minutes. */
const HABIT_SPREAD = 1.5;
const BIGGEST_COUNT = 900_000;

export function makeWorld({ seed, homes: homeCount, devices: deviceCount }: WorldOptions): World {
  const random = new Random(seed);
  const climate = new Climate(random.fork("climate"));
  const homes = Array.from({ length: homeCount }, (_, index) => makeHome(random.fork("home"), seed, index));
  // Each home has one, the rest fall where they fall.
  for (let index = 0; index < deviceCount; index += 1) {
    const home = homes[index] ?? random.pick(homes);
    home.devices.push(makeDevice(random, home, `d${seed}-${index}`));
  }
  return { homes, devices: homes.flatMap(({ devices }) => devices), climate };
}

function makeHome(random: Random, seed: number, index: number): Home {
  const shift = random.gaussian() * HABIT_SPREAD;
  const habits = Object.fromEntries(
    MOMENTS.map((moment) => {
      // One half of what sets homes apart moves the whole day, the other half each moment.
      const own = () => (shift + random.gaussian() * HABIT_SPREAD) * Math.SQRT1_2;
      return [moment, [MEAN[moment][0] + own(), MEAN[moment][1] + own()] as const];
    }),
  ) as Record<Moment, readonly [number, number]>;
  return {
    subject: `person-${seed}-${index}`,
    place: homePlace(random),
    ip: `198.${18 + random.int(2)}.${random.int(256)}.${1 + random.int(254)}`,
    habits,
    gardenOffset: random.gaussian() * 0.8,
    roomTemperature: 23 + random.gaussian() * 2,
    devices: [],
  };
}

export function makeDevice(random: Random, home: Home, id: string, given?: Kind): WorldDevice {
  const kind = given ?? random.weighted(KINDS.map((one) => [one, one.weight] as const));
  const [least, most] = kind.everyHours;
  return {
    id,
    kind,
    model: random.pick(kind.models),
    home,
    everyMs: random.between(least, most) * HOUR_MS,
    phase: random.next(),
    standby: Math.exp(random.between(Math.log(5), Math.log(60))),
    setpoint: 18 + 0.5 * random.int(17),
    brightness: 5 * (2 + random.int(19)),
    rssi: -40 - random.int(50),
    battery: random.between(30, 100),
    drain: random.between(0.05, 0.6),
    count: random.int(BIGGEST_COUNT),
    energy: random.between(10, 20_000),
    token: "",
  };
}
