/** ESPHome: a topic for each sensor, named by the owner of the node, with discovery for Home Assistant and a log. */
import type { Canary } from "../canary-forms.ts";
import type { Random } from "../random.ts";
import {
  BROKEN,
  type DialectHome,
  type Fate,
  type Firmware,
  type FirmwareKind,
  givenName,
  NOT_ITS_TOPIC,
  NOT_TAKEN,
  type Publication,
  statusOf,
} from "./firmware.ts";
import { type Kept, Meter, step } from "./kept.ts";
import { addressCanaries, hardwareAddress, localAddress, networkCanaries } from "./network.ts";
import { hundredths, whole } from "./readings.ts";

const BROKEN_SHARE = 0.04;
const LOG_SHARE = 0.08;

export const ESPHOME: FirmwareKind = {
  alias: (random, household) => `${givenName(household)}-kitchen-${random.hex(6)}`,
  make: (home) => new EspHome(home),
};

class EspHome implements Firmware {
  readonly clientId: string;
  readonly #home: DialectHome;
  readonly #random: Random;
  readonly #address: string;
  readonly #ip: string;
  readonly #name: string;
  readonly #meter: Meter;

  constructor(home: DialectHome) {
    const { random, device } = home;
    this.#home = home;
    this.#random = random;
    this.#address = hardwareAddress(random, "84fce6");
    this.clientId = `${device.alias}-${this.#address}`;
    this.#ip = localAddress(random);
    this.#name = `${givenName(home.household)}'s kitchen ${random.hex(6)}`;
    this.#meter = new Meter(hundredths(random, 1000, 9000));
  }

  get subscriptions(): readonly string[] {
    const { alias } = this.#home.device;
    return [`${alias}/switch/relay/command`, "esphome/discover", `esphome/ping/${alias}`];
  }

  get will(): Publication {
    return this.#says("status", "offline", { online: false });
  }

  get canaries(): readonly Canary[] {
    return [
      { kind: "ip", value: this.#ip },
      { kind: "alias", value: this.#name },
      ...networkCanaries(this.#home.network),
      ...addressCanaries(this.#address),
    ];
  }

  start(): readonly Publication[] {
    const { alias } = this.#home.device;
    const { ssid, bssid } = this.#home.network;
    return [
      this.#says("status", "online", { online: true }),
      this.#discovered(),
      this.#discovery(),
      this.#publication(`${alias}/text_sensor/connected_ssid/state`, ssid, NOT_TAKEN),
      this.#publication(`${alias}/text_sensor/connected_bssid/state`, bssid.toUpperCase(), NOT_TAKEN),
      this.#publication(`${alias}/text_sensor/ip_address/state`, this.#ip, NOT_TAKEN),
      this.#log(),
      this.#temperature(),
      this.#energy(),
    ];
  }

  next(): Publication {
    const random = this.#random;
    const { alias } = this.#home.device;
    // What its library writes for a sensor that does not answer.
    if (random.chance(BROKEN_SHARE)) return this.#publication(`${alias}/sensor/temperature/state`, "nan", BROKEN);
    if (random.chance(LOG_SHARE)) return this.#log();
    const says = [this.#temperature, this.#humidity, this.#signal, this.#uptime, this.#door, this.#relay, this.#energy];
    return random.pick(says).call(this);
  }

  #publication(topic: string, payload: string, fate: Fate, canaries: readonly Canary[] = []): Publication {
    return { topic, payload, qos: 0, retain: true, fate, canaries };
  }

  #says(topic: string, payload: string, kept: Kept, canaries?: readonly Canary[]): Publication {
    const { device } = this.#home;
    return this.#publication(`${device.alias}/${topic}`, payload, statusOf(device, kept), canaries);
  }

  /** Where it is found, for its dashboard. */
  #discovered(): Publication {
    const { device } = this.#home;
    const about = { ip: this.#ip, name: device.alias, friendly_name: this.#name, port: 6053, version: "2024.10.2" };
    const payload = JSON.stringify({
      ...about,
      mac: this.#address,
      platform: "ESP32",
      board: "esp32dev",
      network: "wifi",
    });
    return this.#publication(`esphome/discover/${device.alias}`, payload, {
      kind: "taken",
      device,
      parts: ["model", "ip"],
    });
  }

  #discovery(): Publication {
    const { alias } = this.#home.device;
    const payload = JSON.stringify({
      dev_cla: "temperature",
      name: this.#name,
      stat_t: `${alias}/sensor/temperature/state`,
      avty_t: `${alias}/status`,
      dev: { ids: this.#address, name: alias, sw: "esphome v2024.10.2", mdl: "esp32dev", mf: "espressif" },
    });
    return this.#publication(`homeassistant/sensor/${alias}/temperature/config`, payload, NOT_ITS_TOPIC);
  }

  #log(): Publication {
    const { device, network } = this.#home;
    const text = `[0;36m[D][wifi:582]: SSID: '${network.ssid}' BSSID: ${network.bssid} IP: ${this.#ip} '${this.#name}'[0m`;
    return this.#publication(`${device.alias}/debug`, text, NOT_ITS_TOPIC);
  }

  #temperature(): Publication {
    const temperature = hundredths(this.#random, 14, 31);
    return this.#says("sensor/temperature/state", temperature.toFixed(2), {
      temperature: step("temperature", temperature),
    });
  }

  #humidity(): Publication {
    const humidity = hundredths(this.#random, 20, 90);
    return this.#says("sensor/humidity/state", humidity.toFixed(2), { humidity: step("humidity", humidity) });
  }

  #signal(): Publication {
    const signal = -whole(this.#random, 40, 90);
    return this.#says("sensor/wifi_signal/state", String(signal), { rssi: step("rssi", signal) });
  }

  #uptime(): Publication {
    const { alias } = this.#home.device;
    return this.#publication(`${alias}/sensor/uptime/state`, String(whole(this.#random, 100, 900_000)), NOT_TAKEN);
  }

  #door(): Publication {
    const open = this.#random.chance(0.3);
    return this.#says("binary_sensor/door/state", open ? "ON" : "OFF", { open });
  }

  #relay(): Publication {
    const on = this.#random.chance(0.5);
    return this.#says("switch/relay/state", on ? "ON" : "OFF", { power_on: on });
  }

  /** Alone in its message: the first one, and one that adds nothing, say nothing at all. */
  #energy(): Publication {
    this.#meter.count(this.#random.between(0, 0.02));
    const total = `${this.#meter.total.toFixed(3)}${whole(this.#random, 1, 9)}`;
    return this.#says("sensor/total_energy/state", total, this.#meter.tell(Number(total)), [
      { kind: "total", value: total },
    ]);
  }
}
