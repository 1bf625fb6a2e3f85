/** Shelly of the first generation: a topic for each value as plain text, everything retained, energy in watt-minutes. */
import type { Canary } from "../canary-forms.ts";
import type { Random } from "../random.ts";
import {
  BROKEN,
  type DialectHome,
  type Fate,
  type Firmware,
  type FirmwareKind,
  NOT_TAKEN,
  type Publication,
  statusOf,
} from "./firmware.ts";
import { type Kept, Meter, sixDigits, step, watts } from "./kept.ts";
import { addressCanaries, hardwareAddress, localAddress, networkCanaries } from "./network.ts";
import { hundredths, whole } from "./readings.ts";

const WATT_MINUTES = 60_000;
const BROKEN_SHARE = 0.03;
const INPUT_SHARE = 0.05;

export const SHELLY_GEN1: FirmwareKind = {
  alias: (random) => `shelly1pm-${random.hex(6).toUpperCase()}`,
  make: (home) => new ShellyGen1(home),
};

class ShellyGen1 implements Firmware {
  readonly clientId: string;
  readonly #home: DialectHome;
  readonly #random: Random;
  readonly #address: string;
  readonly #ip: string;
  readonly #meter: Meter;

  constructor(home: DialectHome) {
    this.#home = home;
    this.#random = home.random;
    this.clientId = home.device.alias;
    this.#address = hardwareAddress(home.random, "98f4ab").toUpperCase();
    this.#ip = localAddress(home.random);
    this.#meter = new Meter(hundredths(home.random, 200, 900));
  }

  get subscriptions(): readonly string[] {
    const own = `shellies/${this.#home.device.alias}`;
    return ["shellies/command", `${own}/command`, `${own}/relay/0/command`];
  }

  get will(): Publication {
    return this.#value("online", "false", { online: false });
  }

  get canaries(): readonly Canary[] {
    return [
      { kind: "ip", value: this.#ip },
      ...networkCanaries(this.#home.network),
      ...addressCanaries(this.#address.toLowerCase()),
    ];
  }

  start(): readonly Publication[] {
    const { device } = this.#home;
    const about = { id: device.alias, model: "SHSW-PM", mac: this.#address, ip: this.#ip, new_fw: false };
    const announced: Fate = { kind: "taken", device, parts: ["model", "ip"] };
    const content = JSON.stringify({ ...about, fw_ver: "20230913-112003/v1.14.0-gcb84623" });
    return [
      this.#value("online", "true", { online: true }),
      { topic: "shellies/announce", payload: content, qos: 0, retain: false, fate: announced },
      { ...this.#publication("announce", content, announced), retain: false },
      this.#info(),
      this.#relay(),
      this.#energy(),
    ];
  }

  next(): Publication {
    const random = this.#random;
    if (random.chance(BROKEN_SHARE)) return this.#publication("relay/0/power", "nan", BROKEN);
    if (random.chance(INPUT_SHARE)) return this.#publication("input/0", "0", NOT_TAKEN);
    const says = [this.#relay, this.#power, this.#energy, this.#temperature, this.#fahrenheit];
    return random.pick(says).call(this);
  }

  #publication(topic: string, payload: string, fate: Fate): Publication {
    return { topic: `shellies/${this.#home.device.alias}/${topic}`, payload, qos: 0, retain: true, fate };
  }

  #value(topic: string, payload: string, kept: Kept): Publication {
    return this.#publication(topic, payload, statusOf(this.#home.device, kept));
  }

  #info(): Publication {
    const { device, network } = this.#home;
    const signal = -whole(this.#random, 40, 90);
    const power = hundredths(this.#random, 1, 2000);
    const inside = hundredths(this.#random, 30, 60);
    const total = this.#wattMinutes();
    const content = {
      wifi_sta: { connected: true, ssid: network.ssid, ip: this.#ip, rssi: signal },
      cloud: { enabled: false, connected: false },
      mqtt: { connected: true },
      time: "19:05",
      unixtime: 1_795_337_204,
      has_update: false,
      mac: this.#address,
      relays: [{ ison: true, has_timer: false, overpower: false, source: "input" }],
      meters: [{ power, overpower: 0, is_valid: true, timestamp: 1_795_337_204, counters: [52.3, 52.1, 52.4], total }],
      temperature: inside,
      uptime: 91_234,
    };
    const kept = {
      rssi: step("rssi", signal),
      power_on: true,
      power: watts(power),
      internal_temperature: step("internal_temperature", inside),
      ...this.#meter.tell(sixDigits(total / WATT_MINUTES)),
    };
    return { ...this.#publication("info", JSON.stringify(content), statusOf(device, kept, ["ip"])), retain: false };
  }

  #relay(): Publication {
    const on = this.#random.chance(0.5);
    return this.#value("relay/0", on ? "on" : "off", { power_on: on });
  }

  #power(): Publication {
    const power = hundredths(this.#random, 1, 2000);
    return this.#value("relay/0/power", power.toFixed(2), { power: watts(power) });
  }

  #energy(): Publication {
    const total = this.#wattMinutes();
    return this.#value("relay/0/energy", String(total), this.#meter.tell(sixDigits(total / WATT_MINUTES)));
  }

  #temperature(): Publication {
    const inside = hundredths(this.#random, 30, 60);
    return this.#value("temperature", inside.toFixed(2), {
      internal_temperature: step("internal_temperature", inside),
    });
  }

  #fahrenheit(): Publication {
    return this.#publication("temperature_f", "118.76", NOT_TAKEN);
  }

  #wattMinutes(): number {
    this.#meter.count(this.#random.between(0, 0.02));
    return Math.floor(this.#meter.total * WATT_MINUTES);
  }
}
