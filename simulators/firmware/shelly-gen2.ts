/** Shelly of the second generation: status topics and notifications of its RPC, everything at QoS 1, energy in watt-hours. */
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
import { type Kept, Meter, sixDigits, step, twoDigits, watts } from "./kept.ts";
import { addressCanaries, hardwareAddress, localAddress, networkCanaries } from "./network.ts";
import { hundredths, thousandths, whole } from "./readings.ts";

const WATT_HOURS = 1_000;
const SECOND_MS = 1_000;
const BROKEN_SHARE = 0.03;
const EVENT_SHARE = 0.05;

export const SHELLY_GEN2: FirmwareKind = {
  alias: (random) => `shellyplus1pm-${hardwareAddress(random, "a8032a")}`,
  make: (home) => new ShellyGen2(home),
};

class ShellyGen2 implements Firmware {
  readonly clientId: string;
  readonly #home: DialectHome;
  readonly #random: Random;
  readonly #name: string;
  readonly #ip: string;
  readonly #meter: Meter;

  constructor(home: DialectHome) {
    this.#home = home;
    this.#random = home.random;
    this.clientId = home.device.alias;
    this.#name = `${givenName(home.household)}'s boiler ${home.random.hex(6)}`;
    this.#ip = localAddress(home.random);
    this.#meter = new Meter(hundredths(home.random, 200, 900));
  }

  get subscriptions(): readonly string[] {
    const { alias } = this.#home.device;
    return [`${alias}/rpc`, `${alias}/command`, "shellies/command"];
  }

  get will(): Publication {
    return this.#online(false);
  }

  get canaries(): readonly Canary[] {
    const { device, network } = this.#home;
    return [
      { kind: "ip", value: this.#ip },
      { kind: "alias", value: this.#name },
      ...networkCanaries(network),
      ...addressCanaries(device.alias.slice(-12)),
    ];
  }

  start(): readonly Publication[] {
    const { alias } = this.#home.device;
    const mac = alias.slice(-12).toUpperCase();
    const sys = { mac, device: { name: this.#name }, restart_required: false, time: "19:05", uptime: 91_234 };
    return [
      this.#online(true),
      this.#say("status/sys", sys, NOT_TAKEN),
      this.#say("status/cloud", { connected: false }, NOT_TAKEN),
      this.#say("status/mqtt", { connected: true }, NOT_TAKEN),
      this.#say("status/ble", {}, NOT_TAKEN),
      this.#joined(),
      this.#switched(),
    ];
  }

  next(): Publication {
    const random = this.#random;
    if (random.chance(BROKEN_SHARE))
      return { ...this.#say("status/switch:0", "", BROKEN), payload: '{"id":0,"output":' };
    if (random.chance(EVENT_SHARE)) return this.#pressed();
    return random.chance(0.5) ? this.#switched() : this.#notified();
  }

  #say(topic: string, content: unknown, fate: Fate, canaries: readonly Canary[] = []): Publication {
    const payload = JSON.stringify(content);
    return { topic: `${this.#home.device.alias}/${topic}`, payload, qos: 1, retain: false, fate, canaries };
  }

  #online(online: boolean): Publication {
    return { ...this.#say("online", online, statusOf(this.#home.device, { online })), retain: true };
  }

  #switched(): Publication {
    const { says, kept, total } = this.#reading();
    const on = this.#random.chance(0.6);
    const content = { id: 0, source: "MQTT", output: on, ...says };
    const fate = statusOf(this.#home.device, { ...kept, power_on: on });
    return this.#say("status/switch:0", content, fate, [{ kind: "total", value: total }]);
  }

  #notified(): Publication {
    const { says, kept, total } = this.#reading();
    const fate = statusOf(this.#home.device, kept);
    return this.#rpc("NotifyStatus", { "switch:0": { id: 0, ...says } }, fate, [{ kind: "total", value: total }]);
  }

  /** Which network it joined, told to all who listen. */
  #joined(): Publication {
    const { device, network } = this.#home;
    const signal = -whole(this.#random, 40, 90);
    const wifi = { sta_ip: this.#ip, status: "got ip", ssid: network.ssid, rssi: signal };
    return this.#rpc("NotifyStatus", { wifi }, statusOf(device, { rssi: step("rssi", signal) }, ["ip"]));
  }

  #pressed(): Publication {
    const events = [{ component: "input:0", id: 0, event: "single_push", data: this.#name }];
    return this.#rpc("NotifyEvent", { events }, NOT_ITS_TOPIC);
  }

  #rpc(method: string, params: object, fate: Fate, canaries: readonly Canary[] = []): Publication {
    const { alias } = this.#home.device;
    const content = { src: alias, dst: `${alias}/events`, method, params: { ts: Date.now() / SECOND_MS, ...params } };
    return this.#say("events/rpc", content, fate, canaries);
  }

  #reading(): { readonly says: object; readonly kept: Kept; readonly total: string } {
    const [power, current] = [hundredths(this.#random, 1, 2000), thousandths(this.#random, 0.1, 9)];
    const [voltage, inside] = [hundredths(this.#random, 215, 245), hundredths(this.#random, 30, 60)];
    this.#meter.count(this.#random.between(0, 0.02));
    const total = `${(this.#meter.total * WATT_HOURS).toFixed(2)}${whole(this.#random, 1, 9)}`;
    const aenergy = { total: Number(total), by_minute: [951.2, 950.8, 949.9], minute_ts: 1_795_337_160 };
    return {
      says: { apower: power, voltage, current, aenergy, temperature: { tC: inside, tF: 118.9 } },
      kept: {
        power: watts(power),
        voltage: step("voltage", voltage),
        current: twoDigits(current),
        internal_temperature: step("internal_temperature", inside),
        ...this.#meter.tell(sixDigits(Number(total) / WATT_HOURS)),
      },
      total,
    };
  }
}
