/** What six Zigbee devices say of themselves: climate, door, motion, lamp, plug and lock. */
import type { Random } from "../random.ts";
import type { Hall } from "./hall.ts";
import { type Kept, Meter, step, twoDigits, watts } from "./kept.ts";
import { hundredths, thousandths, whole } from "./readings.ts";

export const ZIGBEE_DEVICES = [
  "bedroom climate",
  "front door",
  "hall motion",
  "hall lamp",
  "desk plug",
  "porch lock",
] as const;
/** Where in the list the devices of the hall stand. */
export const IN_HALL = { motion: 2, lamp: 3 } as const;

export interface Said {
  readonly says: Readonly<Record<string, unknown>>;
  readonly kept: Kept;
}

export class ZigbeeDevices {
  readonly #random: Random;
  readonly #code: string;
  readonly #meter: Meter;
  readonly #hall: Hall;

  /** `code` opens the lock. */
  constructor(random: Random, code: string, hall: Hall) {
    this.#random = random;
    this.#code = code;
    this.#hall = hall;
    this.#meter = new Meter(hundredths(random, 100, 900));
  }

  /** In the order of their names above. */
  says(index: number): Said {
    const hall = { motion: () => this.#hall.motion(), lamp: () => this.#hall.lamp() };
    const say = [this.#climate, this.#door, hall.motion, hall.lamp, this.#plug, this.#lock][index];
    if (say === undefined) throw new RangeError("no such device behind the hub");
    return say.call(this);
  }

  #climate(): Said {
    const [temperature, humidity] = [hundredths(this.#random, 14, 31), hundredths(this.#random, 20, 90)];
    const battery = whole(this.#random, 1, 100);
    return {
      says: { battery, humidity, temperature, voltage: whole(this.#random, 2700, 3100) },
      kept: {
        battery: step("battery", battery),
        humidity: step("humidity", humidity),
        temperature: step("temperature", temperature),
      },
    };
  }

  #door(): Said {
    const contact = this.#random.chance(0.6);
    const inside = whole(this.#random, 15, 40);
    // Nothing fails in the time of a run: of a number that stays nothing is kept.
    return {
      says: { battery: 100, contact, device_temperature: inside, power_outage_count: 3, voltage: 3005 },
      kept: { battery: 100, internal_temperature: inside, open: !contact },
    };
  }

  #plug(): Said {
    const [power, current] = [hundredths(this.#random, 1, 2000), thousandths(this.#random, 0.1, 9)];
    const on = this.#random.chance(0.7);
    this.#meter.count(this.#random.between(0, 0.02));
    // Its last digit is never 0, so that its digits survive JSON unchanged.
    const energy = Number(`${this.#meter.total.toFixed(3)}${whole(this.#random, 1, 9)}`);
    const update = { installed_version: 65, latest_version: 65, state: "idle" };
    return {
      says: { current, energy, power, power_on_behavior: null, state: on ? "ON" : "OFF", update, voltage: 230 },
      kept: { current: twoDigits(current), power: watts(power), power_on: on, ...this.#meter.tell(energy) },
    };
  }

  #lock(): Said {
    const locked = this.#random.chance(0.7);
    const by = { last_unlock_source: "keypad", last_unlock_user: 3, last_used_pin_code: this.#code };
    const users = { 3: { status: "enabled", pin_code: this.#code } };
    const battery = whole(this.#random, 1, 100);
    return {
      says: { ...by, users, battery, lock_state: locked ? "locked" : "unlocked", state: locked ? "LOCK" : "UNLOCK" },
      kept: { battery: step("battery", battery), lock_state: locked ? "locked" : "unlocked" },
    };
  }
}
