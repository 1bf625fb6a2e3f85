/** Tasmota on a plug that measures: `tele`, `stat` and `cmnd` topics, times without a zone, everything at QoS 0. */
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
import { Meter, step, twoDigits, watts } from "./kept.ts";
import { addressCanaries, colons, hardwareAddress, localAddress, networkCanaries } from "./network.ts";
import { hundredths, thousandths, whole } from "./readings.ts";

const CHIP_DIGITS = 6;
const CARD_SHARE = 0.03;
const BROKEN_SHARE = 0.03;
const LOGGING_SHARE = 0.05;

export const TASMOTA: FirmwareKind = {
  alias: (random) => `tasmota_${random.hex(CHIP_DIGITS).toUpperCase()}`,
  presence: true,
  make: (home) => new Tasmota(home),
};

class Tasmota implements Firmware {
  readonly clientId: string;
  readonly #home: DialectHome;
  readonly #random: Random;
  readonly #address: string;
  readonly #ip: string;
  readonly #host: string;
  readonly #name: string;
  readonly #card: string;
  readonly #meter: Meter;

  constructor(home: DialectHome) {
    const { random, device } = home;
    const chip = device.alias.slice(-CHIP_DIGITS);
    this.#home = home;
    this.#random = random;
    this.clientId = `DVES_${chip}`;
    this.#address = hardwareAddress(random, "5ccf7f").toUpperCase();
    this.#ip = localAddress(random);
    this.#host = `tasmota-${chip}-${whole(random, 1000, 9999)}`;
    this.#name = `${givenName(home.household)}'s heater ${random.hex(6)}`;
    this.#card = random.hex(14).toUpperCase();
    this.#meter = new Meter(hundredths(random, 1000, 9000));
  }

  get subscriptions(): readonly string[] {
    return [`cmnd/${this.#home.device.alias}/#`, "cmnd/tasmotas/#", `cmnd/${this.clientId}_fb/#`];
  }

  get will(): Publication {
    return { ...this.#lwt("Offline", false), qos: 1 };
  }

  get canaries(): readonly Canary[] {
    return [
      { kind: "alias", value: this.clientId },
      { kind: "alias", value: this.#name },
      { kind: "alias", value: this.#host },
      { kind: "code", value: this.#card },
      { kind: "ip", value: this.#ip },
      ...networkCanaries(this.#home.network),
      ...addressCanaries(this.#address.toLowerCase()),
    ];
  }

  start(): readonly Publication[] {
    const { device } = this.#home;
    const { alias } = device;
    const info1 = { Module: "Sonoff S31", Version: "14.2.0.4(tasmota)", FallbackTopic: `cmnd/${this.clientId}_fb/` };
    const info2 = { WebServerMode: "Admin", Hostname: this.#host, IPAddress: this.#ip };
    const info3 = { RestartReason: "Power On", BootCount: whole(this.#random, 2, 90) };
    return [
      this.#lwt("Online", true),
      this.#say(`cmnd/${alias}/POWER`, "", NOT_ITS_TOPIC),
      this.#say(`tele/${alias}/INFO1`, { Info1: info1 }, { kind: "taken", device, parts: ["model"] }),
      this.#say(`tele/${alias}/INFO2`, { Info2: info2 }, { kind: "taken", device, parts: ["ip"] }),
      this.#say(`tele/${alias}/INFO3`, { Info3: info3 }, NOT_TAKEN),
      this.#discovery(),
      this.#state(),
      this.#sensor(),
    ];
  }

  next(): Publication {
    const random = this.#random;
    if (random.chance(CARD_SHARE)) return this.#cardRead();
    if (random.chance(LOGGING_SHARE)) return this.#logging();
    if (random.chance(BROKEN_SHARE))
      return this.#say(`stat/${this.#home.device.alias}/RESULT`, { POWER: "MAYBE" }, BROKEN);
    return random
      .weighted([[this.#sensor, 5] as const, [this.#state, 3] as const, [this.#power, 2] as const])
      .call(this);
  }

  #say(topic: string, content: unknown, fate: Fate, canaries: readonly Canary[] = []): Publication {
    const payload = typeof content === "string" ? content : JSON.stringify(content);
    return { topic, payload, qos: 0, retain: false, fate, canaries };
  }

  #lwt(word: "Online" | "Offline", online: boolean): Publication {
    const { device } = this.#home;
    return { ...this.#say(`tele/${device.alias}/LWT`, word, statusOf(device, { online })), retain: true };
  }

  #discovery(): Publication {
    const { alias } = this.#home.device;
    const content = { ip: this.#ip, dn: this.#name, fn: [this.#name], hn: this.#host, mac: this.#address, t: alias };
    return { ...this.#say(`tasmota/discovery/${this.#address}/config`, content, NOT_TAKEN), retain: true };
  }

  #state(): Publication {
    const { device, network } = this.#home;
    const on = this.#random.chance(0.7);
    const [quality, signal] = [whole(this.#random, 20, 100), -whole(this.#random, 40, 90)];
    const wifi = {
      AP: 1,
      SSId: network.ssid,
      BSSId: network.bssid.toUpperCase(),
      Channel: 6,
      Mode: "11n",
      LinkCount: 1,
    };
    const content = {
      ...this.#clock(),
      Uptime: "3T04:12:09",
      Heap: 25,
      LoadAvg: 19,
      MqttCount: 1,
      POWER: on ? "ON" : "OFF",
      Wifi: { ...wifi, RSSI: quality, Signal: signal, Downtime: "0T00:00:03" },
    };
    const kept = { power_on: on, link_quality: step("link_quality", quality), rssi: step("rssi", signal) };
    return this.#say(`tele/${device.alias}/STATE`, content, statusOf(device, kept));
  }

  #sensor(): Publication {
    const { device } = this.#home;
    const [power, current] = [whole(this.#random, 1, 2300), thousandths(this.#random, 0.1, 9)];
    const [factor, voltage] = [hundredths(this.#random, 0.4, 0.99), whole(this.#random, 215, 245)];
    this.#meter.count(this.#random.between(0, 0.02));
    const total = `${this.#meter.total.toFixed(3)}${whole(this.#random, 1, 9)}`;
    const energy = {
      TotalStartTime: "2026-01-01T00:00:00",
      Total: Number(total),
      Yesterday: 0.731,
      Today: 0.288,
      Power: power,
      ApparentPower: power + 9,
      Factor: factor,
      Voltage: voltage,
      Current: current,
    };
    const kept = {
      power: watts(power),
      power_factor: step("power_factor", factor),
      voltage: step("voltage", voltage),
      current: twoDigits(current),
      ...this.#meter.tell(Number(total)),
    };
    const content = { ...this.#clock(), ENERGY: energy };
    return this.#say(`tele/${device.alias}/SENSOR`, content, statusOf(device, kept), [{ kind: "total", value: total }]);
  }

  #power(): Publication {
    const { device } = this.#home;
    const on = this.#random.chance(0.5);
    const word = on ? "ON" : "OFF";
    const fate = statusOf(device, { power_on: on });
    if (this.#random.chance(0.5)) return this.#say(`stat/${device.alias}/POWER`, word, fate);
    return this.#say(`stat/${device.alias}/RESULT`, { POWER: word }, fate);
  }

  /** A reader of cards on the same board: who came home, and when. */
  #cardRead(): Publication {
    const card = { UID: this.#card, Data: "", Type: "MIFARE 1KB" };
    return this.#say(`tele/${this.#home.device.alias}/SENSOR`, { ...this.#clock(), RC522: card }, NOT_TAKEN);
  }

  #logging(): Publication {
    const { device, network } = this.#home;
    const text = `19:05:00.123 WIF: Connected to ${network.ssid} at ${colons(this.#address)} as ${this.#ip}`;
    return this.#say(`stat/${device.alias}/LOGGING`, text, NOT_TAKEN);
  }

  /** Local time, of a place that is not known. */
  #clock(): { readonly Time: string } {
    return { Time: new Date().toISOString().slice(0, 19) };
  }
}
